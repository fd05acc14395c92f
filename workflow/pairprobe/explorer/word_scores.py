"""What words are shaded by: their similarity to a pair's anchor, or their start and end logits, as they were ranked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from pairprobe.activations.store import Activations
from pairprobe.data.examples import Example
from pairprobe.rankings import boundary_heads, pair_ranking, similarity
from pairprobe.rankings.similarity import Measured
from pairprobe.rankings.stored_similarities import Similarities


@dataclass(frozen=True, slots=True, eq=False)
class Shades:
    """One pair in one checkpoint, by its two measures.

    matching: (2, layers), the similarity of anchor and match, or the logit of the gold position. words: (2, layers, words),
    those of the question and the paragraph, or of the sentence; NaN where a word has no vector. unmatching: (2, words),
    bool: the words that the matching one is ranked among.
    """

    matching: np.ndarray
    words: np.ndarray
    unmatching: np.ndarray


def of_pair(pair: dict, paragraph: list[str], measured: Measured | None, punctuation: bool = False) -> Shades | None:
    """Return the similarities of all words to the anchor, or None where anchor or match has no vector.

    Arguments as ``ranking.rank_measured``; the same similarities of more words.
    """
    if measured is None or np.isnan(measured.matching[-1, 0]):
        return None
    _, others = pair_ranking.words_ranked(pair, paragraph, measured, punctuation)
    unmatching = np.concatenate([np.zeros(measured.question.shape[-1], bool), others])
    words = np.concatenate([measured.question, measured.paragraph], axis=-1)
    return Shades(measured.matching, words, np.stack([unmatching, unmatching]))


def of_pairs(
    task: str, pairs: Iterable[dict], examples: dict[str, Example], kept: Activations | Similarities, punctuation: bool
) -> Iterator[Shades | None]:
    """Yield the shades of each pair; None where there are none. kept: of the view ``paragraph``."""
    if isinstance(kept, Similarities):
        kept = kept.of(task)
    for pair in pairs:
        name = pair["example_id"]
        if name not in kept:
            yield None
            continue
        measured = similarity.measure_pair(pair, *kept[name]) if isinstance(kept, Activations) else kept[name][0]
        yield of_pair(pair, examples[name].paragraph, measured, punctuation)


def of_boundaries(
    boundaries: list[dict],
    examples: dict[str, Example],
    kept: Activations | Similarities,
    heads: str,
    seed: int,
    at_most: int | None = None,
) -> Iterator[Shades | None]:
    """Yield the shades of each boundary; None where it was not ranked. Arguments as ``span_heads.gold_logits``."""
    if isinstance(kept, Similarities):
        kept = kept.of("boundary")
    logits = boundary_heads.gold_logits(examples.values(), kept, heads, boundaries, seed, at_most)
    ranked = groupby(logits, key=lambda one: one[0])
    name, of_measures = next(ranked, (None, ()))
    for row in boundaries:
        if row["example_id"] != name:
            yield None
            continue
        _, _, values, gold = zip(*of_measures, strict=True)
        yield _of_logits(np.stack(values), gold, boundary_heads.has_vector(kept, name))
        name, of_measures = next(ranked, (None, ()))


def _of_logits(logits: np.ndarray, gold: tuple[int, int], known: np.ndarray) -> Shades:
    """logits: (2, layers, words with a vector); gold: a position among these for each measure; known: (words,)."""
    words = np.full((*logits.shape[:2], len(known)), np.nan)
    words[..., known] = logits
    unmatching = np.stack([known, known])
    unmatching[[0, 1], np.flatnonzero(known)[list(gold)]] = False
    return Shades(np.stack([of_one[:, i] for of_one, i in zip(logits, gold, strict=True)]), words, unmatching)
