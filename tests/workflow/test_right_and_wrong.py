"""A small run that asks how ranks go with answers: table, figure and explorer; without the key there is nothing of it."""

import project as projects
import pytest
import yaml

from pairprobe.evidence.fields import RIGHT_AND_WRONG_FIELDS
from pairprobe.io.tsv import read_tsv

pytestmark = pytest.mark.slow
CONFIG = "config/tiny.yaml"
RESULTS = "results/tiny"
TABLE, PAGE = f"{RESULTS}/tables/right_and_wrong.tsv", f"{RESULTS}/report/explorer.html"
TARGETS = (TABLE.replace("tsv", "tex"), f"{RESULTS}/figures/right_and_wrong.svg", PAGE)


def test_ranks_are_set_beside_answers_where_the_configuration_says_so(tmp_path_factory):
    folder = projects.copy_project(tmp_path_factory.mktemp("project"), projects.PAGES[:16])
    config = projects.tiny_config(projects.tiny_encoder(tmp_path_factory.mktemp("encoder"))) | {"tasks": ["answer_type"]}

    def configure(*functional):
        (folder / CONFIG).write_text(yaml.safe_dump(config | {"functional": [*functional]}, sort_keys=False))

    configure("right_and_wrong")
    projects.completed(folder, CONFIG, "--", *TARGETS)
    rows = read_tsv(folder / TABLE, RIGHT_AND_WRONG_FIELDS)
    assert {(row["ranked_by"], row["answered_by"]) for row in rows} == {
        ("finetuned", "finetuned"), ("pretrained", "finetuned"),
    }  # fmt: skip
    ranked = read_tsv(folder / RESULTS / "percentages.tsv")
    pairs = {row["checkpoint"]: int(row["pairs"]) for row in ranked}
    assert all(float(row["pairs_right"]) + float(row["pairs_wrong"]) <= pairs[row["ranked_by"]] for row in rows)
    assert len(rows) == 2 * 4 * 2 * 3
    assert b'id="answers"' in (folder / PAGE).read_bytes()
    assert projects.planned(folder, CONFIG, "--", *TARGETS) == {}
    configure()
    planned = projects.planned(folder, CONFIG, "--", PAGE)
    assert set(planned) == {"build_explorer"}
    projects.completed(folder, CONFIG, "--", PAGE)
    assert b'id="answers"' not in (folder / PAGE).read_bytes()
