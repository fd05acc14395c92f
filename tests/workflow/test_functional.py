"""A small run with grafts, resets and early exits: what is answered, weighed, laid out and drawn."""

import project as projects
import pytest
import yaml

from pairprobe.interventions.names import EARLY_EXIT, FUNCTIONAL_FIELDS, INTACT, LOWER, RESET, UPPER
from pairprobe.io import files
from pairprobe.io.tsv import read_tsv

pytestmark = pytest.mark.slow
CONFIG, RESULTS = "config/tiny.yaml", "results/tiny"
TARGETS = (f"{RESULTS}/tables/functional.tex", f"{RESULTS}/figures/functional.svg")


def predictions(folder, path, **wanted):
    """The predictions of a file, without what is an intervention's own."""
    rows = [row for _, row in files.read_json_lines(folder / RESULTS / path)]
    own = {"cache_key", "intervention", "layer"}
    some = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    return [{key: value for key, value in row.items() if key not in own} for row in some]


def test_a_recipe_is_answered_with_layers_of_what_it_was_made_of(tmp_path_factory):
    folder = projects.copy_project(tmp_path_factory.mktemp("project"), projects.PAGES[:16])
    config = projects.tiny_config(projects.tiny_encoder(tmp_path_factory.mktemp("encoder"))) | {"tasks": ["answer_type"]}
    config |= {"functional": ["graft", "reset", "early_exit"]}
    config["checkpoints"]["finetuned"]["seeds"] = [1, 2]
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    projects.completed(folder, CONFIG, "--", *TARGETS)

    rows = read_tsv(folder / RESULTS / "tables" / "functional.tsv", FUNCTIONAL_FIELDS)
    units = {
        name: {row["intervention"] for row in rows if row["checkpoint"] == name} for name in ("finetuned", "pretrained")
    }
    assert units == {"finetuned": {INTACT, LOWER, UPPER, RESET, EARLY_EXIT}, "pretrained": {INTACT, EARLY_EXIT}}
    depth = max(int(row["layer"]) for row in rows if row["layer"])
    for seed in (1, 2):
        intact = predictions(folder, f"evaluation/finetuned-seed{seed}/predictions/1of1.jsonl")
        grafts = f"functional/finetuned-seed{seed}/1of1.jsonl"
        assert predictions(folder, grafts, intervention=LOWER, layer=0) == intact
        assert predictions(folder, grafts, intervention=UPPER, layer=depth) == intact
    text = (folder / RESULTS / "tables" / "functional.md").read_text(encoding="utf-8")
    assert "# Fine-tuned (mean of 2 seeds)" in text
    assert "# Pre-trained" in text
    assert projects.planned(folder, CONFIG, "--", *TARGETS) == {}
