"""The paper's claims: verdicts on differences that are known, and how often they err."""

import numpy as np
import pytest

from pairprobe.evidence import claims
from pairprobe.evidence.claims import Bounds, verdict
from pairprobe.evidence.fields import CONTRADICTED, SUPPORTED, UNDECIDED
from pairprobe.evidence.resampling import Bootstrap

BOUNDS = Bounds(lower=2, margin=5.0, confidence=0.95, power=0.8)


def differences(means: list[float], error: float = 0.5, clusters: int = 50, seed: int = 0) -> Bootstrap:
    """Make a bootstrap of mean differences, of this standard error."""
    dice = np.random.default_rng(seed)
    data = dice.normal(0, 1, (clusters, len(means)))
    data = (data - data.mean(0)) / data.std(0) * error * np.sqrt(clusters) + means
    drawn = dice.integers(0, clusters, (2000, clusters))
    left_out = (data.sum(0) - data) / (clusters - 1)
    return Bootstrap(data.mean(0), data[drawn].mean(1), left_out)


@pytest.mark.parametrize(
    ("claim", "means", "wanted"),
    [
        ("lower_layers_equal", [0, 1, -1, 20, 20, 20, 20], SUPPORTED),
        ("lower_layers_equal", [0, 1, -9, 0, 0, 0, 0], CONTRADICTED),
        ("lower_layers_equal", [0, 1, 4.8, 0, 0, 0, 0], UNDECIDED),
        ("no_change", [0, 1, -1, 1, 0, 1, 1], SUPPORTED),
        ("no_change", [0, 1, -1, 1, 0, 1, 9], CONTRADICTED),
        ("upper_layers_better", [0, 0, 0, 1, 2, 3, 4], SUPPORTED),
        ("upper_layers_better", [9, 9, 9, -1, -2, -3, -4], CONTRADICTED),
        ("upper_layers_better", [9, 9, 9, 0.1, -0.1, 0.1, -0.1], UNDECIDED),
        ("gap_opens_late", [0, 0, 0, 0, 8, 9, 10], SUPPORTED),
        ("gap_opens_late", [8, 8, 8, 8, 8, 9, 10], CONTRADICTED),  # it is there from the embeddings on
        ("gap_opens_late", [0, 0, 0, 0, 8, 9, 0], CONTRADICTED),  # it closes again
        ("gap_opens_late", [0, 0, 0, 0, 8, 9, 5], UNDECIDED),
        ("gap_grows", [9, 9, 0, 1, 2, 3, 4], SUPPORTED),
        ("gap_grows", [0, 0, 9, 8, 7, 6, 5], CONTRADICTED),
        ("gap_grows", [0, 0, 9, 9, 9, 9, 9], UNDECIDED),
    ],
)
def test_verdicts_on_known_differences(claim, means, wanted):
    assert verdict(claim, differences(means), BOUNDS).verdict == wanted


def test_absence_of_evidence_supports_nothing():
    noisy = differences([0] * 7, error=6)
    assert {verdict(claim, noisy, BOUNDS).verdict for claim in ("lower_layers_equal", "no_change", "gap_grows")} == {
        UNDECIDED
    }


def test_with_few_pages_nothing_is_decided():
    assert verdict("no_change", differences([0] * 7, clusters=claims.MIN_CLUSTERS - 1), BOUNDS).verdict == UNDECIDED
    assert verdict("no_change", differences([0] * 7, clusters=claims.MIN_CLUSTERS), BOUNDS).verdict == SUPPORTED


def test_the_onset_is_the_first_layer_from_which_on_the_gap_stays():
    rows = np.array([[0, 6, 6], [6, 0, 6], [6, 6, 6], [6, 6, 0], [0, 0, 5]])
    assert claims._onset(rows, 5).tolist() == [1, 2, 0, 3, 3]


def test_the_slope_is_that_of_least_squares_from_the_last_lower_layer_on():
    means = [3.0, -2.0, 1.0, 4.0, 2.0, 8.0, 9.0]
    found = verdict("gap_grows", differences(means), BOUNDS)
    assert found.value == pytest.approx(np.polyfit(range(2, 7), means[2:], 1)[0])


def test_the_lower_layers_are_five_of_twelve():
    assert [claims.last_lower_layer(layers) for layers in (2, 6, 12, 24)] == [0, 2, 5, 10]


@pytest.mark.parametrize(
    ("claim", "means"),
    [
        ("no_change", [1, 2, 1, 1, 0, 1, 1]),
        ("upper_layers_better", [0, 0, 0, 2, 1, 2, 2]),
        ("gap_grows", [0, 0, 0, 0, 2, 2, 3]),
    ],
)
def test_so_many_pages_as_are_said_to_be_needed_mostly_decide(claim, means):
    undecided = verdict(claim, differences(means, error=2.0, clusters=40), BOUNDS)
    assert undecided.verdict == UNDECIDED
    needed = int(undecided.needed)
    error = 2.0 * np.sqrt(40 / needed)
    # New data of that size, whose estimates scatter around the same truth.
    dice = np.random.default_rng(0)
    decided = [
        verdict(claim, differences(dice.normal(means, error), error, needed, seed), BOUNDS).verdict == SUPPORTED
        for seed in range(60)
    ]
    # Asked for is a power of 0.8; each layer has its own scatter here, which costs some of it where all must hold.
    assert np.mean(decided) > 0.65
    fewer = int(needed / 4)
    decided = [
        verdict(claim, differences(dice.normal(means, 2 * error), 2 * error, fewer, seed), BOUNDS).verdict == SUPPORTED
        for seed in range(60)
    ]
    assert np.mean(decided) < 0.6


def test_a_difference_at_the_margin_is_seldom_called_equal_and_no_difference_seldom_a_gap():
    dice = np.random.default_rng(1)
    at_margin = [
        verdict("no_change", differences(dice.normal([0, 5.0], 1.0), 1.0, 40, seed), BOUNDS).verdict for seed in range(200)
    ]
    nothing = [
        verdict("upper_layers_better", differences(dice.normal([0, 0, 0, 0], 1.0), 1.0, 40, seed), BOUNDS).verdict
        for seed in range(200)
    ]
    # 5 % at most, and four standard errors.
    assert np.mean([each == SUPPORTED for each in at_margin]) < 0.05 + 0.062
    assert np.mean([each != UNDECIDED for each in nothing]) < 0.05 + 0.062
