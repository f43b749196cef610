"""Journeys that somebody cut off: late beyond doubt, or not known to be anything.

Who ends a ramp early, or kills its generator, finds people under way. Whose request had by then taken longer than its
step may is late whatever would have come; of everybody else the end is not known, and an end that is not known accuses
nobody. Nor does it excuse: a journey in flight at the end forbids SUSTAINED.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prakerja_load.evidence.ramp import RampEvidence
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.judgement.history import History, Mask
from prakerja_load.units import SECOND_NS, Seconds


def cut_off(history: History, evidence: RampEvidence) -> Mask:
    """Tell, for each arrival, whether it was under way when somebody ended its part of the ramp.

    An `abort_on` of the scenario is no such end: it lets journeys drain.
    """
    controller = evidence.controller
    is_early = controller is None or controller.get("stopped") or controller.get("interrupted")
    is_cut = np.full(history.count, bool(is_early) and not evidence.aborted)
    known = evidence.kept["index"]
    is_cut[known[(known >= 0) & (known < history.count)]] = True
    found: Mask = is_cut & history.has_ended(Ending.IN_FLIGHT)
    return found


def undecided(history: History, is_cut_off: Mask, limit: Callable[[int], Seconds]) -> Mask:
    """Tell, for each arrival that was cut off, whether it was not yet late: thinking, or within its step's limit."""
    asked = history.samples[history.samples["outcome"] == Outcome.IN_FLIGHT]
    elapsed = (asked["finished"] - asked["intended"] - asked["think"]) / SECOND_NS
    limits = np.array([limit(number) for number in range(256)])
    is_late = np.zeros(history.count, np.bool_)
    is_late[asked["index"][elapsed > limits[asked["step"]]]] = True
    found: Mask = is_cut_off & ~is_late
    return found
