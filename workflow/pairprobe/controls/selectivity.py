"""Selectivity of the boundary heads: what they find with the real labels, less what they find with labels to be memorised.

After Hewitt and Liang (2019, "Designing and Interpreting Probes with Control Tasks"). Their control task gives each word
type a label at random: it has structure, the same type having the same label wherever it occurs, so that a probe can
learn it and show that on new sentences; and the labels are random, so that it can be learned by heart alone. A probe that
does as well on it as on the real task says nothing of the representation.

A boundary head does not label words one by one but chooses one word of a sentence. So here each word type (case-folded)
is given a random score, and the word of the highest score in the sentence is the control's gold position; of one type
that occurs twice, the first. Start and end have scores, and so gold positions, of their own, since their heads are
trained and ranked apart: neither knows of the other's, or of a span's length. A span drawn for each example, whatever its
words, would have no structure: no head could find it in a sentence that it was not trained on, and what came out were the
percentage less chance.

Sentences, words, activations, l2, and which examples are taken are those of the real heads. The scores are one draw:
another ``seed`` is another control task.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from pairprobe.data.examples import Example, answer_sentence
from pairprobe.errors import InputError
from pairprobe.rankings.boundary_heads import MEASURES, gold
from pairprobe.rankings.percentages import percentage, read_ranking

SELECTIVITY_FIELDS = ("checkpoint", "measure", "layer", "pairs", "percentage", "control", "selectivity")


def control_gold(seed: int) -> Callable[[Example, np.ndarray], tuple[np.ndarray, tuple[int, int]] | None]:
    """Return what takes the place of ``span_heads.gold`` in the control task: it gives the control's start and end.

    They are positions among the same words; the end may stand before the start.
    """
    score = functools.cache(functools.partial(_score, seed))

    def of_control(example: Example, vectors: np.ndarray) -> tuple[np.ndarray, tuple[int, int]] | None:
        found = gold(example, vectors)
        if found is None:
            return None
        first, _ = answer_sentence(example)
        types = [example.paragraph[first + word].casefold() for word in found[0]]
        # max takes the first of equals.
        start, end = (max(range(len(types)), key=lambda i: score(measure, types[i])) for measure in MEASURES)
        return found[0], (start, end)

    return of_control


def _score(seed: int, measure: str, word_type: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{measure}\0{word_type}".encode(), digest_size=16).digest()


def selectivity(rankings: Iterable[tuple[str, str, str]]) -> Iterator[tuple]:
    """Yield the rows of ``SELECTIVITY_FIELDS`` for checkpoints given as (name, ranking, ranking of the control).

    Raises InputError where the two rankings are not of as many pairs.
    """
    for name, real, control in rankings:
        found, memorised = read_ranking(real), read_ranking(control)
        if {key: len(ranking) for key, ranking in found.items()} != {key: len(r) for key, r in memorised.items()}:
            raise InputError(f"{control}: not of the pairs of {real}. Delete both, and they are made again.")
        for (measure, layer), ranking in found.items():
            one, other = percentage(ranking)[0], percentage(memorised[measure, layer])[0]
            yield name, measure, layer, len(ranking), f"{one:.4f}", f"{other:.4f}", f"{one - other:.4f}"
