"""Exact tails of the beta, binomial and Student distributions, so that no bound leans on a normal approximation.

Everything rests on the regularized incomplete beta function I_x(a, b), by Lentz's continued fraction (DiDonato &
Morris, ACM TOMS 18/3, 1992; DLMF 8.17.22), and on

    P(Bin(n, p) ≥ r) = I_p(r, n − r + 1),

which stays meaningful where n and r are no whole numbers: an effective sample size is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_MOST_TERMS = 100_000


def regularized_beta(x: float, a: float, b: float) -> float:
    """Return I_x(a, b) for x in [0, 1] and positive a, b."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x),
    )
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(x, a, b) / a
    return 1.0 - front * _continued_fraction(1 - x, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    c = 1.0
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / _away_from_zero(1.0 + even * d)
        c = _away_from_zero(1.0 + even / c)
        fraction *= d * c
        d = 1.0 / _away_from_zero(1.0 + odd * d)
        c = _away_from_zero(1.0 + odd / c)
        change = d * c
        fraction *= change
        if abs(change - 1.0) < 1e-12:
            return fraction
    raise ArithmeticError(f"I_{x}({a}, {b}) does not converge")


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = share; 0 where a is 0 and 1 where b is 0, the limits of either."""
    if a <= 0:
        return 0.0
    if b <= 0:
        return 1.0
    return _root(lambda x: regularized_beta(x, a, b) - share, 0.0, 1.0, min(a, b) / (a + b) * 1e-11)


@lru_cache(maxsize=4096)
def rank_at_tail(n: float, share: float, tail: float) -> float | None:
    """Return the real rank r in (0, n] with P(Bin(n, share) ≥ r) = tail, or None where even r = n has more.

    For tail = α the order statistic r is an upper bound of the quantile with confidence 1 − α, for tail = 1 − α a
    lower one: P(X_(r) < q) = P(U_(r) < share) = I_share(r, n − r + 1).
    """
    if n <= 0 or share**n > tail:
        return None

    def excess(r: float) -> float:
        return tail - regularized_beta(share, r, n - r + 1)

    # the root lies near the normal approximation; where it does not, it is looked for everywhere
    middle = n * share + NormalDist().inv_cdf(1 - tail) * math.sqrt(n * share * (1 - share))
    low, high = max(_TINY, middle - 2), min(n, middle + 3)
    if not (low < high and excess(low) < 0 <= excess(high)):
        low, high = _TINY, n
    return _root(excess, low, high, 1e-6)


@lru_cache(maxsize=4096)
def student_quantile(share: float, freedom: float) -> float:
    """Return the quantile of Student's t with this many (not necessarily whole) degrees of freedom, share ≥ 0.5."""
    if share < 0.5 or freedom <= 0:
        raise ValueError(f"no upper quantile {share} of a t distribution with {freedom} degrees of freedom")
    x = beta_quantile(2 * (1 - share), freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - x) / x) if x > 0 else math.inf


def tolerance_factor(n: float, share: float, tail: float) -> float:
    """Return k so that mean + k·s of n normal values is above their `share` quantile with confidence 1 − tail.

    Natrella's approximation (Experimental Statistics, NBS Handbook 91, 1963, §T-1.4; NIST/SEMATECH e-Handbook 7.2.6.3),
    within 1 % of the exact factor from n = 5 on; +inf where n is too small for any.
    """
    z_share, z_tail = NormalDist().inv_cdf(share), NormalDist().inv_cdf(1 - tail)
    a = 1 - z_tail**2 / (2 * (n - 1)) if n > 1 else 0.0
    if a <= 0:
        return math.inf
    b = z_share**2 - z_tail**2 / n
    return (z_share + math.sqrt(max(0.0, z_share**2 - a * b))) / a


def _root(f: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Return where a rising function crosses zero between `low` and `high` (Illinois, every third a bisection)."""
    f_low, f_high = f(low), f(high)
    side = 0
    for step in range(200):
        if high - low <= tolerance or f_high == 0:
            break
        middle = (low * f_high - high * f_low) / (f_high - f_low) if step % 3 else (low + high) / 2
        f_middle = f(middle)
        if f_middle < 0:
            low, f_low = middle, f_middle
            f_high = f_high / 2 if side < 0 else f_high
            side = -1
        else:
            high, f_high = middle, f_middle
            f_low = f_low / 2 if side > 0 else f_low
            side = 1
    return high
