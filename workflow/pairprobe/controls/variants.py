"""Controls: the ranking of pairs once more with one thing changed, so that a reader sees what its result depends on.

A variant changes the match (a random word in its place: chance), the space (without what all vectors have in common), a
word's vector (one subtoken in place of the mean) or the unmatching words (only those like the match).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pairprobe.controls import anisotropy, matched_words
from pairprobe.controls.anisotropy import LayerStatistics
from pairprobe.controls.matched_words import Context
from pairprobe.data.examples import Example
from pairprobe.data.sampling import hash_bytes
from pairprobe.io.progress import log
from pairprobe.rankings.pair_ranking import counted_words, rank_measured, rank_pairs, unmatching_words
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, percentages
from pairprobe.rankings.similarity import has_vector, measure_pair, words_of_pair

# What tables call the measurement itself, beside its variants.
NONE = "none"
FIELDS = ("variant", *PERCENTAGE_FIELDS)

Like = Callable[[Context, dict, int, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Variant:
    """What a control changes of the ranking; what is left out is as always.

    match: each of its words is replaced by a random one that is like it in this way. space: what is taken away from all
    vectors. view: the store that they are from. unmatching: only words count that are like one of the match.
    """

    match: Like | None = None
    space: Callable[[LayerStatistics, np.ndarray], np.ndarray] | None = None
    view: str = "paragraph"
    unmatching: Like | None = None
    uses_wordnet: bool = False


VARIANTS = {
    "random_pairs_by_position": Variant(match=matched_words.in_place),
    "random_pairs_by_frequency": Variant(match=matched_words.in_frequency),
    "without_mean": Variant(space=anisotropy.without_mean),
    "without_dominant": Variant(space=anisotropy.without_dominant),
    "first_subtoken": Variant(view="paragraph_first"),
    "last_subtoken": Variant(view="paragraph_last"),
    "matched_unmatching": Variant(unmatching=matched_words.in_frequency_and_part_of_speech, uses_wordnet=True),
}


def rank_control(
    name: str,
    task: str,
    pairs: Iterable[dict],
    examples: Iterable[Example],
    activations,
    path: str,
    seed: int,
    punctuation: bool = False,
    space: LayerStatistics | None = None,
    wordnet=None,
) -> None:
    """Rank a probing set as ``ranking.rank_pairs`` does, with the variant's change, and write it in the same form.

    activations: of the variant's view. space, wordnet: for a variant that needs them. A pair for which the variant has no
    word to put in, or none to compare with, has no ranking, and is counted in the log.
    """
    variant, by_id = VARIANTS[name], {example.example_id: example for example in examples}
    counts = matched_words.word_counts(by_id.values())
    without = []

    def rank(pair: dict, paragraph: list[str], vectors: tuple, punctuation: bool) -> Iterator[tuple] | None:
        if variant.space:
            vectors = tuple(variant.space(space, side) for side in vectors)
        in_question, in_paragraph = map(has_vector, vectors)
        anchor, match, paired = words_of_pair(pair, in_question, in_paragraph)
        if not anchor or not match:
            return None
        context = Context(by_id[pair["example_id"]], counts, wordnet)
        pool = unmatching_words(paragraph, counted_words(paragraph, in_paragraph, punctuation), paired)
        changed = varied(variant, context, pair, match, pool, (seed, name, task, pair["example_id"]))
        if changed is None:
            without.append(pair["example_id"])
            return None
        return rank_measured(changed[0], paragraph, measure_pair(changed[0], *vectors), punctuation, changed[1])

    rank_pairs(pairs, by_id.values(), activations, path, punctuation, rank)
    log.info("%d of these for want of a word that %s could take", len(without), name)


def varied(
    variant: Variant, context: Context, pair: dict, match: list[int], pool: np.ndarray, key: tuple
) -> tuple[dict, np.ndarray | None] | None:
    """Return the pair with its random match, where it gets one, and which unmatching words count (None: all).

    match: the words of the true match that have a vector; pool: the unmatching words of the true pair, (words,), bool; key:
    what random words are drawn by. None where no word can be drawn, or none counts.
    """
    if variant.match:
        drawn = draw(variant.match, context, pair, match, pool, key)
        return ({**pair, "match": {"words": drawn}}, None) if drawn else None
    if variant.unmatching:
        among = np.any([variant.unmatching(context, pair, word, pool) for word in match], axis=0)
        return (pair, among) if among.any() else None
    return pair, None


def draw(like: Like, context: Context, pair: dict, match: list[int], pool: np.ndarray, key: tuple) -> list[int]:
    """Draw a word of the pool for each word of a match, among those that are like it, none of them twice.

    The choice goes by a hash of the key and the word's place, whatever else is drawn. Returns their positions; none where
    the pool is too small.
    """
    pool, drawn = pool.copy(), []
    for word in match:
        found = np.flatnonzero(like(context, pair, word, pool))
        if not len(found):
            return []
        drawn.append(int(min(found, key=lambda i: hash_bytes(*key, i))))
        pool[drawn[-1]] = False
    return drawn


def summarise(rankings: Iterable[tuple[str, str, str, str]]) -> Iterator[tuple]:
    """Yield the rows of ``tables/controls.tsv`` for rankings given as (variant, checkpoint, task, path)."""
    for variant, *ranking in rankings:
        for row in percentages([tuple(ranking)]):
            yield variant, *row
