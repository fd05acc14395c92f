"""The numbers that the explorer shades words by: their similarity to a pair's anchor, or their start and end logits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from pairprobe.data.examples import Example
from pairprobe.probing_sets.pairs import BoundaryRow, PairRow, id_of
from pairprobe.rankings import boundary_heads, pair_ranking
from pairprobe.rankings.similarity import Measured
from pairprobe.rankings.similarity_store import Logits


@dataclass(frozen=True, slots=True, eq=False)
class WordScores:
    """One pair in one checkpoint, by its two measures.

    matching: (2, layers), the similarity of anchor and match, or the logit of the gold position. words: (2, layers, words),
    those of the question and the paragraph, or of the sentence; NaN where a word has no vector. unmatching: (2, words),
    bool: the words that the matching one is ranked among. swapped: (2, layers, words), the share of these that the match
    outranks with the swapped anchor that begins at a word in the place of the anchor; NaN where none begins.
    """

    matching: np.ndarray
    words: np.ndarray
    unmatching: np.ndarray
    swapped: np.ndarray


def of_pair(pair: PairRow, paragraph: list[str], measured: Measured, punctuation: bool = False) -> WordScores | None:
    """Return the scores of a pair, or None where anchor or match has no vector. Arguments as ``rank_measured``."""
    if not measured.has_match:
        return None
    _, others = pair_ranking.ranked_words(pair, paragraph, measured, punctuation)
    unmatching = np.concatenate([np.zeros(measured.question.shape[-1], bool), others])
    words = np.concatenate([measured.question, measured.paragraph], axis=-1)
    swapped = np.full(words.shape, np.nan)
    if measured.specificity is not None:
        asked = measured.question.shape[-1]
        side = slice(asked) if pair["anchor"]["side"] == "question" else slice(asked, None)
        swapped[..., side] = measured.specificity.swapped / max(1, others.sum())
    return WordScores(measured.matching, words, np.stack([unmatching, unmatching]), swapped)


def of_pairs(
    pairs: Iterable[PairRow], examples: Mapping[str, Example], similarities: Mapping[str, Measured], punctuation: bool
) -> Iterator[WordScores | None]:
    """Yield the scores of each pair; None where there are none."""
    for pair in pairs:
        measured = similarities.get(id_of(pair))
        paragraph = examples[pair["example_id"]].paragraph
        yield None if measured is None else of_pair(pair, paragraph, measured, punctuation)


def of_boundaries(
    boundaries: list[BoundaryRow],
    examples: Mapping[str, Example],
    logits: Logits,
    seed: int,
    at_most: int | None = None,
) -> Iterator[WordScores | None]:
    """Yield the scores of each boundary; None where it was not ranked. Arguments as ``boundary_heads.gold_logits``."""
    ranked = groupby(
        boundary_heads.gold_logits(examples.values(), logits, boundaries, seed, at_most, left_out=logits.left_out),
        key=lambda ranking: ranking[0],
    )
    name, of_measures = next(ranked, (None, ()))
    for row in boundaries:
        if row["example_id"] != name:
            yield None
            continue
        _, _, _, gold = zip(*of_measures, strict=True)
        yield _of_sentence(logits[name], gold)
        name, of_measures = next(ranked, (None, ()))


def _of_sentence(logits: np.ndarray, gold: tuple[int, int]) -> WordScores:
    """logits: (2, layers, words); gold: for each measure a position among the words that have a vector."""
    has_vector = ~np.isnan(logits[0, 0])
    words = np.flatnonzero(has_vector)[list(gold)]
    unmatching = np.stack([has_vector, has_vector])
    unmatching[[0, 1], words] = False
    matching = np.stack([of_measure[:, i] for of_measure, i in zip(logits, words, strict=True)])
    return WordScores(matching, logits, unmatching, np.full(logits.shape, np.nan))
