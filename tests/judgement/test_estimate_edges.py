"""Samples whose bounds can be told by hand, or that lie just on an edge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from prakerja_load.judgement.estimate import drift_bound, effective_size, quantile, quantiles
from prakerja_load.judgement.tails import student_quantile, tolerance_factor

NORMAL = 1.6448536269514722  # the 95 % quantile
Array = NDArray[np.float64]


def autoregressive(size: int, phi: float, seed: int) -> Array:
    """Return a path of which every value keeps a share of the one before."""
    values = np.random.default_rng(seed).standard_normal(size)
    for place in range(1, size):
        values[place] += phi * values[place - 1]
    return values


def covariance(means: Array, lag: int) -> float:
    away = means - means.mean()
    return float(away[lag:] @ away[: away.size - lag]) / away.size


def widened(covariances: int, means: int) -> float:
    """Return by what the uncertainty of a sum of so many covariances divides a size."""
    freedom = means / covariances
    return (student_quantile(0.95, freedom) / NORMAL) ** 2 / (1 - 1 / freedom)


@pytest.mark.parametrize(("share", "low"), [(0.95, 5.0), (0.949, -math.inf)])
def test_one_value_bounds_a_quantile_from_below_that_19_of_20_values_do_not_exceed(share: float, low: float) -> None:
    assert quantile(np.array([5.0]), share).low == low


@pytest.mark.parametrize("seed", range(3))
def test_in_a_long_window_a_far_quantile_counts_as_more_independent_values_than_the_middle(seed: int) -> None:
    """Exceedances of p99 follow each other less than values do, and 300 correlation times are enough to see it."""
    found = quantiles(autoregressive(10_000, 0.9, seed), (0.5, 0.99))

    assert found[0.5].n_effective > 250
    assert found[0.99].n_effective > 1.5 * found[0.5].n_effective


def test_a_swing_ends_the_sum_of_covariances_where_a_pair_is_no_more_than_chance() -> None:
    """Lags 0 to 3 of this swing are 8, 1, −6 and −1 eighths: the second pair is below 0, so 1 + 2 · 1/8 is the sum."""
    swing = np.array([1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0])
    assert [8 * covariance(swing, lag) for lag in range(4)] == [8, 1, -6, -1]

    assert effective_size(swing) == pytest.approx(8 / 1.25 / widened(3, 8))


def test_of_a_slow_drift_under_quick_noise_every_pair_above_0_counts() -> None:
    """The means of 128 long blocks show it: their pairs of covariances are added until one is not above 0."""
    values = np.random.default_rng(1).standard_normal(4_096) + 0.3 * np.sin(np.linspace(0, 2 * np.pi, 4_096))
    means = values.reshape(128, -1).mean(axis=1)
    pairs, lag, added = [math.inf], 0, -covariance(means, 0)
    while (pair := covariance(means, lag) + covariance(means, lag + 1)) > 0:
        pairs.append(min(pair, pairs[-1]))
        added += 2 * pairs[-1]
        lag += 2
    chance = covariance(means, 0) * math.sqrt(2 / 128)
    assert pairs[-1] < chance < pairs[1]  # some of them are no more than chance

    assert effective_size(values) == pytest.approx(np.var(values) * 128 / added / widened(2 * lag - 1, 128))


def test_a_drift_to_come_is_bounded_by_the_scatter_of_the_worst_of_each_part() -> None:
    """Twenty parts whose worst are e and 1/e in turn: their logarithms scatter by 1 around 0, and swing, so all count.

    The other bound, the worst part twice more as much worse as it was than the best one, would be e⁵.
    """
    values = np.exp(np.tile([1.0, -1.0], 10))
    factor = tolerance_factor(20, 0.99, 0.025) / math.sqrt(1 - 1 / 20)

    assert drift_bound(values, 0.99) == pytest.approx(math.exp(factor))
    assert factor < 4
