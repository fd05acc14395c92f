"""Do pairs rank higher where the question is answered right? Percentages of right and of wrong ones, and a correlation.

A pair is one of a question, and a question is answered right (exact match 1) or wrong (0) by a checkpoint. Of both groups
there are the percentages, and their difference; and over all pairs the rank correlation (Spearman's, ties averaged) of the
pair's own auc, the share of the unmatching words that it outranks, with the question's F1.

The rankings are those of the checkpoint that answers, or of the one that it was made of: a difference that is there already
was not made by training. In a recipe each seed has its own answers, and so its own groups; the statistics of its seeds are
draws of one, of which the mean is taken. Errors of pages and seeds are those of ``estimation``: each page is left out once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pairprobe.data.same_texts import questions_of
from pairprobe.evidence.estimation import Estimate, Sums, effective_number, moderate
from pairprobe.evidence.fields import COMPARED, CORRELATION, RIGHT_AND_WRONG_FIELDS
from pairprobe.evidence.rank_correlation import rank_correlations
from pairprobe.evidence.weighing import Columns, by_measure, possible, with_interval
from pairprobe.io.progress import log
from pairprobe.io.tsv import rounded, write_tsv
from pairprobe.probing_sets.pairs import id_of, read_probing_set, titles_by_task

# Of one checkpoint, {question: (exact match, F1)}, both from 0 to 1.
Scores = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Pairs:
    """Of each task's pairs, ``{task: {pair: ...}}``, the titles of their pages and their questions.

    A pair of a file of one's own has a question where question and text are those of an example of the data.
    """

    titles: Mapping[str, Mapping[str, str]]
    questions: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls, tasks: Sequence[str], sets: Sequence[str], examples: Sequence[str], asked: str) -> "Pairs":
        """Read the probing sets and the examples of each task. asked: the examples that the questions are of."""
        question_of = questions_of(examples, asked)
        found: dict[str, dict[str, str]] = {}
        for task, path in zip(tasks, sets, strict=True):
            rows = list(read_probing_set(path))
            found[task] = {id_of(row): question_of[row["example_id"]] for row in rows if row["example_id"] in question_of}
            if len(found[task]) < len(rows):
                log.info("%s: %d of %d pairs are of no question of the data", task, len(rows) - len(found[task]), len(rows))
        return cls(titles_by_task(tasks, sets, examples), found)


@dataclass(frozen=True)
class Comparison:
    """Rankings, grouped by answers.

    ranked_by, answered_by: recipes or checkpoints. draws: of each seed the checkpoint that ranks and the one that answers.
    """

    ranked_by: str
    answered_by: str
    draws: Sequence[tuple[str, str]]
    is_recipe: bool


def comparisons(
    answering: Mapping[str, Sequence[str]], before: Mapping[str, str | None], recipes: Mapping[str, Sequence[str]]
) -> Iterator[Comparison]:
    """Yield what is compared: the answers of each recipe or checkpoint with its own rankings, and with those of before.

    answering: ``{name: its checkpoints}``; before: ``{name: the checkpoint that it was made of}``; recipes: which of the
    names are recipes.
    """
    for name, checkpoints in answering.items():
        yield Comparison(name, name, [(one, one) for one in checkpoints], name in recipes)
        if (made_of := before[name]) is not None:
            yield Comparison(made_of, name, [(made_of, one) for one in checkpoints], name in recipes)


def weigh(
    path: str,
    compared: Iterable[Comparison],
    rankings: Mapping[tuple[str, str], str],
    pairs: Pairs,
    scores: Mapping[str, Scores],
    confidence: float = 0.95,
) -> None:
    """Write a table of ``RIGHT_AND_WRONG_FIELDS``.

    rankings: ``{(checkpoint, task): path}``; scores: of each checkpoint that answers, of the questions that have an answer.
    p_adjusted is corrected for all tasks, measures and layers of a comparison and value. Raises InputError for a bad
    ranking, and for a pair without a title.
    """
    ranked = {key: Columns.read(ranking, pairs.titles[key[1]]) for key, ranking in rankings.items()}
    tasks = list(dict.fromkeys(task for _, task in rankings))
    rows: list[tuple[Any, ...]] = []
    for one in compared:
        curves = [
            curve
            for task in tasks
            if (those := _draws(one, task, ranked, pairs, scores))
            for curve in _curves(one, task, those)
        ]
        for value in (*COMPARED, CORRELATION):
            rows += _rows(one, [curve for curve in curves if curve.value == value], confidence)
    write_tsv(path, RIGHT_AND_WRONG_FIELDS, rows)
    log.info("%d rows", len(rows))


@dataclass(frozen=True, eq=False)
class _Draw:
    """Pairs of a task as one checkpoint ranks them, and one answers their questions.

    names: (measure, layer) of each column; ratios: as ``percentages.ratios``, (pairs, columns) each; scores: (pairs, 2),
    exact match and F1; page: (pairs,), numbers from 0.
    """

    names: list[tuple[str, int]]
    ratios: dict[str, tuple[np.ndarray, np.ndarray]]
    scores: np.ndarray
    page: np.ndarray

    def among(self, pairs: np.ndarray) -> "_Draw":
        """Return some of the pairs; pairs: a mask."""
        found = {value: (part[pairs], whole[pairs]) for value, (part, whole) in self.ratios.items()}
        return _Draw(self.names, found, self.scores[pairs], np.unique(self.page[pairs], return_inverse=True)[1])

    @property
    def right(self) -> np.ndarray:
        """Whether each pair's question is answered right: (pairs,)."""
        right: np.ndarray = self.scores[:, 0] == 1
        return right

    def sums(self, value: str, group: np.ndarray) -> Sums:
        """Return the sums over each page's pairs of a group, a mask."""
        sums = [np.zeros((self.page.max() + 1, len(self.names))) for _ in range(2)]
        for total, each in zip(sums, self.ratios[value], strict=True):
            np.add.at(total, self.page[group], each[group])
        return Sums(*sums)


def _draws(
    one: Comparison, task: str, ranked: Mapping[tuple[str, str], Columns], pairs: Pairs, scores: Mapping[str, Scores]
) -> list[_Draw]:
    """Return a draw for each seed, of the pairs that all rankings have and whose questions have an answer."""
    several = [ranked[checkpoint, task] for checkpoint, _ in one.draws]
    questions, scored = pairs.questions[task], scores[one.draws[0][1]]
    in_all = set.intersection(*({*each.example_ids.tolist()} for each in several))
    ids = sorted(name for name in in_all if questions.get(name) in scored)
    page = np.unique([pairs.titles[task][name] for name in ids], return_inverse=True)[1]
    found = []
    for each, (_, answers) in zip(several, one.draws, strict=True):
        of_answers = np.array([scores[answers][questions[name]] for name in ids])
        found.append(_Draw(each.names, each.ratios(np.array(ids)), of_answers, page))
    return found if ids else []


@dataclass(frozen=True, eq=False)
class _Curve:
    """A value of one task: a column for each of ``names``, (measure, layer).

    pairs: of right and of wrong ones, the mean over the seeds; pages: how many. groups: the estimates of right and of wrong
    pairs; none for a correlation, which stands in the place of the difference.
    """

    value: str
    task: str
    names: list[tuple[str, int]]
    pairs: tuple[float, float]
    pages: int
    groups: tuple[Estimate, ...]
    difference: Estimate

    def by_measure(self) -> Iterator["_Curve"]:
        """Yield the curve of each measure."""
        for columns in by_measure(self.names).values():
            groups = tuple(each[columns] for each in self.groups)
            names = [self.names[i] for i in columns]
            yield replace(self, names=names, groups=groups, difference=self.difference[columns])


def _curves(one: Comparison, task: str, draws: list[_Draw]) -> Iterator[_Curve]:
    for value in (*COMPARED, CORRELATION):
        ratio = "auc" if value == CORRELATION else value
        if ratio not in draws[0].ratios:
            continue
        has = np.all([(draw.ratios[ratio][1] > 0).all(1) for draw in draws], axis=0)
        if not has.any():
            continue
        those = [draw.among(has) for draw in draws]
        right = float(np.mean([draw.right.sum() for draw in those]))
        groups = () if value == CORRELATION else _groups(those, value, one.is_recipe)
        difference = groups[0].paired_difference(groups[1]) if groups else _correlation(those, one.is_recipe)
        pages = int(those[0].page.max()) + 1
        yield from _Curve(value, task, draws[0].names, (right, has.sum() - right), pages, groups, difference).by_measure()


def _groups(draws: list[_Draw], value: str, is_recipe: bool) -> tuple[Estimate, Estimate]:
    """Return the percentages of the pairs of questions that are answered right, and wrong."""
    right = Estimate.of_checkpoints([draw.sums(value, draw.right) for draw in draws], is_recipe)
    wrong = Estimate.of_checkpoints([draw.sums(value, ~draw.right) for draw in draws], is_recipe)
    return right, wrong


def _correlation(draws: list[_Draw], is_recipe: bool) -> Estimate:
    """Return the correlation of the pairs' auc with their questions' F1; each pair weighs as much."""
    found = [rank_correlations(np.divide(*draw.ratios["auc"]), draw.scores[:, 1], draw.page) for draw in draws]
    values, left_out = (np.array(each) for each in zip(*found, strict=True))
    sizes = np.bincount(draws[0].page)[:, None].astype(float)
    pages = np.repeat(effective_number(sizes), values.shape[1])
    return Estimate.of(values.mean(0), left_out.mean(0), [values] if is_recipe else [], pages)


def _rows(one: Comparison, curves: list[_Curve], confidence: float) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one value, of all tasks and measures, which are moderated by and corrected for each other."""
    tested = [curve for curve in curves if not np.isnan(curve.difference.value).any()]
    tests = sum(len(curve.names) for curve in tested)
    moderated = iter(moderate([curve.difference for curve in tested]))
    for curve in curves:
        difference = next(moderated) if curve in tested else curve.difference
        of_groups = [with_interval(each, curve.value, confidence) for each in curve.groups]
        numbers = np.column_stack([
            *(of_groups or [np.full((len(curve.names), 6), np.nan)]),
            difference.value, possible(difference.interval(confidence), curve.value),
        ])  # fmt: skip
        p = np.column_stack([difference.p_value(), difference.p_value(max(1, tests))])
        for i, (measure, layer) in enumerate(curve.names):
            names = one.ranked_by, one.answered_by, curve.task, measure, layer, curve.value
            counts = *map(_count, curve.pairs), curve.pages, f"{difference.pages[i]:.1f}", len(one.draws)
            yield *names, *counts, *(rounded(each, 4) for each in numbers[i]), *(rounded(each, 6) for each in p[i])


def _count(pairs: float) -> str:
    return f"{pairs:.1f}".removesuffix(".0")
