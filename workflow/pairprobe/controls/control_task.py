"""The control task of the boundary heads, and their selectivity: the real task's percentage less the control task's.

After Hewitt and Liang (2019, "Designing and Interpreting Probes with Control Tasks"). A control task gives each word type a
random label, the same wherever the type occurs. A probe can learn these labels only by memorising word types, and it can
apply them to new sentences. A probe that does as well on the control task as on the real one tells nothing about the
representation.

A boundary head does not label words one by one: it chooses one word of a sentence. So each word type (case-folded) gets a
random score, and the word with the highest score in the sentence is the control's gold position; of a type that occurs
twice, the first. Start and end have scores of their own, since their heads are trained and ranked apart. A position drawn
anew for each sentence would be no control task: no head could learn it, and its percentage would always be chance.

Sentences, words, activations, l2 and the subsample of examples are those of the real heads. The scores are one draw, which
``seed`` decides.
"""

import functools
from collections.abc import Iterable, Iterator

import numpy as np

from pairprobe.data.examples import Example, answer_sentence
from pairprobe.data.sampling import hash_bytes
from pairprobe.errors import InputError
from pairprobe.rankings.boundary_heads import MEASURES, Labels, gold
from pairprobe.rankings.percentages import percentage, read_ranking

SELECTIVITY_FIELDS = ("checkpoint", "measure", "layer", "pairs", "percentage", "control", "selectivity")


def control_gold(seed: int) -> Labels:
    """Return the control task's counterpart of ``boundary_heads.gold``.

    It gives the same words, and the control's start and end among them; the end may stand before the start.
    """
    score = functools.cache(functools.partial(hash_bytes, seed, size=16))

    def of_control(example: Example, has_vector: np.ndarray) -> tuple[np.ndarray, tuple[int, int]] | None:
        found, sentence = gold(example, has_vector), answer_sentence(example)
        if found is None or sentence is None:
            return None
        words, (first, _) = found[0], sentence
        types = [example.paragraph[first + word].casefold() for word in words]
        # max takes the first of equals.
        start, end = (max(range(len(types)), key=lambda i: score(measure, types[i])) for measure in MEASURES)
        return words, (start, end)

    return of_control


def selectivity(rankings: Iterable[tuple[str, str, str]]) -> Iterator[tuple]:
    """Yield the rows of ``SELECTIVITY_FIELDS`` for checkpoints given as (name, ranking, ranking of the control).

    Raises InputError where the two rankings have different numbers of pairs.
    """
    for name, real, control in rankings:
        of_task, of_control = read_ranking(real), read_ranking(control)
        if {key: len(ranking) for key, ranking in of_task.items()} != {key: len(r) for key, r in of_control.items()}:
            raise InputError(f"{control}: not of the pairs of {real}. Delete both, and they are made again.")
        for (measure, layer), ranking in of_task.items():
            one, other = percentage(ranking)[0], percentage(of_control[measure, layer])[0]
            yield name, measure, layer, len(ranking), f"{one:.4f}", f"{other:.4f}", f"{one - other:.4f}"
