"""Steps of a training whose weights are kept: which they are, how they are kept, and the checkpoints made of them.

A training writes them into its work folder. At the end they become a folder with a file for each step, and one
that lists them, see ``step_list``.
Step 0 has no file: it is the checkpoint that the training starts from, with the heads that it begins with.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pairprobe.finetuning import joint_model, saving, step_list
from pairprobe.finetuning.headed_model import HeadedModel
from pairprobe.finetuning.lora import Lora
from pairprobe.finetuning.step_list import steps_of as steps_of
from pairprobe.io import files

# The folder in a work folder in which they lie until the training ends.
_FOLDER = "kept"


def file_of(folder: str | Path, step: int) -> Path:
    """Return where the weights of a step lie in a folder of kept steps."""
    return Path(folder) / f"step-{step}.safetensors"


def save_state(model: HeadedModel, path: Path) -> None:
    """Write the weights that training changes."""
    with files.atomic_write(path) as temporary:
        save_file({key: value.cpu().contiguous() for key, value in model.trained_state().items()}, temporary)


class KeepSteps(TrainerCallback):
    """Writes weights at the end of each step that is kept, before the step is saved to go on from.

    So every kept step up to a save is there. A resumed training writes those behind it again.
    """

    def __init__(self, model: HeadedModel, work: str, steps: Sequence[int]):
        self.model, self.work, self.steps = model, Path(work), frozenset(steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the weights, where this step is to be kept."""
        if state.is_world_process_zero and state.global_step in self.steps:
            save_state(self.model, file_of(self.work / _FOLDER, state.global_step))


def missing(work: Path, steps: Sequence[int], reached: int) -> list[int]:
    """List the steps to keep that a training has passed without, which was saved at the step ``reached``."""
    return [step for step in steps if 0 < step <= reached and not file_of(work / _FOLDER, step).is_file()]


def announce(work: Path, steps: Sequence[int], total: int) -> None:
    """Write down which steps are to be kept in a work folder, of how many."""
    step_list.write(work / _FOLDER, steps, total)


def collect(work: str, folder: str) -> None:
    """Copy what was kept to a folder of its own: a finished training that is killed here still has it."""
    kept = Path(work, _FOLDER)
    with files.atomic_write(folder) as temporary:
        temporary.mkdir()
        shutil.copyfile(kept / step_list.FILE, temporary / step_list.FILE)
        for step in filter(None, step_list.read(kept)[0]):
            shutil.copyfile(file_of(kept, step), file_of(temporary, step))


@dataclass(frozen=True, slots=True)
class KeptStep:
    """One step that a training has kept.

    start: the folder of the checkpoint that was trained. folder: what ``collect`` wrote. number: which of the steps, from
    0. seed, lora: those of the training.
    """

    start: str
    folder: str
    number: int
    seed: int
    lora: Lora | None = None


def take(kept: KeptStep, path: str) -> None:
    """Make a checkpoint of a kept step: a folder as the training's own result is. Raises InputError as that does."""
    step = step_list.read(kept.folder)[0][kept.number]
    model, _ = joint_model.initial(kept.start, kept.seed, lora=kept.lora)
    if step:
        model.load_trained(load_file(file_of(kept.folder, step)))
    saving.save_checkpoint(model, kept.start, kept.lora, path)
