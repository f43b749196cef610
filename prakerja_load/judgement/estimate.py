"""An estimate is a value with the one-sided 95 % bounds that its sample earns."""

from __future__ import annotations

from dataclasses import dataclass


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
