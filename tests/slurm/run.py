"""The workflow from the head node of a Slurm cluster to the figure, with the results of a run without one, byte for byte.

    run.py [--config CONFIG] [--reference RESULTS] [--faults]

It starts a real Slurm on this machine (cluster.py), submits with profiles/slurm as it is, prints what was asked for, and
ends what it has started. With --faults, jobs, a node and Snakemake itself are killed on the way (faults.py), on a tiny
configuration.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import cluster
import faults
import yaml
from trial import (
    THROUGH_SLURM,
    FailedError,
    check_gpus,
    compare,
    copy_project,
    print_jobs,
    results_of,
    snakemake,
    submitted,
)


def same_results(scratch: Path, config: str, reference: Path | None) -> None:
    """Run a configuration without Slurm and with it."""
    arguments = ("--configfile", config)
    local, project = copy_project(scratch / "local"), copy_project(scratch / "slurm-run")
    if reference is None:
        for each in (local, project):
            train_less(each / config)
        seconds = snakemake(local, "--cores", "2", *arguments)
        reference = results_of(local, config)
        print(f"{config} without Slurm: {seconds:.0f} s", flush=True)
    seconds = snakemake(project, *THROUGH_SLURM, *arguments)
    print(f"{config} through Slurm: {seconds:.0f} s", flush=True)
    jobs = submitted()
    print_jobs(jobs)
    check_gpus(jobs)
    print(f"{compare(reference, results_of(project, config))} files of results are the same, byte for byte", flush=True)


def train_less(config: Path) -> None:
    """Let a configuration train for one epoch, and two seeds of a recipe at most: what is learned does not matter here."""
    changed = yaml.safe_load(config.read_text())
    changed.setdefault("finetuning", {})["epochs"] = 1
    for checkpoint in changed["checkpoints"].values():
        checkpoint.update({key: seeds[:2] for key, seeds in checkpoint.items() if key == "seeds"})
    config.write_text(yaml.safe_dump(changed, sort_keys=False))


def main() -> None:
    """Run the tests that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", help="what to run; else the demo, or with --faults nothing more")
    parser.add_argument("--reference", type=Path, help="results of the same without Slurm; else they are computed")
    parser.add_argument("--faults", action="store_true", help="then kill jobs, node and head node, on a tiny configuration")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    scratch, kept = Path(tempfile.mkdtemp(prefix="pairprobe-slurm-")), False
    try:
        with cluster.running(scratch / "cluster"):
            if arguments.config or not arguments.faults:
                same_results(scratch, arguments.config or "config/config.yaml", arguments.reference)
            if arguments.faults:
                faults.test(scratch / "faults")
    except cluster.UnableError as why:
        print(f"skipped: the test through Slurm: {why}")
    except FailedError as failed:
        kept = True
        sys.exit(f"error: {failed}\nWhat has run is in {scratch}.")
    finally:
        if not kept:
            shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
