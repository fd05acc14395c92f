"""Scores of answers in percent, and the same without one page at a time, as ``evidence.estimation`` takes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pairprobe.errors import InputError
from pairprobe.evaluation import nq_files, nq_metric, squad_metric
from pairprobe.evaluation.predictions import Prediction, official_rows, texts_of
from pairprobe.evidence.estimation import Estimate, effective_number
from pairprobe.evidence.fields import EXACT_MATCH, F1, LONG_F1, SHORT_F1

# Cells of (pages, examples) that are computed at once.
_CHUNK_SIZE = 1 << 20


@dataclass(frozen=True, eq=False)
class PageScores:
    """One score of one checkpoint, in percent. left_out: (pages,), without each page; sizes: (pages,), its questions."""

    value: float
    left_out: np.ndarray
    sizes: np.ndarray


class Questions:
    """The questions that are asked, with their gold answers and the pages that they are on.

    gold: a file of ``predictions.gold_rows``. titles: of the page of each question. long_answers: whether the data has
    long answers. refuses: as in ``predictions.write_predictions``. Raises InputError for a question without a page.
    """

    def __init__(self, gold: str, titles: Mapping[str, str], long_answers: bool, refuses: bool = False):
        self.gold, self.titles, self.long_answers, self.refuses = gold, titles, long_answers, refuses
        self.annotations = nq_files.read_gold(gold)
        if missing := sorted(self.annotations.keys() - titles.keys()):
            raise InputError(f"{gold}: question {missing[0]} is on no page. Give the pages that the questions are from.")

    def scores(self, predictions: Iterable[Prediction], name: str) -> dict[str, PageScores]:
        """Return the scores of ``fields.METRICS``, of which the last two only with long answers; none that no question has.

        The first two are as by the scripts of SQuAD. The last two are as Natural Questions', at the threshold with the best
        F1, which is chosen anew without each page. name: how errors call the predictions. Raises InputError where they
        are not on these questions.
        """
        predictions = list(predictions)
        by_question = dict(squad_metric.scored(self.gold, texts_of(predictions, self.refuses), name, self.refuses))
        found = {}
        if by_question:
            both, page = np.array([*by_question.values()]), self._pages(by_question)
            found = {metric: _mean(both[:, i], page) for i, metric in enumerate((EXACT_MATCH, F1))}
        if self.long_answers:
            official = nq_files.converted(official_rows(predictions), name)
            judged = nq_metric.judge(self.annotations, official, (self.gold, name))
            for metric, answer in ((LONG_F1, "long"), (SHORT_F1, "short")):
                found[metric] = _best_f1(judged[answer], self._pages(judged[answer].example_ids.tolist()))
        return found

    def _pages(self, names: Iterable[str]) -> np.ndarray:
        """Return the number of the page of each question."""
        page: np.ndarray = np.unique([self.titles[name] for name in names], return_inverse=True)[1]
        return page


def estimate(seeds: Sequence[Sequence[PageScores]], is_recipe: bool) -> Estimate:
    """Return several scores of a checkpoint, each a column, or their means over the seeds of a recipe.

    seeds: of each seed its scores, all of the same questions.
    """
    draws = np.array([[score.value for score in row] for row in seeds])
    left_out = np.mean([[score.left_out for score in row] for row in seeds], axis=0).T
    pages = np.repeat(effective_number(seeds[0][0].sizes[:, None].astype(float)), draws.shape[1])
    return Estimate.of(draws.mean(0), left_out, [draws] if is_recipe else [], pages)


def _mean(score: np.ndarray, page: np.ndarray) -> PageScores:
    """Return the mean over the questions."""
    sizes, sums = np.bincount(page), np.bincount(page, score)
    with np.errstate(invalid="ignore", divide="ignore"):
        left_out = 100 * (sums.sum() - sums) / (sizes.sum() - sizes)
    return PageScores(100 * float(score.mean()), left_out, sizes)


def _best_f1(judged: nq_metric.Judged, page: np.ndarray) -> PageScores:
    """Return the F1 at its best threshold, which is chosen anew without each page."""
    sizes = np.bincount(page)
    rows = max(1, _CHUNK_SIZE // len(page))
    parts = [_best(judged, page != np.arange(i, min(i + rows, len(sizes)))[:, None]) for i in range(0, len(sizes), rows)]
    return PageScores(float(_best(judged, np.ones((1, len(page)), bool))[0]), np.concatenate(parts), sizes)


def _best(judged: nq_metric.Judged, among: np.ndarray) -> np.ndarray:
    """Return the F1 of some of the questions, in percent: (rows,). among: (rows, examples)."""
    _, precision, recall = nq_metric.points(judged, among.astype(int))
    best: np.ndarray = 100 * nq_metric.f1_of(precision, recall).max(1)
    return best
