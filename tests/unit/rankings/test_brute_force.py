"""The percentages of the demo, against brute force."""

import gzip
import itertools
import json
from pathlib import Path

import pytest
import yaml
from brute_force import (
    BFLOAT16,
    CHECKPOINT,
    FLOAT32,
    PAIR_TASKS,
    SEED,
    Made,
    compare,
    of_task,
    rank_boundaries_by_brute_force,
    rank_by_brute_force,
    rows_in,
    specificity_by_brute_force,
)

from pairprobe.checkpoints import fetching
from pairprobe.data import bundled_pages, examples, natural_questions, partitions
from pairprobe.io import files
from pairprobe.probing_sets import building

FEW = 4  # pairs
ROOT = Path(__file__).parents[3]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def made(reader, tmp_path_factory):
    """Make the demo's examples, checkpoint and probing sets."""
    made = Made(tmp_path_factory.mktemp("brute_force"))
    corpus = made.folder / "mini_nq.jsonl.gz"
    files.write_json_lines(corpus, bundled_pages.render((ROOT / "workflow" / "resources" / "pages").glob("*.yaml")))
    part = partitions.Part.of(made.folder)
    partitions.write_partitions(natural_questions.read(corpus), part, SEED, CONFIG["partitions"])
    fetching.fetch(CHECKPOINT, made.folder / "checkpoint")
    for task in (*PAIR_TASKS, "boundary"):
        of_probe = examples.read_examples(made.examples("probe"))
        building.build(task, of_probe, made.set_of(task), reader)
    return made


@pytest.fixture(scope="module")
def stores(made):
    """Extract the activations in both precisions."""
    return {
        precision: made.extract(precision, "paragraph", "probe", precision=precision)
        for precision in ("float32", "bfloat16")
    }


@pytest.fixture(scope="module")
def of_pairs(made, stores):
    """Rank the pair tasks in both precisions."""
    return {precision: made.rank([path], "probe") for precision, path in stores.items()}


@pytest.fixture(scope="module")
def encoded(by_id, encoder):
    return {name: encoder(row["question"], row["paragraph"]) for name, row in by_id.items()}


@pytest.fixture(scope="module")
def by_brute_force(made, by_id, encoded):
    return {task: rank_by_brute_force(rows_in(made.set_of(task)), by_id, encoded) for task in PAIR_TASKS}


@pytest.mark.parametrize(("precision", "points"), [("float32", FLOAT32), ("bfloat16", BFLOAT16)])
@pytest.mark.parametrize("task", PAIR_TASKS)
def test_the_percentages_of_a_pair_task_are_those_of_brute_force(of_pairs, by_brute_force, task, precision, points):
    found = of_task(of_pairs[precision], task)
    assert set(found) == set(itertools.product(("cosine", "euclidean"), range(7)))
    compare(found, by_brute_force[task], points)


@pytest.mark.parametrize("task", PAIR_TASKS)
def test_chance_and_specificity_are_those_of_brute_force(made, stores, by_id, encoded, task):
    """Of the first pairs of each task; one at a time takes long."""
    pairs = rows_in(made.set_of(task))[:FEW]
    found = of_task(made.rank([stores["float32"]], "probe", [task], {pair["example_id"] for pair in pairs}), task)
    for key, wanted in specificity_by_brute_force(pairs, by_id, encoded).items():
        assert found[key][5:] == pytest.approx(wanted, abs=FLOAT32, rel=0, nan_ok=True), key


def test_the_percentages_of_boundary_are_those_of_brute_force(made, by_id, encoder):
    found = of_task(made.rank_boundaries(at_most=50), "boundary")
    assert set(found) == set(itertools.product(("start", "end"), range(7)))
    boundaries = rows_in(made.set_of("boundary"))
    compare(found, rank_boundaries_by_brute_force(boundaries, by_id, encoder, made.heads), FLOAT32)


@pytest.fixture(scope="module")
def forty(made, by_id):
    """Write 40 examples that have pairs of every task; returns how to rank them with options of the extractor."""
    first = [row["example_id"] for task in PAIR_TASKS for row in rows_in(made.set_of(task))[:10]]
    ids = list(dict.fromkeys([*first, *by_id]))[:40]
    with gzip.open(made.examples("forty"), "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(by_id[name]) + "\n" for name in ids)

    def percentages(shards=1, **options):
        stores = [made.extract(f"{i}of{shards}", "paragraph", "forty", shard=(i, shards), **options) for i in range(shards)]
        return made.rank(stores, "forty", ids=set(ids))

    return percentages


@pytest.fixture(scope="module")
def one_at_a_time(forty):
    return forty(batch_size=1)


@pytest.mark.parametrize("options", [{"batch_size": 32}, {"threads": 2}, {"shards": 4}])
def test_batches_threads_and_shards_change_no_percentage(forty, one_at_a_time, options):
    assert {task for task, _, _ in one_at_a_time} == set(PAIR_TASKS)
    compare(forty(**options), one_at_a_time, FLOAT32)
