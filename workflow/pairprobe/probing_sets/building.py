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
from types import ModuleType

from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.probing_sets import tasks
from pairprobe.probing_sets.pairs import Boundary


def names() -> list[str]:
    """Return the names of all tasks: the modules of this package, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(tasks.__path__))


def load(task: str) -> ModuleType:
    """Return a task's module. Raises InputError where there is none of that name."""
    if task not in names():
        raise InputError(f"tasks: found {task!r}. Allowed: {', '.join(names())}.")
    return importlib.import_module(f"{tasks.__name__}.{task}")


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
