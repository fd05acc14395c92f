"""Ranking every pair task in every layer by every measure, beside a loop over words and beside reading the vectors once."""

import contextlib
import math
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from pairprobe.activations.store import Activations
from pairprobe.data import text
from pairprobe.data.examples import Example, read_examples
from pairprobe.errors import InputError
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.rankings import percentages
from pairprobe.tables.layout import markdown
from suite import corpus, encoders
from suite.settings import Settings
from suite.tasks import build_sets, rank_all
from suite.timing import Spread, in_turn, ratio, timed

EXAMPLES, QUICK = 400, 120
OURS, LOOP, PRODUCTS, STORE, RAW = "ranking", "loop", "products", "store", "h5py"


def loop(examples: Path, sets: dict[str, Path], store: Path) -> dict[tuple[str, str, str, int], int]:
    """Count by the definition, one similarity at a time; returns ``{(task, example_id, measure, layer): count}``."""
    by_id = {example.example_id: example for example in read_examples(str(examples))}
    counts = {}
    with Activations([str(store)]) as activations:
        for task, path in sets.items():
            for pair in read_probing_set(str(path)):
                example = by_id[pair["example_id"]]
                if example.example_id not in activations:  # too long
                    continue
                for (measure, layer), count in _counted(pair, example, *activations[example.example_id]):
                    counts[task, example.example_id, measure, layer] = count
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


def check(rankings: dict[str, Path], counts: dict[tuple[str, str, str, int], int]) -> float:
    """Return the largest difference of a percentage of the library from that of the loop, in points.

    Similarities of the loop are in float32, so that near ties may fall otherwise. Raises InputError where another number
    of pairs was ranked, or the difference is more than 0.05 points.
    """
    apart = 0.0
    for task, path in rankings.items():
        for (measure, layer), rows in percentages.read_ranking(str(path)).items():
            mine = [n for (t, _, m, k), n in counts.items() if (t, m, k) == (task, measure, layer)]
            if len(mine) != len(rows):
                raise InputError(f"{task}: {len(rows)} pairs were ranked, and by the loop {len(mine)}.")
            count, _, para_len, _ = rows.sum(0)
            apart = max(apart, 100 * abs(count - sum(mine)) / para_len)
    if not apart <= 0.05:
        raise InputError(f"a percentage is {apart:.3f} points from that of the loop.")
    return float(apart)


def _read_store(store: Path, names: set[str]) -> None:
    with Activations([str(store)]) as activations:
        for name in activations.names():
            if name in names:
                activations[name]


def _read_raw(store: Path, names: set[str]) -> None:
    """Read the same vectors with h5py alone: no checksums, nothing converted."""
    with h5py.File(store, "r") as file:
        offsets, ids, vectors = file["offsets"][:], file["example_id"].asstr()[:], file["activations"]
        for i, name in enumerate(ids):
            if name in names:
                vectors[:, offsets[i] : offsets[i + 1]]


def measure(settings: Settings) -> dict:
    """Rank what the demo's encoder gives, stored as float32."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = list(corpus.repeated(corpus.read(settings, folder), settings.size(EXAMPLES, QUICK)))
        examples = corpus.write(folder / "examples.jsonl.gz", found)
        store, sets = folder / "store.h5", build_sets(examples, folder)
        encoders.Loaded(encoders.minilm(folder), "float32").extract(examples, store, storage="float32")
        pairs = {task: list(read_probing_set(str(path))) for task, path in sets.items()}
        with Activations([str(store)]) as activations:
            names = {row["example_id"] for of_task in pairs.values() for row in of_task if row["example_id"] in activations}
        rankings = rank_all(examples, sets, store, folder)
        apart = check(rankings, loop(examples, sets, store))
        ways = _ways(examples, sets, store, folder, names, pairs)
        similarities = sum(int((percentages.read_ranking(path).counts[..., 3] + 1).sum()) for path in rankings.values())
        measured = in_turn({name: timed(way) for name, way in ways.items()}, settings.rounds)
        with Activations([str(store)]) as activations:
            vectors = sum(math.prod(side.shape) for name in names for side in activations[name])
        return {
            "examples": len(names),
            "pairs": {task: len(of_task) for task, of_task in pairs.items()},
            "similarities": similarities,
            "bytes": 4 * vectors,
            "apart": apart,
            "measured": measured,
        }


def _products(store: Path, pairs: dict[str, list[dict]]) -> None:
    """Read each task's vectors, and compute nothing but the products that its similarities stand on: a least time."""
    for of_task in pairs.values():
        with Activations([str(store)]) as activations:
            for pair in of_task:
                if pair["example_id"] not in activations:
                    continue
                question, paragraph = activations[pair["example_id"]]
                side = question if pair["anchor"]["side"] == "question" else paragraph
                for words, anchor in zip(paragraph, side[:, pair["anchor"]["words"][0]], strict=True):
                    np.vecdot(words, anchor)
                    np.vecdot(words, words)


def _ways(
    examples: Path, sets: dict[str, Path], store: Path, folder: Path, names: set[str], pairs: dict[str, list[dict]]
) -> dict[str, Callable[[], object]]:
    ways = {
        OURS: partial(rank_all, examples, sets, store, folder),
        LOOP: partial(loop, examples, sets, store),
        PRODUCTS: partial(_products, store, pairs),
        STORE: partial(_read_store, store, names),
    }
    with contextlib.suppress(KeyError, TypeError, ValueError, IndexError):  # stored otherwise than it was
        _read_raw(store, names)
        ways[RAW] = partial(_read_raw, store, names)
    return ways


LABELS = {
    OURS: "**pairprobe**, all tasks, measures and layers",
    LOOP: "a loop over words, one similarity at a time",
    PRODUCTS: "reading each task's vectors, and their products alone",
    STORE: "reading their vectors once, checksums compared",
    RAW: "reading their vectors once, h5py alone",
}


def tell(found: dict) -> list[str]:
    """Return what was found, in Markdown."""
    measured, pairs = found["measured"], found["pairs"]
    ours = measured[OURS]
    rows = [
        (
            LABELS[way],
            Spread.of([1000 * each for each in seconds]).written(0, " ms"),
            "" if way == OURS else ratio(seconds, ours).written(),
        )
        for way, seconds in measured.items()
    ]
    fields = ("way", "time", "of pairprobe's time")
    speed = Spread.of([found["similarities"] / each / 1e6 for each in ours])
    return [
        f"{sum(pairs.values())} pairs ({', '.join(f'{task} {n}' for task, n in pairs.items())}) of {found['examples']} "
        f"examples, {found['similarities']:,} similarities, {found['bytes'] / 1e6:,.0f} MB of vectors. pairprobe computes "
        f"{speed.written()} million similarities a second; its percentages are {found['apart']:.2g} points from those of "
        "the loop at most.",
        "",
        *markdown(fields, rows, fields[1:]).splitlines(),
    ]
