"""Real and virtual time, handed in as an argument and never looked up."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time."""

    def now_ns(self) -> int:
        """Return monotonic nanoseconds; only differences mean anything."""

    def wall(self) -> datetime:
        """Return the wall-clock time in UTC, for labels only."""


class RealClock:
    """The machine's own clocks: CLOCK_MONOTONIC for durations, the wall clock for labels."""

    def now_ns(self) -> int:
        return time.perf_counter_ns()

    def wall(self) -> datetime:
        return datetime.now(UTC)


class VirtualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start_ns: int = 0, wall: datetime = datetime(2020, 4, 11, 12, tzinfo=UTC)) -> None:
        self._now_ns = start_ns
        self._start_ns = start_ns
        self._wall = wall

    def now_ns(self) -> int:
        return self._now_ns

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self._wall.timestamp() + (self._now_ns - self._start_ns) / 1e9, UTC)

    def advance(self, nanoseconds: int) -> None:
        """Move time forward; it never runs backwards."""
        if nanoseconds < 0:
            raise ValueError(f"time runs forward only, got {nanoseconds} ns")
        self._now_ns += nanoseconds
