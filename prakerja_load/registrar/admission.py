"""Sheds early: what the server could not serve in time is told to come back, before anything of it is decoded.

Two bounds always hold. One is on the requests under way, which are those that have come in whole: a photo that takes a
minute to arrive keeps nobody else out. The other is on the bytes of large bodies, counted as they arrive and until they
are answered; small ones are left out, for one holds no more than its connection does anyway. A third bound follows the
delay that stands in the event loop and in the store (see `overload`). While it binds, newcomers are turned away before
those who are under way: a registrant who was let in needs a dozen more requests to finish, one who was not costs a
single one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn, Self

from prakerja_load.registrar.overload import AdaptiveLimit, DelayTarget
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.units import Seconds

NEWCOMERS = frozenset({"wave-page", "take-ticket", "create-account"})  # steps of people who have nothing to lose yet
NEWCOMERS_SHARE = 0.8  # of the limit; what is above it is kept for those under way
IN_FLIGHT, BODIES, DELAY, NEWCOMER = "in-flight", "bodies", "delay", "newcomer"  # reasons of shedding
_LOOP_TICK: Seconds = 0.05


class Admission:
    """Counts what is under way; `enter` and `leave` come in pairs."""

    def __init__(
        self,
        max_in_flight: int,
        target: DelayTarget | None = None,
        now: Callable[[], Seconds] = time.monotonic,
    ) -> None:
        self.now = now
        self._max_in_flight = max_in_flight
        self._adaptive = AdaptiveLimit(max_in_flight, target or DelayTarget())
        self.in_flight = 0
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

    def check(self, step: str) -> None:
        """Raise RefusalError when a request would not be let in now."""
        reason = self._reason_against(step)
        if reason:
            self.refuse(reason)

    def enter(self, step: str) -> None:
        """Let a request in; raises RefusalError with Retry-After when full."""
        reason = self._reason_against(step)
        if reason:
            self.refuse(reason)
        self.in_flight += 1

    def leave(self) -> None:
        """Note that an admitted request has been answered."""
        self.in_flight -= 1

    def refuse(self, reason: str) -> NoReturn:
        """Count a request that is told to come back and raise its RefusalError."""
        self._adaptive.shed()
        self.shed_by[reason] += 1
        raise RefusalError("overloaded", retry_after=1 + self.shed % 3)  # spread, so they do not come back together

    def observe(self, source: str, delay: Seconds) -> None:
        """Take note of how long something has kept a request waiting."""
        self._adaptive.observe(source, delay, self.in_flight, self.now())

    def observe_failure(self, source: str, delay: Seconds) -> None:
        """Take note of a wait that ended without an answer: that would have come later, so a short one says nothing."""
        if delay > self._adaptive.target.seconds:
            self.observe(source, delay)

    def _reason_against(self, step: str) -> str:
        if self.in_flight >= self._max_in_flight:
            return IN_FLIGHT
        if not self._adaptive.is_shedding:
            return ""
        if self.in_flight >= self._adaptive.limit:
            return DELAY
        is_newcomer = step in NEWCOMERS
        return NEWCOMER if is_newcomer and self.in_flight >= self._adaptive.limit * NEWCOMERS_SHARE else ""


class Bodies:
    """The bytes of large bodies that are held, from their arrival until they are answered."""

    def __init__(self, admission: Admission, max_bytes: int) -> None:
        self._admission = admission
        self._max_bytes = max_bytes
        self.held = 0

    def expect(self, announced: int) -> Room:
        """Return room for a body; raises RefusalError when what it announces would not fit now.

        That is not kept free for it: it is the quick who are to have the room, not those who said first that they come.
        """
        self._check(announced)
        return Room(self)

    def take(self, size: int) -> None:
        """Count bytes that have arrived; raises RefusalError when there is no room for them."""
        self._check(size)
        self.held += size

    def _check(self, size: int) -> None:
        if self.held + size > self._max_bytes:
            self._admission.refuse(BODIES)


class Room:
    """What one body takes up, until the end of its `with`."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bodies.held -= self._size

    def take(self, size: int) -> None:
        """Count bytes that have arrived; raises RefusalError when there is no room for them."""
        self._bodies.take(size)
        self._size += size


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
