"""A circuit breaker as a state machine: a dependency that fails is left alone for a while, then tried once.

Closed: calls go through, and `failures` in a row open it. Open: no call goes through for `rest` seconds. Half open: one
call at a time is let through; its success closes the breaker, its failure opens it again. Times come in as arguments.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from prakerja_load.units import Seconds


class BreakerState(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerRules(msgspec.Struct, frozen=True):
    """When a breaker opens, and for how long."""

    failures: int = 20  # in a row
    rest: Seconds = 5.0


class Breaker:
    """Decides who may call; everybody who may says afterwards what came of it, with the pass they were given."""

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._failures = 0
        self._rests_until: Seconds = 0.0
        self._era = 0  # what was let through before the last change of state says nothing about the present one
        self._is_trying = False
        self.state = BreakerState.CLOSED
        self.openings = 0

    def ask(self, now: Seconds) -> int | None:
        """Return a pass for one call, or None when none may be made now."""
        if self.state is BreakerState.OPEN and now >= self._rests_until:
            self._change(BreakerState.HALF_OPEN)
        if self.state is BreakerState.OPEN or self._is_trying:
            return None
        self._is_trying = self.state is BreakerState.HALF_OPEN
        return self._era

    def rests_for(self, now: Seconds) -> Seconds:
        """Return the seconds until the next call has a chance."""
        return max(0.0, self._rests_until - now) if self.state is BreakerState.OPEN else 0.0

    def succeeded(self, given: int) -> None:
        """Take note that a call was answered."""
        if given != self._era:
            return
        self._failures = 0
        if self.state is BreakerState.HALF_OPEN:
            self._change(BreakerState.CLOSED)

    def failed(self, given: int, now: Seconds) -> None:
        """Take note that a call was not answered in time."""
        if given != self._era:
            return
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN or self._failures >= self._rules.failures:
            self._change(BreakerState.OPEN)
            self._rests_until = now + self._rules.rest
            self.openings += 1

    def withdrew(self, given: int) -> None:
        """Take note that a call was given up by the one who made it, which says nothing about the dependency."""
        if given == self._era:
            self._is_trying = False

    def _change(self, state: BreakerState) -> None:
        self.state = state
        self._era += 1
        self._failures = 0
        self._is_trying = False
