"""One training, in one process or in one of several that share it, by Hugging Face's Trainer.

It uses mixed precision and gradient accumulation, saves on the way, and resumes from what it saved to the same weights.
"""

import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import Dataset, Sampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import SAFE_WEIGHTS_NAME, logging

from pairprobe.checkpoints import devices, loading
from pairprobe.errors import InputError, one_line
from pairprobe.finetuning import cpu_passes, kept_steps
from pairprobe.finetuning.headed_model import HeadedModel
from pairprobe.finetuning.objectives.objective import Objective
from pairprobe.finetuning.objectives.registry import create_objective
from pairprobe.finetuning.settings import Settings, Training
from pairprobe.io import files
from pairprobe.io.progress import Progress, log

# Files that a finished training leaves in its work folder: the weights that it changed, and the loss by step.
WEIGHTS, HISTORY = "trained.safetensors", "history.json"
# The loss is logged so many times over the whole training, at most.
_MOST_LOSSES = 200
# Steps of an epoch among which windows are sorted by length.
_POOL_STEPS = 50

logging.disable_progress_bar()
logging.set_verbosity_error()


class OutOfMemoryError(Exception):
    """Memory ran out with ``batch_size`` windows at once on a device."""

    def __init__(self, batch_size: int, reason: str):
        super().__init__(reason)
        self.batch_size = batch_size


def train(training: Training) -> None:
    """Train in this process, which is the only one or one of torchrun's; WEIGHTS and HISTORY are left in the work folder.

    Resumes from the last save in the work folder. Raises InputError where windows are longer than the checkpoint can read
    and where the loss is no number; OutOfMemoryError where memory runs out, and what was saved stays.
    """
    settings = training.settings
    torch.set_num_threads(settings.threads)
    objective = create_objective(training)
    model = objective.model()
    loading.check_windows(model.model, int(objective.examples.lengths.max()), training.start, "finetuning")
    total = count_steps(len(objective.examples), settings)
    keep = kept_steps.steps_of(training.keep_steps, total)
    # First of all, since it tells this process which GPU is its own.
    arguments = _arguments(training.work, settings, len(objective.examples))
    objective.prepare(model, _device())
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=_Numbered(objective),
        data_collator=_Collator(objective),
        callbacks=[_ProgressCallback(), kept_steps.KeepSteps(model, training.work, keep)],
    )
    trainer.remove_callback(PrinterCallback)  # _ProgressCallback does it, in the log
    if arguments.device.type == "cpu" and arguments.world_size == 1 and not training.frozen:
        precision = devices.resolve_precision(settings.precision, "cpu")
        trainer.passes = cpu_passes.Passes(model, precision, settings.threads)
    try:
        with trainer.passes or contextlib.nullcontext():
            trainer.train(resume_from_checkpoint=get_last_checkpoint(training.work))
    except Exception as error:
        if not devices.is_out_of_memory(error):
            raise
        reason = one_line(error, 200)
        # Not from that error, which holds what did not fit.
        raise OutOfMemoryError(trainer.args.per_device_train_batch_size, reason) from None
    if trainer.is_world_process_zero():
        kept_steps.save_state(model, Path(training.work) / WEIGHTS)
        files.write_text(Path(training.work) / HISTORY, json.dumps(trainer.state.log_history))


def count_steps(windows: int, settings: Settings) -> int:
    """Return the number of steps of a training on so many windows."""
    return -(-windows // settings.batch_size) * settings.epochs


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _arguments(work: str, settings: Settings, windows: int) -> TrainingArguments:
    """Return Trainer's settings for a training on so many windows, in the process that it is called in."""
    device, processes = _device(), int(os.environ.get("WORLD_SIZE", 1))
    share = settings.batch_size // processes
    # Parts of one size, so that each step has the windows that it would have without parts.
    at_once = max(n for n in range(1, min(settings.device_batch_size or share, share) + 1) if share % n == 0)
    steps = count_steps(windows, settings)
    # A logged loss is the mean since the one before. Saves fall on logged steps, so that a resumed run logs the same.
    logging_steps = max(1, -(-steps // _MOST_LOSSES))
    arguments = TrainingArguments(
        output_dir=work,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=share // at_once,
        learning_rate=settings.learning_rate,
        warmup_steps=round(steps * settings.warmup),
        weight_decay=settings.weight_decay,
        max_grad_norm=1.0,
        save_steps=-(-settings.save_steps // logging_steps) * logging_steps,
        save_total_limit=1,
        logging_steps=logging_steps,
        logging_nan_inf_filter=False,
        bf16=devices.resolve_precision(settings.precision, device) == "bfloat16",
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=device == "cpu",
        ddp_backend=None if processes == 1 else {"cuda": "nccl", "cpu": "gloo"}[device],
        ddp_find_unused_parameters=True if processes > 1 else None,  # an encoder's pooler
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
        dataloader_num_workers=0,
        accelerator_config={"non_blocking": device == "cuda"},
    )
    # A process has one device. (Trainer would share each batch among all that it sees, each with a batch of its own.)
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


class _Numbered(Dataset):
    """Examples with their numbers, by which those of a batch that goes wrong can be named."""

    def __init__(self, objective: Objective):
        self.objective = objective

    def __len__(self) -> int:
        return len(self.objective.examples)

    def __getitem__(self, i: int) -> tuple[int, Any]:
        return i, self.objective.examples[i]


class _Collator:
    """Batches examples with their ``index``, (batch,)."""

    def __init__(self, objective: Objective):
        self.objective = objective

    def __call__(self, items: list[tuple[int, Any]]) -> dict[str, Any]:
        return {**self.objective.collate(items), "index": torch.tensor([i for i, _ in items])}


class _LengthGroupedSampler(Sampler):
    """Examples of similar length together, in an order that only the seed and the epoch decide.

    (Trainer's own sampler draws from a running generator, so that a run resumed within an epoch takes another order.)
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int):
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order, pool_size = generator.permutation(len(self.lengths)), _POOL_STEPS * self.batch_size
        for start in range(0, len(order), pool_size):
            pool = order[start : start + pool_size]
            pool = pool[np.argsort(-self.lengths[pool], kind="stable")]
            # Steps in any order, or each pool would go from long windows to short ones; one that is not full comes last.
            full = len(pool) // self.batch_size
            steps = pool[: full * self.batch_size].reshape(full, self.batch_size)
            yield from steps[generator.permutation(full)].ravel().tolist()
            yield from pool[full * self.batch_size :].tolist()


class _Trainer(Trainer):
    model: HeadedModel
    train_dataset: _Numbered
    # What computes gradients on a CPU; None where Trainer does.
    passes: cpu_passes.Passes | None = None

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> _LengthGroupedSampler:
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        objective = self.train_dataset.objective
        sampler = _LengthGroupedSampler(objective.examples.lengths, batch_size, self.args.seed)
        self.add_callback(_EpochCallback(sampler, objective))
        return sampler

    # Of what is not trained nothing is saved on the way. (Sharded weights, which Trainer would give here, are not used.)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, self.model.trained_state())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        self.model.load_trained(load_file(Path(resume_from_checkpoint) / SAFE_WEIGHTS_NAME))

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        # All but the trainer's state has been written, by which a save is known to be whole after a power loss, too.
        # Temporary files of the first process come and go, so the others flush their own file alone.
        own = "" if self.is_world_process_zero() else f"rng_state_{self.args.process_index}.pth"
        files.flush(Path(output_dir, own))

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        if self.passes is None:
            return super().training_step(model, inputs, num_items_in_batch)
        indices, parts = inputs.pop("index"), self.current_gradient_accumulation_steps
        return self._finite(self.passes(inputs, 1 / parts), indices) / parts

    def _clip_grad_norm(self, model: nn.Module) -> torch.Tensor:
        parts = [each.parameters() for each in self.model.independent_parts()]
        return torch.stack([self.accelerator.clip_grad_norm_(each, self.args.max_grad_norm) for each in parts]).max()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        indices = inputs.pop("index")
        outputs = model(**inputs)
        loss = self._finite(outputs["loss"], indices)
        return (loss, outputs) if return_outputs else loss

    def _finite(self, loss: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        # A GPU is not waited for: there ``log`` finds it.
        if not loss.is_cuda and not torch.isfinite(loss):
            names = dict.fromkeys(self.train_dataset.objective.examples.example_id(i) for i in indices.tolist())
            raise self._diverged(
                loss.item(), f"at step {self.state.global_step + 1}", f", with the examples {', '.join(names)}"
            )
        return loss

    def log(self, logs: dict[str, float], *others: Any, **options: Any) -> None:
        if not math.isfinite(loss := logs.get("loss", 0.0)):
            raise self._diverged(loss, f"by step {self.state.global_step}")
        super().log(logs, *others, **options)

    def _diverged(self, loss: float, when: str, examples: str = "") -> InputError:
        rate = f"{self._get_learning_rate():.3g}"
        key = "head_" if self.model.frozen else "lora." if self.model.adapted else ""
        return InputError(
            f"training stopped {when}: the loss is {loss}, at a learning rate of {rate}{examples}. "
            f"Set finetuning.{key}learning_rate lower, or finetuning.precision to float32."
        )


class _EpochCallback(TrainerCallback):
    """Tells sampler and objective their epoch.

    (In a resumed epoch accelerate's own way to do so reaches only its sampler of the processes' shares.)
    """

    def __init__(self, sampler: _LengthGroupedSampler, objective: Objective):
        self.sampler, self.objective = sampler, objective

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.objective.epoch = int(state.epoch)
        self.sampler.set_epoch(self.objective.epoch)


class _ProgressCallback(TrainerCallback):
    """Progress bar and log lines of a training."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.progress = Progress(state.max_steps, "training", "steps")
        self.progress.update(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.progress.update()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if logs and "loss" in logs:
            log.info("step %d of %d: loss %.4f", state.global_step, state.max_steps, float(logs["loss"]))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            files.flush(Path(str(args.output_dir), f"checkpoint-{state.global_step}"))

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.progress.__exit__()
