"""Percentages and their differences with both of their errors, that of pages and that of seeds: intervals and p-values.

Pages are clusters of pairs. Their part of the variance is the jackknife's, which leaves out one page at a time; it is
conservative where pages differ in size (CR3 of MacKinnon, Nielsen and Webb 2023). Its critical values are Student's, with
as many degrees of freedom as there are effective pages, (Σl)²/Σl² for pages of l unmatching pairs (Kish 1965), less one.

Seeds are draws of a recipe. With three of them a variance is known so badly that each test by itself would need an effect
of ten standard deviations; so the variances of the same statistic in all curves of a comparison are moderated by each other
(Smyth 2004, "Linear models and empirical Bayes methods", section 6.2), though never below a curve's own.

Curves that seeds move together tell each other nothing. How many of n statistics are independent is estimated by
n² / Σr², r their correlations over the seeds (``independent``). It bounds the degrees of freedom that moderation adds.

A critical value for m tests is that of one test at a level of 1/m (Bonferroni); for the error of seeds m is at most three
times the number of independent statistics. The half-width of an interval adds the two parts up in squares (Graybill and
Wang 1980). benchmarks/calibration.py shows what levels this keeps.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import digamma, expit, logit, polygamma, stdtrit

# In place of infinity, for degrees of freedom.
_MANY = 1e6


@dataclass(frozen=True)
class Sums:
    """Sums over the pairs of each page: ``count`` and ``length``, both (pages, columns)."""

    count: np.ndarray
    length: np.ndarray

    def percentage(self) -> np.ndarray:
        """Return 100 * sum(count) / sum(length) of each column, NaN where there is nothing: (columns,)."""
        return _ratio(self.count.sum(0), self.length.sum(0))

    def left_out(self) -> np.ndarray:
        """Return percentages without one page at a time: (pages, columns)."""
        return _ratio(self.count.sum(0) - self.count, self.length.sum(0) - self.length)

    def effective_pages(self) -> np.ndarray:
        """Return the effective number of pages by their lengths: (columns,)."""
        return effective_number(self.length)


def effective_number(sizes: np.ndarray) -> np.ndarray:
    """Return (Σl)²/Σl² over the sizes of pages, (pages, columns): (columns,), 0 where there is nothing (Kish 1965)."""
    squares = (sizes**2).sum(0)
    number: np.ndarray = np.divide(sizes.sum(0) ** 2, squares, out=np.zeros(squares.shape), where=squares > 0)
    return number


def _ratio(count: np.ndarray, length: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: np.ndarray = 100 * count / length
    return ratio


@dataclass(frozen=True)
class Estimate:
    """Statistics, each a column, with the two parts of their variance.

    value, seed_variance, pages: (columns,); pages: the effective number. freedom: the degrees of freedom of the seed
    variance, (columns,), which ``moderate`` adds to. independent: how many tests the errors of seeds make at most.
    left_out: (pages, columns), without one page at a time, and draws: for each recipe (seeds, columns), from which the
    variances are.
    """

    value: np.ndarray
    left_out: np.ndarray
    draws: tuple[np.ndarray, ...]
    pages: np.ndarray
    seed_variance: np.ndarray
    freedom: np.ndarray
    independent: float = np.inf

    @classmethod
    def of(cls, value: np.ndarray, left_out: np.ndarray, draws: Sequence[np.ndarray], pages: np.ndarray) -> "Estimate":
        """Return an estimate; draws with one seed are no draws."""
        several = tuple(each for each in draws if len(each) > 1)
        variance = sum((each.var(0, ddof=1) / len(each) for each in several), np.zeros(value.shape))
        freedom = min((len(each) for each in several), default=1) - 1
        return cls(value, left_out, tuple(draws), pages, variance, np.full(value.shape, float(freedom)))

    @classmethod
    def of_checkpoints(cls, sums: Sequence[Sums], is_recipe: bool) -> "Estimate":
        """Return the percentages of a checkpoint, or the mean over the seeds of a recipe; all on the same pairs."""
        draws = np.array([each.percentage() for each in sums])
        left_out = np.mean([each.left_out() for each in sums], axis=0)
        pages = np.min([each.effective_pages() for each in sums], axis=0)
        return cls.of(draws.mean(0), left_out, [draws] if is_recipe else [], pages)

    def __sub__(self, other: "Estimate") -> "Estimate":
        """Return the difference on the same pages; the seeds of two recipes are drawn apart."""
        draws = (*self.draws, *(-each for each in other.draws))
        pages = np.minimum(self.pages, other.pages)
        return Estimate.of(self.value - other.value, self.left_out - other.left_out, draws, pages)

    def paired_difference(self, other: "Estimate") -> "Estimate":
        """Return the difference on the same pages, seed by seed: draw i of both is one of the same training.

        One column of one of the two stands beside all of the other. Raises ValueError where they have not as many draws.
        """
        draws = [mine - its for mine, its in zip(self.draws, other.draws, strict=True)]
        pages = np.minimum(self.pages, other.pages)
        return Estimate.of(self.value - other.value, self.left_out - other.left_out, draws, pages)

    def __matmul__(self, weights: np.ndarray) -> "Estimate":
        """Return weighted sums of the columns; weights: (columns, statistics). Pages are the fewest of the columns."""
        draws = [each @ weights for each in self.draws]
        pages = np.full(weights.shape[1], self.pages.min(initial=np.inf))
        return Estimate.of(self.value @ weights, self.left_out @ weights, draws, pages)

    def __getitem__(self, columns: list[int]) -> "Estimate":
        """Return some of the columns."""
        draws = [each[:, columns] for each in self.draws]
        return Estimate.of(self.value[columns], self.left_out[:, columns], draws, self.pages[columns])

    @property
    def seeds(self) -> int:
        """How many draws of a recipe there are, the lower number for two recipes; 1 where there is no recipe."""
        return min((len(each) for each in self.draws), default=1)

    @functools.cached_property
    def page_variance(self) -> np.ndarray:
        """The jackknife's variance over pages: (columns,), NaN for one page."""
        pages = len(self.left_out)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance: np.ndarray = np.sum((self.left_out - self.value) ** 2, axis=0) * (pages - 1) / pages
        return np.where(pages > 1, variance, np.nan)

    @property
    def error(self) -> np.ndarray:
        """The standard error: (columns,)."""
        error: np.ndarray = np.sqrt(self.page_variance + self.seed_variance)
        return error

    def half_width(self, error: float | np.ndarray, tests: int = 1) -> np.ndarray:
        """Return the half-widths of intervals that are wrong with a probability of ``error``: (columns,).

        tests: how many intervals share that probability. NaN where there are fewer than two
        effective pages, or a recipe of one seed.
        """
        of_pages, of_seeds = self.critical(error, tests)
        half: np.ndarray = np.sqrt(of_pages**2 * self.page_variance + of_seeds**2 * self.seed_variance)
        return half

    def critical(self, error: float | np.ndarray, tests: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return the critical values for the errors of pages and of seeds, both (columns,), as in ``half_width``."""
        level = np.asarray(error) / 2
        of_pages = stdtrit(np.where(self.pages >= 2, self.pages - 1, np.nan), 1 - level / tests)
        if self.seeds == 1:  # of a checkpoint, or of a recipe of which nothing is known
            return of_pages, np.full(of_pages.shape, np.nan if self.draws else 0.0)
        return of_pages, stdtrit(self.freedom, 1 - level / min(tests, self.independent))

    def interval(self, confidence: float) -> np.ndarray:
        """Return the interval of each statistic by itself: (columns, 2)."""
        half = self.half_width(1 - confidence)
        return np.stack([self.value - half, self.value + half], axis=1)

    def percentage_interval(self, confidence: float) -> np.ndarray:
        """Return the interval of each percentage by itself: (columns, 2), within 0 and 100.

        It is symmetric in logits, since near its end a percentage errs to the other side. NaN as in ``half_width``.
        """
        share = self.value / 100
        with np.errstate(divide="ignore", invalid="ignore"):
            half = self.half_width(1 - confidence) / 100 / (share * (1 - share))
            ends = 100 * expit(logit(share) + np.stack([-half, half]))
        # At an end itself nothing varies: so many pages would all be there with this probability.
        certain = np.where(self.pages >= 2, (1 - confidence) ** (1 / np.maximum(self.pages, 1)), np.nan)
        at_end = 100 * np.where(share > 0.5, [certain, np.ones(share.shape)], [np.zeros(share.shape), 1 - certain])
        return np.where((share <= 0) | (share >= 1), at_end, ends).T

    def p_value(self, tests: int = 1) -> np.ndarray:
        """Return the smallest error at which an interval of ``half_width`` does not hold 0: (columns,), two-sided."""
        low, high = np.full(self.value.shape, np.log(1e-12)), np.zeros(self.value.shape)
        for _ in range(50):
            middle = (low + high) / 2
            outside = np.abs(self.value) > self.half_width(np.exp(middle), tests)
            low, high = np.where(outside, low, middle), np.where(outside, middle, high)
        return np.where(np.isnan(self.half_width(0.5)), np.nan, np.exp(high))


def moderate(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Return estimates of the same statistics, column by column, with seed variances that are moderated by each other.

    Equation 10 of Smyth (2004) gives the degrees of freedom and the variance of the prior; a variance is the mean of the
    prior's and its own, weighted by these, or its own where that is larger. Estimates of as many seeds and columns are
    moderated together.
    """
    found = list(estimates)
    for alike in {(each.seeds, len(each.value)) for each in estimates if each.seeds > 1}:
        places = [i for i, each in enumerate(estimates) if (each.seeds, len(each.value)) == alike]
        for i, each in zip(places, _moderate([estimates[i] for i in places]), strict=True):
            found[i] = each
    return found


def _moderate(estimates: Sequence[Estimate]) -> list[Estimate]:
    own = estimates[0].seeds - 1
    variances = np.array([each.seed_variance for each in estimates])
    # A statistic that no seed moves has no logarithm; beside others it counts as hardly moved.
    logs = np.log(np.maximum(variances, np.maximum(variances.max(0) * 1e-6, 1e-12)))
    logs += np.log(own / 2) - digamma(own / 2)
    spread = logs.var(0, ddof=1) - polygamma(1, own / 2) if len(estimates) > 1 else np.full(logs.shape[1], np.inf)
    freedom = np.where(spread > 0, 2 * _inverse_trigamma(np.where(spread > 0, spread, 1.0)), _MANY)
    prior = np.exp(logs.mean(0) + digamma(freedom / 2) - np.log(freedom / 2))
    draws = np.stack([np.concatenate([rows - rows.mean(0) for rows in each.draws]) for each in estimates], axis=1)
    by_column = np.mean([independent(draws[:, :, i], own)[0] for i in range(draws.shape[2])])
    freedom = np.minimum(freedom, own * (by_column - 1))
    # Less for a curve that varies more than the others: of it they tell little.
    freedom = freedom * np.minimum(1, prior / np.maximum(variances, 1e-12))
    moderated = np.maximum(variances, (freedom * prior + own * variances) / (freedom + own))
    tests = 3 * independent(draws.reshape(len(draws), -1), own)[1]
    return [
        replace(each, seed_variance=row, freedom=added + own, independent=tests)
        for each, row, added in zip(estimates, moderated, freedom, strict=True)
    ]


def independent(draws: np.ndarray, freedom: int) -> tuple[float, float]:
    """Return how many of n statistics are independent, n² / Σr², from their draws about their means, (rows, n).

    The first number is a low one: r² of two independent statistics is 1 / freedom on average, not 0. For the second that
    is taken off.
    """
    lengths = np.sqrt((draws**2).sum(0))
    moved = draws[:, lengths > 0] / lengths[lengths > 0]
    number = max(1, moved.shape[1])
    squares = ((moved.T @ moved) ** 2).sum() - moved.shape[1]
    by_chance = number * (number - 1) / freedom
    together = max(0.0, squares - by_chance) / (1 - 1 / freedom) if freedom > 1 else squares
    return number**2 / (number + squares), number**2 / (number + together)


def _inverse_trigamma(values: np.ndarray) -> np.ndarray:
    """Return x where trigamma(x) has these values, by Newton's method (Smyth 2004, appendix); 0 for infinity."""
    finite = np.where(np.isfinite(values), values, 1.0)
    x = 0.5 + 1 / finite
    for _ in range(30):
        trigamma = polygamma(1, x)
        x = x + trigamma * (1 - trigamma / finite) / polygamma(2, x)
    return np.where(np.isfinite(values), np.minimum(x, _MANY), 1e-9)
