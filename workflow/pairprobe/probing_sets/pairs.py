"""Pairs and boundaries: what a probing set is made of, and reading one."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast, final

from pairprobe.data.documents import Span
from pairprobe.data.examples import read_examples
from pairprobe.errors import InputError
from pairprobe.io import files


@dataclass(frozen=True, slots=True)
class Pair:
    """An anchor and its match: word positions on the ``side`` "question" or "paragraph", and in the paragraph."""

    side: str
    anchor: tuple[int, ...]
    match: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Boundary:
    """The sentence that holds the answer, and the answer, ``[start, end)`` over the paragraph's words."""

    sentence: Span
    answer: Span


class MatchRow(TypedDict):
    """The match of a pair: positions of paragraph words."""

    words: Sequence[int]


class AnchorRow(MatchRow):
    """The anchor of a pair: positions of words of the ``side`` "question" or "paragraph"."""

    side: str


@final
class PairRow(TypedDict):
    """A pair as ``probing_sets/{task}.jsonl`` has it; ``id`` where its example has several."""

    example_id: str
    id: NotRequired[str]
    anchor: AnchorRow
    match: MatchRow


@final
class BoundaryRow(TypedDict):
    """A boundary as ``probing_sets/boundary.jsonl`` has it: two spans ``[start, end)``."""

    example_id: str
    sentence: Sequence[int]
    answer: Sequence[int]


def id_of(row: PairRow | BoundaryRow) -> str:
    """Return the name of a pair in its set: its own id, or that of its example."""
    return str(row.get("id", row["example_id"]))


def is_row(row: Any) -> bool:
    """Whether a dictionary has the fields of a pair or of a boundary."""
    try:
        row["example_id"]
        if "sentence" in row:
            (a, b), (start, end) = row["sentence"], row["answer"]
            return bool(0 <= a <= start < end <= b)
        anchor, match = row["anchor"], row["match"]
        return anchor["side"] in ("question", "paragraph") and all(map(_are_positions, (anchor["words"], match["words"])))
    except (KeyError, TypeError, ValueError):
        return False


def read_probing_set(path: str | Path) -> Iterator[PairRow | BoundaryRow]:
    """Read ``probing_sets/{task}.jsonl``, checking that each line has the fields of a pair or of a boundary."""
    for where, row in files.read_json_lines(path):
        if not is_row(row):
            raise InputError(
                f"{where}: found {row}, wanted example_id, anchor {{side, words}} and match {{words}}, or example_id, "
                "sentence [start, end) and an answer [start, end) inside it."
            )
        yield cast("PairRow | BoundaryRow", row)


def titles_by_task(tasks: Iterable[str], sets: Iterable[str], examples: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the title of each pair's example, ``{task: {id_of: title}}``.

    sets, examples: the files of each task, each of which is read once.
    """
    titles = functools.cache(lambda path: {example.example_id: example.title for example in read_examples(path)})
    return {
        task: {
            id_of(row): titles(path)[row["example_id"]]
            for row in read_probing_set(pairs)
            if row["example_id"] in titles(path)
        }
        for task, pairs, path in zip(tasks, sets, examples, strict=True)
    }


def _are_positions(words: object) -> bool:
    """Whether these are positions of words: a list of integers from 0 up, at least one."""
    return isinstance(words, list) and bool(words) and all(isinstance(i, int) and i >= 0 for i in words)
