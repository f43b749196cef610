"""An estimate is a value with the one-sided 95 % bounds that its sample earns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.judgement.tails import beta_quantile, rank_at_tail, student_quantile, tolerance_factor
from prakerja_load.units import Seconds

ALPHA = 0.05
SHORTEST_WINDOW = 50.0  # integrated autocorrelation times; an AR(1) process has two correlation times in each
_PARTS = 20  # of a sample, whose maxima show how far it drifts
_DRIFTS = 2.0  # times the drift that was seen may follow it
_LARGEST = 700.0  # e to this power is still a float
_FINE, _COARSE = 4_096, 128  # blocks
_LONG = 2_048  # values: from here on every sample is looked at in coarse blocks too
_BLOCK = 12  # values in a coarse block of a shorter one, at least
_SHORT = 384  # values: fewer show nothing slow
_FAR = 0.98  # quantiles up to this one are asked four times their tail
_NORMAL = NormalDist().inv_cdf(0.95)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value, its one-sided 95 % lower and upper bounds, and the sample behind it.

    `low` and `high` are separate one-sided bounds, not a two-sided interval. `n_effective` is the sample size after
    autocorrelation. A bound that the sample does not earn is −inf, +inf or NaN, never a guess.
    """

    value: float
    low: float
    high: float
    n: int
    n_effective: float


NOTHING = Estimate(math.nan, -math.inf, math.inf, 0, 0.0)
"""What an empty sample says."""


def quantile(values: NDArray[Any], share: float, alpha: float = ALPHA, *, is_whole: bool = False) -> Estimate:
    """Return the `share` quantile of values in the order of arrival, +inf among them where a registrant failed."""
    return quantiles(values, (share,), alpha, is_whole=is_whole)[share]


def quantiles(
    values: NDArray[Any], shares: Iterable[float], alpha: float = ALPHA, *, is_whole: bool = False
) -> dict[float, Estimate]:
    """Return several quantiles of one sample, each with distribution-free bounds at its effective size.

    The bounds are order statistics. Of n independent values X_(r) is an upper bound of the quantile when
    P(Bin(n, share) ≥ r) ≤ α. Values that follow each other are alike, so n is replaced by the number of independent
    values that would estimate the exceedance ratio as well (`effective_size` of the indicator X > quantile).
    A window shorter than `SHORTEST_WINDOW` autocorrelation times of the ranks earns no upper bound at all.

    With `is_whole` the values speak for nothing beyond the time they come from: given what the system did then, who
    arrived when is the only chance at work, arrivals are independent, and n_effective is n.
    """
    x = np.asarray(values, np.float64)
    if not x.size:
        return dict.fromkeys(shares, NOTHING)
    order = np.argsort(x, kind="stable")
    ordered = x[order]
    if is_whole:
        return {share: _bounded(ordered, share, float(x.size), alpha) for share in shares}
    ranks = _ranks(x, order)
    spread = effective_size(ranks)
    slowest = spread if x.size >= _LONG else effective_size(ranks, is_rare=True)
    return {share: _dependent(x, ordered, share, (spread, slowest), alpha) for share in shares}


def drift_bound(values: NDArray[Any], share: float, alpha: float = ALPHA) -> float:
    """Return how far a far quantile may drift beyond what was seen, from the worst of `_PARTS` parts in order.

    A distribution-free bound of a far quantile needs hundreds of independent values. This one needs a few and pays with
    an assumption: drifts to come are like those seen. It is the smaller of two, which share the error: the worst part
    twice more as much worse as it was than the best one, and the tolerance bound exp(mean + k·s) of the parts' maxima
    at their effective number, as if their logarithms were normal. It is above nearly all of a sample, not only above
    its quantile, so it is for limits that lie far above everything that was seen. Never below the maximum; +inf where a
    value is infinite.
    """
    x = np.asarray(values, np.float64)
    if x.size < _PARTS or not (x.min() > 0 and x.max() < math.inf):
        return math.inf
    logs = np.log(np.maximum.reduceat(x, np.linspace(0, x.size, _PARTS + 1).astype(np.int64)[:-1]))
    worse = float(logs.max()) + _DRIFTS * float(logs.max() - logs.min())
    bound = min(worse, _tolerance_bound(logs, share, alpha / 2))
    return max(float(x.max()), math.exp(bound)) if bound < _LARGEST else math.inf


def _tolerance_bound(values: Array, share: float, alpha: float) -> float:
    effective, deviation = effective_size(values), float(values.std())
    if effective <= 1 or deviation == 0:
        return math.inf
    # the variance around a mean of alike values is too small by 1 − 1/n_effective
    factor = tolerance_factor(effective, share, alpha) / math.sqrt(1 - 1 / effective)
    return float(values.mean()) + factor * deviation


def _dependent(x: Array, ordered: Array, share: float, spreads: tuple[float, float], alpha: float) -> Estimate:
    n, (spread, slowest) = x.size, spreads
    is_far = share > 0.75
    value = _at(ordered, share)
    indicators = [x > value, x >= value, *(x > _at(ordered, 1 - tail) for tail in _longer_tails(share, n))]
    sizes = [effective_size(each, is_rare=is_far) for each in indicators]
    effective = min(*sizes, (slowest if is_far else spread) * _allowance(share))
    is_long = spread >= SHORTEST_WINDOW or spread >= n
    estimate = _bounded(ordered, share, effective if is_long else min(effective, spread), alpha)
    return estimate if is_long else replace(estimate, high=math.inf)


def _longer_tails(share: float, n: int) -> Iterator[float]:
    """Yield the longer tails that are asked how values cluster: those beyond a far quantile are few and say little.

    Response times of a queue cluster beyond p95 as they do beyond p80, since all of them come from a busy period. Up to
    p98 a tail four times as long is asked, farther out one twice as long: what the ranks allow is smaller there, and
    a tail four times as long may be of another regime than the quantile.
    """
    if share > 0.75:
        yield 2 * (1 - share)
        if share <= _FAR and n >= _SHORT:
            yield min(4 * (1 - share), 0.5)


def _allowance(share: float) -> float:
    """Return how many times as many independent values a far quantile may have as the ranks have.

    A window that happens to hold few rare spells shows few values beyond a far quantile and, for want of them, little
    dependence among them: it would err twice, and on the green side. The ranks see the dependence of all values.
    Exceedances of a far quantile do cluster less than values do, for AR(1) paths 3 times less at p99, 2 at p95.
    """
    return 1 + max(0.0, math.log(0.5 / (1 - share))) / 2


def _at(ordered: Array, share: float) -> float:
    """Return the quantile by nearest rank."""
    return float(ordered[max(1, math.ceil(share * ordered.size - 1e-9)) - 1])


def _bounded(ordered: Array, share: float, effective: float, alpha: float) -> Estimate:
    """Return the quantile with its bounds: X_(r) of n_effective values stands for the share r/n_effective of all n."""
    n = ordered.size
    low_rank, high_rank = rank_at_tail(effective, share, 1 - alpha), rank_at_tail(effective, share, alpha)
    low, high = -math.inf, math.inf
    if low_rank is not None and low_rank >= 1:
        low = float(ordered[min(n - 1, math.floor(n * (low_rank - 1) / effective + 1e-6))])
    if high_rank is not None:
        high = float(ordered[min(n, math.ceil(n * high_rank / effective - 1e-6)) - 1])
    return Estimate(_at(ordered, share), low, high, n, effective)


def _ranks(x: Array, order: NDArray[np.intp]) -> Array:
    """Return mid-ranks: equal values, all the infinite ones among them, get the same rank."""
    ordered = x[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(np.append(starts, x.size))
    ranks = np.empty(x.size)
    ranks[order] = np.repeat(starts + sizes / 2, sizes)
    return ranks


def ratio(failures: NDArray[Any], alpha: float = ALPHA, *, is_whole: bool = False) -> Estimate:
    """Return the success ratio of outcomes in the order of arrival (true: failed), with Clopper–Pearson bounds.

    The failures k of n count as k·n_effective/n of n_effective; none at all bound the ratio at
    1 − (1 − α^(1/n)), which is the rule of three, 1 − 3/n. `is_whole` as for `quantiles`.
    """
    n = failures.size
    if not n:
        return NOTHING
    failed = float(np.count_nonzero(failures)) / n
    effective = float(n) if is_whole else effective_size(failures)
    k = failed * effective
    low = 1 - beta_quantile(1 - alpha, k + 1, effective - k)
    high = 1 - beta_quantile(alpha, k, effective - k + 1)
    return Estimate(1 - failed, low, high, n, effective)


def rate(counts: NDArray[Any], seconds_each: Seconds, alpha: float = ALPHA) -> Estimate:
    """Return events per second from counts of equal batches in order, with Student bounds of batch means."""
    n = counts.size
    if not n or not seconds_each > 0:
        return NOTHING
    each = np.asarray(counts, np.float64) / seconds_each
    mean = float(each.mean())
    if n < 2:
        return Estimate(mean, -math.inf, math.inf, n, float(n))
    effective = effective_size(each)
    margin = student_quantile(1 - alpha, n - 1) * float(each.std(ddof=1)) / math.sqrt(effective)
    return Estimate(mean, mean - margin, mean + margin, n, effective)


def trend(times: Array, values: Array, alpha: float = ALPHA) -> Estimate:
    """Return the slope of equally spaced values by least squares, with Student bounds.

    The residuals' lag-1 autocorrelation r, where positive, widens the error by √((1 + r)/(1 − r)).
    """
    n = times.size
    if n < 4:
        return NOTHING
    away = times - times.mean()
    weight = float(away @ away)
    slope = float(away @ values) / weight
    residuals = values - values.mean() - slope * away
    scatter = float(residuals @ residuals)
    lag = max(0.0, float(residuals[1:] @ residuals[:-1]) / scatter) if scatter > 0 else 0.0
    widening = (1 + lag) / (1 - lag)
    margin = student_quantile(1 - alpha, n - 2) * math.sqrt(scatter / (n - 2) / weight * widening)
    return Estimate(slope, slope - margin, slope + margin, n, n / widening)


def effective_size(series: NDArray[Any], *, is_rare: bool = False) -> float:
    """Return how many independent values would estimate the mean as well as this ordered series does.

    n_effective = Var(x) / Var(mean), the smaller of two views: up to 4 096 block means, which show what neighbors
    have in common, and 128 means of long blocks, which show a slow drift under quick noise. A constant series shows
    no dependence: n.

    A sample too short for long blocks has the first view only, unless it `is_rare`, what a far quantile leaves, and
    neighbors are alike in it. A queue forgets by more than one clock, and the first view cuts off what the slowest of
    them adds, for that is below the noise of few values: shorter blocks show it.
    """
    n = series.size
    values = np.asarray(series, np.float64)
    variance = float(np.var(values))
    if n < 4 or variance == 0:
        return float(n)
    size = _independent(_block_means(values, _FINE), variance, 1.0)
    blocks = min(_COARSE, n // _BLOCK) if n >= _LONG or (is_rare and size <= n / 2) else 0
    if blocks and n >= _SHORT:
        size = min(size, _independent(_block_means(values, blocks), variance, 0.0))
    return float(np.clip(size, 1.0, n))


def _independent(means: Array, variance: float, noise: float) -> float:
    """Return variance ÷ Var(mean of the block means).

    Var(mean) is the sum of their autocovariances, cut by Geyer's initial monotone sequence (Statistical Science 7,
    1992) where a pair of them is not above `noise` standard deviations of its own error, freed from the bias of the
    sample mean, and widened by the squared ratio of Student's to the normal quantile at the freedom the sum has left.
    """
    b = means.size
    covariances = _autocovariances(means)
    pairs = covariances[: b - b % 2].reshape(-1, 2).sum(axis=1)
    is_noise = pairs <= noise * covariances[0] * math.sqrt(2 / b)
    is_noise[0] = pairs[0] <= 0
    last = int(np.argmax(is_noise)) if is_noise.any() else pairs.size
    total = 2 * float(np.minimum.accumulate(pairs[:last]).sum()) - float(covariances[0])
    if total <= 0:
        return math.inf
    freedom = b / max(1, 4 * last - 1)  # block means for each covariance, of both signs of the lag, in the sum
    widening = (student_quantile(0.95, freedom) / _NORMAL) ** 2
    return variance * b * max(1 - 1 / freedom, 0.25) / (total * widening)


def _block_means(series: Array, count: int) -> Array:
    if series.size <= count:
        return series
    edges = np.linspace(0, series.size, count + 1).astype(np.int64)
    means: Array = np.add.reduceat(series, edges[:-1]) / np.diff(edges)
    return means


def _autocovariances(series: Array) -> Array:
    n = series.size
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(series - series.mean(), size)
    covariances: Array = np.fft.irfft(np.abs(spectrum) ** 2, size)[:n] / n
    return covariances
