"""The environment that the jobs of a workflow inherit from the process that starts them."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path

import yaml

from pairprobe.io import processes

# Variables of the user's that no job sees, as patterns. For what a job computes the configuration decides alone.
NOT_FOR_JOBS = (
    # By these a launcher (torchrun, accelerate, MPI, Kubernetes, SageMaker) tells a process which one of several it is. A
    # training would wait for the others for ever, or train in another way.
    *("RANK", "*_RANK", "*WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_*", "PET_*", "PYTHON_EXEC"),
    *("ACCELERATE_*", "FSDP_*", "FORK_LAUNCHED", "PMI_*", "OMPI_COMM_WORLD_*", "MV2_COMM_WORLD_*", "SM_*"),
    # Other precision, other sums, or fewer threads than a job was given.
    *("ONEDNN_DEFAULT_FPMATH_MODE", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
    *("TRANSFORMERS_SDPA_FORCE_GQA", "OMP_DYNAMIC", "OMP_THREAD_LIMIT"),
    # transformers needs its docstrings; a warning is no error; nobody answers an interpreter that asks.
    *("PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONINSPECT"),
    # A notebook's backend is not there for jobs: matplotlib refuses to be imported.
    *("MPLBACKEND", "MATPLOTLIBRC"),
)


def prepare() -> None:
    """Set the environment that jobs inherit. Call it in the process that starts them, before the first one starts.

    A job has imported its libraries before it could set these itself, and it cannot see which process started the run.
    """
    # Jobs end with this process, even if it is killed. Otherwise the next run would meet them at work on the same files.
    os.environ[processes.PARENT] = str(os.getpid())
    for name in [name for name in os.environ if any(fnmatchcase(name, pattern) for pattern in NOT_FOR_JOBS)]:
        del os.environ[name]
    # Files are UTF-8, whatever the locale says.
    os.environ["PYTHONUTF8"] = "1"
    # Jobs import the library whose digests the workflow takes, not another one that may be installed.
    library = str(Path(__file__).parents[2])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([library, *(path for path in paths if path not in ("", library))])
    # How long OpenMP threads that wait for each other spin before they sleep. If they sleep at once, a training takes a
    # fifth longer. If they spin for ever, jobs that share cores keep each other from work and take ten times as long.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # Snakemake starts jobs by a shell and puts the path of Python into the command as it is: a blank in it ends the name.
    if os.path.exists(sys.executable):
        sys.executable = shlex.quote(sys.executable)


def faults(project: Path, executor: str, has_environments: bool) -> Iterator[str]:
    """Yield why jobs could not run here, before one is started.

    project: the folder of the project. executor: the name of what runs jobs. has_environments: whether each rule has an
    environment of its own.
    """
    lacking = [] if has_environments else packages_lacking((project / "envs").glob("*.yaml"))
    if lacking:
        yield (
            f"Jobs need packages that are not installed for {sys.executable}: {', '.join(lacking)}. Install them (pip "
            f"install -e {project}), or take an environment for each rule: --sdm conda."
        )
    # It would wait for ever for a job that it could not submit.
    if executor == "slurm" and not shutil.which("sbatch"):
        yield (
            "The executor slurm needs sbatch, which is not here. Start on a login node of a cluster, or without --profile."
        )


def packages_lacking(environments: Iterable[Path]) -> list[str]:
    """List the packages, of any version, that every one of these conda environments has from pip and that are not here.

    What only some have, a configuration may do without.
    """
    parts = [yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"] for path in environments]
    pins = [next(part["pip"] for part in some if isinstance(part, dict)) for some in parts]
    wanted = set.intersection(*({pin.split("==")[0] for pin in some} for some in pins)) if pins else set()
    return [name for name in sorted(wanted) if not _is_installed(name)]


def _is_installed(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False
