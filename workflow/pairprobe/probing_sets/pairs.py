"""Pairs and boundaries: what a probing set is made of, and reading one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast, final

from pairprobe.data.documents import Span
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
    """A pair as ``probing_sets/{task}.jsonl`` has it."""

    example_id: str
    anchor: AnchorRow
    match: MatchRow


@final
class BoundaryRow(TypedDict):
    """A boundary as ``probing_sets/boundary.jsonl`` has it: two spans ``[start, end)``."""

    example_id: str
    sentence: Sequence[int]
    answer: Sequence[int]


def read_probing_set(path: str | Path) -> Iterator[PairRow | BoundaryRow]:
    """Read ``probing_sets/{task}.jsonl``, checking that each line has the fields of a pair or of a boundary."""
    for where, row in files.read_json_lines(path):
        try:
            if "sentence" in row:
                (a, b), (start, end) = row["sentence"], row["answer"]
                valid = 0 <= a <= start < end <= b
            else:
                anchor, match = row["anchor"], row["match"]
                valid = anchor["side"] in ("question", "paragraph")
                valid = valid and _are_positions(anchor["words"]) and _are_positions(match["words"])
            row["example_id"]
        except (KeyError, TypeError, ValueError):
            valid = False
        if not valid:
            raise InputError(
                f"{where}: found {row}, wanted example_id, anchor {{side, words}} and match {{words}}, or example_id, "
                "sentence [start, end) and an answer [start, end) inside it."
            )
        yield cast("PairRow | BoundaryRow", row)


def _are_positions(words: object) -> bool:
    """Whether these are positions of words: a list of integers from 0 up, at least one."""
    return isinstance(words, list) and bool(words) and all(isinstance(i, int) and i >= 0 for i in words)
