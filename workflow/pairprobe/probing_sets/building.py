"""Building a probing set: the pairs that a task finds, as rows."""

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType

from pairprobe.data.examples import Example
from pairprobe.data.language import LEAST, Language
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.progress import log
from pairprobe.probing_sets import tasks
from pairprobe.probing_sets.pairs import Boundary, BoundaryRow, Pair, PairRow
from pairprobe.probing_sets.registry import names
from pairprobe.probing_sets.wordnet import WordNet

Find = Callable[[Example, WordNet | None], Pair | Boundary | str]


def load(task: str) -> ModuleType:
    """Return a task's module. Raises InputError where there is none of that name, or where it lacks VIEW or find."""
    if task not in names():
        raise InputError(f"tasks: found {task!r}. Allowed: {', '.join(names())}.")
    module = importlib.import_module(f"{tasks.__name__}.{task}")
    missing = [name for name in ("VIEW", "find") if not hasattr(module, name)]
    if missing:
        raise InputError(
            f"{module.__file__}: no {' and no '.join(missing)}. Wanted: what tasks/__init__.py says of a task."
        )
    return module


def rows_of(
    find: Find, examples: Iterable[Example], wordnet: WordNet | None = None, counts: Counter | None = None
) -> Iterator[PairRow | BoundaryRow]:
    """Yield the rows of ``probing_sets/{task}.jsonl``; counts each reason for which an example has no pair.

    Raises InputError where ``find`` returns neither a pair or boundary of the example nor a reason.
    """
    counts = Counter() if counts is None else counts
    for example in examples:
        counts["examples"] += 1
        found = find(example, wordnet)
        if isinstance(found, str):
            counts[found] += 1
            continue
        counts["pairs"] += 1
        if isinstance(found, Boundary):
            yield {"example_id": example.example_id, "sentence": found.sentence, "answer": found.answer}
        elif _is_pair_of(example, found):
            yield {
                "example_id": example.example_id,
                "anchor": {"side": found.side, "words": found.anchor},
                "match": {"words": found.match},
            }
        else:
            raise InputError(
                f"{find.__module__}: example {example.example_id}: find returned {found!r}, wanted a Pair with a side, "
                "question or paragraph, and positions of its words, or a reason (a string)."
            )


def _is_pair_of(example: Example, found: object) -> bool:
    if not isinstance(found, Pair) or found.side not in ("question", "paragraph"):
        return False
    sides = ((found.anchor, getattr(example, found.side)), (found.match, example.paragraph))
    return all(positions and all(0 <= i < len(words) for i in positions) for positions, words in sides)


def build(
    task: str, examples: Iterable[Example], path: str, wordnet: WordNet | None = None, finder: str = "find"
) -> list[tuple[str, str, int]]:
    """Write a task's probing set, at most one pair an example, in the order of the examples.

    finder: the function of the task's module that finds them. Returns rows ``(task, what, number)``: the examples looked
    at, the pairs found, and for each reason to drop an example how many there were, the commonest first; and a warning
    where the examples do not look like English, for which the tasks are made.
    """
    counts: Counter = Counter()
    language = Language()
    files.write_json_lines(path, rows_of(getattr(load(task), finder), _counted(examples, language), wordnet, counts))
    reasons = sorted(((n, why) for why, n in counts.items() if why not in ("examples", "pairs")), reverse=True)
    looked, pairs = (task, "examples looked at", counts["examples"]), (task, "pairs found", counts["pairs"])
    warnings = _warnings(task, language) if language.is_foreign else []
    return [looked, pairs, *((task, f"dropped: {why}", n) for n, why in reasons), *warnings]


def _counted(examples: Iterable[Example], language: Language) -> Iterator[Example]:
    for example in examples:
        language.add(example.question)
        language.add(example.paragraph)
        yield example


def _warnings(task: str, language: Language) -> list[tuple[str, str, int]]:
    words, letters = language.percentages
    log.warning(
        "%s: these examples do not look like English: of 100 words %d are function words of English (the, of, and, ...), "
        "where English has more than %d; of 100 letters %d are not Latin. The splitter, the stop words, WordNet and the "
        "tasks' rules are English, so pairs of another language mean nothing. Pairs of your own work in any language: "
        "docs/how-to/your_data.md, 'Other languages'.",
        *(task, words, LEAST, letters),
    )
    return [
        (task, f"not English? function words of English among 100 words (English has more than {LEAST})", words),
        (task, "not English? letters among 100 that are not Latin", letters),
    ]
