"""Training the joint model: an encoder with its heads, or the heads alone on a frozen encoder.

Hugging Face's Trainer does it: on one device, or on several with torchrun, with mixed precision and gradient accumulation,
and it goes on where it was killed. After Alberti et al. (2019), see ``windows`` and ``joint_model``.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from logging import INFO, StreamHandler
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.utils.data import Dataset, Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import SAFE_WEIGHTS_NAME, logging

from pairprobe.checkpoints import checksums, devices, fetching, loading
from pairprobe.errors import InputError
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.answer_heads import FROZEN, OWN, RANDOM
from pairprobe.finetuning.features import Features
from pairprobe.io import files
from pairprobe.io.digests import file_digest, folder_digest
from pairprobe.io.progress import Progress, log
from pairprobe.io.tsv import write_tsv

HISTORY_FIELDS = ("step", "epoch", "loss", "learning_rate")
# How often the loss is logged: so many times over the whole training, at most.
_LOGGED = 200
# What a training leaves in its working folder.
_TRAINED, _HISTORY = "trained.safetensors", "history.json"
# What the folder was made for.
_MARK = "stands_on.sha256"
# What one of several processes leaves that stopped: for bad input what it said, for want of memory the windows it had.
_ERROR, _OUT_OF_MEMORY = "error.txt", "out_of_memory.txt"
# Seconds to wait for a training that was told to stop, which ends with the step that it is at.
_PATIENCE = 60

logging.disable_progress_bar()
logging.set_verbosity_error()


def finetune(
    start: str,
    features: list[str],
    path: str,
    history: str,
    work: str,
    settings: dict,
    seed: int,
    processes: int = 1,
    code: dict | None = None,
    cores: int | None = None,
) -> None:
    """Train a checkpoint and its heads on windows; ``path`` becomes a folder like the one it started from.

    features: files of ``features.build``. history: a table of ``HISTORY_FIELDS`` that is written. settings: precision (of
    the forward pass; the weights stay in float32), epochs, batch_size (windows a step), device_batch_size (of these at
    once on one device, or None: as many as a device gets), learning_rate, warmup (a share of all steps), weight_decay,
    save_steps, threads. The number of threads is fixed, whatever the number of cores, since the sums of gradients, and
    with them the weights, come out slightly different for another. cores: how many there are for it; where they are fewer,
    the threads share them.

    work: a folder for resumable checkpoints; training goes on from there where it was killed, unless anything that it
    stands on has changed, and it is removed at the end. processes: GPUs that share each step; torchrun starts a process
    for each. Raises InputError where no window holds an answer, and where the loss is no number.
    """
    _keep_to(cores, settings["threads"])
    trained = _trained(start, features, work, settings, seed, processes, code, frozen=False)
    with files.atomic_write(path) as temporary:
        trained.model.save_pretrained(temporary)
        loading.load_tokenizer(start).save_pretrained(temporary)
        fetching.verify(temporary)
        checksums.seal(temporary)
    _finish(work, history)


def train_heads(
    checkpoint: str,
    features: list[str],
    path: str,
    history: str,
    work: str,
    settings: dict,
    seed: int,
    processes: int = 1,
    code: dict | None = None,
    cores: int | None = None,
) -> None:
    """Give a checkpoint that was not trained here heads to answer with: one safetensors file.

    They are its own, where it has some; else trained while the encoder is frozen, with settings as for ``finetune`` but for
    the rate head_learning_rate; else, where there are no features to train on, drawn with the seed.
    """
    model, own = joint_model.initial(checkpoint, seed, frozen=True)
    if own or not features:
        # Random heads have nothing to say about types, and another's head was not taught ours.
        if not (own and joint_model.own_types(checkpoint)):
            del model.model.answer_type
        joint_model.save_heads(model, path, OWN if own else RANDOM.format(seed))
        write_tsv(history, HISTORY_FIELDS, [])
        return
    _keep_to(cores, settings["threads"])
    settings = {**settings, "learning_rate": settings["head_learning_rate"]}
    trained = _trained(checkpoint, features, work, settings, seed, processes, code, frozen=True)
    for name, tensor in trained.head_state().items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"checkpoint {checkpoint}: the trained heads have NaN or infinite weights ({name}). Set "
                "finetuning.head_learning_rate lower."
            )
    joint_model.save_heads(trained, path, FROZEN)
    _finish(work, history)


def _keep_to(cores: int | None, threads: int) -> None:
    """Let more threads than cores share the cores, and take no other job's."""
    if cores and cores < threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _trained(
    start: str, features: list[str], work: str, settings: dict, seed: int, processes: int, code: dict | None, frozen: bool
) -> joint_model.JointModel:
    """Train in this process, or in several that torchrun starts, and return the model."""
    kept = Features(features)
    if not kept.has_answer():
        raise InputError(f"{', '.join(features[:3])}: no window holds an answer, so there is nothing to train on.")
    device = devices.claim(processes)
    if device == "cpu":
        # Or a training that goes on on another kind of processor would go on in another type.
        settings = {**settings, "precision": devices.resolve_precision(settings["precision"], device)}
    stands_on = {"start": folder_digest(start), "features": [file_digest(path) for path in features]}
    # When it is saved changes no weight.
    stands_on |= {"settings": {key: value for key, value in settings.items() if key != "save_steps"}, "seed": seed}
    stands_on |= {"processes": processes, "frozen": frozen, "code": code}
    stands_on |= {"torch": torch.__version__, "transformers": transformers.__version__}
    if processes > 1 and device == "cpu":
        log.warning("no GPU is here: %d processes share the processor", processes)
    with _alone(work):
        _prepare(Path(work), stands_on)
        log.info("training %s on %d windows%s", start, len(kept), ", encoder frozen" if frozen else "")
        arguments = {"start": start, "features": features, "work": work, "settings": settings, "seed": seed}
        _train_in_memory({**arguments, "frozen": frozen}, processes)
    model, _ = joint_model.initial(start, seed, frozen)
    model.load_trained(load_file(Path(work) / _TRAINED))
    return model


@contextlib.contextmanager
def _alone(work: str) -> Iterator[None]:
    """Keep other trainings out of a working folder; raise InputError where one is at work there, and goes on."""
    Path(work).parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + _PATIENCE
    while (lock := devices.lock_file(f"{work}.lock")) is None:
        if time.monotonic() > end:
            raise InputError(
                f"{work}: another training is at work there. Wait for its end, or stop it (on a cluster: scancel), and "
                "start again."
            )
        time.sleep(0.5)
    try:
        yield
    finally:
        Path(f"{work}.lock").unlink(missing_ok=True)
        os.close(lock)


def _train_in_memory(arguments: dict, processes: int) -> None:
    """Train; where memory runs out, with half as many windows at once on a device, from the last checkpoint on."""
    while True:
        try:
            _launch(arguments, processes) if processes > 1 else train(**arguments)
        except _OutOfMemoryError as error:
            at_once, said = error.at_once, str(error)
        else:
            return
        devices.free_memory()
        if at_once == 1:
            raise InputError(
                f"training ran out of memory with one window at a time ({said}). Set finetuning.max_length lower, or give "
                "the job more memory."
            )
        log.warning("out of memory with %d windows at once (%s); trying %d", at_once, said, at_once // 2)
        arguments = {**arguments, "settings": {**arguments["settings"], "device_batch_size": at_once // 2}}


class _OutOfMemoryError(Exception):
    """Memory ran out with so many windows at once on a device."""

    def __init__(self, at_once: int, said: str):
        super().__init__(said)
        self.at_once = at_once


def _prepare(work: Path, stands_on: dict) -> None:
    """Empty the working folder where it was made for something else."""
    digest = hashlib.sha256(json.dumps(stands_on, sort_keys=True).encode()).hexdigest()
    mark = work / _MARK
    if work.exists() and (not mark.is_file() or mark.read_text() != digest):
        log.info("%s: made for other settings or data; starting afresh", work)
        shutil.rmtree(work)
    for saved in work.glob("checkpoint-*"):
        # Killed while it saved, or the disk was full: its last file is missing or cut off.
        if not _is_json(saved / "trainer_state.json"):
            shutil.rmtree(saved)
    if work.is_dir() and get_last_checkpoint(work):
        log.info("%s: going on from %s", work, get_last_checkpoint(work))
    files.write_text(mark, digest)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _launch(arguments: dict, processes: int) -> None:
    """Let torchrun train in several processes; raise InputError with what the first that failed has said."""
    if arguments["settings"]["batch_size"] % processes:
        raise InputError(
            f"finetuning.batch_size: found {arguments['settings']['batch_size']}, which {processes} processes cannot "
            f"share. Set it to a multiple of {processes}, or the resource gpu lower."
        )
    work = Path(arguments["work"])
    said, memory = work / _ERROR, work / _OUT_OF_MEMORY
    for file in (said, memory):
        file.unlink(missing_ok=True)
    files.write_text(work / "arguments.json", json.dumps(arguments))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["--log-dir", os.devnull]  # else an empty folder is left in /tmp
    command += ["-m", "pairprobe.finetuning.training", str(work / "arguments.json")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, map(str, sys.path)))}
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=environment, preexec_fn=_end_with_parent, **pipe) as running:
        try:
            for line in running.stdout:
                log.info("%s", line.rstrip())
        except BaseException:
            # Told to stop. Else the end of the block would wait for that of the training.
            running.terminate()
            raise
    if running.returncode and memory.is_file():
        at_once, _, error = memory.read_text().partition(" ")
        raise _OutOfMemoryError(int(at_once), error)
    if running.returncode:
        raise InputError(
            said.read_text() if said.is_file() else f"torchrun ended with status {running.returncode}; see the log."
        )


def _end_with_parent() -> None:
    """Let torchrun, and with it its processes, end where this process is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def train(start: str, features: list[str], work: str, settings: dict, seed: int, frozen: bool) -> None:
    """Train in this process, which is the only one or one of those that torchrun started; the result is left in ``work``.

    Raises _OutOfMemoryError where memory runs out; what was saved stays.
    """
    torch.set_num_threads(settings["threads"])
    model, _ = joint_model.initial(start, seed, frozen)
    windows = Features(features)
    loading.check_windows(model.model, int(windows.lengths.max()), start, "finetuning")
    if frozen:
        device = _device()
        model.compute_frozen(devices.resolve_precision(settings["precision"], device), device)
    trainer = _Trainer(
        model=model,
        args=_arguments(work, settings, seed, len(windows)),
        train_dataset=_Windows(windows),
        data_collator=_Collator(loading.load_tokenizer(start)),
        callbacks=[_Report()],
    )
    trainer.remove_callback(PrinterCallback)  # _Report says it, in the log
    try:
        trainer.train(resume_from_checkpoint=get_last_checkpoint(work))
    except Exception as error:
        if not devices.is_out_of_memory(error):
            raise
        said = " ".join(str(error).split())[:200]
        # Not from that error, which holds what did not fit.
        raise _OutOfMemoryError(trainer.args.per_device_train_batch_size, said) from None
    if trainer.is_world_process_zero():
        with files.atomic_write(Path(work) / _TRAINED) as temporary:
            save_file({key: value.cpu().contiguous() for key, value in model.trained_state().items()}, temporary)
        files.write_text(Path(work) / _HISTORY, json.dumps(trainer.state.log_history))


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _arguments(work: str, settings: dict, seed: int, size: int) -> TrainingArguments:
    device = _device()
    processes = int(os.environ.get("WORLD_SIZE", 1))
    share = settings["batch_size"] // processes
    # Parts of one size, so that each step has the windows that it would have without parts.
    at_once = max(n for n in range(1, min(settings["device_batch_size"] or share, share) + 1) if share % n == 0)
    steps = -(-size // settings["batch_size"]) * settings["epochs"]
    # A loss is a mean since the one before; saved are whole ones, so that a run which goes on logs the same.
    logging_steps = max(1, -(-steps // _LOGGED))
    arguments = TrainingArguments(
        output_dir=work,
        num_train_epochs=settings["epochs"],
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=share // at_once,
        learning_rate=settings["learning_rate"],
        warmup_steps=round(steps * settings["warmup"]),
        weight_decay=settings["weight_decay"],
        max_grad_norm=1.0,
        save_steps=-(-settings["save_steps"] // logging_steps) * logging_steps,
        save_total_limit=1,
        logging_steps=logging_steps,
        logging_nan_inf_filter=False,
        bf16=devices.resolve_precision(settings["precision"], device) == "bfloat16",
        seed=seed,
        data_seed=seed,
        use_cpu=device == "cpu",
        ddp_backend=None if processes == 1 else {"cuda": "nccl", "cpu": "gloo"}[device],
        ddp_find_unused_parameters=True if processes > 1 else None,  # an encoder's pooler
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
        dataloader_num_workers=0,
    )
    # A process has one device. (Trainer would share each batch among all that it sees, each with a batch of its own.)
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


class _Windows(Dataset):
    """Windows with their place, by which a batch that goes wrong can be named."""

    def __init__(self, features: Features):
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, i: int) -> tuple[int, dict]:
        return i, self.features[i]


class _Collator:
    def __init__(self, tokenizer):
        self.together = joint_model.Collator(tokenizer)

    def __call__(self, items: list[tuple[int, dict]]) -> dict[str, torch.Tensor]:
        batch = self.together([(window["input_ids"], window["begin"]) for _, window in items])
        targets = {name: torch.tensor([window[name] for _, window in items]) for name in ("start", "end", "answer_type")}
        return {**batch, **targets, "place": torch.tensor([i for i, _ in items])}


class _ByLength(Sampler):
    """Windows of like length together, in an order that only the seed and the epoch decide.

    (Trainer's own sampler draws from a running generator, so that a run which goes on within an epoch takes another order.)
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int):
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        dice = np.random.default_rng((self.seed, self.epoch))
        order, pool = dice.permutation(len(self.lengths)), 50 * self.batch_size
        for start in range(0, len(order), pool):
            some = order[start : start + pool]
            some = some[np.argsort(-self.lengths[some], kind="stable")]
            # Steps in any order, or each pool would go from long windows to short ones; one that is not full comes last.
            full = len(some) // self.batch_size
            steps = some[: full * self.batch_size].reshape(full, self.batch_size)
            yield from steps[dice.permutation(full)].ravel().tolist()
            yield from some[full * self.batch_size :].tolist()


class _Trainer(Trainer):
    def _get_train_sampler(self, train_dataset=None) -> _ByLength:
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        sampler = _ByLength(self.train_dataset.features.lengths, batch_size, self.args.seed)
        self.add_callback(_Order(sampler))
        return sampler

    # Of a frozen encoder nothing is saved on the way. (Sharded weights, which Trainer would give here, are not used.)

    def _save(self, output_dir=None, state_dict=None):
        super()._save(output_dir, self.model.trained_state())

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        self.model.load_trained(load_file(Path(resume_from_checkpoint) / SAFE_WEIGHTS_NAME))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        places = inputs.pop("place")
        found = model(**inputs)
        if not torch.isfinite(found["loss"]):
            names = dict.fromkeys(self.train_dataset.features.example_id(i) for i in places.tolist())
            raise InputError(
                f"training stopped at step {self.state.global_step + 1}: the loss is {found['loss'].item()}, at a learning "
                f"rate of {self._get_learning_rate():.3g}, with the examples {', '.join(names)}. Set "
                f"finetuning.{'head_' if self.model.frozen else ''}learning_rate lower, or finetuning.precision to float32."
            )
        return (found["loss"], found) if return_outputs else found["loss"]


class _Order(TrainerCallback):
    """Tells the sampler its epoch.

    (In an epoch that is gone on with, accelerate's own way there ends at the sampler of the processes' shares.)
    """

    def __init__(self, sampler: _ByLength):
        self.sampler = sampler

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.sampler.set_epoch(int(state.epoch))


class _Report(TrainerCallback):
    """The bar and the log lines of training."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.progress = Progress(state.max_steps, "training", "steps")
        self.progress.update(state.global_step)

    def on_step_end(self, args, state, control, **kwargs):
        self.progress.update()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            log.info("step %d of %d: loss %.4f", state.global_step, state.max_steps, float(logs["loss"]))

    def on_train_end(self, args, state, control, **kwargs):
        self.progress.__exit__()


def _finish(work: str, history: str) -> None:
    """Write the losses and remove the working folder."""
    rows = [row for row in json.loads((Path(work) / _HISTORY).read_text()) if "loss" in row]
    table = [(row["step"], f"{row['epoch']:.4f}", f"{row['loss']:.6f}", f"{row['learning_rate']:.8g}") for row in rows]
    write_tsv(history, HISTORY_FIELDS, table)
    # First, so that no run goes on from what is left of the folder if this one is killed here.
    (Path(work) / _MARK).unlink()
    shutil.rmtree(work)


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    if os.environ["RANK"] == "0":
        # The caller writes it to the job's log.
        log.addHandler(StreamHandler(sys.stdout))
        log.setLevel(INFO)
    try:
        train(**given)
    except InputError as error:
        files.write_text(Path(given["work"]) / _ERROR, str(error))
        sys.exit(f"error: {error}")
    except _OutOfMemoryError as error:
        files.write_text(Path(given["work"]) / _OUT_OF_MEMORY, f"{error.at_once} {error}")
        sys.exit(f"error: out of memory: {error}")
