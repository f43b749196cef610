"""The pump: starts every leased arrival when it is due, in order, and keeps account of each lease.

Nothing due is skipped: an arrival that is late is started late, which shows in its own times.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from prakerja_load.arrivals.lease import Span
from prakerja_load.arrivals.schedule import Schedule
from prakerja_load.driver.agenda import Agenda
from prakerja_load.units import SECOND_NS, Nanoseconds

_AT_ONCE = 16  # arrivals before the loop gets to read answers again


@dataclass(order=True, slots=True)
class Handling:
    """A leased range, and how many of its arrivals were started or dropped."""

    start: int
    stop: int
    count: int = field(default=0, compare=False)
    due: list[Nanoseconds] = field(default_factory=list, compare=False, repr=False)


class Pump:
    """Calls `start(index, due)` for every arrival of the leased ranges; times are nanoseconds after the epoch.

    `handled` collects the ranges that are done, for another thread to take from the left. `may_start` is asked first,
    with the time, and may have called `stop`.
    """

    def __init__(
        self,
        schedule: Schedule,
        agenda: Agenda,
        start: Callable[[int, Nanoseconds], None],
        may_start: Callable[[Nanoseconds], bool] = lambda _: True,
    ) -> None:
        self._schedule, self._agenda, self._start, self._may_start = schedule, agenda, start, may_start
        self._open: list[Handling] = []
        self._armed: Nanoseconds | None = None
        self.issued = 0
        self.handled: deque[Span] = deque()

    @property
    def is_empty(self) -> bool:
        """Tell whether no leased arrival is left."""
        return not self._open

    @property
    def under_way(self) -> Handling | None:
        """Return the range being worked on; readable from another thread."""
        try:
            return self._open[0]
        except IndexError:
            return None

    def lease(self, spans: Iterable[Span]) -> None:
        """Take over ranges of arrivals; they do not overlap each other or earlier ones."""
        for span in spans:
            due = np.rint(self._schedule.times(span.start, span.stop) * SECOND_NS).astype(np.int64).tolist()
            insort(self._open, Handling(span.start, span.stop, 0, due))
            self.issued += len(span)
        self._arm()

    def stop(self) -> tuple[Handling, ...]:
        """Start nothing more; return the ranges that are not done, with what was handled of each."""
        left, self._open = tuple(self._open), []
        return left

    def _arm(self) -> None:
        if self._open:
            handling = self._open[0]
            due = handling.due[handling.count]
            if self._armed is None or due < self._armed:
                self._armed = due
                self._agenda.at(due, self._run)

    def _run(self) -> None:
        now = self._agenda.now()
        if self._armed is None or now < self._armed:  # an earlier range came in between; its own call follows
            return
        self._armed = None
        if not self._may_start(now):
            return
        for _ in range(_AT_ONCE):
            if not self._open:
                return
            handling = self._open[0]
            due = handling.due[handling.count]
            if due > now:
                break
            index = handling.start + handling.count
            handling.count += 1
            if index + 1 == handling.stop:
                del self._open[0]
                self.handled.append(Span(handling.start, handling.stop))
            self._start(index, due)
        self._arm()
