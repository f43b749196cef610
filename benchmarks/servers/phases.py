"""What registrants met with between two instants of a ramp, from its evidence; times are seconds after the epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.evidence.journal import Records
from prakerja_load.journey.registration import CREATE_ACCOUNT, NewApplicant
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.units import SECOND_NS

GROWS = 0.05  # of those who came in a stair may be under way more than before
BIN = 0.5  # seconds, in which recovery is looked for
_GATED = np.array([step.number for step in NewApplicant.steps if step.is_gated])


@dataclass(frozen=True)
class Phase:
    """From one instant to another."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return self.end - self.begin

    def holds(self, instants: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of each instant, in ns after the epoch, whether it lies within."""
        found: NDArray[np.bool_] = (instants >= self.begin * SECOND_NS) & (instants < self.end * SECOND_NS)
        return found


@dataclass(frozen=True)
class Seen:
    """What one phase showed."""

    left: int  # registrants who left in it, whole or not
    lost: int  # of them, who did not come to the end of their whole journey
    offered: float  # registrants who were started, 1/s
    goodput: float  # registrants who came to the end of their whole journey, 1/s
    accepted: float  # requests, 1/s
    p99: float  # seconds, of the requests that were accepted
    newcomers: int  # requests told to come back, of people without an account
    under_way: int  # and of those who have one, whose work so far is lost when they give up
    failed: int  # requests neither accepted nor told to come back


def look(arrivals: Records, samples: Records, phase: Phase) -> Seen:
    """Return what a phase showed; a p99 of no requests is no number, so no goal is met by it."""
    is_whole = _is_whole(arrivals)
    has_left = phase.holds(arrivals["finished"])
    asked = samples[phase.holds(samples["started"]) & np.isin(samples["step"], _GATED)]
    is_good = asked["outcome"] <= Outcome.REJECTED
    is_shed, is_new = asked["outcome"] == Outcome.SHED, asked["step"] <= CREATE_ACCOUNT.number
    took = (asked["finished"] - asked["started"])[is_good] / SECOND_NS
    return Seen(
        left=int(has_left.sum()),
        lost=int((has_left & ~is_whole).sum()),
        offered=float(phase.holds(arrivals["started"]).sum() / phase.seconds),
        goodput=float((has_left & is_whole).sum() / phase.seconds),
        accepted=float(is_good.sum() / phase.seconds),
        p99=float(np.quantile(took, 0.99)) if took.size else math.nan,
        newcomers=int((is_shed & is_new).sum()),
        under_way=int((is_shed & ~is_new).sum()),
        failed=int((asked["outcome"] > Outcome.SHED).sum()),
    )


def carried(arrivals: Records, stairs: Sequence[Phase]) -> int:
    """Return how many stairs, from the first on, were carried.

    Everybody who was due in one came through whole, and no more people were under way at its end than at its beginning
    but for a few: else it is a queue that is measured, which takes in more than the server does until it is full.
    """
    lost = arrivals["intended"][~_is_whole(arrivals)]
    return next(
        (n for n, stair in enumerate(stairs) if stair.holds(lost).any() or _grows(arrivals, stair)), len(stairs)
    )


def _grows(arrivals: Records, stair: Phase) -> bool:
    came, left = stair.holds(arrivals["intended"]).sum(), stair.holds(arrivals["finished"]).sum()
    return bool(came - left > GROWS * came)


def recovery(samples: Records, after: Phase, slow: float) -> float:
    """Return the seconds after which no request was shed or failed any more and the p99 was no longer slow.

    That is the end of the last half-second which was otherwise, or +inf when the phase ends so or saw nothing.
    """
    bins = math.floor(after.seconds / BIN)
    is_well = [_is_well(samples, Phase(after.begin + n * BIN, after.begin + (n + 1) * BIN), slow) for n in range(bins)]
    if not is_well or not is_well[-1]:
        return math.inf
    return max((number + 1 for number, well in enumerate(is_well) if not well), default=0) * BIN


def _is_well(samples: Records, phase: Phase, slow: float) -> bool:
    asked = samples[phase.holds(samples["started"])]
    if not asked.size or (asked["outcome"] > Outcome.REJECTED).any():
        return False
    return bool(np.quantile(asked["finished"] - asked["started"], 0.99) / SECOND_NS <= slow)


def _is_whole(arrivals: Records) -> NDArray[np.bool_]:
    found: Any = (arrivals["ending"] == Ending.COMPLETED) & (arrivals["reached"] == arrivals["meant"])
    return np.asarray(found, np.bool_)
