"""Controls: the ranking of pairs once more with one thing changed, so that a reader sees what its result depends on.

A variant changes the match (a random word in its place: chance), all vectors (without what they have in common), a word's
vector (one subtoken in place of the mean) or the unmatching words (only those that are matched with the match).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pairprobe.controls import anisotropy, matched_words
from pairprobe.controls.anisotropy import LayerStatistics
from pairprobe.controls.matched_words import WordProperties
from pairprobe.data.examples import Example
from pairprobe.data.sampling import hash_bytes
from pairprobe.io.progress import log
from pairprobe.probing_sets.pairs import PairRow, id_of
from pairprobe.probing_sets.wordnet import WordNet
from pairprobe.rankings.pair_ranking import ByExample, rank_measured, rank_pairs
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, percentages
from pairprobe.rankings.similarity import measure_pair
from pairprobe.rankings.words import counted_words, has_vector, unmatching_words, words_of_pair

FIELDS = ("variant", *PERCENTAGE_FIELDS)

Matching = Callable[[WordProperties, PairRow, int, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Variant:
    """What a control changes of the ranking; the rest is as in the ranking itself.

    match: how random words are matched with those of the match, which they replace. transform: applied to all vectors.
    unmatching: only words count that are matched with one of the match. What it reads is in ``needs``.
    """

    match: Matching | None = None
    transform: Callable[[LayerStatistics, np.ndarray], np.ndarray] | None = None
    unmatching: Matching | None = None


VARIANTS = {
    "random_pairs_by_position": Variant(match=matched_words.by_position),
    "random_pairs_by_frequency": Variant(match=matched_words.by_frequency),
    "without_mean": Variant(transform=anisotropy.without_mean),
    "without_dominant": Variant(transform=anisotropy.without_dominant),
    "first_subtoken": Variant(),
    "last_subtoken": Variant(),
    "matched_unmatching": Variant(unmatching=matched_words.by_frequency_and_part_of_speech),
}


@dataclass(frozen=True, slots=True)
class Control:
    """One control of one task. statistics, wordnet: for a variant that needs them. seed: of random matches."""

    variant: str
    task: str
    seed: int
    punctuation: bool = False
    statistics: LayerStatistics | None = None
    wordnet: WordNet | None = None


def rank_control(
    control: Control, pairs: Iterable[PairRow], examples: Iterable[Example], activations: ByExample, path: str
) -> None:
    """Rank a probing set as ``pair_ranking.rank_pairs`` does, with the variant's change, and write it in the same form.

    activations: of the variant's view. A pair has no ranking, and is counted in the log, where the variant has no word to
    replace its match by, or none to compare with.
    """
    variant, by_id = VARIANTS[control.variant], {example.example_id: example for example in examples}
    frequencies = matched_words.word_frequencies(by_id.values())
    without = []

    def rank(pair: PairRow, paragraph: list[str], vectors: tuple, punctuation: bool) -> Iterator[tuple] | None:
        if variant.transform:
            assert control.statistics is not None, f"{control.variant}: it needs the layers' statistics"
            vectors = tuple(variant.transform(control.statistics, side) for side in vectors)
        in_question, in_paragraph = map(has_vector, vectors)
        anchor, match, paired = words_of_pair(pair, in_question, in_paragraph)
        if not anchor or not match:
            return None
        properties = WordProperties(by_id[pair["example_id"]], frequencies, control.wordnet)
        pool = unmatching_words(paragraph, counted_words(paragraph, in_paragraph, punctuation), paired)
        changed = vary(variant, properties, pair, match, pool, (control.seed, control.variant, control.task, id_of(pair)))
        if changed is None:
            without.append(id_of(pair))
            return None
        of_pair, among = changed
        return rank_measured(of_pair, paragraph, measure_pair(of_pair, *vectors), punctuation, among)

    rank_pairs(pairs, by_id.values(), activations, path, control.punctuation, rank, lambda pair: pair["example_id"])
    log.info("%d of these for want of a word that %s could take", len(without), control.variant)


def vary(
    variant: Variant, properties: WordProperties, pair: PairRow, match: list[int], pool: np.ndarray, key: tuple
) -> tuple[PairRow, np.ndarray | None] | None:
    """Return the pair, with its random match if it gets one, and which unmatching words count (None: all).

    match: the words of the true match that have a vector; pool: the unmatching words of the true pair, (words,), bool; key:
    of the random draw. None where no word can be drawn, or none counts.
    """
    if variant.match:
        drawn = draw(variant.match, properties, pair, match, pool, key)
        return ({**pair, "match": {"words": drawn}}, None) if drawn else None
    if variant.unmatching:
        among = np.any([variant.unmatching(properties, pair, word, pool) for word in match], axis=0)
        return (pair, among) if among.any() else None
    return pair, None


def draw(
    matching: Matching, properties: WordProperties, pair: PairRow, match: list[int], pool: np.ndarray, key: tuple
) -> list[int]:
    """Draw a word of the pool for each word of a match, among those that are matched with it, none of them twice.

    A draw depends on nothing but a hash of the key and of the word's position. Returns positions; none where the pool is
    too small.
    """
    pool, drawn = pool.copy(), []
    for word in match:
        found = np.flatnonzero(matching(properties, pair, word, pool))
        if not len(found):
            return []
        drawn.append(int(min(found, key=lambda i: hash_bytes(*key, i))))
        pool[drawn[-1]] = False
    return drawn


def summarise(rankings: Iterable[tuple[str, str, str, str]]) -> Iterator[tuple]:
    """Yield the rows of ``tables/controls.tsv`` for rankings given as (variant, checkpoint, task, path)."""
    for variant, checkpoint, task, path in rankings:
        for row in percentages([(checkpoint, task, path)]):
            yield variant, *row
