"""Leases: ranges of arrivals handed to workers, with a book in which every arrival has exactly one place.

An arrival is not issued, open (in a lease of a live worker), handled (its worker started or dropped it), or not
started (its worker was lost or told to stop before it). The four always add up to the count of the schedule. The
book knows neither clock nor schedule: whoever keeps it says up to which arrival to issue, which
`Schedule.due_before(now + horizon)` tells.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Span:
    """Arrivals start … stop−1."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, order=True)
class Lease(Span):
    """Arrivals start … stop−1, to be started by one worker and by no other."""

    worker: int = 0


@dataclass(frozen=True)
class LeaseTotals:
    """Where the arrivals are; `issued` + `not_issued` = `count`, and `issued` = open + handled + not started."""

    count: int
    not_issued: int
    open: int
    handled: int
    not_started: int

    @property
    def issued(self) -> int:
        """Return how many arrivals some worker was made responsible for."""
        return self.open + self.handled + self.not_started


class LeaseBook:
    """Who is to start what: issues chunks in order, round-robin over the live workers.

    Arrivals are 0 … count−1, or `only` those of the ranges given, which do not overlap.
    """

    def __init__(
        self, count: int, workers: Iterable[int] = (), chunk: int = 16, only: Iterable[Span] | None = None
    ) -> None:
        if count < 0 or chunk < 1:
            raise ValueError(f"a lease book has a count ≥ 0 and a chunk ≥ 1, got {count} and {chunk}")
        self.count, self.chunk = count, chunk
        self._next = 0  # every arrival from here on was never issued
        self._returned: deque[Span] = deque()  # to be issued before those: taken back before it was due
        self._elsewhere = 0  # not of this book
        if only is not None:
            self._returned.extend(sorted(only))
            self._next = count
            self._elsewhere = count - sum(map(len, self._returned))
        self._turn: deque[int] = deque()
        self._open: dict[Lease, int] = {}  # handled so far, from the start of the lease
        self._handled = 0  # in closed leases
        self._not_started: list[Span] = []
        for worker in workers:
            self.join(worker)

    @property
    def workers(self) -> tuple[int, ...]:
        """Return the live workers in ascending order."""
        return tuple(sorted(self._turn))

    @property
    def not_started(self) -> tuple[Span, ...]:
        """Return the ranges that were issued and will never be started, in ascending order."""
        return tuple(sorted(self._not_started))

    @property
    def totals(self) -> LeaseTotals:
        """Return where every arrival is now."""
        handled = self._handled + sum(self._open.values())
        under_way = sum(map(len, self._open)) - sum(self._open.values())
        waiting = self.count - self._next + sum(map(len, self._returned))
        return LeaseTotals(self.count - self._elsewhere, waiting, under_way, handled, sum(map(len, self._not_started)))

    def join(self, worker: int) -> None:
        """Let a worker take part; its turn comes last. Raises ValueError when it already does."""
        if worker in self._turn:
            raise ValueError(f"worker {worker} takes part already")
        self._turn.append(worker)

    def issue(self, until: int) -> tuple[Lease, ...]:
        """Issue every arrival below `until` that is not issued, chunk by chunk; nothing while no worker is live."""
        leases: list[Lease] = []
        while self._turn and (span := self._take(min(until, self.count))) is not None:
            leases.append(Lease(span.start, span.stop, self._turn[0]))
            self._turn.rotate(-1)
        self._open.update(dict.fromkeys(leases, 0))
        return tuple(leases)

    def handled(self, lease: Lease, count: int) -> None:
        """Note that the first `count` arrivals of an open lease were started or dropped; the number never falls.

        Raises KeyError when the lease is not open, ValueError when it is shorter than `count`.
        """
        if not 0 <= count <= len(lease):
            raise ValueError(f"{lease} does not have {count} arrivals")
        self._open[lease] = max(self._open[lease], count)

    def finish(self, lease: Lease, count: int | None = None) -> None:
        """Close a lease: all of it was started or dropped, or only its first `count`, the rest is not started."""
        self.handled(lease, len(lease) if count is None else count)
        self._close(lease, self.count)

    def lose(self, worker: int, again_from: int | None = None) -> tuple[Span, ...]:
        """Take a worker out and close its leases; return the ranges it had not reported as handled.

        They are not started, for good: the worker may have started some and died before it said so. Only arrivals
        from `again_from` on, which must not be due yet, go back to be issued again.
        """
        if worker in self._turn:
            self._turn.remove(worker)
        leases = sorted(lease for lease in self._open if lease.worker == worker)
        missing = [Span(lease.start + self._open[lease], lease.stop) for lease in leases]
        for lease in leases:
            self._close(lease, self.count if again_from is None else again_from)
        return tuple(span for span in missing if span)

    def _take(self, until: int) -> Span | None:
        """Take the next chunk below `until`: what came back first, then what was never issued."""
        if self._returned and self._returned[0].start < until:
            span = self._returned.popleft()
            stop = min(span.stop, until, span.start + self.chunk)
            if stop < span.stop:
                self._returned.appendleft(Span(stop, span.stop))
            return Span(span.start, stop)
        if self._next >= until:
            return None
        span = Span(self._next, min(until, self._next + self.chunk))
        self._next = span.stop
        return span

    def _close(self, lease: Lease, again_from: int) -> None:
        first = lease.start + self._open.pop(lease)
        self._handled += first - lease.start
        cut = min(max(again_from, first), lease.stop)
        if first < cut:
            self._not_started.append(Span(first, cut))
        if cut < lease.stop:
            self._returned = deque(sorted([*self._returned, Span(cut, lease.stop)]))
