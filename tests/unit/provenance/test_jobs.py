"""What a job writes and says when it ends badly, and that it ends when it should."""

import contextlib
import errno
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pairprobe.errors import InputError
from pairprobe.io import files, progress
from pairprobe.io.processes import PARENT
from pairprobe.provenance import environment, jobs


@pytest.fixture(autouse=True)
def _own_logging(monkeypatch):
    monkeypatch.delenv(PARENT, raising=False)
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")
    yield
    logging.captureWarnings(False)


def task(log_file, threads: int = 1):
    return SimpleNamespace(log=[str(log_file)], threads=threads)


def run(log_file, trouble: Exception | None = None):
    with jobs.job(task(log_file)):
        progress.log.info("begun")
        if trouble:
            raise trouble


def test_the_log_file_holds_the_lines_of_the_job_and_its_folder_is_made(tmp_path):
    run(tmp_path / "logs" / "a.log")
    assert (tmp_path / "logs" / "a.log").read_text().endswith(" INFO begun\n")


def test_jobs_inherit_who_started_them_and_the_library_of_the_workflow(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.setenv("PYTHONUTF8", "1")
    monkeypatch.setenv(PARENT, "1")
    for _ in range(2):
        environment.prepare()
    library = str(Path(jobs.__file__).parents[2])
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [library, "/somewhere"]
    assert os.environ[PARENT] == str(os.getpid())
    assert os.environ["GOMP_SPINCOUNT"] == "7", "what the user has set stays"


LAUNCHED = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"}
LEAKING = {
    **LAUNCHED,
    **{
        "OMPI_COMM_WORLD_SIZE": "2",
        "PMI_SIZE": "2",
        "PET_NNODES": "2",
        "TORCHELASTIC_RUN_ID": "1",
        "LOCAL_WORLD_SIZE": "2",
    },
    **{"ACCELERATE_MIXED_PRECISION": "fp16", "ACCELERATE_USE_FSDP": "true", "FSDP_OFFLOAD_PARAMS": "true"},
    **{"OMP_THREAD_LIMIT": "1", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16", "NVIDIA_TF32_OVERRIDE": "1"},
    **{"PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error", "PYTHONINSPECT": "1"},
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
STAYING = {
    **{"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "CUDA_VISIBLE_DEVICES": "", "NCCL_SOCKET_IFNAME": "eth0", "HF_TOKEN": "x"},
    **{"ONEDNN_MAX_CPU_ISA": "AVX2", "TMPDIR": "/tmp", "OMP_PROC_BIND": "close"},
}


def test_jobs_do_not_inherit_what_would_change_their_numbers_or_have_them_wait_for_others(monkeypatch):
    monkeypatch.setenv(PARENT, "1")
    monkeypatch.setenv("PYTHONUTF8", "0")
    for name, value in (LEAKING | STAYING).items():
        monkeypatch.setenv(name, value)
    environment.prepare()
    assert os.environ.keys() & LEAKING.keys() == set()
    assert STAYING.items() <= os.environ.items()
    assert os.environ["PYTHONUTF8"] == "1"


@pytest.mark.slow
def test_a_training_alone_is_alone_whatever_launcher_it_was_started_from():
    code = "from accelerate import PartialState; print(PartialState(cpu=True).num_processes)"
    started = f"environment.prepare(); subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    command = f"import subprocess, sys; from pairprobe.provenance import environment; {started}"
    environment = {**os.environ, **LAUNCHED}
    done = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"1\n"


def test_each_run_begins_a_new_log(tmp_path):
    run(tmp_path / "a.log")
    run(tmp_path / "a.log")
    assert (tmp_path / "a.log").read_text().count("begun") == 1


def test_after_a_job_nothing_is_written_to_its_log(tmp_path):
    run(tmp_path / "a.log")
    progress.log.info("later")
    assert "later" not in (tmp_path / "a.log").read_text()


def test_bad_input_ends_a_job_with_one_line_and_no_traceback(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "a.log", InputError("f.jsonl, line 3: cut off"))
    assert stopped.value.code == "error: f.jsonl, line 3: cut off"
    assert (tmp_path / "a.log").read_text().endswith(" ERROR f.jsonl, line 3: cut off\n")


def test_a_file_that_cannot_be_opened_ends_a_job_with_its_name_and_the_logs(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "a.log", FileNotFoundError(2, "No such file or directory", "words.txt"))
    assert stopped.value.code == f"error: words.txt: No such file or directory. See {tmp_path}/a.log."
    assert "Traceback" in (tmp_path / "a.log").read_text()


def test_a_full_disk_without_a_file_name_is_told_too(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "a.log", OSError(28, "No space left on device"))
    assert "No space left on device" in stopped.value.code


def test_a_fault_of_the_program_passes_through_and_its_traceback_is_kept(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "a.log", ZeroDivisionError("oops"))
    logged = (tmp_path / "a.log").read_text()
    assert "Traceback" in logged
    assert "ZeroDivisionError: oops" in logged


def test_no_login_is_written_whoever_logs_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")

    def work():
        with jobs.job(task(tmp_path / "a.log")):
            logging.getLogger("another library").warning("asking %s", "https://me:secret@hub.example/a?sig=secret")
            raise InputError("https://me:secret@hub.example: refused hf_secret")

    with pytest.raises(SystemExit) as ended:
        work()
    log = (tmp_path / "a.log").read_text()
    assert "secret" not in f"{log}{ended.value}"
    assert "asking https://...@hub.example/a?..." in log


def test_a_job_that_ends_badly_lets_go_of_its_log(tmp_path):
    before = list(logging.getLogger().handlers)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "a.log", ZeroDivisionError())
    assert logging.getLogger().handlers == before


def test_tokenizers_have_the_threads_of_the_job(tmp_path):
    with jobs.job(task(tmp_path / "a.log", threads=3)):
        assert os.environ["RAYON_NUM_THREADS"] == "3"


# Ends.

WRITING = """
import sys, time
from types import SimpleNamespace
from pairprobe.io import files
from pairprobe.provenance.jobs import job

with job(SimpleNamespace(log=[sys.argv[1] + ".log"], threads=1)), files.atomic_write(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def started(target, command=(), code=WRITING, **environment):
    """Start a process that is busy writing a file, and wait until it is."""
    process = subprocess.Popen(
        [*command, sys.executable, "-c", code, str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
        # In the background of a shell without job control it is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "writing\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_that_is_told_to_stop_leaves_nothing_half_written(tmp_path, number):
    process = started(tmp_path / "a.txt")
    process.send_signal(number)
    assert process.wait(20) not in (0, None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt.log"]


def test_a_job_ends_with_the_process_that_started_it_even_if_that_is_killed(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as parent:
        process = started(tmp_path / "a.txt", **{PARENT: str(parent.pid)})
        parent.kill()
    assert process.wait(20) == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt.log"]
    assert f"process {parent.pid}, which started this one, has ended" in (tmp_path / "a.txt.log").read_text()


REFUSED = """
import errno, os

def pidfd_open(process):
    raise OSError(errno.ENOSYS, "Function not implemented")

os.pidfd_open = pidfd_open
"""


def test_a_job_ends_with_the_process_that_started_it_where_the_system_has_no_pidfd(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as parent:
        process = started(tmp_path / "a.txt", code=REFUSED + WRITING, **{PARENT: str(parent.pid)})
        parent.kill()
    assert process.wait(20) == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt.log"]


HANGING = """
import ctypes, sys
from types import SimpleNamespace
from pairprobe.provenance import jobs

jobs.PATIENCE = 1
library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
library.pthread_mutex_lock(mutex)
with jobs.job(SimpleNamespace(log=[sys.argv[1] + ".log"], threads=1)):
    print("writing", flush=True)
    library.pthread_mutex_lock(mutex)
"""


@pytest.mark.slow
def test_a_job_that_hangs_in_a_library_ends_a_while_after_it_is_told_to_stop(tmp_path):
    process = started(tmp_path / "a.txt", code=HANGING)
    time.sleep(0.5)  # until it hangs
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == -signal.SIGKILL


def test_a_job_whose_parent_has_gone_already_does_not_begin(tmp_path):
    with subprocess.Popen(["true"]) as parent:
        pass
    process = subprocess.run(
        [sys.executable, "-c", WRITING, str(tmp_path / "a.txt")],
        env={**os.environ, PARENT: str(parent.pid)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert f"process {parent.pid}, which started this one, has ended" in process.stderr
    assert "container with process numbers of its own" in process.stderr  # whose parent may run, unseen
    assert process.returncode == 1
    # Not even the log, which may be the next run's.
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_job_left_is_removed_by_the_next_one_and_what_one_at_work_writes_is_not(tmp_path):
    process, other = started(tmp_path / "a.txt"), started(tmp_path / "b.txt")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays in the list of processes
    assert len(list(tmp_path.glob(".*"))) == 2
    files.write_text(tmp_path / "a.txt", "whole")
    process.wait()
    assert len(list(tmp_path.glob(".*/b.txt"))) == len(list(tmp_path.glob(".*"))) == 1
    other.terminate()
    other.wait()
    assert list(tmp_path.glob(".*")) == []


def test_a_disk_that_refuses_ends_a_job_with_one_line_that_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit) as stopped, jobs.job(task(tmp_path / "a.log")), files.atomic_write(tmp_path / "a.h5"):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    assert stopped.value.code.startswith(f"error: {tmp_path}/a.h5: Disk quota exceeded. Make room in your quota; ")
    assert stopped.value.code.endswith(f" See {tmp_path}/a.log.")


def test_a_disk_that_is_full_is_told_whatever_a_library_says_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    with pytest.raises(SystemExit, match=r"No space left on device\. Make room; what is finished stays"):
        run(tmp_path / "a.log", RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"))
    assert "unexpected pos" in (tmp_path / "a.log").read_text()


@pytest.mark.parametrize("log_file", ["/proc/logs/a.log", "/dev/full"])
def test_a_log_that_cannot_be_written_gives_one_line_or_none(tmp_path, capsys, log_file):
    with (
        contextlib.suppress(SystemExit)
        if log_file.startswith("/dev")
        else pytest.raises(SystemExit, match=r"^error: /proc")
    ):
        run(log_file)
    assert capsys.readouterr().err == ""
