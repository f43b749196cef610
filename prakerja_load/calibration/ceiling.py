"""How much one worker can offer: the next rate to try, from what was seen at the rates before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prakerja_load.units import PerSecond, Seconds

FIRST: PerSecond = 500.0
MOST_CPU = 0.8  # of a core: above, method.md §3 calls a generator unsound
LATEST: Seconds = 0.010  # lateness p99 that is sound whatever the objective
_AIM = 0.7  # of a core, which leaves room for what a short trial did not show
_CLOSE = 1.25  # rates nearer to each other than this are not told apart
_LEAP = 8.0  # times the last rate at most
_MOST_TRIALS = 6


@dataclass(frozen=True)
class Trial:
    """One rate offered to a target that answers at once."""

    rate: PerSecond
    cpu: float  # share of a core, its mean over the seconds of the trial
    lateness_p99: Seconds
    failures: int  # requests not answered, arrivals not started

    @property
    def is_sound(self) -> bool:
        """Tell whether a verdict could rest on a generator in this state."""
        return self.cpu <= MOST_CPU and self.lateness_p99 <= LATEST and not self.failures


def ceiling(trials: Sequence[Trial]) -> PerSecond:
    """Return the highest rate that was offered soundly with no unsound rate below it, 0 when there is none."""
    lowest_bad = min((trial.rate for trial in trials if not trial.is_sound), default=float("inf"))
    return max((trial.rate for trial in trials if trial.is_sound and trial.rate < lowest_bad), default=0.0)


def next_rate(trials: Sequence[Trial]) -> PerSecond | None:
    """Return the rate to try next, None when the ceiling is known as closely as it will be.

    While all is sound: the rate that should cost 70 % of a core, if that is well above the last one. Once a rate was
    too much: the geometric mean of it and the best one below.
    """
    if not trials:
        return FIRST
    if len(trials) >= _MOST_TRIALS:
        return None
    best = ceiling(trials)
    bad = min((trial.rate for trial in trials if not trial.is_sound), default=None)
    if bad is None:
        top = max(trials, key=lambda trial: trial.rate)
        aim = top.rate * min(_LEAP, _AIM / max(top.cpu, 1e-6))
        return aim if aim > _CLOSE * top.rate else None
    if not best:
        return bad / 4 if bad > 1 else None
    return (best * bad) ** 0.5 if bad > _CLOSE**2 * best else None
