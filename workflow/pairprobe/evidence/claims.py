"""The paper's claims as hypotheses, and the verdict of a test on each: supported, contradicted or undecided.

The paper says (section 3) that the first five layers "perform almost the same in all probing tasks", that synonyms and
abbreviation stay "similar in all layers", and that for coreference, answer type and boundary "the fine-tuned model has
superior performance" and "the gap becomes larger after the fifth layer". A difference is after minus before, in points.
Lower layers are those up to ``Bounds.lower``, upper layers the others.

A verdict of supported or contradicted is wrong with a probability of 1 - confidence at most. This holds for each verdict by
itself, not for all of them together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pairprobe.evidence.fields import CONTRADICTED, SUPPORTED, UNDECIDED
from pairprobe.evidence.resampling import Bootstrap, clusters_needed

# With fewer clusters the intervals are too narrow (benchmarks/calibration.py), and every verdict is undecided.
MIN_CLUSTERS = 20
# Five of the paper's twelve layers are lower layers.
LOWER_SHARE = 5 / 12


@dataclass(frozen=True)
class Bounds:
    """The parameters of the tests: lower, the last lower layer; margin, in points; confidence; power, for ``needed``."""

    lower: int
    margin: float
    confidence: float
    power: float


@dataclass(frozen=True)
class Verdict:
    """A verdict. value: the statistic, low and high: its interval; layer: the layer of the value, None where it is of
    several; needed: how many clusters would decide, if the differences are as estimated."""

    verdict: str
    value: float
    low: float
    high: float
    layer: int | None
    needed: float


def lower_layers_equal(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Test that in no lower layer (embeddings included) the two differ by more than the margin."""
    return _equivalence(differences[: bounds.lower + 1], bounds)


def no_change(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Test that in no layer the two differ by more than the margin."""
    return _equivalence(differences, bounds)


def _equivalence(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Test equivalence by two one-sided tests for each layer (Schuirmann 1987).

    Support needs all layers inside the margin, so that their number needs no correction. Contradiction needs one layer
    outside it; the level is divided by the number of layers (Bonferroni).
    """
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

    # Where the difference is small either of the two tests may fail: each must have the power.
    number = (
        needed(level / layers, bounds.power)[beyond].min() if beyond.any() else needed(level, (1 + bounds.power) / 2).max()
    )
    verdict = CONTRADICTED if apart.any() else SUPPORTED if equal.all() else UNDECIDED
    low, high = inside[widest]
    return Verdict(verdict, estimate[widest], low, high, widest, number)


def upper_layers_better(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Test that after is better than before in the mean over the upper layers."""
    return _above_zero(differences @ _mean_weights(differences, bounds), bounds)


def gap_grows(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Test that the difference grows from the last lower layer on: its least-squares slope (points a layer) is above 0."""
    layers = np.arange(len(differences.estimate))
    included = layers >= bounds.lower
    centred = np.where(included, layers - layers[included].mean(), 0.0)
    return _above_zero(differences @ (centred / (centred**2).sum())[:, None], bounds)


def _mean_weights(differences: Bootstrap, bounds: Bounds) -> np.ndarray:
    upper = np.arange(len(differences.estimate)) > bounds.lower
    weights: np.ndarray = upper / upper.sum()
    return weights[:, None]


def _above_zero(statistic: Bootstrap, bounds: Bounds) -> Verdict:
    (low, high), clusters = statistic.interval(bounds.confidence)[0], len(statistic.left_out)
    verdict = SUPPORTED if low > 0 else CONTRADICTED if high < 0 else UNDECIDED
    number = clusters_needed(statistic.estimate, statistic.error, clusters, (1 - bounds.confidence) / 2, bounds.power)
    return Verdict(verdict, statistic.estimate[0], low, high, None, number[0])


def gap_opens_late(differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Test that the gap opens in the upper layers.

    The value is the first layer from which on the difference is above the margin, or the number of layers where there is
    none. Its interval is the percentile interval of the bootstrap.
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
    # The layers that decide: the last one; if the gap opens in the upper layers, also the layer before; if it opens
    # earlier, all from the last lower layer on.
    deciding = [last] if value > last else [last, *([value - 1] if value > bounds.lower else range(bounds.lower, last))]
    return Verdict(verdict, value, low, high, None, number[[i for i in deciding if i >= 0]].max())


def _onset(differences: np.ndarray, margin: float) -> np.ndarray:
    """Return the first layer from which on all differences are above the margin: (rows,) for (rows, layers)."""
    stays = np.logical_and.accumulate((differences > margin)[:, ::-1], axis=1)
    first: np.ndarray = differences.shape[1] - stays.sum(1)
    return first


@dataclass(frozen=True)
class Claim:
    """A claim: its test, what it says, and the tasks for which the paper states it."""

    test: Callable[[Bootstrap, Bounds], Verdict]
    says: str
    tasks: tuple[str, ...]


_GENERAL = ("synonyms", "abbreviation")
_SPECIFIC = ("coreference", "answer_type", "boundary")
CLAIMS = {
    "lower_layers_equal": Claim(lower_layers_equal, "No difference in the lower layers", (*_GENERAL, *_SPECIFIC)),
    "no_change": Claim(no_change, "No difference in any layer", _GENERAL),
    "upper_layers_better": Claim(upper_layers_better, "Better in the upper layers", _SPECIFIC),
    "gap_opens_late": Claim(gap_opens_late, "The gap opens after the lower layers", _SPECIFIC),
    "gap_grows": Claim(gap_grows, "The gap grows with the layers", _SPECIFIC),
}


def last_lower_layer(layers: int) -> int:
    """Return the last lower layer of an encoder of so many layers: the fifth of twelve, as in the paper."""
    return int(layers * LOWER_SHARE)


def verdict(claim: str, differences: Bootstrap, bounds: Bounds) -> Verdict:
    """Return the verdict on a claim; differences: a column for each layer, embeddings first.

    With fewer than ``MIN_CLUSTERS`` clusters it is undecided.
    """
    found = CLAIMS[claim].test(differences, bounds)
    if len(differences.left_out) < MIN_CLUSTERS:
        return Verdict(UNDECIDED, found.value, found.low, found.high, found.layer, max(found.needed, MIN_CLUSTERS))
    return found
