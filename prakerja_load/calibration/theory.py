"""Closed forms of queueing theory: what a target of known service must show, independent of anything measured here.

λ is the arrival rate (1/s), μ the service rate of one slot (1/s), c the number of slots, a = λ/μ the offered load,
ρ = a/c the utilization, δ = cμ − λ. Sources: Kleinrock, Queueing Systems I (1975), chapters 3 and 5; Erlang (1917);
M/D/1 after Crommelin (1932). The stall's quantiles are those of a fluid: see `stall_quantile`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from prakerja_load.units import PerSecond, Seconds

_LONGEST_WAIT = 20  # service times; beyond, the alternating sum of M/D/1 loses all its digits


def erlang_b(slots: int, load: float) -> float:
    """Return the share of arrivals that find all slots busy and leave, for any law of service.

    B_0 = 1, B_k = a·B_{k−1} / (k + a·B_{k−1}).
    """
    blocked = 1.0
    for k in range(1, slots + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def erlang_c(slots: int, load: float) -> float:
    """Return the share of arrivals that wait when exponential service has a queue: c·B / (c − a·(1 − B)), a < c."""
    if not load < slots:
        raise ValueError(f"no steady state: a load of {load:g} on {slots} slots")
    blocked = erlang_b(slots, load)
    return slots * blocked / (slots - load * (1 - blocked))


@dataclass(frozen=True)
class MMC:
    """Poisson arrivals, exponential service, `slots` slots, first come first served; raises ValueError for ρ ≥ 1."""

    arrival_rate: PerSecond
    service_rate: PerSecond
    slots: int

    def __post_init__(self) -> None:
        erlang_c(self.slots, self.load)

    @property
    def load(self) -> float:
        """Return a = λ/μ."""
        return self.arrival_rate / self.service_rate

    @property
    def waiting(self) -> float:
        """Return C, the share that waits."""
        return erlang_c(self.slots, self.load)

    @property
    def mean_wait(self) -> Seconds:
        """Return W_q = C/δ."""
        return self.waiting / (self.slots * self.service_rate - self.arrival_rate)

    def wait_exceeds(self, seconds: Seconds) -> float:
        """Return P(W_q > t) = C·e^(−δt)."""
        return self.waiting * math.exp(-(self.slots * self.service_rate - self.arrival_rate) * seconds)

    def response_exceeds(self, seconds: Seconds) -> float:
        """Return P(T > t) = (1 − C)·e^(−μt) + C·(δ·e^(−μt) − μ·e^(−δt)) / (δ − μ), its limit where δ = μ."""
        mu, delta, waiting = self.service_rate, self.slots * self.service_rate - self.arrival_rate, self.waiting
        alone = (1 - waiting) * math.exp(-mu * seconds)
        if math.isclose(delta, mu, rel_tol=1e-9):
            return alone + waiting * (1 + mu * seconds) * math.exp(-mu * seconds)
        both = (delta * math.exp(-mu * seconds) - mu * math.exp(-delta * seconds)) / (delta - mu)
        return alone + waiting * both

    def response_quantile(self, share: float) -> Seconds:
        """Return x with P(T ≤ x) = share, by bisection."""
        high = 1 / self.service_rate
        while self.response_exceeds(high) > 1 - share:
            high *= 2
        return _bisect(lambda seconds: 1 - self.response_exceeds(seconds), share, high)


def mg1_mean_wait(arrival_rate: PerSecond, mean: Seconds, mean_square: float) -> Seconds:
    """Return W_q = λ·E[S²] / (2·(1 − ρ)) of one slot with any service law (Pollaczek–Khinchine)."""
    utilization = arrival_rate * mean
    if not utilization < 1:
        raise ValueError(f"no steady state at a utilization of {utilization:g}")
    return arrival_rate * mean_square / (2 * (1 - utilization))


def md1_wait_within(arrival_rate: PerSecond, service: Seconds, seconds: Seconds) -> float:
    """Return P(W_q ≤ t) of one slot with constant service D.

    (1 − ρ) Σ_{k=0}^{⌊t/D⌋} [−λ(t − kD)]^k / k! · e^{λ(t − kD)}; raises ValueError for ρ ≥ 1 and for t > 20 D.
    """
    utilization = arrival_rate * service
    if not utilization < 1 or seconds > _LONGEST_WAIT * service:
        raise ValueError(f"M/D/1 at a utilization of {utilization:g}, {seconds / service:g} service times")
    terms = []
    for k in range(math.floor(seconds / service + 1e-12) + 1):
        ahead = arrival_rate * max(0.0, seconds - k * service)
        terms.append((-ahead) ** k / math.factorial(k) * math.exp(ahead))
    return (1 - utilization) * math.fsum(terms)


def md1_response_quantile(arrival_rate: PerSecond, service: Seconds, share: float) -> Seconds:
    """Return x with P(W_q + D ≤ x) = share of one slot with constant service; x ≤ 21 D."""
    longest = _LONGEST_WAIT * service
    return service + _bisect(lambda seconds: md1_wait_within(arrival_rate, service, seconds), share, longest)


def _bisect(within: Callable[[Seconds], float], share: float, high: Seconds) -> Seconds:
    """Return the least x in [0, high] with within(x) ≥ share, to twelve digits."""
    low, top = 0.0, high
    while high - low > 1e-12 * top:
        middle = (low + high) / 2
        if within(middle) < share:
            low = middle
        else:
            high = middle
    return high


def stall_quantile(share: float, stall: Seconds, duration: Seconds, utilization: float) -> Seconds:
    """Return the time from the intended moment that a constant load shows when its target once stood still.

    Arrivals at rate λ for `duration`, a stall of T seconds inside it, then service at rate μ_s = λ/r: who was due u
    seconds into the stall waits T − u·(1 − r), so the wait falls in a straight line from T to 0 over T/(1 − r) and

        x_p = T − (1 − p)·D·(1 − r)   where that is positive,

    0 otherwise: the service itself comes on top. This is what wrk2's ^Z test shows and a closed loop hides.
    """
    return max(0.0, stall - (1 - share) * duration * (1 - utilization))
