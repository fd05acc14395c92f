"""A real Slurm of one node on this machine, with two pretend GPUs: ``cluster.py start`` and ``cluster.py stop``.

For root on Debian: its packages are installed where they are missing, and stay. Everything else lies in one folder and in
two files of /etc/slurm, which must not be there before, and is removed at the end. The node may claim more memory than the
machine has, so that jobs are asked for as they would be elsewhere.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

# The only place where a job step looks: it drops SLURM_CONF.
ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
MARK = "# The test cluster of pairprobe (tests/slurm); its state: "
PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
CPUS, MEMORY_MB, GPUS = max(2, os.cpu_count() or 1), 64_000, 2

SLURM_CONF = """\
{mark}{state}
ClusterName=pairprobe
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that lost its node is tried again after cred_expire.
AuthInfo=socket={state}/munge/socket,cred_expire=20
StateSaveLocation={state}/slurmctld
SlurmdSpoolDir={state}/slurmd
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/affinity
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
# No accounting, so no sacct: squeue must remember how jobs ended.
AccountingStorageType=accounting_storage/none
MinJobAge=86400
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
ReturnToService=1
KillWait=5
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""


class UnableError(Exception):
    """This machine cannot run a Slurm of its own, for a reason that is no fault."""


@contextmanager
def running(state: Path):
    """Run the cluster for the length of a block."""
    start(state)
    try:
        yield
    finally:
        stop()


def start(state: Path) -> None:
    """Install, configure and start everything; ``UnableError`` where this machine is not the kind for it."""
    if os.geteuid():
        raise UnableError("only root can start a Slurm that runs jobs")
    if not Path("/etc/debian_version").exists():
        raise UnableError("this is no Debian")
    if ours():
        if any(map(is_running, pid_files())):
            raise UnableError(f"this cluster runs already; end it with {Path(__file__).name} stop")
        stop()
    if foreign := [name for name in FILES if (ETC / name).exists()]:
        raise UnableError(f"{ETC}/{foreign[0]} is not ours, and is left alone")
    install()
    try:
        start_daemons(state)
    except BaseException:
        stop()
        raise


def start_daemons(state: Path) -> None:
    """Configure and start what is installed."""
    for folder in ("", "munge", "slurmctld", "slurmd"):
        (state / folder).mkdir(parents=True, exist_ok=True)
        (state / folder).chmod(0o755)
    configure(state)
    key = state / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    munge = {name: f"{state}/munge/{name}" for name in ("socket", "pid-file", "log-file", "seed-file")}
    run("munged", "--force", f"--key-file={key}", *(f"--{name}={path}" for name, path in munge.items()))
    run("slurmctld", "-i")
    run("slurmd")
    wait_until_idle()


def install() -> None:
    """Install Debian's packages where a daemon is missing."""
    if all(map(shutil.which, DAEMONS)):
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        if subprocess.run(["apt-get", "-qq", *command], env=quiet, capture_output=True, check=False).returncode:
            raise UnableError(f"apt-get cannot install {' and '.join(PACKAGES)}")


def configure(state: Path) -> None:
    """Write the two files in /etc/slurm, and make the devices that pass for GPUs."""
    host = socket.gethostname().split(".")[0]
    for i in range(GPUS):
        try:
            os.mknod(state / f"gpu{i}", stat.S_IFCHR | 0o666, os.makedev(1, 3))  # as /dev/null
        except PermissionError:
            raise UnableError("this container does not let devices be made") from None
    ETC.mkdir(exist_ok=True)
    settings = {"mark": MARK, "state": state, "host": host, "ports": free_ports(2)}
    settings |= {"cpus": CPUS, "memory": MEMORY_MB, "gpus": GPUS}
    (ETC / "slurm.conf").write_text(SLURM_CONF.format(**settings))
    (ETC / "gres.conf").write_text(f"NodeName={host} Name=gpu File={state}/gpu[0-{GPUS - 1}]\n")


def free_ports(number: int) -> list[int]:
    """Find ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_until_idle(seconds: float = 60) -> None:
    """Wait until the node takes jobs; show the daemons' logs where it never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if asked("sinfo", "-h", "-p", "cpu", "-o", "%T") == "idle":
            return
        time.sleep(0.2)
    logs = [path.read_text()[-2000:] for path in sorted(state_folder().glob("*.log"))]
    raise RuntimeError("\n".join(["Slurm did not start.", *logs]))


def ours() -> bool:
    """Whether /etc/slurm is configured for this cluster."""
    path = ETC / "slurm.conf"
    return path.is_file() and path.read_text().startswith(MARK)


def state_folder() -> Path:
    """Return the folder that the configuration names."""
    return Path((ETC / "slurm.conf").read_text().splitlines()[0].removeprefix(MARK))


def stop() -> None:
    """Cancel every job, end the daemons, each by its own number, and remove what ``start`` has made."""
    if not ours():
        return
    state = state_folder()
    with suppress(FileNotFoundError, subprocess.TimeoutExpired):
        subprocess.run(["scancel", "--me"], capture_output=True, timeout=10, check=False)
        end = time.monotonic() + 15
        while asked("squeue", "-h") and time.monotonic() < end:
            time.sleep(0.2)
    for pid_file in pid_files():
        end_process(pid_file)
    for name in FILES:
        (ETC / name).unlink(missing_ok=True)
    shutil.rmtree(state, ignore_errors=True)


def pid_files() -> list[Path]:
    """Return where the daemons write their numbers, in the order in which they are ended."""
    state = state_folder()
    return [state / "slurmd.pid", state / "slurmctld.pid", state / "munge" / "pid-file"]


def is_running(pid_file: Path) -> bool:
    """Whether a daemon is there."""
    with suppress(OSError, ValueError):
        os.kill(int(pid_file.read_text()), 0)
        return True
    return False


def end_process(pid_file: Path) -> None:
    """End a daemon, softly at first."""
    for way, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        with suppress(OSError, ValueError):
            os.kill(int(pid_file.read_text()), way)
        end = time.monotonic() + seconds
        while is_running(pid_file):
            if time.monotonic() > end:
                break
            time.sleep(0.1)


def asked(*command: str) -> str:
    """Return what a command answers, or nothing where it fails."""
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()


def run(*command: str) -> None:
    """Run a command that must succeed."""
    # From /: a daemon keeps its working directory.
    subprocess.run(command, check=True, cwd="/")


def main(command: str) -> None:
    """Start or stop the cluster by hand."""
    if command == "start":
        start(Path(tempfile.mkdtemp(prefix="pairprobe-slurm-")))
        print(asked("sinfo", "-o", "%P %T %c %m %G"))
    else:
        stop()


if __name__ == "__main__":
    if sys.argv[1:] not in (["start"], ["stop"]):
        sys.exit("usage: cluster.py start|stop")
    try:
        main(sys.argv[1])
    except UnableError as why:
        sys.exit(f"error: {why}")
