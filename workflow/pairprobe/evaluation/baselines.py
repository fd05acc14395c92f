"""Scores without a model: what long answers and boundaries are worth that need no encoder.

Long answers: *word overlap* takes the candidate with most of the question's words, by their inverse document frequency;
*candidate k* always takes the k-th candidate of the page. Both are scored by the same metric as the checkpoints, on the
same questions. Candidates are those of ``Page.passages``, among which checkpoints choose too.

Boundary: heads on surface features alone, see ``rankings.surface_features``.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from pairprobe.data import text
from pairprobe.data.examples import Example
from pairprobe.data.pages import Page, read_pages
from pairprobe.evaluation import nq_scores
from pairprobe.evaluation.nq_files import Answer, Place, Prediction, read_gold
from pairprobe.evaluation.nq_metric import judge, needed
from pairprobe.evidence.estimation import Estimate, Sums
from pairprobe.probing_sets.pairs import BoundaryRow
from pairprobe.rankings.surface_features import rank_surface_features

FIELDS = ("baseline", "task", "measure", "value", "estimate", "low", "high", "examples")
# What the task of long answers is called beside the probing tasks.
LONG_ANSWERS = "long_answers"
SURFACE = "surface_features"
Row = tuple[str, ...]


def long_answer_rows(gold_path: str, documents: str, training: str | None, seed: int) -> Iterator[Row]:
    """Yield rows of FIELDS: a line for each number of ``nq_scores.SCORE_FIELDS``, intervals by bootstrap over questions.

    gold_path: the questions that are asked; documents: their pages. training: the pages of the partition ``finetune``, on
    which the best k is chosen, or None; the first candidate is always scored.
    """
    gold = read_gold(gold_path)

    def pages() -> Iterator[Page]:
        return read_pages(documents, wanted=gold.__contains__)

    numbers = {1, best_candidate(read_pages(training)) if training else 1}
    answers: dict[str, Callable[[Page], tuple[Place | None, float]]] = {
        "word_overlap": partial(word_overlap, weights=word_weights(pages())),
        **{f"always_candidate_{k}": partial(candidate, k=k) for k in sorted(numbers)},
    }
    found: dict[str, dict[str, Prediction]] = {name: {} for name in answers}
    for page in pages():
        for name, answer in answers.items():
            place, score = answer(page)
            found[name][page.example_id] = Prediction(Answer(place, (), None), score, score)
    for name, predictions in found.items():
        _, examples, *scores = nq_scores.score_row("long", judge(gold, predictions, (gold_path, documents))["long"], seed)
        by_field = dict(zip(nq_scores.SCORE_FIELDS[2:], scores, strict=True))
        for value in by_field:
            if not value.endswith(("_low", "_high")):
                bounds = (by_field.get(f"{value}_{bound}", "") for bound in ("low", "high"))
                yield name, LONG_ANSWERS, "long", value, by_field[value], *bounds, examples


def boundary_rows(
    head: list[Example],
    probe: list[Example],
    boundaries: list[BoundaryRow],
    seed: int,
    settings: dict,
) -> Iterator[Row]:
    """Yield rows of FIELDS: percentage and auc of start and end, with 95 % intervals over pages.

    head, probe: the examples of these partitions; boundaries: the probing set. settings: l2, train_examples and
    test_examples of ``surface_features.rank_surface_features``.
    """
    titles = {example.example_id: example.title for example in probe}
    sums: dict[str, dict[str, np.ndarray]] = {}
    pairs: Counter = Counter()
    for name, measure, _, *counts in rank_surface_features(head, probe, boundaries, seed, **settings):
        pages = sums.setdefault(measure, {})
        pages[titles[name]] = pages.get(titles[name], 0) + np.array(counts[:4])
        pairs[measure] += 1
    for measure, pages in sums.items():
        count, ties, para_len, unmatching = np.stack(list(pages.values())).T
        ratios = Sums(np.stack([count, count + ties / 2], 1), np.stack([para_len, unmatching], 1))
        found = Estimate.of_checkpoints([ratios], is_recipe=False)
        for value, estimate, bounds in zip(
            ("percentage", "auc"), found.value, found.percentage_interval(0.95), strict=True
        ):
            numbers = (f"{number:.4f}" for number in (estimate, *bounds))
            yield SURFACE, "boundary", measure, value, *numbers, str(pairs[measure])


def _forms(words: Iterable[str]) -> set[str]:
    """Return the case-folded forms of the words with a letter or digit."""
    return {word.casefold() for word in words if text.is_lexical(word)}


def word_weights(pages: Iterable[Page]) -> dict[str, float]:
    """Return the inverse document frequency of each form, ln(N / n): n of all N candidates of the pages have it."""
    counts: Counter = Counter()
    candidates = 0
    for page in pages:
        candidates += len(page.passages)
        for passage in page.passages:
            counts.update(_forms(page.words(*passage)))
    return {form: math.log(candidates / n) for form, n in counts.items()}


def word_overlap(page: Page, weights: dict[str, float]) -> tuple[Place | None, float]:
    """Return the candidate with most of the question's words, the first of several, and its score.

    The score is the weight of the question's forms that the candidate has, by that of all of the question's forms, 0 to 1;
    each form counts once, and one that no candidate of any page has counts for nothing.
    """
    asked = _forms(page.question) & weights.keys()
    # Exact sums, whatever the order of a set, and no tie that the last bits decide.
    total = math.fsum(weights[form] for form in asked)
    scores = [
        round(math.fsum(weights[form] for form in asked & _forms(page.words(*passage))) / (total or 1), 9)
        for passage in page.passages
    ]
    if not scores:
        return None, 0.0
    best = scores.index(max(scores))
    return Place(None, page.passages[best]), scores[best]


def candidate(page: Page, k: int) -> tuple[Place | None, float]:
    """Return a page's k-th candidate, from 1, with the score 1; no answer where it has fewer."""
    return (Place(None, page.passages[k - 1]) if k <= len(page.passages) else None), 1.0


def best_candidate(pages: Iterable[Page]) -> int:
    """Return the k, from 1, whose candidates have the highest F1 by the official metric, the lowest of several."""
    right: Counter = Counter()
    predicted: Counter = Counter()
    gold = 0
    for page in pages:
        places = [found.long_answer for found in page.annotations if found.long_answer]
        has_gold = len(places) >= needed(page.annotations)
        gold += has_gold
        for k, passage in enumerate(page.passages, 1):
            predicted[k] += 1
            right[k] += has_gold and passage in places
    # F1 is twice what is right, by what is predicted and what is gold together.
    return min(predicted, key=lambda k: (-right[k] / (predicted[k] + gold), k), default=1)
