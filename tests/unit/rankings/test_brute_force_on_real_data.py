"""Brute force once more, on real questions where they are at hand: some of Natural Questions and of SQuAD."""

import itertools
from pathlib import Path

import measured
import pytest
from test_brute_force import (
    CONFIG,
    FLOAT32,
    PAIR_TASKS,
    Encoder,
    Made,
    compare,
    of_task,
    one_thread,  # noqa: F401 (a fixture)
    rank_boundaries_by_brute_force,
    rank_by_brute_force,
    rows_in,
)

from pairprobe.activations import store
from pairprobe.checkpoints import fetching
from pairprobe.data import examples, partitions, readers
from pairprobe.io import files, tsv
from pairprobe.probing_sets import building
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.rankings import boundary_heads, pair_ranking, percentages

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
    fetching.fetch(CONFIG["checkpoints"]["pretrained"], made.folder / "checkpoint")
    for task in (*PAIR_TASKS, "boundary"):
        of_probe = examples.read_examples(made.examples("probe"))
        building.build(task, of_probe, made.set_of(task), reader)
        files.write_json_lines(made.set_of(task), rows_in(made.set_of(task))[:PAIRS])
    wanted = {row["example_id"] for task in (*PAIR_TASKS, "boundary") for row in rows_in(made.set_of(task))}
    few = [row for row in rows_in(made.examples("probe")) if row["example_id"] in wanted]
    files.write_json_lines(made.examples("probe"), few)
    files.write_json_lines(made.examples("head"), rows_in(made.examples("head"))[:40])
    return made


@pytest.fixture(scope="module")
def by_id(made):
    return {row["example_id"]: row for row in rows_in(made.examples("probe"))}


@pytest.fixture(scope="module")
def encoder():
    return Encoder()


def test_the_percentages_of_real_pairs_are_those_of_brute_force(made, by_id, encoder):
    found = made.rank([made.extract("float32", "paragraph", "probe")], "probe")
    encoded = {name: encoder(row["question"], row["paragraph"]) for name, row in by_id.items()}
    for task in PAIR_TASKS:
        pairs = rows_in(made.set_of(task))
        assert pairs, task
        compare(of_task(found, task), rank_by_brute_force(pairs, by_id, encoded), FLOAT32)


def test_the_percentages_of_real_boundaries_are_those_of_brute_force(made, by_id, encoder):
    import numpy as np

    heads = made.folder / "heads.npz"
    with store.Activations([made.extract("heads", "sentence", "head")]) as opened:
        boundary_heads.train(examples.read_examples(made.examples("head")), opened, heads, 13)
    with store.Activations([made.extract("heads", "sentence", "probe")]) as opened:
        boundaries = read_probing_set(made.set_of("boundary"))
        of_probe = examples.read_examples(made.examples("probe"))
        logits = boundary_heads.gold_logits(of_probe, measured.logits(opened, heads), boundaries, 13)
        tsv.write_tsv(made.ranking_of("boundary"), percentages.RANKING_FIELDS, pair_ranking.rank_logits(logits))
    with np.load(heads) as stored:
        brute_force = rank_boundaries_by_brute_force(rows_in(made.set_of("boundary")), by_id, encoder, dict(stored))
    compare(of_task(made.percentages(["boundary"]), "boundary"), brute_force, FLOAT32)
