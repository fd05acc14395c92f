"""One training of the joint model, in one process or in one of several that share it, by Hugging Face's Trainer.

It uses mixed precision and gradient accumulation, saves on the way, and resumes from what it saved to the same weights.
"""

import contextlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import Dataset, Sampler
from transformers import (
    PreTrainedTokenizerFast,
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
from pairprobe.finetuning import cpu_passes, frozen_features, joint_model
from pairprobe.finetuning.features import Features
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


@dataclass(frozen=True, slots=True)
class Settings:
    """The hyperparameters of a training.

    batch_size: windows a step. device_batch_size: of these at once on one device; None: as many as a device gets.
    warmup: the share of all steps in which the learning rate rises. save_steps: steps from one save to the next, which
    changes no weight. threads: of each process, whatever the number of cores: the sums of gradients, and with them the
    weights, come out slightly different for another number. precision: of the forward pass; weights stay in float32.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    save_steps: int
    threads: int
    seed: int
    precision: str = "float32"
    device_batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """One training: of what, on what, how and where.

    start: the checkpoint's folder. features: files of ``features.build``. work: a folder for what is saved on the way.
    processes: GPUs that share each step. frozen: whether the heads alone are trained, which ``finetune`` and
    ``train_answer_heads`` set. cores: how many cores the job has; where they are fewer than the threads, the threads share
    them. code: the digests of the code that computes.
    """

    start: str
    features: list[str]
    settings: Settings
    work: str
    processes: int = 1
    frozen: bool = False
    cores: int | None = None
    code: dict | None = None


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
    model, _ = joint_model.initial(training.start, settings.seed, training.frozen)
    windows = Features(training.features)
    loading.check_windows(model.model, int(windows.lengths.max()), training.start, "finetuning")
    # First of all, since it tells this process which GPU is its own.
    arguments = _arguments(training.work, settings, len(windows))
    collate = _Collator(loading.load_tokenizer(training.start))
    if training.frozen:
        model.compute_frozen(devices.resolve_precision(settings.precision, _device()), _device())
        if settings.epochs > 1:
            collate.encoded = frozen_features.encode(model, windows, collate.inputs_of, training.work, settings.threads)
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=_Windows(windows),
        data_collator=collate,
        callbacks=[_ProgressCallback()],
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
        with files.atomic_write(Path(training.work) / WEIGHTS) as temporary:
            save_file({key: value.cpu().contiguous() for key, value in model.trained_state().items()}, temporary)
        files.write_text(Path(training.work) / HISTORY, json.dumps(trainer.state.log_history))


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _arguments(work: str, settings: Settings, windows: int) -> TrainingArguments:
    """Return Trainer's settings for a training on so many windows, in the process that it is called in."""
    device, processes = _device(), int(os.environ.get("WORLD_SIZE", 1))
    share = settings.batch_size // processes
    # Parts of one size, so that each step has the windows that it would have without parts.
    at_once = max(n for n in range(1, min(settings.device_batch_size or share, share) + 1) if share % n == 0)
    steps = -(-windows // settings.batch_size) * settings.epochs
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


class _Windows(Dataset):
    """Windows with their index, by which the examples of a batch that goes wrong can be named."""

    def __init__(self, features: Features):
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, i: int) -> tuple[int, dict]:
        return i, self.features[i]


class _Collator:
    """Batches windows with their targets and their ``index``, each (batch,), and ``encoded`` where that was computed."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.inputs_of = joint_model.Collator(tokenizer)
        self.encoded: frozen_features.FrozenFeatures | None = None

    def __call__(self, items: list[tuple[int, dict]]) -> dict[str, Any]:
        batch: dict[str, Any] = self.inputs_of([(window["input_ids"], window["begin"]) for _, window in items])
        if self.encoded:
            batch["encoded"] = self.encoded.batch([i for i, _ in items])
        targets = {name: torch.tensor([window[name] for _, window in items]) for name in ("start", "end", "answer_type")}
        return {**batch, **targets, "index": torch.tensor([i for i, _ in items])}


class _LengthGroupedSampler(Sampler):
    """Windows of similar length together, in an order that only the seed and the epoch decide.

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
    model: joint_model.JointModel
    train_dataset: _Windows
    # What computes gradients on a CPU; None where Trainer does.
    passes: cpu_passes.Passes | None = None

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> _LengthGroupedSampler:
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        sampler = _LengthGroupedSampler(self.train_dataset.features.lengths, batch_size, self.args.seed)
        self.add_callback(_EpochCallback(sampler))
        return sampler

    # Of a frozen encoder nothing is saved on the way. (Sharded weights, which Trainer would give here, are not used.)

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
            names = dict.fromkeys(self.train_dataset.features.example_id(i) for i in indices.tolist())
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
        return InputError(
            f"training stopped {when}: the loss is {loss}, at a learning rate of {rate}{examples}. "
            f"Set finetuning.{'head_' if self.model.frozen else ''}learning_rate lower, or finetuning.precision to float32."
        )


class _EpochCallback(TrainerCallback):
    """Tells the sampler its epoch.

    (In a resumed epoch accelerate's own way to do so reaches only its sampler of the processes' shares.)
    """

    def __init__(self, sampler: _LengthGroupedSampler):
        self.sampler = sampler

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.sampler.set_epoch(int(state.epoch))


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
