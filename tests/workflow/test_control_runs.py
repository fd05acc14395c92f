"""A small run with all controls on, and what it would run again; without them there is nothing of it."""

import project as projects
import pytest
import yaml

from pairprobe.controls.variants import FIELDS, VARIANTS
from pairprobe.io.tsv import read_tsv

pytestmark = pytest.mark.slow
CONFIG = "config/tiny.yaml"
RESULTS = "results/tiny"
TABLE = f"{RESULTS}/tables/controls.tsv"
READABLE = f"{RESULTS}/tables/controls.md"
TASK = "answer_type"


@pytest.fixture(scope="module")
def configure(tmp_path_factory):
    """A copy of the project; returns how to write its configuration, with some controls and other changes."""
    folder = projects.copy_project(tmp_path_factory.mktemp("project"), projects.PAGES[:26])
    config = projects.tiny_config(projects.tiny_encoder(tmp_path_factory.mktemp("encoder")))
    del config["checkpoints"]["finetuned"]

    def write(*names: str, **changes):
        text = yaml.safe_dump({**config, "tasks": [TASK], "controls": list(names), **changes})
        (folder / CONFIG).write_text(text)
        return folder

    return write


@pytest.fixture
def project(configure):
    """The project, after the table of all controls was made."""
    folder = configure(*VARIANTS)
    if not (folder / TABLE).exists():
        projects.completed(folder, CONFIG, "--", READABLE, f"{RESULTS}/percentages.tsv")
    return folder


def planned(project, *targets):
    return projects.planned(project, CONFIG, "--", *targets)


def test_the_table_has_every_variant_beside_the_ranking_itself(project):
    rows = read_tsv(project / TABLE, FIELDS)
    wanted = {
        (variant, TASK, measure, str(layer))
        for variant in ("none", *VARIANTS)
        for measure in ("cosine", "euclidean")
        for layer in range(3)
    }
    assert {(row["variant"], row["task"], row["measure"], row["layer"]) for row in rows} == wanted
    assert [{key: row[key] for key in FIELDS[1:]} for row in rows[: len(wanted) // 8]] == read_tsv(
        project / RESULTS / "percentages.tsv"
    )
    by_variant = {
        name: [(row["count"], row["auc"]) for row in rows if row["variant"] == name] for name in ("none", *VARIANTS)
    }
    assert len(set(map(tuple, by_variant.values()))) == 8, "two variants have the same numbers"
    assert (project / READABLE).read_text().count("Matched unmatching") == 2


def test_a_variant_that_asks_for_the_same_pairs_has_as_many(project):
    pairs = {row["variant"]: int(row["pairs"]) for row in read_tsv(project / TABLE)}
    raw = pairs.pop("none")
    assert raw > 10
    assert raw / 2 < pairs.pop("matched_unmatching") <= raw
    assert set(pairs.values()) == {raw}


def test_the_views_of_one_subtoken_hold_the_paragraphs_words(project):
    sizes = {path.parent.name: path.stat().st_size for path in (project / RESULTS / "activations").rglob("*.h5")}
    assert sizes.keys() == {"paragraph", "paragraph_first", "paragraph_last"}
    assert max(sizes.values()) - min(sizes.values()) < 1000


def test_a_second_run_has_nothing_to_do(project):
    assert planned(project, READABLE) == {}


def test_other_directions_rank_again_what_is_compared_without_them(project, configure):
    configure(*VARIANTS, dominant_directions=3)
    assert planned(project, TABLE) == {"describe_space": 1, "rank_control": 2, "summarise_controls": 1}


def test_without_controls_nothing_of_them_is_planned_and_nothing_else_runs_again(project, configure):
    configure()
    jobs = planned(project, "all")
    assert not jobs.keys() & {"describe_space", "rank_control", "summarise_controls", "rank_pairs", "extract_activations"}
