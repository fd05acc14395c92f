"""Pairs as one who calls ``rank`` gives them, checked: as rows of a probing set, and the examples that these are of."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from pairprobe.configuration.schema import SCHEMA, read_schema
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.probing_sets import pair_files
from pairprobe.probing_sets.pairs import BoundaryRow, PairRow, id_of, is_row
from pairprobe.probing_sets.text_pairs import TextPair, resolve

# Pairs of one task: themselves, a file of them, or the rows of a probing set.
Pairs: TypeAlias = Iterable[TextPair] | Iterable[PairRow | BoundaryRow] | str | Path


@dataclass(frozen=True, slots=True)
class TaskPairs:
    """The pairs of a task as rows of a probing set, and the examples of these."""

    task: str
    examples: list[Example]
    rows: list[PairRow]

    def names(self) -> dict[str, str]:
        """Return how messages call each example: by the ids of its pairs."""
        ids: dict[str, list[str]] = {}
        for row in self.rows:
            ids.setdefault(row["example_id"], []).append(id_of(row))
        return {name: f"rank: task {self.task!r}, pair {', '.join(map(repr, each))}" for name, each in ids.items()}


def task_of(pairs: Pairs) -> str:
    """Return the name of the only task: that of its file, as far as it can be one."""
    if not isinstance(pairs, str | Path):
        return "pairs"
    return re.sub("[^A-Za-z0-9]+", "_", Path(pairs).name.partition(".")[0]).strip("_")[:100] or "pairs"


def check_task(task: object) -> None:
    """Raise InputError for a name that a configuration would not take."""
    known = read_schema(SCHEMA)["properties"]["tasks"]["items"]["properties"]["name"]
    if not isinstance(task, str) or not re.search(known["pattern"], task):
        raise InputError(f"rank: found the task {task!r:.80}. Wanted: {known['description']}.")


def resolved(task: str, pairs: Pairs, known: Sequence[Example] | None) -> TaskPairs:
    """Return the pairs of a task; known: the examples of rows. Raises InputError, in one line, for what are none."""
    if isinstance(pairs, str | Path):
        return TaskPairs(task, *pair_files.load(pairs))
    if isinstance(pairs, TextPair | Mapping) or not isinstance(pairs, Iterable):
        raise InputError(f"rank: task {task!r}: found {_shown(pairs)}, wanted a list of pairs.")
    found: list[Any] = list(pairs)
    if not found:
        raise InputError(f"rank: found no pairs of the task {task!r}, wanted one or more.")
    kind = TextPair if isinstance(found[0], TextPair) else dict
    for number, one in enumerate(found):
        if not isinstance(one, kind):
            wanted = "TextPairs alone, or rows of a probing set alone"
            raise InputError(f"rank: task {task!r}, pairs[{number}]: found {_shown(one)}, wanted {wanted}.")
    if kind is TextPair:
        return TaskPairs(task, *resolve(cast("list[TextPair]", found)))
    if known is None:
        raise InputError(
            f"rank: task {task!r}: found rows of a probing set without their examples. Give these too: rank(..., "
            "examples=pairprobe.data.examples.read_examples('results/RUN/examples/probe.jsonl.gz'))."
        )
    return _of_rows(task, found, {each.example_id: each for each in known})


def _of_rows(task: str, rows: list[Any], examples: dict[str, Example]) -> TaskPairs:
    for number, row in enumerate(rows):
        where = f"rank: task {task!r}, pairs[{number}]"
        if not is_row(row):
            raise InputError(f"{where}: found {_shown(row)}, wanted a row of a probing set, as run.pairs(task) has them.")
        if "anchor" not in row:
            raise InputError(f"{where}: found {_shown(row)}, wanted a pair. The workflow alone ranks boundaries.")
        if row["example_id"] not in examples:
            raise InputError(
                f"{where}: its example {row['example_id']!r} is not among the examples. Give those of its run."
            )
        example = examples[row["example_id"]]
        of_side = example.question if row["anchor"]["side"] == "question" else example.paragraph
        for key, words in (("anchor", of_side), ("match", example.paragraph)):
            if (last := max(row[key]["words"])) >= len(words):
                raise InputError(
                    f"{where}: its {key} has the word {last}, and the example {example.example_id!r} has {len(words)} "
                    "words there, from 0. Give the examples of its run."
                )
    wanted = {row["example_id"] for row in rows}
    return TaskPairs(task, [each for name, each in examples.items() if name in wanted], rows)


def _shown(value: object) -> str:
    return f"{value!r:.80}"
