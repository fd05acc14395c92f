"""What words are shaded by: their similarity to a pair's anchor, or their start and end logits, as they were ranked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from pairprobe import ranking, span_heads
from pairprobe.examples import Example
from pairprobe.store import Activations


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


def of_pair(
    pair: dict, paragraph: list[str], question_vectors: np.ndarray, vectors: np.ndarray, punctuation: bool = False
) -> Shades | None:
    """Return the similarities of all words to the anchor, or None where anchor or match has no vector.

    Arguments as ``ranking.rank_pair``; the same similarities, in the same arithmetic, of more words.
    """
    anchor, match, paired = ranking.words_of_pair(pair, question_vectors, vectors)
    if not anchor or not match:
        return None
    counted = ranking.paragraph_words(paragraph, vectors, punctuation)
    others = ranking.unmatching_words(paragraph, counted, paired)
    side = question_vectors if pair["anchor"]["side"] == "question" else vectors
    unmatching = np.concatenate([np.zeros(question_vectors.shape[1], bool), others])
    of_anchor, of_match = side[:, anchor].mean(1), vectors[:, match].mean(1, keepdims=True)
    matching, *words = (ranking.similarities(of_anchor, each) for each in (of_match, question_vectors, vectors))
    return Shades(matching[..., 0], np.concatenate(words, axis=-1), np.stack([unmatching, unmatching]))


def of_pairs(
    pairs: Iterable[dict], examples: dict[str, Example], activations: Activations, punctuation: bool
) -> Iterator[Shades | None]:
    """Yield the shades of each pair; None where there are none. activations: of the view ``paragraph``."""
    for pair in pairs:
        name = pair["example_id"]
        found = None
        if name in activations:
            found = of_pair(pair, examples[name].paragraph, *activations[name], punctuation)
        yield found


def of_boundaries(
    boundaries: list[dict],
    examples: dict[str, Example],
    activations: Activations,
    heads: str,
    seed: int,
    at_most: int | None = None,
) -> Iterator[Shades | None]:
    """Yield the shades of each boundary; None where it was not ranked. Arguments as ``span_heads.gold_logits``."""
    logits = span_heads.gold_logits(examples.values(), activations, heads, boundaries, seed, at_most)
    ranked = groupby(logits, key=lambda one: one[0])
    name, of_measures = next(ranked, (None, ()))
    for row in boundaries:
        if row["example_id"] != name:
            yield None
            continue
        _, _, values, gold = zip(*of_measures, strict=True)
        _, vectors = activations[name]
        yield _of_logits(np.stack(values), gold, ~np.isnan(vectors[0, :, 0]))
        name, of_measures = next(ranked, (None, ()))


def _of_logits(logits: np.ndarray, gold: tuple[int, int], known: np.ndarray) -> Shades:
    """logits: (2, layers, words with a vector); gold: a position among these for each measure; known: (words,)."""
    words = np.full((*logits.shape[:2], len(known)), np.nan)
    words[..., known] = logits
    unmatching = np.stack([known, known])
    unmatching[[0, 1], np.flatnonzero(known)[list(gold)]] = False
    return Shades(np.stack([of_one[:, i] for of_one, i in zip(logits, gold, strict=True)]), words, unmatching)
