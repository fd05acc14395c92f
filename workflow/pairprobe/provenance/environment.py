"""The environment that the jobs of a workflow inherit from the process that starts them."""

import os
import shlex
import sys
from pathlib import Path

from pairprobe.io import processes


def prepare() -> None:
    """Set the environment that jobs inherit. Call it in the process that starts them, before the first one starts.

    A job has imported its libraries before it could set these itself, and it cannot see which process started the run.
    """
    # Jobs end with this process, even if it is killed. Otherwise the next run would meet them at work on the same files.
    os.environ[processes.PARENT] = str(os.getpid())
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
