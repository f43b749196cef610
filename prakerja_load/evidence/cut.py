"""What a killed worker leaves unsaid: who was waiting for an answer when its records end, and for how long at least.

A worker that ends in order takes down whoever is under way. A killed one does not, but a write's intent is on disk
before its fate, and once a second the gauge tells how many requests were under way: what it shows and no record tells
of are requests that were never answered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prakerja_load.evidence.journal import Records
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

KEPT_WAITING: Seconds = 1.0
"""For one answer; a request that was under way for less was cut off before anything could be said of it."""

WAIT = np.dtype([("index", "<i8"), ("step", "u1"), ("attempt", "u1"), ("at", "<i8"), ("until", "<i8")])
"""One write that was sent at `at` and not answered by `until`, in nanoseconds after the epoch."""

_KEPT_NS = round(KEPT_WAITING * SECOND_NS)
_LEAST_UNHEARD = 0.05  # requests; less is rounding


@dataclass(frozen=True)
class Left:
    """What one worker's records say of who was waiting when they end."""

    waiting: Records  # WAIT, of writes that had waited KEPT_WAITING
    unheard: float  # requests under way for KEPT_WAITING of which no record tells, at least


def left_by(samples: Records, arrivals: Records, ledger: Records, vitals: Records) -> Left:
    """Return who was waiting when one worker's records end; of one that ended in order, nobody."""
    until = max(
        int(records[name].max(initial=0))
        for records, name in ((samples, "finished"), (arrivals, "finished"), (ledger, "at"), (vitals, "at"))
    )
    opened = _unanswered(ledger, arrivals)
    waiting = np.zeros(opened.size, WAIT)
    for name in ("index", "step", "attempt", "at"):
        waiting[name] = opened[name]
    waiting["until"] = until
    spans = (
        np.concatenate([samples["started"], waiting["at"]]),
        np.concatenate([samples["finished"], waiting["until"]]),
    )
    return Left(waiting[until - waiting["at"] >= _KEPT_NS], _unheard(spans, vitals, until))


def _unanswered(ledger: Records, arrivals: Records) -> Records:
    """Return the intents of writes that no fate follows, of arrivals without a closing record."""
    place = (ledger["index"] << 16) | (ledger["step"].astype(np.int64) << 8) | ledger["attempt"]
    is_intent = ledger["state"] == LedgerState.INTENT
    is_open = is_intent & ~np.isin(place, place[~is_intent]) & ~np.isin(ledger["index"], arrivals["index"])
    unanswered: Records = ledger[is_open]
    return unanswered


def _unheard(spans: tuple[NDArray[np.int64], NDArray[np.int64]], vitals: Records, until: Nanoseconds) -> float:
    """Return by how many requests the gauge exceeds the records in the last second that ended KEPT_WAITING before.

    The gauge is moved at the very instants that the records tell, so over the same time both are equal.
    """
    ends = np.sort(vitals["at"])
    place = int(np.searchsorted(ends, until - _KEPT_NS, "right")) - 1
    if place < 0:
        return 0.0
    stop = int(ends[place])
    start = int(ends[place - 1]) if place else stop - SECOND_NS
    known = np.maximum(0, np.minimum(spans[1], stop) - np.maximum(spans[0], start)).sum() / max(1, stop - start)
    over = float(vitals["in_system"][vitals["at"] == stop][0]) - float(known)
    return over if over > _LEAST_UNHEARD else 0.0
