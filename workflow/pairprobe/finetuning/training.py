"""Fine-tuning a checkpoint with its heads, or the heads alone on its frozen encoder; a killed training is resumed.

``objectives`` has what is minimised, ``trainer`` the training itself. In the work folder of
a training lie what it saves on the way and the cache key of all that it depends on; the folder is removed at the end.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers.trainer_utils import get_last_checkpoint

from pairprobe.checkpoints import devices
from pairprobe.errors import InputError
from pairprobe.finetuning import distributed, joint_model, kept_steps, saving, trainer
from pairprobe.finetuning.answer_heads import FROZEN, OWN, RANDOM
from pairprobe.finetuning.headed_model import HeadedModel
from pairprobe.finetuning.objectives.registry import create_objective
from pairprobe.finetuning.settings import Settings as Settings
from pairprobe.finetuning.settings import Training
from pairprobe.io import files, locks
from pairprobe.io.digests import file_digest, folder_digest
from pairprobe.io.progress import log
from pairprobe.io.tsv import write_tsv

HISTORY_FIELDS = ("step", "epoch", "loss", "learning_rate")
# The file in a work folder that says what it was made for.
_CACHE_KEY = "cache_key.sha256"
# Seconds to wait for another training in the same work folder that was told to stop: it ends after its current step.
_LOCK_TIMEOUT = 60


def finetune(training: Training, path: str, history: str, kept: str | None = None) -> None:
    """Train a checkpoint and its heads; ``path`` becomes a folder like the one that it started from.

    What LoRA has trained is merged into the weights, and lies besides in a folder of its own (``adapters.MERGED``).

    history: a table of ``HISTORY_FIELDS``, which is written. kept: the folder of the steps that are kept, see
    ``kept_steps``. A training that was killed is resumed from its work folder, unless anything that it depends on has
    changed. Raises InputError where there is nothing to learn, and as ``kept_steps.steps_of`` and ``trainer.train`` do.
    """
    trained = _train_and_load(replace(training, frozen=False))
    saving.save_checkpoint(trained, training.start, training.settings.lora, path)
    if kept:
        kept_steps.collect(training.work, kept)
    _finish(training.work, history)


def train_answer_heads(training: Training, path: str, history: str) -> None:
    """Give a checkpoint that was not trained here to answer heads to answer with: one safetensors file.

    They are its own, where it has some and ``training.new_heads`` is not set; else trained while the encoder is frozen, as
    ``finetune`` trains; else, where there are no features to train on, drawn with the seed.
    """
    checkpoint, seed = training.start, training.settings.seed
    model, has_own = joint_model.initial(checkpoint, seed, frozen=True, new_heads=training.new_heads)
    if has_own or not training.features:
        # Random heads have nothing to say about types, and another's head was not taught ours.
        if not (has_own and joint_model.own_types(checkpoint)):
            del model.model.answer_type
        if not has_own:
            log.warning(
                "checkpoint %s: it has no heads to answer questions with, and there are no pages to train any on "
                "(partitions.finetune): its answers are those of heads drawn at random",
                checkpoint,
            )
        joint_model.save_heads(model, path, OWN if has_own else RANDOM.format(seed))
        write_tsv(history, HISTORY_FIELDS, [])
        return
    _train_heads(training, path, history)


def train_early_exits(training: Training, path: str, history: str) -> None:
    """Train linear heads on each layer of a frozen encoder: one safetensors file, see ``early_exits``.

    history: a table of ``HISTORY_FIELDS``, whose loss is the sum of all layers'. A training that was killed is resumed.
    Raises InputError as ``finetune`` does.
    """
    _train_heads(replace(training, early_exits=True), path, history)


def _train_heads(training: Training, path: str, history: str) -> None:
    trained = _train_and_load(replace(training, frozen=True, keep_steps=()))
    for name, tensor in trained.head_state().items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"checkpoint {training.start}: the trained heads have NaN or infinite weights ({name}). Set "
                "finetuning.head_learning_rate lower."
            )
    joint_model.save_heads(trained, path, FROZEN)
    _finish(training.work, history)


def _train_and_load(training: Training) -> HeadedModel:
    """Train, or resume the training, and return the model."""
    _limit_cores(training.cores, training.settings.threads)
    objective = create_objective(training)
    objective.check()
    total = trainer.count_steps(len(objective.examples), training.settings)
    keep = kept_steps.steps_of(training.keep_steps, total)
    device = devices.claim(training.processes)
    if device == "cpu":
        # A training that is resumed on another kind of processor must not go on in another type.
        precision = devices.resolve_precision(training.settings.precision, device)
        training = replace(training, settings=replace(training.settings, precision=precision))
    if training.processes > 1 and device == "cpu":
        log.warning("no GPU is here: %d processes share the processor", training.processes)
    work = Path(training.work)
    with _locked(work):
        _prepare(work, _cache_key(training), keep)
        kept_steps.announce(work, keep, total)
        what = f"{training.start} on {len(objective.examples)} examples: {training.settings.objective.replace('_', ' ')}"
        what += ", encoder frozen" if training.frozen else ", by LoRA" if training.settings.lora else ""
        log.info("training %s", what)
        _train_within_memory(training)
    model = objective.model()
    model.load_trained(load_file(work / trainer.WEIGHTS))
    return model


def _limit_cores(cores: int | None, threads: int) -> None:
    """Keep this process to its cores, where they are fewer than its threads, so that these take no other job's."""
    if cores and cores < threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _cache_key(training: Training) -> str:
    """Return the digest of all that the trained weights depend on."""
    settings = asdict(training.settings)
    del settings["save_steps"]  # when weights are saved changes none
    depends_on = {
        "start": folder_digest(training.start),
        "features": [file_digest(path) for path in training.features],
        "table": training.table and file_digest(training.table),
        "settings": settings,
        "processes": training.processes,
        "frozen": training.frozen,
        "early_exits": training.early_exits,
        "new_heads": training.new_heads,
        "code": training.code,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def _locked(work: Path) -> Iterator[None]:
    """Keep other trainings out of a work folder; raise InputError where one is at work there, and goes on."""
    work.parent.mkdir(parents=True, exist_ok=True)
    remedy = "Put the results on a file system that has locks (Lustre: mounted with the option flock)."
    lock = locks.acquire(f"{work}.lock", _LOCK_TIMEOUT, remedy)
    if lock is None:
        raise InputError(
            f"{work}: another training is at work there. Wait for its end, or stop it (on a cluster: scancel), and start "
            "again."
        )
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _prepare(work: Path, cache_key: str, keep: Sequence[int]) -> None:
    """Remove a work folder that was made for something else, saves that were cut off, and those beyond steps to keep."""
    file = work / _CACHE_KEY
    if work.exists() and (not file.is_file() or file.read_text() != cache_key):
        log.info("%s: made for other settings or data; starting afresh", work)
        shutil.rmtree(work)
    for saved in work.glob("checkpoint-*"):
        # Killed while it saved, or the disk was full: its last file is missing or cut off.
        if not _is_json(saved / "trainer_state.json"):
            shutil.rmtree(saved)
        elif lacking := kept_steps.missing(work, keep, int(saved.name.partition("-")[2])):
            log.info("%s: the training has passed the steps %s without keeping them; starting afresh", work, lacking)
            shutil.rmtree(saved)
    if work.is_dir() and (last := get_last_checkpoint(work)):
        log.info("%s: going on from %s", work, last)
    files.write_text(file, cache_key)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _train_within_memory(training: Training) -> None:
    """Train; where memory runs out, resume with half as many windows at once on a device."""
    while True:
        try:
            trainer.train(training) if training.processes == 1 else distributed.launch(training)
        except trainer.OutOfMemoryError as error:
            batch_size, reason = error.batch_size, str(error)
        else:
            return
        # Outside the handler: the traceback holds what did not fit.
        devices.free_memory()
        if batch_size == 1:
            raise InputError(
                f"training ran out of memory with one window at a time ({reason}). Set finetuning.max_length lower, or "
                "give the job more memory."
            )
        log.warning("out of memory with %d windows at once (%s); trying %d", batch_size, reason, batch_size // 2)
        training = replace(training, settings=replace(training.settings, device_batch_size=batch_size // 2))


def _finish(work: str, history: str) -> None:
    """Write the losses and remove the work folder."""
    rows = [row for row in json.loads((Path(work) / trainer.HISTORY).read_text()) if "loss" in row]
    table = [(row["step"], f"{row['epoch']:.4f}", f"{row['loss']:.6f}", f"{row['learning_rate']:.8g}") for row in rows]
    write_tsv(history, HISTORY_FIELDS, table)
    # First, so that no run resumes from what is left of the folder if this one is killed here.
    (Path(work) / _CACHE_KEY).unlink()
    shutil.rmtree(work)
