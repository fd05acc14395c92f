"""A training that several processes share, one a GPU: started by torchrun, with errors brought back to the caller."""

import os
import subprocess
import sys
from logging import INFO, StreamHandler
from pathlib import Path

import msgspec

from pairprobe.errors import InputError
from pairprobe.finetuning.settings import Training
from pairprobe.finetuning.trainer import OutOfMemoryError, train
from pairprobe.io import files, processes
from pairprobe.io.progress import log

# Files in the work folder: what the workers are to do, and what one leaves that stops, for bad input or for want of memory.
_TRAINING, _ERROR, _OUT_OF_MEMORY = "training.json", "error.txt", "out_of_memory.txt"


def launch(training: Training) -> None:
    """Train in ``training.processes`` processes; as ``trainer.train``, the result is left in the work folder.

    Raises InputError with what the first worker that failed has said, and OutOfMemoryError where one ran out of memory.
    """
    if training.settings.batch_size % training.processes:
        raise InputError(
            f"finetuning.batch_size: found {training.settings.batch_size}, which {training.processes} processes cannot "
            f"share. Set it to a multiple of {training.processes}, or the resource gpu lower."
        )
    work = Path(training.work)
    error, out_of_memory = work / _ERROR, work / _OUT_OF_MEMORY
    for file in (error, out_of_memory):
        file.unlink(missing_ok=True)
    files.write_text(work / _TRAINING, msgspec.json.encode(training).decode())
    status = _run_torchrun(training.processes, work / _TRAINING)
    if status and out_of_memory.is_file():
        batch_size, _, reason = out_of_memory.read_text().partition(" ")
        raise OutOfMemoryError(int(batch_size), reason)
    if status:
        raise InputError(error.read_text() if error.is_file() else f"torchrun ended with status {status}; see the log.")


def _run_torchrun(number: int, file: Path) -> int:
    """Run torchrun with so many workers until it ends, its output in our log; return its exit status."""
    module = ["-m", "pairprobe.finetuning.worker"]
    command = [sys.executable, *module, "torchrun", "--standalone", f"--nproc-per-node={number}"]
    command += ["--log-dir", os.devnull]  # else an empty folder is left in /tmp
    command += [*module, "train", str(file)]
    path = os.pathsep.join(filter(None, map(str, sys.path)))
    environment = {**os.environ, "PYTHONPATH": path, processes.PARENT: str(os.getpid())}
    pipe, stdout = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=stdout, text=True) as running:
        try:
            for line in running.stdout or ():
                log.info("%s", line.rstrip())
        except BaseException:
            # This process was told to stop. Without it the end of the block would wait for the end of the training.
            running.terminate()
            raise
    return running.returncode


def work(file: str) -> None:
    """Train as one of torchrun's workers; leave in the work folder why, where that fails."""
    training = msgspec.json.decode(Path(file).read_bytes(), type=Training)
    if os.environ["RANK"] == "0":
        # The caller writes it to the job's log.
        log.addHandler(StreamHandler(sys.stdout))
        log.setLevel(INFO)
    try:
        train(training)
    except InputError as error:
        files.write_text(Path(training.work) / _ERROR, str(error))
        sys.exit(f"error: {error}")
    except OutOfMemoryError as error:
        files.write_text(Path(training.work) / _OUT_OF_MEMORY, f"{error.batch_size} {error}")
        sys.exit(f"error: out of memory: {error}")
