"""Four decoders, a base of two seeds and instruction-tuned look-alikes of it, from the bundled pages to the figure."""

import re

import project as projects
import pytest
import torch
import yaml
from decoders import make
from safetensors.torch import load_file, save_file

from pairprobe.io.tsv import read_tsv

pytestmark = pytest.mark.slow
CONFIG = "config/decoders.yaml"
NAMES = ("base-1", "base-2", "instruct-1", "instruct-2")


def instructed(base, folder, seed):
    """Save a look-alike of a checkpoint: its weights, each a little further on."""
    torch.manual_seed(seed)
    make("qwen2", folder)
    weights = {name: part + 0.03 * torch.randn_like(part) for name, part in load_file(base / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = projects.copy_project(tmp_path_factory.mktemp("project"), projects.PAGES[:12])
    for seed in (1, 2):
        base = make("qwen2", folder / f"base-{seed}", seed)
        instructed(base, folder / f"instruct-{seed}", seed)
    config = {
        "run": "decoders",
        "data": {"source": "bundled"},
        "tasks": ["synonyms", "answer_type"],
        "partitions": {"finetune": 0, "head": 0, "probe": 1},
        "checkpoints": {
            name: {"label": f"{name.split('-')[0].capitalize()}, seed {name[-1]}", "source": "path", "path": name}
            for name in NAMES
        },
    }
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    figures = [f"results/decoders/figures/{name}.svg" for name in ("grid", "synonyms_cosine")]
    projects.completed(folder, CONFIG, "--", *figures, "results/decoders/tables/percentages.md")
    return folder / "results" / "decoders"


def test_the_figure_shows_all_four(project):
    figure = (project / "figures" / "grid.svg").read_text()
    assert all(f"{kind}, seed {seed}" in figure for kind in ("Base", "Instruct") for seed in (1, 2))


def test_every_checkpoint_has_its_own_percentages_in_every_layer(project):
    rows = read_tsv(project / "percentages.tsv")
    found = {name: [row["auc"] for row in rows if row["checkpoint"] == name] for name in NAMES}
    # Two tasks by two measures in the embeddings and two layers.
    assert {len(numbers) for numbers in found.values()} == {12}
    assert len({tuple(numbers) for numbers in found.values()}) == 4
    assert all(float(row["pairs"]) > 5 for row in rows)


def test_the_tables_say_what_was_read(project):
    rows = read_tsv(project / "tables" / "activations.tsv")
    read = {tuple(row[name] for name in ("causal", "order", "reads", "final_norm")) for row in rows}
    assert read == {("yes", "paragraph_first", "paragraph \\n question", "as_given")}
    said = re.sub(r"\s+", " ", (project / "tables" / "percentages.md").read_text())
    everyone = "Base, seed 1, Base, seed 2, Instruct, seed 1 and Instruct, seed 2"
    order = r"read the paragraph first (paragraph \\n question), and each word sees only what stands before it."
    assert f"{everyone} {order}" in said
