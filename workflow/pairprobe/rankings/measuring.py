"""From a shard of activations to a shard of similarities: each example is read once, for the pairs of all tasks.

For a pair, the shard has the similarity of its anchor to the match and to every word of question and paragraph, and what
is counted of its spans and swapped anchors; for a boundary, the start and end logits of every word of the sentence.
Rankings and the explorer need nothing else of the activations, and it takes one percent of their size.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from pairprobe.activations import shards, store
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.digests import file_digest
from pairprobe.io.progress import log, track
from pairprobe.probing_sets.pairs import BoundaryRow, PairRow, id_of
from pairprobe.rankings import boundary_heads, similarity, similarity_store
from pairprobe.rankings.similarity_store import MATCH_ROWS, SPAN_ROWS
from pairprobe.rankings.specificity import Surroundings

R = TypeVar("R", PairRow, BoundaryRow)
# By task, the rows of its probing set.
Sets = Mapping[str, Iterable[R]]


@dataclass(frozen=True, slots=True)
class _Measurement(Generic[R]):
    """What is measured: the name of the data, what gives an entry's rows, and what these depend on besides.

    of_example: called with an example's name and the vectors of its question and passage; returns what gives a row's rows.
    """

    data: str
    of_example: Callable[[str, np.ndarray, np.ndarray], Callable[[R], np.ndarray]]
    depends_on: str | bool


def measure_similarities(
    activations: str,
    sets: Sets[PairRow],
    examples: Iterable[Example],
    path: str,
    punctuation: bool = False,
    code: dict[str, str] | None = None,
) -> None:
    """Measure the pairs of one shard, and write the shard of similarities.

    activations: a shard of the view ``paragraph`` or ``text``. sets: ``{task: the rows of its probing set}``, those
    of other shards among them. examples: the examples of the sets, others among them. punctuation: whether words
    without a letter or digit count. code: the digests of the code that computes.

    What ``path``, and shards of another division beside it, hold of the same vectors and pairs is reused. Raises InputError
    where the activations are damaged, or an example of the sets is missing or has other words; then nothing is changed at
    ``path``.
    """
    sets = {task: list(rows) for task, rows in sets.items()}
    wanted = {row["example_id"] for rows in sets.values() for row in rows}
    by_id = {example.example_id: example for example in examples if example.example_id in wanted}
    _measure(activations, sets, path, _Measurement("similarities", partial(_pairs, by_id, punctuation), punctuation), code)


def measure_logits(
    activations: str, sets: Sets[BoundaryRow], heads: str, path: str, code: dict[str, str] | None = None
) -> None:
    """Compute the logits of one shard's sentences. activations: of the view ``sentence``. heads: the file of trained heads.

    The rest as ``measure_similarities``.
    """
    of_example = partial(_boundaries, boundary_heads.read(heads))
    _measure(activations, sets, path, _Measurement("logits", of_example, file_digest(heads)), code)


def _pairs(
    examples: Mapping[str, Example], punctuation: bool, name: str, question: np.ndarray, paragraph: np.ndarray
) -> Callable[[PairRow], np.ndarray]:
    """Return what gives the rows of an example's pair, (rows, layers, 2), as ``similarity_store`` has them."""
    if name not in examples:
        raise InputError(f"probing set: example_id {name} is in no example. Build the set from these examples.")
    surroundings = Surroundings(examples[name], question, paragraph, punctuation)

    def rows(pair: PairRow) -> np.ndarray:
        measured, counted = similarity.measure_pair(pair, question, paragraph), surroundings.measure(pair)
        spans = np.moveaxis(counted.spans, 0, -1)
        parts = [measured.matching[..., None], measured.question, measured.paragraph, spans, counted.swapped]
        return np.concatenate(parts, axis=-1).transpose(2, 1, 0)

    return rows


def _boundaries(
    heads: boundary_heads.Heads, _name: str, _question: np.ndarray, sentence: np.ndarray
) -> Callable[[BoundaryRow], np.ndarray]:
    """Return what gives the rows of a boundary, (words, layers, 2)."""
    return lambda _boundary: heads.logits(sentence).transpose(2, 1, 0)


def _measure(activations: str, sets: Sets[R], path: str, measurement: _Measurement[R], code: dict[str, str] | None) -> None:
    by_example: dict[str, list[tuple[str, R]]] = {}
    # In an order of their own, so that another order in the configuration changes nothing.
    for task, of_task in sorted(sets.items()):
        for row in of_task:
            by_example.setdefault(row["example_id"], []).append((task, row))
    cache_key = _digest({"numpy": np.__version__, "code": code, "data": measurement.data, "also": measurement.depends_on})
    reused = 0
    with contextlib.closing(store.Shard(activations)) as shard:
        index = _index_of(shard, by_example)
        attributes = {name: shard.attributes[name] for name in shards.COMMON if name in shard.attributes}
        with (
            shards.Cache(files.previous_shards(path), cache_key, similarity_store.Shard) as cache,
            files.atomic_write(path) as temporary,
            similarity_store.create(
                temporary, measurement.data, shard.data.shape[0], index, {**attributes, "cache_key": cache_key}
            ) as writer,
        ):
            entries = iter(index.content)
            names = [(i, name) for i, name in enumerate(shard.texts["example_id"]) if name in by_example]
            for i, name in track(names, len(names), f"measuring {measurement.data}"):
                of_example = [(row, cache.read(next(entries))) for _, row in by_example[name]]
                measure = None
                for row, rows in of_example:
                    if rows is not None:
                        reused += 1
                        writer.write(rows)
                        continue
                    measure = measure or measurement.of_example(name, *shard.vectors(i))
                    writer.write(measure(row))
    log.info("%s: %d entries, %d of them reused", path, len(index.content), reused)


def _index_of(shard: store.Shard, by_example: dict[str, list[tuple[str, R]]]) -> similarity_store.Index:
    """Return the index of the shard of similarities. An entry's fingerprint covers its vectors' checksums and the pair."""
    index = similarity_store.Index(left_out=shard.left_out)
    offsets, asked, crc32 = (shard.numbers[name] for name in ("offsets", "question_words", "crc32"))
    sizes = np.stack([asked, np.diff(offsets) - asked], axis=1).tolist()
    for i, name in enumerate(shard.texts["example_id"]):
        for task, row in by_example.get(name, ()):
            index.task.append(task)
            index.example_id.append(id_of(row))
            pair = {key: value for key, value in row.items() if key != "id"}
            index.content.append(_digest([shard.fingerprints[i], int(asked[i]), crc32[:, i].tolist(), pair]))
            question, passage = sizes[i]
            if "anchor" in row:
                index.words.append(question + passage)
                index.question_words.append(question)
                of_side = question if row["anchor"]["side"] == "question" else passage
                index.rows.append(MATCH_ROWS + question + passage + SPAN_ROWS + of_side)
            else:
                index.words.append(passage)
                index.question_words.append(0)
                index.rows.append(passage)
    return index


def _digest(values: object) -> str:
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).hexdigest()
