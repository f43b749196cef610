"""Series of response times in the order of arrival whose true quantiles are known, many paths at once.

A path is a row. "Correlation time" is the number of values after which what one value says of another has fallen to
1/e; for queues it is the relaxation time of the number in system, 1 / (μ·(√c − √a)²), counted in arrivals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NORMAL = NormalDist()
_PHI = np.frompyfunc(NORMAL.cdf, 1, 1)


@dataclass(frozen=True)
class Known:
    """Paths, and the true quantile for each share."""

    paths: Floats
    truth: Callable[[float], float]


def root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function crosses zero, by bisection."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def ar1(random: np.random.Generator, runs: int, n: int, correlation_times: float) -> Floats:
    """Return stationary standard normal AR(1) paths whose length is so many correlation times."""
    phi = math.exp(-correlation_times / n)
    noise = random.standard_normal((n, runs)) * math.sqrt(1 - phi * phi)
    paths = np.empty((n, runs))
    paths[0] = random.standard_normal(runs)
    for moment in range(1, n):
        paths[moment] = phi * paths[moment - 1] + noise[moment]
    return paths.T


def independent(random: np.random.Generator, runs: int, n: int, _: float) -> Known:
    return Known(random.exponential(size=(runs, n)), lambda share: -math.log(1 - share))


def lognormal(random: np.random.Generator, runs: int, n: int, times: float, sigma: float = 0.7) -> Known:
    return Known(np.exp(sigma * ar1(random, runs, n, times)), lambda share: math.exp(sigma * NORMAL.inv_cdf(share)))


def drifts(
    random: np.random.Generator, runs: int, n: int, times: float, share: float = 0.5, sigma: float = 0.5
) -> Known:
    """A slow drift that makes up a share of the variance of the logarithms, quick noise the rest."""
    slow, quick = ar1(random, runs, n, times), random.standard_normal((runs, n))
    paths = np.exp(sigma * (math.sqrt(share) * slow + math.sqrt(1 - share) * quick))
    return Known(paths, lambda wanted: math.exp(sigma * NORMAL.inv_cdf(wanted)))


def weibull(random: np.random.Generator, runs: int, n: int, times: float, shape: float = 0.6) -> Known:
    """A heavy tail: P(X > x) = exp(−x^shape)."""
    tail = 1 - _PHI(ar1(random, runs, n, times)).astype(np.float64)
    return Known((-np.log(tail)) ** (1 / shape), lambda share: (-math.log(1 - share)) ** (1 / shape))


def erlang(random: np.random.Generator, runs: int, n: int, times: float) -> Known:
    """A gamma law of shape 2: the sum of two squares of two independent normal paths each, P(X > x) = (1 + x)·e^−x."""
    squares = [ar1(random, runs, n, times / 2) ** 2 for _ in range(4)]  # squaring halves the correlation time
    paths = sum(squares[1:], squares[0]) / 2
    return Known(paths, lambda share: root(lambda x: 1 - (1 + x) * math.exp(-x) - share, 0.0, 100.0))


def bursts(random: np.random.Generator, runs: int, n: int, times: float, factor: float = 6.0) -> Known:
    """A system that is `factor` times as slow in a tenth of the time, for spells of random length."""
    is_slow = spells(random, runs, n, 0.1, times)
    paths = np.exp(0.5 * random.standard_normal((runs, n))) * np.where(is_slow, factor, 1.0)

    def below(x: float) -> float:
        return 0.9 * NORMAL.cdf(math.log(x) / 0.5) + 0.1 * NORMAL.cdf(math.log(x / factor) / 0.5)

    return Known(paths, lambda share: root(lambda x: below(x) - share, 1e-9, 1e3))


def outages(random: np.random.Generator, runs: int, n: int, times: float, share_lost: float = 0.02) -> Known:
    """A system that answers nothing in spells that make up a share of the time: +∞ there."""
    paths = random.exponential(size=(runs, n))
    paths[spells(random, runs, n, share_lost, times)] = math.inf
    return Known(paths, lambda share: _late_quantile(share, share_lost))


def timeouts(random: np.random.Generator, runs: int, n: int, _: float, share_lost: float = 0.005) -> Known:
    """A share of the answers never comes, each for itself."""
    paths = random.exponential(size=(runs, n))
    paths[random.random((runs, n)) < share_lost] = math.inf
    return Known(paths, lambda share: _late_quantile(share, share_lost))


def _late_quantile(share: float, share_lost: float) -> float:
    """Return the quantile of a unit exponential of which a share never ends."""
    return -math.log(1 - share / (1 - share_lost)) if share < 1 - share_lost else math.inf


def spells(random: np.random.Generator, runs: int, n: int, share: float, times: float) -> NDArray[np.bool_]:
    """Return a two-state Markov chain: it is in the second state for `share` of the time."""
    leaving = 1 - math.exp(-times / n)  # the chain's eigenvalue is 1 − leave − enter
    enter, leave = leaving * share, leaving * (1 - share)
    draws = random.random((n, runs))
    states = np.empty((n, runs), np.bool_)
    states[0] = draws[0] < share
    for moment in range(1, n):
        states[moment] = np.where(states[moment - 1], draws[moment] >= leave, draws[moment] < enter)
    return states.T


def queue(random: np.random.Generator, runs: int, n: int, _: float, servers: int = 1, load: float = 0.6) -> Known:
    """Response times of M/M/c in the order of arrival, by the Kiefer–Wolfowitz recursion, started long before."""
    warm = 2_000
    free = np.zeros((runs, servers))
    now = np.zeros(runs)
    paths = np.empty((n, runs))
    everybody = np.arange(runs)
    for customer in range(-warm, n):
        now += random.exponential(size=runs) / (load * servers)
        place = free.argmin(axis=1)
        ends = np.maximum(now, free[everybody, place]) + random.exponential(size=runs)
        free[everybody, place] = ends
        if customer >= 0:
            paths[customer] = ends - now
    return Known(paths.T, lambda share: queue_quantile(servers, load, share))


def queue_quantile(c: int, load: float, share: float) -> float:
    """Return the quantile of the response time of M/M/c in mean service times (accuracy.md, Erlang C)."""
    a = c * load
    head = sum(a**k / math.factorial(k) for k in range(c))
    last = a**c / math.factorial(c) * c / (c - a)
    waits, delta = last / (head + last), c - a

    def below(t: float) -> float:
        if abs(delta - 1) < 1e-12:
            return 1 - ((1 - waits) * math.exp(-t) + waits * (1 + t) * math.exp(-t))
        late = waits * (delta * math.exp(-t) - math.exp(-delta * t)) / (delta - 1)
        return 1 - (1 - waits) * math.exp(-t) - late

    return root(lambda t: below(t) - share, 0.0, 1e3)


def correlation_of_queue(servers: int, load: float) -> float:
    """Return the correlation time of M/M/c in arrivals."""
    a = servers * load
    return a / (math.sqrt(servers) - math.sqrt(a)) ** 2
