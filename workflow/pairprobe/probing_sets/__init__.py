"""Probing sets: one module a task, and this registry, which finds them by their file names.

A task's module has

    VIEW      "paragraph" (a pair task, ranked by similarity); boundary alone has "sentence" (ranked by span heads)
    find      find(example, wordnet) -> Pair | str: the example's pair, or why it has none

and, where it reads WordNet, ``USES_WORDNET = True``. To add a task, add a module: nothing else lists them.
"""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType

from pairprobe import files
from pairprobe.errors import InputError
from pairprobe.examples import Example, Span

PAIR_MEASURES = ("cosine", "euclidean")
BOUNDARY_MEASURES = ("start", "end")


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


def names() -> list[str]:
    """Return the names of all tasks: the modules of this package, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(task: str) -> ModuleType:
    """Return a task's module. Raises InputError where there is none of that name."""
    if task not in names():
        raise InputError(f"tasks: found {task!r}. Allowed: {', '.join(names())}.")
    return importlib.import_module(f"{__name__}.{task}")


def rows_of(find: Callable, examples: Iterable[Example], wordnet=None, counts: Counter | None = None) -> Iterator[dict]:
    """Yield the rows of ``probing_sets/{task}.jsonl``; counts each reason for which an example has no pair."""
    counts = Counter() if counts is None else counts
    for example in examples:
        counts["examples"] += 1
        found = find(example, wordnet)
        if isinstance(found, str):
            counts[found] += 1
        elif isinstance(found, Boundary):
            counts["pairs"] += 1
            yield {"example_id": example.example_id, "sentence": found.sentence, "answer": found.answer}
        else:
            counts["pairs"] += 1
            yield {
                "example_id": example.example_id,
                "anchor": {"side": found.side, "words": found.anchor},
                "match": {"words": found.match},
            }


def build(task: str, examples: Iterable[Example], path: str, wordnet=None) -> list[tuple[str, str, int]]:
    """Write a task's probing set, at most one pair an example, in the order of the examples.

    Returns rows ``(task, what, number)``: the examples looked at, the pairs found, and for each reason to drop an
    example how many there were, the commonest first.
    """
    counts: Counter = Counter()
    files.write_json_lines(path, rows_of(load(task).find, examples, wordnet, counts))
    reasons = sorted(((n, why) for why, n in counts.items() if why not in ("examples", "pairs")), reverse=True)
    looked, pairs = (task, "examples looked at", counts["examples"]), (task, "pairs found", counts["pairs"])
    return [looked, pairs, *((task, f"dropped: {why}", n) for n, why in reasons)]


def read(path: str) -> Iterator[dict]:
    """Read ``probing_sets/{task}.jsonl``, checking that each line has the fields of a pair or of a boundary."""
    for where, row in files.read_json_lines(path):
        try:
            if "sentence" in row:
                (a, b), (start, end) = row["sentence"], row["answer"]
                whole = 0 <= a <= start < end <= b
            else:
                anchor, match = row["anchor"], row["match"]
                whole = anchor["side"] in ("question", "paragraph") and _are_words(anchor["words"])
                whole = whole and _are_words(match["words"])
            row["example_id"]
        except (KeyError, TypeError, ValueError):
            whole = False
        if not whole:
            raise InputError(
                f"{where}: found {row}, wanted example_id, anchor {{side, words}} and match {{words}}, or example_id, "
                "sentence [start, end) and an answer [start, end) inside it."
            )
        yield row


def _are_words(words) -> bool:
    """Whether these are positions of words: a list of integers from 0 up, at least one."""
    return isinstance(words, list) and bool(words) and all(isinstance(i, int) and i >= 0 for i in words)
