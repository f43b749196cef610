"""The four counts that head every result: offered, started, acknowledged, verified, with a reason for each gap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from prakerja_load.evidence.ledger import Fates, LedgerState
from prakerja_load.journey.step import Ending
from prakerja_load.judgement.case import Case
from prakerja_load.judgement.history import Mask
from prakerja_load.judgement.integrity import Reconciled
from prakerja_load.judgement.verdict import Counts
from prakerja_load.units import format_count


def count(case: Case, fates: Fates, reconciled: Reconciled) -> Counts:
    """Return the counts of a whole ramp, warm-up included.

    A registrant is acknowledged when the last stored step they meant to reach is, expected refusals aside; verified
    when besides every write of theirs that was acknowledged is found stored once, with the right fields.
    """
    history = case.history
    wanted, acknowledged = _last_writes(case, fates)
    is_right = (~reconciled.is_acknowledged | reconciled.is_right).all(axis=1)
    verified = acknowledged & is_right
    return Counts(
        offered=history.count,
        started=int(history.is_started.sum()),
        acknowledged=int(acknowledged.sum()),
        verified=int(verified.sum()),
        gaps=tuple(_gaps(case, wanted, acknowledged, verified, is_whole=reconciled.integrity.is_whole)),
    )


def _last_writes(case: Case, fates: Fates) -> tuple[Mask, Mask]:
    """Return, for each arrival, whether it meant to write anything, and whether its last write is acknowledged."""
    history = case.history
    wanted = np.zeros(history.count, np.bool_)
    acknowledged = np.zeros(history.count, np.bool_)
    columns = fates.states.shape[1]
    for step in sorted((step for step in case.steps if step.is_stored), key=lambda step: step.number):
        states = fates.states[:, step.number] if step.number < columns else np.zeros(history.count, np.uint8)
        counts = history.is_started & (history.arrivals["meant"] >= step.number) & (states != LedgerState.REJECTED)
        wanted |= counts
        acknowledged[counts] = states[counts] == LedgerState.ACKNOWLEDGED
    return wanted, acknowledged


def _gaps(case: Case, wanted: Mask, acknowledged: Mask, verified: Mask, *, is_whole: bool) -> Iterator[str]:
    history = case.history
    unverified = (
        "acknowledged, but not found stored as sent"
        if is_whole
        else "acknowledged, but what is stored was not all looked through"
    )
    behind = wanted & ~acknowledged
    ends = {
        "dropped at the in-flight limit": history.has_ended(Ending.DROPPED),
        "without a record: never started, or of a lost worker": ~history.is_recorded,
        "left before their first write, as planned": history.is_started & ~wanted,
        "failed before their last write was acknowledged": behind & history.has_ended(Ending.FAILED),
        "gave up before their last write was acknowledged": behind & history.has_ended(Ending.GAVE_UP),
        "still under way when the drain ended": behind & history.has_ended(Ending.IN_FLIGHT),
        "ended as planned without the acknowledgement of their last write": behind
        & history.has_ended(Ending.COMPLETED),
        unverified: acknowledged & ~verified,
    }
    for words, who in ends.items():
        if number := int(who.sum()):
            yield f"{format_count(number)} {words}"
