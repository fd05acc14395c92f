"""No script waits for a heavy package that it does not compute with."""

import json
import os
import subprocess
import sys

import pytest

from pairprobe.provenance.code import LIBRARY, SCRIPTS

# What takes a while to load, and the scripts that compute with it from their first line on; others load it where they
# use it, if they do.
TRAINING = {"finetune_checkpoint", "train_answer_heads", "train_early_exits"}
ANSWERING = {"answer_early_exits", "answer_interventions", "predict_answers"}
TORCH = {*TRAINING, *ANSWERING, "adapt_checkpoint", "extract_activations", "score_classifier", "take_step"}
DRAWN = {"build_explorer", *(path.stem for path in SCRIPTS.glob("draw_*.py"))}
HEAVY = {
    "torch": TORCH,
    "transformers": TORCH,
    # transformers' Trainer loads it, of which a kept step's module has a callback.
    "peft": {*TRAINING, "take_step"},
    "nltk": set(),
    "pysbd": set(),
    "matplotlib": DRAWN,
    "plotly": set(),
    # Tables for reading, and figures that read theirs by the same functions.
    "pandas": {
        "tabulate_claims",
        "tabulate_nq_evaluation",
        "tabulate_question_answering",
        "tabulate_functional",
        "tabulate_control_trainings",
        "tabulate_right_and_wrong",
        "draw_functional",
        "draw_control_trainings",
        "draw_right_and_wrong",
        "draw_overview",
    },
    "sklearn": set(),
}
# Imports of each script in a process of its own, forked from one that has loaded nothing.
EACH = """
import ast, json, os, pathlib, sys
scripts, heavy = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
for script in sorted(scripts.glob("*.py")):
    if (child := os.fork()) == 0:
        lines = [node for node in ast.parse(script.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(lines, []), script.name, "exec"), {})
        print(json.dumps([script.stem, [name for name in heavy if name in sys.modules]]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def loaded():
    """{script: the heavy packages that it loads before its first line of work}."""
    command = [sys.executable, "-c", EACH, str(SCRIPTS), json.dumps(list(HEAVY))]
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY.parent)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = dict(json.loads(line) for line in run.stdout.splitlines())
    assert found.keys() == {path.stem for path in SCRIPTS.glob("*.py")}, run.stderr
    return found


@pytest.mark.parametrize("package", HEAVY)
@pytest.mark.slow
def test_only_scripts_that_compute_with_a_package_load_it(loaded, package):
    assert {script for script, packages in loaded.items() if package in packages} == HEAVY[package]
