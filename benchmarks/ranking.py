"""Ranking all pair tasks in every layer by both measures, beside a loop over words and beside reading the vectors once.

    .venv/bin/python benchmarks/ranking.py

Nothing else should run. It ends with an error where percentages are not those of the loop.
"""

import itertools
import tempfile
from functools import partial
from pathlib import Path
from unittest import mock

import h5py
import numpy as np

import turns
from extraction import Ours, minilm
from pairprobe.activations.store import Activations
from pairprobe.data import text
from pairprobe.data.examples import Example, read_examples
from pairprobe.errors import InputError
from pairprobe.probing_sets import building, pairs, wordnet
from pairprobe.rankings import measuring, pair_ranking, percentages
from pairprobe.rankings.similarity import Specificity
from pairprobe.rankings.similarity_store import Similarities
from pairprobe.tables.layout import markdown

# As (task, example_id, measure, layer).
Counts = dict[tuple[str, str, str, int], int]
OURS, LOOP = "**pairprobe**, all tasks, measures and layers", "a loop over words, one similarity at a time"
ALONE = "the same without spans and swapped anchors"
CHECKED_READ, RAW_READ = "reading the vectors once, checksums compared", "reading the vectors once, h5py alone"


def build_sets(examples: Path, folder: Path) -> dict[str, Path]:
    """Build the probing set of each pair task from a file of examples; returns ``{task: path}``."""
    wordnet.install("package", str(folder / "wordnet"))
    tasks = [name for name in building.names() if building.load(name).VIEW == "paragraph"]
    found = {task: folder / f"{task}.jsonl" for task in tasks}
    for task, path in found.items():
        building.build(task, read_examples(examples), str(path), wordnet.load(str(folder / "wordnet")))
    return found


def rank(examples: Path, sets: dict[str, Path], store: Path, folder: Path) -> dict[str, Path]:
    """Measure and rank all sets, as the workflow's jobs do one after the other; returns ``{task: ranking}``."""
    measured, found = folder / "similarities.h5", {task: folder / f"{task}.tsv" for task in sets}
    measured.unlink(missing_ok=True)  # else it would be reused
    rows = {task: pairs.read_probing_set(str(path)) for task, path in sets.items()}
    measuring.measure_similarities(str(store), rows, read_examples(examples), str(measured))
    with Similarities([str(measured)]) as similarities:
        for task, path in sets.items():
            of_task = pairs.read_probing_set(str(path)), read_examples(examples), similarities.pairs(task)
            pair_ranking.rank_pairs(*of_task, str(found[task]))
    return found


class Nothing:
    """In the place of ``Surroundings``: no spans and no swapped anchors."""

    def __init__(self, _example: Example, question: np.ndarray, paragraph: np.ndarray, _punctuation: bool):
        """The same arguments."""
        self._vectors = {"question": question, "paragraph": paragraph}

    def measure(self, pair: dict) -> Specificity:
        """Return as many numbers, all of them 0."""
        layers, words, _ = self._vectors[pair["anchor"]["side"]].shape
        return Specificity(np.zeros((4, 2, layers)), np.zeros((2, layers, words)))


def rank_alone(*arguments: Path) -> None:
    """Measure and rank as ``rank`` does, without spans and swapped anchors."""
    with mock.patch.object(measuring, "Surroundings", Nothing):
        rank(*arguments)


def loop(examples: Path, sets: dict[str, Path], store: Path) -> Counts:
    """Count by the definition, one similarity at a time."""
    by_id, counts = {example.example_id: example for example in read_examples(examples)}, {}
    with Activations([str(store)]) as activations:
        for task, path in sets.items():
            for pair in pairs.read_probing_set(str(path)):
                name = pair["example_id"]
                if name in activations:  # else too long
                    for key, count in _counted(pair, by_id[name], *activations[name]):
                        counts[task, name, *key] = count
    return counts


def _counted(pair: dict, example: Example, question: np.ndarray, paragraph: np.ndarray):
    """Yield ((measure, layer), count) of a pair, where a word without a vector is as if it were not there."""
    side = question if pair["anchor"]["side"] == "question" else paragraph
    anchored, matched = _present(side, pair["anchor"]["words"]), _present(paragraph, pair["match"]["words"])
    if not anchored or not matched:
        return
    forms = {example.paragraph[i].casefold() for i in matched + (anchored if side is paragraph else [])}
    lexical = [i for i, word in enumerate(example.paragraph) if text.is_lexical(word) and word.casefold() not in forms]
    others = _present(paragraph, lexical)
    for name, similarity in {"cosine": _cosine, "euclidean": _closeness}.items():
        for layer in range(len(question)):
            anchor, match = side[layer, anchored].mean(0), paragraph[layer, matched].mean(0)
            matching = similarity(anchor, match)
            yield (name, layer), sum(similarity(anchor, paragraph[layer, i]) < matching for i in others)


def _present(vectors: np.ndarray, words: list[int]) -> list[int]:
    return [i for i in words if not np.isnan(vectors[0, i, 0])]


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other))


def _closeness(one: np.ndarray, other: np.ndarray) -> float:
    return -np.linalg.norm(one - other)


def check(rankings: dict[str, Path], counts: Counts) -> float:
    """Return the largest difference of a percentage of the library from that of the loop, in points.

    Similarities of the loop are in float32, so that near ties may fall otherwise. Raises InputError where another number
    of pairs was ranked, or the difference is more than 0.05 points.
    """
    apart = 0.0
    for task, path in rankings.items():
        for (measure, layer), rows in percentages.read_ranking(path).items():
            mine = [n for (t, _, m, k), n in counts.items() if (t, m, k) == (task, measure, layer)]
            if len(mine) != len(rows):
                raise InputError(f"{task}: {len(rows)} pairs were ranked, and by the loop {len(mine)}.")
            count, _, para_len, _ = rows.sum(0)
            apart = max(apart, 100 * abs(count - sum(mine)) / para_len)
    if not apart <= 0.05:
        raise InputError(f"a percentage is {apart:.3f} points from that of the loop.")
    return float(apart)


def read_checked(store: Path) -> None:
    """Read all vectors by the library, which compares checksums."""
    with Activations([str(store)]) as activations:
        for name in activations.names():
            activations[name]


def read_raw(store: Path) -> None:
    """Read the same vectors with h5py alone: no checksums, nothing converted."""
    with h5py.File(store, "r") as file:
        offsets, vectors = file["offsets"][:], file["activations"]
        for start, end in itertools.pairwise(offsets):
            vectors[:, start:end]


def main() -> None:
    """Rank what the demo's encoder gives, stored as float32."""
    given = turns.options(__doc__, rounds=5, examples=365)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = turns.read_examples(given.nq, folder)[: given.examples]
        examples, store = turns.write_examples(folder / "examples.jsonl.gz", found), folder / "store.h5"
        Ours(minilm(folder), "float32")(examples, store)
        sets = build_sets(examples, folder)
        rankings = rank(examples, sets, store, folder)
        apart = check(rankings, loop(examples, sets, store))
        ways = {
            OURS: partial(rank, examples, sets, store, folder),
            ALONE: partial(rank_alone, examples, sets, store, folder),
            LOOP: partial(loop, examples, sets, store),
            CHECKED_READ: partial(read_checked, store),
            RAW_READ: partial(read_raw, store),
        }
        measured = turns.in_turn({name: partial(turns.seconds, way) for name, way in ways.items()}, given.rounds)
        counts = [percentages.read_ranking(path).counts[..., 3] for path in rankings.values()]
    similarities = sum(int((of_task + 1).sum()) for of_task in counts)
    rows = [
        (way, turns.spread([1000 * each for each in seconds], 0), turns.spread(turns.ratios(seconds, measured[OURS])))
        for way, seconds in measured.items()
    ]
    pairs_ranked = sum(of_task.shape[2] for of_task in counts)
    speed = turns.spread([similarities / each / 1e6 for each in measured[OURS]])
    print(f"## Ranking\n\n{pairs_ranked} pairs, {similarities:,} similarities, {speed} million a second.")
    print(f"Percentages are {apart:.2g} points from those of the loop at most.\n")
    print(markdown(("way", "ms", "of pairprobe's time"), rows, ("ms", "of pairprobe's time")))


if __name__ == "__main__":
    main()
