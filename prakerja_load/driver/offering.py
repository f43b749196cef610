"""One process's share of a ramp: leased arrivals started on a uvloop of its own, in a thread of its own.

`run` blocks in that thread. Everything else here may be called from any thread: orders go in through
`call_soon_threadsafe`, and what is read are plain numbers.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import uvloop

from prakerja_load.arrivals.lease import Span
from prakerja_load.driver.agenda import Agenda
from prakerja_load.driver.client import Client
from prakerja_load.driver.gauge import Gauge, Vitals
from prakerja_load.driver.network import Network
from prakerja_load.driver.offer import Offer
from prakerja_load.driver.pump import Handling, Pump
from prakerja_load.driver.recorder import FLUSH_EVERY, Recorder
from prakerja_load.driver.registrant import LiveRegistrant, Surroundings
from prakerja_load.errors import EvidenceError
from prakerja_load.journey.step import Ending, Registrant
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

STALL: Seconds = 3.0
"""A loop that stood still this long starts nothing more: its arrivals have been given up, or to others."""

_PROBE = SECOND_NS // 50
_FLUSH = round(FLUSH_EVERY * SECOND_NS)


class Offering:
    """Starts leased arrivals when they are due, and sees every journey to its end or the drain's.

    It lives on a uvloop of its own and by the machine's clock, unless it is told to live on another loop and clock.
    """

    def __init__(
        self,
        offer: Offer,
        loop: asyncio.AbstractEventLoop | None = None,
        now: Callable[[], Nanoseconds] = perf_counter_ns,
        vitals: Vitals | None = None,
    ) -> None:
        self._offer, self._now = offer, now
        self.recorder = Recorder(offer.directory)
        self.reason = ""  # why it ended early, for people
        self.is_fatal = False  # the harness itself could not go on
        self.started = self.finished = self.dropped = 0
        self.left: tuple[Handling, ...] = ()  # ranges it was told or had to leave
        self.health: tuple[float, Seconds] = 0.0, 0.0
        """CPU share of the process, and the worst delay of the loop, in the last second that was taken down."""
        self.methods: dict[int, str] = {}
        """The HTTP method of each step number that was asked for."""
        self._live: dict[LiveRegistrant, None] = {}
        self._has_all = False
        self._deadline: Nanoseconds | None = None
        self._lag: Nanoseconds = 0
        self._last_probe: Nanoseconds | None = None
        self._vitals = vitals or Vitals()
        self._loop: asyncio.AbstractEventLoop = loop or uvloop.new_event_loop()
        self._loop.set_exception_handler(self._hear_of_trouble)
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._pump: Pump | None = None

    # orders, from any thread

    def begin(self, epoch: Nanoseconds) -> None:
        """Let time 0 of the schedule be this instant of the clock, which is `perf_counter_ns`."""
        self._soon(lambda: self._begin(epoch))

    def lease(self, spans: Iterable[Span]) -> None:
        """Take over ranges of arrivals, after `begin`."""
        taken = tuple(spans)
        self._soon(lambda: self._lease(taken))

    def finish(self, deadline: Nanoseconds) -> None:
        """Expect no more ranges; whoever is under way at `deadline` (ns after the epoch) is cut off."""
        self._soon(lambda: self._finish(deadline))

    def stop(self, reason: str, deadline: Nanoseconds) -> None:
        """Start nothing more, for this reason; whoever is under way at `deadline` is cut off."""
        self._soon(lambda: self._stop(reason, deadline))

    def _soon(self, order: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(order)

    # figures, for any thread

    @property
    def in_flight(self) -> int:
        """Return how many registrants are under way."""
        return len(self._live)

    @property
    def pump(self) -> Pump | None:
        """Return the pump, None before `begin`."""
        return self._pump

    @property
    def exhausted(self) -> int:
        """Return how often this machine had nothing left to connect with."""
        return self._client.exhausted if self._pump is not None else 0

    @property
    def standstill(self) -> Nanoseconds:
        """Return how long ago the loop last looked at its clock; 0 before `begin` and after the end."""
        last = self._last_probe
        return self._clock() - last if last is not None else 0

    def run(self) -> None:
        """Play everything that is ordered until it is over; blocks."""
        self._vitals.watch_garbage()
        try:
            self._loop.run_until_complete(self.play())
        finally:
            self._vitals.unwatch_garbage()
            self._loop.close()

    # what follows runs in the loop

    async def play(self) -> None:
        """Wait until everything ordered is over; write the rest, and let go of every connection."""
        await self._ended
        try:
            self.recorder.close()
        except EvidenceError as refusal:
            self.is_fatal = True
            self.reason = self.reason or f"the result disk refused evidence: {refusal}"
        if self._pump is not None:
            await self._client.close()
            for trouble, count in self._client.troubles.most_common():  # into the log of this process
                sys.stderr.write(f"{count} requests without an answer: {trouble}\n")

    def _begin(self, epoch: Nanoseconds) -> None:
        tell = self._now

        def clock() -> Nanoseconds:
            return tell() - epoch

        offer, now = self._offer, clock()
        self._clock = clock
        self._agenda = Agenda(self._loop, clock)
        self._client = Client(
            self._loop,
            offer.endpoint,
            offer.write,
            clock,
            patience=offer.patience,
            is_reusing=offer.is_reusing,
            links=Network(offer.network, offer.seed, self._agenda) if offer.network else None,
        )
        self._in_flight, self._in_system = Gauge(now), Gauge(now)
        self._around = Surroundings(
            self._client, self._agenda, self.recorder, clock, self._in_system, self.methods, self._leave, self._break
        )
        self._pump = Pump(offer.schedule, self._agenda, self._start, self._is_awake)
        self._agenda.at(now, self._probe)
        self._agenda.at(now, self._flush)
        self._agenda.at((now // SECOND_NS + 1) * SECOND_NS, self._take_vitals)

    def _lease(self, spans: tuple[Span, ...]) -> None:
        assert self._pump is not None
        if self.reason:  # too late: it has been left already
            self.left += tuple(Handling(span.start, span.stop) for span in spans)
        else:
            self._pump.lease(spans)

    def _finish(self, deadline: Nanoseconds) -> None:
        self._has_all = True
        if self._deadline is None or deadline < self._deadline:
            self._deadline = deadline
            if self._pump is None:  # never begun
                self._end()
                return
            self._agenda.at(deadline, self._cut_off)
        self._end_if_over()

    def _stop(self, reason: str, deadline: Nanoseconds) -> None:
        self.reason = self.reason or reason
        if self._pump is not None:
            self.left += self._pump.stop()
        self._finish(deadline)

    def _start(self, index: int, due: Nanoseconds) -> None:
        offer, now = self._offer, self._clock()
        try:
            person = offer.first_person + index
            registrant = Registrant(offer.run, index, person, offer.population.applicant(person))
            meant = offer.journey.meant_to_reach(registrant)
            if len(self._live) >= offer.in_flight_limit:
                self.dropped += 1
                self.recorder.arrival(index, due, -1, -1, 0, meant, 0, Ending.DROPPED)
                return
            live = LiveRegistrant(self._around, offer.journey.script(registrant), index, meant, due)
        except Exception as fault:
            self._break(fault)
            return
        self._live[live] = None
        self.started += 1
        self._in_flight.change(1, now)
        live.start()
        if self._has_all:
            self._end_if_over()

    def _leave(self, live: LiveRegistrant) -> None:
        del self._live[live]
        self.finished += 1
        self._in_flight.change(-1, self._clock())
        if self._has_all:
            self._end_if_over()

    def _end_if_over(self) -> None:
        if self._has_all and not self._live and (self._pump is None or self._pump.is_empty):
            self._end()

    def _cut_off(self) -> None:
        """End the drain: what is still under way is taken down as such."""
        assert self._pump is not None
        self.left += self._pump.stop()
        for live in self._live:
            live.cut()
        self._end()

    def _end(self) -> None:
        if self._pump is not None:
            self._agenda.clear()
            self._last_probe = None
        if not self._ended.done():
            self._ended.set_result(None)

    def _break(self, fault: BaseException) -> None:
        """Stop because the journey itself, or something here, raised, which no answer may make it do."""
        self.is_fatal = True
        where = "".join(
            f" ({Path(f.filename).name}:{f.lineno})" for f in traceback.extract_tb(fault.__traceback__)[-1:]
        )
        self._stop(f"the journey failed with {type(fault).__name__}: {fault}{where}", self._clock())

    def _hear_of_trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what a callback raised; connections that break are the client's business."""
        fault = context.get("exception")
        if self._pump is not None and fault is not None and not isinstance(fault, OSError):
            self._break(fault)
        else:
            loop.default_exception_handler(context)

    # what the loop does regularly

    def _probe(self) -> None:
        """Look how late the loop is, and whether it stood still."""
        now = self._clock()
        if self._last_probe is not None:
            self._lag = max(self._lag, now - self._last_probe - _PROBE)
            self._is_awake(now)
            if self._ended.done():  # it stood still with nobody under way: that was the end
                return
        self._last_probe = now
        self._agenda.at(now + _PROBE, self._probe)

    def _is_awake(self, now: Nanoseconds) -> bool:
        """Stop when the loop stood still, and tell whether it did not: asked by whatever comes first afterwards."""
        last = self._last_probe
        if last is None or now - last <= STALL * SECOND_NS:
            return True
        if not self.reason:
            self._stop(f"the generator stood still for {(now - last) / SECOND_NS:.1f} s", now)
        return False

    def _flush(self) -> None:
        self._agenda.at(self._clock() + _FLUSH, self._flush)
        try:
            self.recorder.flush()
        except EvidenceError as refusal:
            self.is_fatal = True
            self._stop(f"the result disk refused evidence: {refusal}", self._clock())

    def _take_vitals(self) -> None:
        now = self._clock()
        cpu, pause, rss = self._vitals.read()
        lag, self._lag = self._lag / SECOND_NS, 0
        self.health = cpu, lag
        self.recorder.vital(
            now, cpu, lag, pause, self._in_flight.mean(now), self._in_system.mean(now), self._client.sockets, rss
        )
        self._agenda.at((now // SECOND_NS + 1) * SECOND_NS, self._take_vitals)
