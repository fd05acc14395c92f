"""What is lost by an intervention: scores with both of their errors, and paired differences to the intact checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np

from pairprobe.evaluation.page_scores import PageScores, Questions, estimate
from pairprobe.evaluation.predictions import Prediction
from pairprobe.evidence.estimation import Estimate, moderate
from pairprobe.interventions.names import FUNCTIONAL_FIELDS, INTACT
from pairprobe.io import files
from pairprobe.io.progress import log
from pairprobe.io.tsv import rounded, write_tsv

# Intervention and layer; of the intact checkpoint there is no layer.
_Variant: TypeAlias = tuple[str, int | None]
_INTACT: _Variant = (INTACT, None)


class Unit(NamedTuple):
    """A recipe or checkpoint: its name, its checkpoints, what these were made of, and whether it is a recipe."""

    name: str
    checkpoints: Sequence[str]
    before: str | None
    is_recipe: bool


def weigh(
    path: str, units: Sequence[Unit], answers: Mapping[str, Sequence[str]], questions: Questions, confidence: float
) -> None:
    """Write a table of ``FUNCTIONAL_FIELDS``.

    answers: the files of answers of each checkpoint: those of the checkpoint as it is, whose rows have no intervention, and
    those of interventions. What is lost is the intact checkpoint's score less this one; p_adjusted is corrected for all
    interventions and layers of a unit and metric. Raises as ``Questions.scores`` does.
    """
    scored = {name: _scores(several, questions) for name, several in answers.items()}
    rows = [row for unit in units for row in _rows(unit, [scored[one] for one in unit.checkpoints], confidence)]
    write_tsv(path, FUNCTIONAL_FIELDS, rows)
    log.info("%d scores of %d checkpoints", len(rows), len(scored))


def _scores(paths: Sequence[str], questions: Questions) -> dict[_Variant, dict[str, PageScores]]:
    """Return the scores of a checkpoint, as it is and in all interventions."""
    found: dict[_Variant, list[Prediction]] = {}
    for path in paths:
        for _, row in files.read_json_lines(path):
            variant = (row.get("intervention", INTACT), row.get("layer"))
            found.setdefault(variant, []).append(msgspec.convert(row, Prediction))
    named = {variant: f"{paths[0]} ({' '.join(map(str, variant))})" for variant in found}
    return {variant: questions.scores(some, named[variant]) for variant, some in found.items()}


def _rows(
    unit: Unit, seeds: Sequence[Mapping[_Variant, Mapping[str, PageScores]]], confidence: float
) -> Iterator[tuple[Any, ...]]:
    variants = [_INTACT, *(one for one in seeds[0] if one != _INTACT)]
    for metric in seeds[0][_INTACT]:
        values = estimate([[seed[one][metric] for one in variants] for seed in seeds], unit.is_recipe)
        ends, lost = values.percentage_interval(confidence), _lost(values, confidence)
        questions = seeds[0][_INTACT][metric].sizes.sum()
        for i, (intervention, layer) in enumerate(variants):
            yield (
                *(unit.name, unit.before or "", intervention, "" if layer is None else layer, metric, questions),
                *(len(seeds), len(values.left_out), f"{values.pages[i]:.1f}"),
                *map(rounded, (values.value[i], *ends[i])),
                *(rounded(number, digits) for number, digits in zip(lost[i], (4, 4, 4, 6, 6), strict=True)),
            )


def _lost(values: Estimate, confidence: float) -> np.ndarray:
    """Return of each column what is lost, its interval, p and p_adjusted: (columns, 5), NaN where nothing changes.

    values: a metric of the intact checkpoint, the first column, and in all interventions.
    """
    lost, found = values[[0]].paired_difference(values), np.full((len(values.value), 5), np.nan)
    drawn = np.concatenate([lost.value[None], lost.left_out, *lost.draws])
    moved = np.flatnonzero(np.any(drawn != 0, axis=0))
    found[1:, :3] = 0
    # The same layers can be put together in two ways.
    tests = np.unique(drawn[:, moved], axis=1).shape[1]
    for column, one in zip(moved, moderate([lost[[column]] for column in moved.tolist()]), strict=True):
        numbers = (one.value, *one.interval(confidence).T.clip(-100, 100), one.p_value(), one.p_value(tests))
        found[column] = [float(each[0]) for each in numbers]
    return found
