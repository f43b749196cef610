"""The ledger of writes: what the generator sent, and what it was told became of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import Records


class LedgerState(enum.IntEnum):
    """The fate of one write as its sender knows it."""

    INTENT = 1  # written before the request is sent
    ACKNOWLEDGED = 2
    REJECTED = 3  # a correct and expected "no": the system said it did not store it
    IN_DOUBT = 4  # timed out, reset, 5xx, malformed: it may or may not be stored
    NOT_DONE = 5  # a definite no of another kind, such as a shed by the system's own admission
    FORBIDDEN = 6  # only a "no" is right and none came: it must not be stored, whatever was said


NEVER = 0  # no attempt is on record

# Of several attempts of one write the first of these that any attempt has is the write's fate: an acknowledgement
# stands whatever a repeat was told, and a doubt outlives a later "no", which may be the first attempt's own echo. What
# must not be stored must not be whatever became of other attempts.
_PRECEDENCE = (
    LedgerState.NOT_DONE,
    LedgerState.REJECTED,
    LedgerState.IN_DOUBT,
    LedgerState.ACKNOWLEDGED,
    LedgerState.FORBIDDEN,
)


@dataclass(frozen=True)
class Fates:
    """The final state of every write of a ramp: `states[index, step]`, 0 where no attempt is on record.

    `is_unaccounted[index]` marks arrivals whose worker left no closing record: a write of theirs may have been sent
    although nothing says so.
    """

    states: NDArray[np.uint8]
    is_unaccounted: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """Return the number of arrivals."""
        return int(self.states.shape[0])

    def of(self, index: int, step: int) -> int:
        """Return the state of one write, NEVER for one outside the ramp."""
        rows, columns = self.states.shape
        return int(self.states[index, step]) if 0 <= index < rows and 0 <= step < columns else NEVER

    def may_be_stored(self, index: int, step: int) -> bool:
        """Tell whether a write that was not acknowledged may be found stored all the same."""
        state = self.of(index, step)
        return state == LedgerState.IN_DOUBT or (
            state == NEVER and 0 <= index < self.count and bool(self.is_unaccounted[index])
        )

    def total(self, state: LedgerState) -> int:
        """Return how many writes have this fate."""
        return int(np.count_nonzero(self.states == state))


def resolve(ledger: Records, count: int, is_unaccounted: NDArray[np.bool_] | None = None) -> Fates:
    """Return the final state of each write (index, step) of `count` arrivals; the order of entries is of no account.

    An INTENT whose attempt has no fate is IN_DOUBT, and so is what was NOT_DONE at first when its worker left no
    closing record: it may have been sent again without a trace. Raises EvidenceError for entries outside the ramp.
    """
    unaccounted = np.zeros(count, np.bool_) if is_unaccounted is None else is_unaccounted
    index = ledger["index"]
    if index.size and (index.min() < 0 or index.max() >= count):
        raise EvidenceError(f"the ledger names arrivals {index.min()} to {index.max()} of a ramp of {count}")
    columns = int(ledger["step"].max()) + 1 if index.size else 1
    states = np.zeros(count * columns, np.uint8)
    place = index * columns + ledger["step"]
    for state in _PRECEDENCE:
        states[place[ledger["state"] == state]] = state
        if state == LedgerState.IN_DOUBT:
            states[_is_without_fate(ledger, place, states.size)] = state
    fates = Fates(states.reshape(count, columns), unaccounted)
    fates.states[(fates.states == LedgerState.NOT_DONE) & unaccounted[:, np.newaxis]] = LedgerState.IN_DOUBT
    return fates


def _is_without_fate(ledger: Records, place: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Return, per place, whether any attempt has an INTENT and no fate."""
    is_without = np.zeros(size, np.bool_)
    for attempt in np.unique(ledger["attempt"]):
        of_attempt = ledger["attempt"] == attempt
        is_intent = ledger["state"] == LedgerState.INTENT
        is_open = np.zeros(size, np.bool_)
        is_open[place[of_attempt & is_intent]] = True
        is_open[place[of_attempt & ~is_intent]] = False
        is_without |= is_open
    return is_without
