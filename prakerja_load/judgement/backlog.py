"""The backlog: does the number of registrants whom the system owes an answer keep growing?

    d = (offered − completed) ÷ offered

with registrants in think time excluded. B(t) counts who is due and not yet served at t: waiting for the first
request, waiting for any answer, or never to be served because the journey failed. Over a steady hold B stands still,
and where it grows by d·λ a second, d of what is offered is never completed in time (after Karimov et al., ICDE 2018).
"""

from __future__ import annotations

import math

import numpy as np

from prakerja_load.journey.step import Ending
from prakerja_load.judgement.case import Case
from prakerja_load.judgement.estimate import NOTHING, Array, Estimate, trend
from prakerja_load.judgement.history import History
from prakerja_load.judgement.tails import beta_quantile
from prakerja_load.units import SECOND_NS, Seconds

BATCHES = 20
_INSTANTS = 20  # looks at B in each batch


def waiting(history: History, instants: Array) -> Array:
    """Return B at each instant."""
    due = np.sort(history.seconds("due"))
    finished = np.sort(history.seconds("finished"))
    unserved = np.sort(_ends_of_unserved(history))
    return (
        np.searchsorted(due, instants, "right")
        - np.searchsorted(finished, instants, "right")
        + np.searchsorted(unserved, instants, "right")
    ).astype(np.float64)


def _ends_of_unserved(history: History) -> Array:
    """Return when each failed journey left; from then on it counts as never completed."""
    left = history.arrivals["finished"] / SECOND_NS
    asked = np.zeros(history.count)
    np.maximum.at(asked, history.samples["index"], history.seconds("finished"))
    left = np.where(left >= 0, left, np.maximum(asked, history.intended))
    # who was cut off before they were late may have been served in time
    is_unserved = history.is_recorded & ~history.has_ended(Ending.COMPLETED) & ~history.is_undecided
    unserved: Array = left[is_unserved]
    return unserved


def growth(case: Case) -> Estimate:
    """Return d over the hold: the slope of B over batch means, divided by the offered rate.

    The line's own error is that of this hold. Of few arrivals a handful may fail by chance in any other, or none may
    here, so neither bound is tighter than that of a share of as many independent arrivals (Clopper–Pearson).
    """
    window = case.window
    arrivals = int(np.count_nonzero(case.judged & case.history.is_recorded))
    offered = arrivals / window.length
    if not offered:
        return NOTHING
    batch = window.length / BATCHES
    instants = window.start + (np.arange(BATCHES * _INSTANTS) + 0.5) * batch / _INSTANTS
    means = waiting(case.history, instants).reshape(BATCHES, _INSTANTS).mean(axis=1)
    middles = np.asarray(window.start + (np.arange(BATCHES) + 0.5) * batch, np.float64)
    slope = trend(middles, means, case.alpha)
    share = slope.value / offered
    never_served = min(max(share, 0.0), 1.0) * arrivals
    served = arrivals - never_served
    fewest = beta_quantile(case.alpha, never_served, served + 1) if never_served else 0.0
    most = beta_quantile(1 - case.alpha, never_served + 1, served) if served else 1.0
    low, high = min(slope.low / offered, fewest), max(slope.high / offered, most)
    return Estimate(share, low, high, slope.n, slope.n_effective)


def owed(case: Case) -> float:
    """Return the mean of B over the hold: registrants whom the system owes an answer, who failed left out.

    B counts who will never be served from then on; here they count no more once they have left.
    """
    window = case.window
    instants = window.start + (np.arange(BATCHES * _INSTANTS) + 0.5) * window.length / (BATCHES * _INSTANTS)
    gone = np.searchsorted(np.sort(_ends_of_unserved(case.history)), instants, "right")
    return float(np.mean(waiting(case.history, instants) - gone)) if case.history.count else 0.0


def drain_time(history: History) -> Seconds:
    """Return how long after the last due arrival the last journey ended; inf when one never did.

    A journey that somebody cut off was not given the drain.
    """
    if not history.count or (history.has_ended(Ending.IN_FLIGHT) & ~history.is_cut_off).any():
        return math.inf
    finished = history.arrivals["finished"][history.is_recorded] / SECOND_NS
    return max(0.0, float(finished.max(initial=0.0)) - float(history.intended[-1]))
