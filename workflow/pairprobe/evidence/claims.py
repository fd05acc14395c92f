"""The paper's claims as statements that can be tested, each with a verdict: supported, contradicted or undecided.

The paper says (section 3) that the first five layers "perform almost the same in all probing tasks", that synonyms and
abbreviation stay "similar in all layers", and that for coreference, answer type and boundary "the fine-tuned model has
superior performance" and "the gap becomes larger after the fifth layer". A difference is after minus before, in points; the
lower layers are those up to a bound, the upper ones those beyond.

Each verdict errs with a probability of 1 - confidence at most, each by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pairprobe.evidence.resampling import Bootstrap, clusters_needed

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
# With fewer clusters no interval is to be trusted (benchmarks/calibration.py), and nothing is decided.
FEWEST = 20
# Of the paper's twelve layers, five are the lower ones.
PAPERS_LOWER = 5 / 12


@dataclass(frozen=True)
class Bounds:
    """What claims go by: lower, the last lower layer; margin, in points; confidence; power, for the number needed."""

    lower: int
    margin: float
    confidence: float
    power: float


@dataclass(frozen=True)
class Verdict:
    """A verdict; value: what it stands on, with its interval; layer: where that is, if it is of one; needed: clusters."""

    verdict: str
    value: float
    low: float
    high: float
    layer: int | None
    needed: float


def lower_layers_equal(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """In no lower layer, the embeddings among them, are the two further apart than the margin."""
    return _equal(differences[: bounds.lower + 1], bounds)


def no_change(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """In no layer are the two further apart than the margin."""
    return _equal(differences, bounds)


def _equal(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Two one-sided tests a layer (Schuirmann 1987): all must hold for support, so that their number needs no correction;
    for contradiction one layer is enough, and the level is shared by all."""
    level, estimate = 1 - bounds.confidence, differences.estimate
    layers = len(estimate)
    inside = differences.interval(1 - 2 * level)
    outside = differences.interval(1 - 2 * level / layers)
    equal = np.abs(inside).max(1) < bounds.margin
    apart = (outside[:, 0] > bounds.margin) | (outside[:, 1] < -bounds.margin)
    widest = int(np.abs(estimate).argmax())
    beyond = np.abs(estimate) > bounds.margin
    clusters = len(differences.left_out)

    def needed(level: float, power: float) -> np.ndarray:
        return clusters_needed(bounds.margin - np.abs(estimate), differences.error, clusters, level, power)

    # Either side may fail where the difference is small: so the power is asked of each.
    number = (
        needed(level / layers, bounds.power)[beyond].min() if beyond.any() else needed(level, (1 + bounds.power) / 2).max()
    )
    verdict = CONTRADICTED if apart.any() else SUPPORTED if equal.all() else UNDECIDED
    return Verdict(verdict, estimate[widest], *inside[widest], widest, number)


def upper_layers_better(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Over the upper layers, after is better than before on average."""
    return _positive(differences @ _mean_weights(differences, bounds), bounds)


def gap_grows(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """From the last lower layer on, the advantage grows: the slope of its least-squares line, in points a layer."""
    layers = np.arange(len(differences.estimate))
    chosen = layers >= bounds.lower
    centred = np.where(chosen, layers - layers[chosen].mean(), 0.0)
    return _positive(differences @ (centred / (centred**2).sum())[:, None], bounds)


def _mean_weights(differences: Bootstrap, bounds: Bounds) -> np.ndarray:
    upper = np.arange(len(differences.estimate)) > bounds.lower
    return (upper / upper.sum())[:, None]


def _positive(statistic: Bootstrap, bounds: Bounds) -> Verdict:
    (low, high), clusters = statistic.interval(bounds.confidence)[0], len(statistic.left_out)
    verdict = SUPPORTED if low > 0 else CONTRADICTED if high < 0 else UNDECIDED
    number = clusters_needed(statistic.estimate, statistic.error, clusters, (1 - bounds.confidence) / 2, bounds.power)
    return Verdict(verdict, statistic.estimate[0], low, high, None, number[0])


def gap_opens_late(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """The gap opens beyond the lower layers: the first layer from which on the advantage stays above the margin.

    The number of layers stands for "never". Its interval is that of the resamples.
    """
    tail, last = (1 - bounds.confidence) / 2, len(differences.estimate) - 1
    value = int(_onset(differences.estimate[None], bounds.margin)[0])
    onsets = _onset(differences.replicates, bounds.margin)
    low, high = np.quantile(onsets, [tail, 1 - tail], method="inverted_cdf").astype(int)
    if low > bounds.lower and high <= last:
        verdict = SUPPORTED
    elif high <= bounds.lower or low > last:
        verdict = CONTRADICTED
    else:
        verdict = UNDECIDED
    distance = np.abs(differences.estimate - bounds.margin)
    clusters = len(differences.left_out)
    number = clusters_needed(distance, differences.error, clusters, tail, bounds.power)
    # What must be sure: the last layer's side of the margin; of one that opens, all layers from there on, or the one
    # before that breaks it.
    deciding = [last] if value > last else [last, *([value - 1] if value > bounds.lower else range(bounds.lower, last))]
    return Verdict(verdict, value, low, high, None, number[[i for i in deciding if i >= 0]].max())


def _onset(differences: np.ndarray, margin: float) -> np.ndarray:
    """Return the first layer from which on all are above the margin: (rows,) for (rows, layers)."""
    stays = np.logical_and.accumulate((differences > margin)[:, ::-1], axis=1)
    return differences.shape[1] - stays.sum(1)


@dataclass(frozen=True)
class Claim:
    """A claim: its test, what it says, and of which tasks the paper says it (None: of all its five)."""

    test: Callable[[Bootstrap, Bounds], Verdict]
    says: str
    tasks: tuple[str, ...] | None


_SPECIFIC = ("coreference", "answer_type", "boundary")
PAPERS_TASKS = ("synonyms", "abbreviation", *_SPECIFIC)
CLAIMS = {
    "lower_layers_equal": Claim(lower_layers_equal, "No difference in the lower layers", None),
    "no_change": Claim(no_change, "No difference in any layer", ("synonyms", "abbreviation")),
    "upper_layers_better": Claim(upper_layers_better, "Better in the upper layers", _SPECIFIC),
    "gap_opens_late": Claim(gap_opens_late, "The gap opens after the lower layers", _SPECIFIC),
    "gap_grows": Claim(gap_grows, "The gap grows with the layers", _SPECIFIC),
}


def lower_of(layers: int) -> int:
    """Return the last lower layer of so many (the embeddings not counted), as the fifth is of the paper's twelve."""
    return int(layers * PAPERS_LOWER)


def verdict(claim: str, differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Return the verdict on a claim, for the differences of all layers: undecided where there are too few clusters."""
    found = CLAIMS[claim].test(differences, bounds)
    if len(differences.left_out) < FEWEST:
        return Verdict(UNDECIDED, found.value, found.low, found.high, found.layer, max(found.needed, FEWEST))
    return found
