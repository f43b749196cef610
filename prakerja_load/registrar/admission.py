"""Sheds early: what the server could not serve in time is told to come back, before anything of it is decoded.

Two bounds always hold, on the requests under way and on the bytes of their bodies. A third follows the delay that
stands in the event loop and in the store (see `overload`). While it binds, newcomers are turned away before those who
are under way: a registrant who was let in needs a dozen more requests to finish, one who was not costs a single one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from prakerja_load.registrar.overload import AdaptiveLimit, DelayTarget
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.units import Seconds

LARGEST_BODIES = 256 * 1024 * 1024  # bytes of announced bodies under way
NEWCOMERS = frozenset({"wave-page", "take-ticket", "create-account"})  # steps of people who have nothing to lose yet
NEWCOMERS_SHARE = 0.8  # of the limit; what is above it is kept for those under way
IN_FLIGHT, BODIES, DELAY, NEWCOMER = "in-flight", "bodies", "delay", "newcomer"  # reasons of shedding
_LOOP_TICK: Seconds = 0.05


class Admission:
    """Counts what is under way; `enter` and `leave` come in pairs."""

    def __init__(
        self,
        max_in_flight: int,
        max_bytes: int = LARGEST_BODIES,
        target: DelayTarget | None = None,
        now: Callable[[], Seconds] = time.monotonic,
    ) -> None:
        self.now = now
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self._adaptive = AdaptiveLimit(max_in_flight, target or DelayTarget())
        self.in_flight = 0
        self.bytes = 0
        self.shed_by = dict.fromkeys((IN_FLIGHT, BODIES, DELAY, NEWCOMER), 0)

    @property
    def shed(self) -> int:
        """Return the number of requests told to come back."""
        return sum(self.shed_by.values())

    @property
    def limit(self) -> int:
        """Return how many requests may be under way now."""
        return self._adaptive.limit

    @property
    def delay(self) -> Seconds:
        """Return the standing delay of the last window."""
        return self._adaptive.delay

    def enter(self, size: int, step: str = "") -> None:
        """Let a request with a body of `size` announced bytes in; raises RefusalError with Retry-After when full."""
        reason = self._reason_against(size, step)
        if reason:
            self._adaptive.shed()
            self.shed_by[reason] += 1
            raise RefusalError("overloaded", retry_after=1 + self.shed % 3)  # spread, so they do not come back together
        self.in_flight += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """Note that an admitted request has been answered."""
        self.in_flight -= 1
        self.bytes -= size

    def observe(self, source: str, delay: Seconds) -> None:
        """Take note of how long something has kept a request waiting."""
        self._adaptive.observe(source, delay, self.in_flight, self.now())

    def _reason_against(self, size: int, step: str) -> str:
        if self.in_flight >= self._max_in_flight:
            return IN_FLIGHT
        if self.bytes + size > self._max_bytes:
            return BODIES
        if not self._adaptive.is_shedding:
            return ""
        if self.in_flight >= self._adaptive.limit:
            return DELAY
        is_newcomer = step in NEWCOMERS
        return NEWCOMER if is_newcomer and self.in_flight >= self._adaptive.limit * NEWCOMERS_SHARE else ""


class LoopWatch:
    """Measures how late the event loop is: what waits in the sockets waits as long, and nobody has seen it yet."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._loop = asyncio.get_running_loop()
        self._plan()

    def stop(self) -> None:
        """Measure no more."""
        self._timer.cancel()

    def _plan(self) -> None:
        self._due = self._loop.time() + _LOOP_TICK
        self._timer = self._loop.call_at(self._due, self._measure)

    def _measure(self) -> None:
        self._admission.observe("loop", max(0.0, self._loop.time() - self._due))
        self._plan()
