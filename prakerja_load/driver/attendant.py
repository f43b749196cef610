"""The worker's side of the talk with the controller: orders go into the offering, reports come out of it.

Lives in the process's main thread beside Locust; the offering has its own.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

import msgspec

from prakerja_load.arrivals.lease import Span
from prakerja_load.driver.alignment import timebase
from prakerja_load.driver.message import (
    Beat,
    Begin,
    Final,
    Finish,
    Hello,
    Leases,
    Order,
    Question,
    Quit,
    Reading,
    Received,
    Report,
    Stop,
    Totals,
    unpack_order,
)
from prakerja_load.driver.offering import Offering
from prakerja_load.driver.pump import Handling
from prakerja_load.driver.tally import Tally
from prakerja_load.evidence.journal import Kind, Records
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

BEAT_EVERY: Seconds = 0.5
SILENCE: Seconds = 3.5
"""A controller that is not heard for this long is gone; the controller gives a silent worker up a second later."""


class Attendant:
    """Serves one offering; `hear` takes what the controller sends, `beat` is called every half second."""

    def __init__(
        self,
        offering: Offering,
        send: Callable[[Report], None],
        *,
        run: str,
        worker: int,
        drain: Seconds,
        clock: Callable[[], Nanoseconds] = time.perf_counter_ns,
        received: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._offering, self._run, self._worker, self._send, self._clock = offering, run, worker, send, clock
        self._drain = round(drain * SECOND_NS)
        self._received = received  # told which parcel the controller awaits
        self._handled_last: list[tuple[int, int]] = []  # said with the last word, however often that is said
        self._timebase = timebase()
        self._tally = Tally()
        self._shown: list[Callable[[Records], None]] = [self._tally.add]
        self._epoch: Nanoseconds | None = None
        self._heard = clock()
        self.is_dismissed = False  # there is nothing more to say
        self.is_acknowledged = False  # the controller has the final totals, and all evidence that was sent
        self.is_alone = False  # the controller fell silent
        self.foreign = 0  # orders of another run, which were refused
        self.wall_epoch: Seconds = 0.0

    @property
    def has_begun(self) -> bool:
        """Tell whether the controller has set the epoch."""
        return self._epoch is not None

    def show(self, show: Callable[[Records], None]) -> None:
        """Let somebody see every batch of samples."""
        self._shown.append(show)

    def hear(self, packed: object) -> None:
        """Carry out one order; what is not an order of this run is refused and counted."""
        try:
            order = unpack_order(packed)
        except msgspec.ValidationError:
            self.foreign += 1
            return
        if getattr(order, "run", "") != self._run:
            self.foreign += 1
            return
        self._heard = self._clock()
        self._obey(order)

    def _obey(self, order: Order) -> None:
        offering = self._offering
        match order:
            case Begin(epoch=epoch) if self._epoch is None:
                self._epoch = epoch
                self.wall_epoch = time.time() - (time.perf_counter_ns() - epoch) / SECOND_NS
                offering.begin(epoch)
            case Leases(spans=spans) if spans:
                offering.lease(Span(start, stop) for start, stop in spans)
            case Finish(deadline=deadline):
                offering.finish(deadline)
            case Stop(reason=reason, deadline=deadline):
                offering.stop(reason, deadline)
            case Question(asked=asked):
                self._send(Reading(self._run, self._worker, asked, self._clock()))
            case Received(awaited=awaited):
                self._received(awaited)
            case Quit(is_acknowledged=is_acknowledged):
                self.is_dismissed, self.is_acknowledged = True, is_acknowledged
            case _:
                pass

    def beat(self) -> None:
        """Say what was done; give up a controller that is silent."""
        if self._epoch is None:
            self._send(Hello(self._run, self._worker, os.getpid(), self._timebase, socket.gethostname()))
            return
        if self._clock() - self._heard > SILENCE * SECOND_NS and not self._offering.reason:
            self.is_alone = True
            self.stop("the controller fell silent", self._drain)
        self.show_rest()
        elapsed, lateness = self._tally.take()
        under_way, handled = self._progress()
        standstill, health = self._offering.standstill, self._offering.health
        totals = self._totals()
        self._send(Beat(self._run, self._worker, totals, handled, under_way, elapsed, lateness, standstill, *health))

    @property
    def silence(self) -> Seconds:
        """Return how long ago the controller was last heard."""
        return (self._clock() - self._heard) / SECOND_NS

    def finish(self, shipped: list[tuple[int, int, int]] | None = None) -> None:
        """Say the last word, when the offering is over; again when nobody seems to have heard it.

        `shipped` tells (kind, bytes, CRC-32) of the evidence that was sent to a controller on another host.
        """
        self.show_rest()
        self._handled_last += self._progress()[1]
        left = [_triple(handling) for handling in self._offering.left]
        reason, is_fatal = self._offering.reason, self._offering.is_fatal
        last = self._handled_last
        self._send(Final(self._run, self._worker, self._totals(), last, left, reason, is_fatal, shipped or []))

    def stop(self, reason: str, drain: Nanoseconds = 0) -> None:
        """Start nothing more, of this process's own accord; whoever is under way gets `drain` nanoseconds."""
        self._offering.stop(reason, self._clock() - (self._epoch or 0) + drain)

    def _progress(self) -> tuple[tuple[int, int, int] | None, list[tuple[int, int]]]:
        """Return the lease under way, and those done; read in this order, a lease that ends in between is in both."""
        pump = self._offering.pump
        if pump is None:
            return None, []
        under_way = pump.under_way
        current = _triple(under_way) if under_way is not None else None
        handled = []
        while pump.handled:
            span = pump.handled.popleft()
            handled.append((span.start, span.stop))
        return current, handled

    def show_rest(self) -> None:
        """Show the batches that were flushed since the last time."""
        batches = self._offering.recorder.batches
        while batches:
            samples = batches.popleft()
            for show in self._shown:
                show(samples)

    def _totals(self) -> Totals:
        offering, counts = self._offering, self._offering.recorder.counts
        return Totals(
            issued=offering.pump.issued if offering.pump is not None else 0,
            started=offering.started,
            finished=offering.finished,
            dropped=offering.dropped,
            in_flight=offering.in_flight,
            samples=counts[Kind.SAMPLES],
            arrivals=counts[Kind.ARRIVALS],
            ledger=counts[Kind.LEDGER],
            errors=self._tally.errors,
            exhausted=offering.exhausted,
        )


def _triple(handling: Handling) -> tuple[int, int, int]:
    return handling.start, handling.stop, handling.count
