"""Sheds early: what the server could not serve in time is told to come back, before anything of it is decoded.

Two bounds always hold. One is on the requests under way, which are those that have come in whole: a photo that takes a
minute to arrive keeps nobody else out. The other is on the bytes of large bodies, counted as they arrive and until they
are answered; small ones are left out, for one holds no more than its connection does anyway.

While a delay stands in the event loop or in the store (see `overload`), newcomers are turned away: a registrant who was
let in needs a dozen more requests to finish, and who gives up in the middle has cost them for nothing; one who was not
let in costs a single one. Those under way are turned away when the delay goes on standing all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn, Self

from prakerja_load.registrar.overload import AdaptiveLimit, Bounds, DelayTarget, StandingDelay
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.units import Seconds

LOOKING, JOINING, UNDER_WAY = range(3)  # ranks: who has put in least is turned away first
RANKS = {"wave-page": LOOKING, "take-ticket": JOINING, "create-account": JOINING}  # of steps; else under way
IN_FLIGHT, BODIES, DELAY, NEWCOMER = "in-flight", "bodies", "delay", "newcomer"  # reasons of shedding
RETRIES = 3  # so many different times after which they may, so that they do not all come back together
_BEYOND, _HELD = (0.5, 0.5, 1.0), (0.06, 0.3, 1.0)  # waits ÷ target, of each rank
PATIENCE = (1, 2, 10)  # intervals for which they may stand, while there are people of a lower rank to turn away
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
        self._target = target or DelayTarget()
        self._standing = StandingDelay()
        self._limits = [AdaptiveLimit(max_in_flight, self._target.lowest) for _ in _BEYOND]
        self._most = [max_in_flight] * len(self._limits)  # requests under way at which a rank is turned away
        self._has_come = [False] * len(self._limits)  # somebody of a rank, in this window
        self._is_shedding = False  # one of the limits is lower than the highest
        self.in_flight = 0
        self.shed_by = dict.fromkeys((IN_FLIGHT, BODIES, DELAY, NEWCOMER), 0)

    @property
    def shed(self) -> int:
        """Return the number of requests told to come back."""
        return sum(self.shed_by.values())

    @property
    def limit(self) -> int:
        """Return how many requests may be under way now."""
        return self._limits[UNDER_WAY].limit

    @property
    def delay(self) -> Seconds:
        """Return the standing delay of the last window."""
        return self._standing.delay.standing

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
        raise RefusalError("overloaded", retry_after=self._shed(reason))

    def turns_away(self, step: str) -> int:
        """Count a request that would not be let in now and return after how many seconds it may come back; else 0."""
        reason = self._reason_against(step) if self._is_shedding or self.in_flight >= self._max_in_flight else ""
        return self._shed(reason) if reason else 0

    def observe(self, source: str, delay: Seconds) -> None:
        """Take note of how long something has kept a request waiting."""
        if not self._target.seconds:
            return
        now = self.now()
        if self._standing.observe(source, delay, self.in_flight, now):
            self._follow(now)

    def observe_failure(self, source: str, delay: Seconds) -> None:
        """Take note of a wait that ended without an answer: that would have come later, so a short one says nothing."""
        if delay > self._target.seconds:
            self.observe(source, delay)

    def _shed(self, reason: str) -> int:
        """Count a request that is told to come back and return after how many seconds it may."""
        self.shed_by[reason] += 1
        return 1 + self.shed % RETRIES

    def _reason_against(self, step: str) -> str:
        if self.in_flight >= self._max_in_flight:
            return IN_FLIGHT
        rank = RANKS.get(step, UNDER_WAY)
        self._has_come[rank] = True
        if self.in_flight < self._most[rank]:
            return ""
        self._limits[rank].shed()
        return DELAY if rank == UNDER_WAY else NEWCOMER

    def _follow(self, now: Seconds) -> None:
        """Have the limits follow the last window."""
        standing, target = self._standing, self._target
        if standing.under_way <= target.lowest:
            standing.forget_least()  # nobody waits: what is slow now may be slow for good
        are_others = False
        for rank, limit in enumerate(self._limits):
            wait = standing.delay if rank == UNDER_WAY else standing.queue
            interval = target.interval * (PATIENCE[rank] if are_others else 1)
            bounds = Bounds(_BEYOND[rank] * target.seconds, interval, _HELD[rank] * target.seconds)
            limit.follow(wait, standing.under_way, now, bounds)
            are_others = are_others or self._has_come[rank]
            self._has_come[rank] = False
        # who has put in less is never let in where who has put in more is turned away
        self._most = [min(limit.limit for limit in self._limits[rank:]) for rank in range(len(self._limits))]
        self._is_shedding = any(limit.is_shedding for limit in self._limits)


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
