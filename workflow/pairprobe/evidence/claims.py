"""The paper's claims as hypotheses, and what a test finds of each.

The paper says (section 3) that the first five layers "perform almost the same in all probing tasks", that synonyms and
abbreviation stay "similar in all layers", and that for coreference, answer type and boundary "the fine-tuned model has
superior performance" and "the gap becomes larger after the fifth layer". A difference is after minus before, in points; an
advantage is a difference above 0. Lower layers are those up to ``Bounds.lower``, upper layers the others.

Each test is wrong with a probability of ``Bounds.error / Bounds.tests`` at most, so that none of all tests of a comparison
is wrong with a probability of 1 - error. A test that says yes only where all of its parts do needs no correction for their
number (intersection-union; Berger 1982); one that says yes where any part does divides its level by it.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from pairprobe.errors import InputError
from pairprobe.evidence.estimation import Estimate
from pairprobe.evidence.fields import CONTRADICTED, NO_GAP, SUPPORTED, UNDECIDED

# With fewer effective pages the intervals are too narrow (benchmarks/calibration.py), and with fewer seeds nothing is known
# of a recipe: every verdict is undecided.
MIN_PAGES, MIN_SEEDS = 20, 3
# Five of the paper's twelve layers are lower layers.
LOWER_SHARE = 5 / 12


@dataclass(frozen=True)
class Bounds:
    """The parameters of the tests.

    lower: the last lower layer; margin, in points; error: the probability of any wrong verdict among ``tests`` of them;
    power: for ``Found.needed``.
    """

    lower: int
    margin: float
    error: float
    power: float
    tests: int


@dataclass(frozen=True)
class Found:
    """What a test finds.

    verdict: of SUPPORTED, CONTRADICTED, NO_GAP, UNDECIDED. says: the same without the paper, in words. value: the
    statistic, low and high: its interval; layer: the layer of the value, None where it is of several. needed: by how much
    the number of pages would have to grow to decide, from and to, if the differences are as estimated within a standard
    error; infinite where no number would.
    """

    verdict: str
    says: str
    value: float
    low: float
    high: float
    layer: int | None
    needed: tuple[float, float]


class Curve:
    """The differences of one task and measure over the layers, with their mean over the upper layers and their slope."""

    def __init__(self, estimate: Estimate, bounds: Bounds):
        """estimate: a column for each layer, embeddings first, and one for each of ``contrasts``."""
        self.bounds, self.estimate = bounds, estimate
        self.value, self.layers = estimate.value, len(estimate.value) - 2
        self.mean, self.slope = self.layers, self.layers + 1
        self.ends = functools.cache(self._ends)

    def _ends(self, one_sided: bool = False, parts: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of all intervals at the level of one test, or at that of one of its ``parts``.

        one_sided: each end by itself is wrong with the whole probability, in place of half of it.
        """
        half = self.estimate.half_width(self.bounds.error * (2 if one_sided else 1), self.bounds.tests * parts)
        return self.value - half, self.value + half

    @functools.cached_property
    def is_equal(self) -> bool:
        """Whether the two are equal within the margin in all layers."""
        return no_change(self).verdict == SUPPORTED

    def needed(self, distance: np.ndarray, one_sided: bool = False, parts: int = 1) -> np.ndarray:
        """Return by how much pages would have to grow to tell values from bounds so far away: (2, columns), from and to.

        A low estimate where seeds err much: the two errors are added up in squares.
        """
        estimate, bounds = self.estimate, self.bounds
        of_pages, of_seeds = estimate.critical(bounds.error * (2 if one_sided else 1), bounds.tests * parts)
        power, away = ndtri(bounds.power), np.abs(distance) + np.array([[1], [-1]]) * estimate.error
        room = np.maximum(away, 0) ** 2 - (of_seeds + power) ** 2 * estimate.seed_variance
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = (of_pages + power) ** 2 * estimate.page_variance / room
        return np.where(room > 0, growth, np.inf)


def contrasts(layers: int, lower: int) -> np.ndarray:
    """Return the weights of the mean over the upper layers, and of the slope from the last lower layer on: (layers, 2).

    The slope is that of least squares, in points a layer.
    """
    place = np.arange(layers)
    upper = place > lower
    centred = np.where(place >= lower, place - place[place >= lower].mean(), 0.0)
    return np.stack([upper / upper.sum(), centred / (centred**2).sum()], axis=1)


def lower_layers_equal(curve: Curve) -> Found:
    """Test that in no lower layer (embeddings included) the two differ by more than the margin."""
    return _equivalence(curve, list(range(curve.bounds.lower + 1)))


def no_change(curve: Curve) -> Found:
    """Test that in no layer the two differ by more than the margin."""
    return _equivalence(curve, list(range(curve.layers)))


def _equivalence(curve: Curve, layers: list[int]) -> Found:
    """Test equivalence by two one-sided tests for each layer (Schuirmann 1987): all must be inside, or one outside."""
    margin, value = curve.bounds.margin, curve.value[layers]
    low, high = (end[layers] for end in curve.ends(one_sided=True))
    # Each layer may be beyond either end.
    outer_low, outer_high = (end[layers] for end in curve.ends(parts=len(layers)))
    widest = int(np.abs(value).argmax())
    beyond = np.abs(value) > margin
    if (apart := (outer_low > margin) | (outer_high < -margin)).any():
        widest = int(np.where(apart, np.abs(value), 0).argmax())
        verdict, says = CONTRADICTED, f"differ in layer {layers[widest]}"
    elif ((low > -margin) & (high < margin)).all():
        verdict, says = SUPPORTED, "equal"
    else:
        verdict, says = UNDECIDED, UNDECIDED
        if not beyond.any():  # told is the layer that leaves it open
            widest = int(np.maximum(high, -low).argmax())
    if beyond.any():
        needed = curve.needed(np.abs(curve.value) - margin, parts=len(layers))[:, layers][:, beyond].min(1)
    else:
        needed = curve.needed(margin - np.abs(curve.value), True)[:, layers].max(1)
    if beyond[widest]:  # told is the interval that would have to lie beyond
        low, high = outer_low, outer_high
    return Found(verdict, says, value[widest], low[widest], high[widest], layers[widest], (needed[0], needed[1]))


def upper_layers_better(curve: Curve) -> Found:
    """Test that after is better than before in the mean over the upper layers."""
    (low, high), column = curve.ends(), curve.mean
    if curve.is_equal:
        verdict, says = NO_GAP, NO_GAP
    elif low[column] > 0:
        verdict, says = SUPPORTED, "better"
    elif high[column] < 0:
        verdict, says = CONTRADICTED, "worse"
    else:
        verdict, says = UNDECIDED, UNDECIDED
    needed = curve.needed(curve.value)[:, column]
    return Found(verdict, says, curve.value[column], low[column], high[column], None, (needed[0], needed[1]))


def gap_grows(curve: Curve) -> Found:
    """Test that an advantage over the upper layers grows: their mean is above 0, and so is the slope (points a layer)."""
    (low, high), both = curve.ends(), [curve.mean, curve.slope]
    if curve.is_equal:
        verdict, says = NO_GAP, NO_GAP
    elif (low[both] > 0).all():
        verdict, says = SUPPORTED, "grows"
    elif high[curve.slope] < 0:
        verdict, says = CONTRADICTED, "falls"
    elif high[curve.mean] < 0:
        verdict, says = CONTRADICTED, "no advantage"
    else:
        verdict, says = UNDECIDED, UNDECIDED
    parts, column = curve.needed(curve.value)[:, both], curve.mean if says == "no advantage" else curve.slope
    needed = parts.max(1) if (curve.value[both] > 0).all() else parts[:, curve.value[both] <= 0].min(1)
    return Found(verdict, says, curve.value[column], low[column], high[column], None, (needed[0], needed[1]))


def gap_opens_late(curve: Curve) -> Found:
    """Test that the gap opens in the upper layers.

    The value is the first layer where the advantage exceeds the margin without falling below 0 later, or the number of
    layers where there is none; low and high: the first and the last layer that it may be.
    """
    margin, lower, layers = curve.bounds.margin, curve.bounds.lower, curve.layers

    def ends(parts: int) -> tuple[np.ndarray, np.ndarray]:
        low, high = curve.ends(True, parts)
        return low[:layers], high[:layers]

    # That it opens may be seen in any of several layers, and it must not fall below 0 later. There are three ways to
    # contradict: it opens early, it never opens, it closes again. The level is shared among all of these.
    opens = ends(2 * (layers - lower - 1))[0] > margin
    opens_early = ends(6 * (lower + 1))[0] > margin
    late = onset(np.where(upper := np.arange(layers) > lower, opens, False), ends(2)[0] > 0)
    early = onset(np.where(upper, False, opens_early), ends(6)[0] > 0)
    high, below = ends(1)[1], ends(3)[1]
    late = early if early <= lower else late
    earliest = onset(high > margin, np.ones(layers, bool))
    value = onset(curve.value[:layers] > margin, curve.value[:layers] >= 0)
    if curve.is_equal:
        verdict, says = NO_GAP, NO_GAP
    elif early <= lower:
        verdict, says = CONTRADICTED, f"opens by layer {late}"
    elif (below < margin).all() or below[-1] < 0:
        verdict, says, earliest, late = CONTRADICTED, "never opens", layers, layers
    elif earliest > lower and late < layers:
        verdict, says = SUPPORTED, f"opens by layer {late}"
    else:
        verdict, says = UNDECIDED, UNDECIDED
    # The layers that decide: that of the opening, or the last one, and the lower ones.
    deciding = [*range(lower + 1), min(value, layers - 1)]
    needed = curve.needed(curve.value - margin, True)[:, deciding].max(1)
    return Found(verdict, says, value, min(earliest, late), late, None, (needed[0], needed[1]))


def onset(exceeds: np.ndarray, stays: np.ndarray) -> int:
    """Return the first layer that exceeds and after which all stay, or the number of layers; both: (layers,), bool."""
    later = np.append(np.logical_and.accumulate(stays[::-1])[::-1], True)[1:]
    opens = np.flatnonzero(exceeds & later)
    return int(opens[0]) if len(opens) else len(exceeds)


@dataclass(frozen=True)
class Claim:
    """A claim: its test, what it says, what it is about, and the tasks for which the paper states it."""

    test: Callable[[Curve], Found]
    says: str
    about: str
    tasks: tuple[str, ...]


_GENERAL = ("synonyms", "abbreviation")
_SPECIFIC = ("coreference", "answer_type", "boundary")
CLAIMS = {
    "lower_layers_equal": Claim(
        lower_layers_equal, "No difference in the lower layers", "Lower layers", (*_GENERAL, *_SPECIFIC)
    ),
    "no_change": Claim(no_change, "No difference in any layer", "All layers", _GENERAL),
    "upper_layers_better": Claim(upper_layers_better, "Better in the upper layers", "Upper layers, mean", _SPECIFIC),
    "gap_opens_late": Claim(gap_opens_late, "The gap opens after the lower layers", "Gap", _SPECIFIC),
    "gap_grows": Claim(gap_grows, "The gap grows with the layers", "Gap over the upper layers", _SPECIFIC),
}


def last_lower_layer(layers: int) -> int:
    """Return the last lower layer of an encoder of so many layers: the fifth of twelve, as in the paper."""
    return int(layers * LOWER_SHARE)


def lower_of(layers: int, configured: int | None, name: str) -> int:
    """Return the last lower layer of an encoder of so many layers; configured: ``evidence.lower_layers``.

    Raises InputError where that leaves no upper layer. name: of the checkpoint, or of both.
    """
    if configured is None:
        return last_lower_layer(layers)
    if configured >= layers:
        raise InputError(
            f"evidence.lower_layers: found {configured}, but the last layer of {name} is {layers}. Set it to {layers - 1} "
            "or less."
        )
    return configured


def enough(pages: Any, seeds: Any, is_recipe: Any) -> Any:
    """Return whether there are pages and seeds enough to decide; each may be a column. pages: effective ones."""
    return (pages >= MIN_PAGES) & ((seeds >= MIN_SEEDS) | np.logical_not(is_recipe))


def judge(claim: str, curve: Curve, is_recipe: bool) -> Found:
    """Return what is found of a claim; with too few effective pages, or seeds of a recipe, it is undecided."""
    found, estimate = CLAIMS[claim].test(curve), curve.estimate
    if not enough(estimate.pages.min(), estimate.seeds, is_recipe):
        needed = tuple(max(growth, MIN_PAGES / max(1, estimate.pages.min())) for growth in found.needed)
        if is_recipe and estimate.seeds < MIN_SEEDS:
            needed = (np.inf, np.inf)
        return Found(UNDECIDED, UNDECIDED, found.value, found.low, found.high, found.layer, (needed[0], needed[1]))
    return found
