"""Brute force once more, on real questions where they are at hand: some of Natural Questions and of SQuAD."""

import itertools
from pathlib import Path

import pytest
from brute_force import (
    CHECKPOINT,
    FLOAT32,
    PAIR_TASKS,
    Made,
    compare,
    of_task,
    rank_boundaries_by_brute_force,
    rank_by_brute_force,
    rows_in,
)

from pairprobe.checkpoints import fetching
from pairprobe.data import examples, partitions, readers
from pairprobe.io import files
from pairprobe.probing_sets import building

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

SHARED = Path(__file__).parents[3].parent / "shared"
CORPORA = {
    "nq": ("natural_questions", SHARED / "nq" / "nq-dev-sample.jsonl.gz", 1),
    "squad": ("squad", SHARED / "squad" / "dev-part1-v1.1.json.gz", 5),  # every fifth question, for many pages
}
PAIRS = 12  # for each task: a minute or two for both corpora


@pytest.fixture(scope="module", params=CORPORA)
def made(request, reader, tmp_path_factory):
    """Make examples, sets and activations of real questions."""
    source, path, step = CORPORA[request.param]
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    made = Made(tmp_path_factory.mktemp(request.param))
    part = partitions.Part.of(made.folder, [])
    documents = itertools.islice(readers.read(source, path), 0, None, step)
    partitions.write_partitions(documents, part, 13, {"finetune": 0, "head": 0.3, "probe": 0.7})
    fetching.fetch(CHECKPOINT, made.folder / "checkpoint")
    for task in (*PAIR_TASKS, "boundary"):
        of_probe = examples.read_examples(made.examples("probe"))
        building.build(task, of_probe, made.set_of(task), reader)
        files.write_json_lines(made.set_of(task), rows_in(made.set_of(task))[:PAIRS])
    wanted = {row["example_id"] for task in (*PAIR_TASKS, "boundary") for row in rows_in(made.set_of(task))}
    few = [row for row in rows_in(made.examples("probe")) if row["example_id"] in wanted]
    files.write_json_lines(made.examples("probe"), few)
    files.write_json_lines(made.examples("head"), rows_in(made.examples("head"))[:40])
    return made


def test_the_percentages_of_real_pairs_are_those_of_brute_force(made, by_id, encoder):
    found = made.rank([made.extract("float32", "paragraph", "probe")], "probe")
    encoded = {name: encoder(row["question"], row["paragraph"]) for name, row in by_id.items()}
    for task in PAIR_TASKS:
        pairs = rows_in(made.set_of(task))
        assert pairs, task
        compare(of_task(found, task), rank_by_brute_force(pairs, by_id, encoded), FLOAT32)


def test_the_percentages_of_real_boundaries_are_those_of_brute_force(made, by_id, encoder):
    found = of_task(made.rank_boundaries(), "boundary")
    boundaries = rows_in(made.set_of("boundary"))
    compare(found, rank_boundaries_by_brute_force(boundaries, by_id, encoder, made.heads), FLOAT32)
