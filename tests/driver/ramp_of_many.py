"""A worker that plays many arrivals of people who write once, in virtual time, and says how large it is on the way.

Run as a program, with this folder and tests/simulation on its path: `python ramp_of_many.py FOLDER ARRIVALS` prints one
JSON object {arrivals so far: resident bytes}. Offering, pump, client, recorder, courier, archive, attendant and what
feeds Locust's statistics are the real ones, led by a real conductor beside them; the transport answers at once.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("LOCUST_SKIP_MONKEY_PATCH", "1")

from locust.stats import RequestStats
from ramp_rig import make_assignment
from virtual_loop import VirtualLoop

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.clock import VirtualClock
from prakerja_load.driver import guard
from prakerja_load.driver.alignment import timebase
from prakerja_load.driver.archive import Archive
from prakerja_load.driver.attendant import BEAT_EVERY, Attendant
from prakerja_load.driver.conductor import Conductor
from prakerja_load.driver.courier import Courier
from prakerja_load.driver.feed import Feed
from prakerja_load.driver.gauge import Vitals, calm_garbage, resident
from prakerja_load.driver.message import Join, Order, Parcel, Place, Report, pack
from prakerja_load.driver.offer import make_offer
from prakerja_load.driver.offering import Offering
from prakerja_load.driver.roster import Elsewhere
from prakerja_load.journey.step import Ending, Outcome, Registrant, Request, Script, Step, key_of

RATE = 5_000.0  # arrivals/s
EVERY = 20_000  # arrivals between two looks at the memory
TICK = 0.1  # seconds


ANSWER = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class OneWrite:
    """A journey of people who write one thing and leave."""

    name = "one-write"
    steps = (Step(1, "write", is_stored=True),)

    def script(self, registrant: Registrant) -> Script:
        key = key_of(registrant.run, registrant.index, 1)
        answer = yield Request(self.steps[0], "POST", "/write", b"{}", key=key, ok=(201,))
        return Ending.COMPLETED if answer.outcome == Outcome.OK else Ending.FAILED

    def meant_to_reach(self, registrant: Registrant) -> int:
        return 1

    def stored(self, registrant: Registrant, step: Step) -> dict[str, str]:
        return {}


class Connected(asyncio.Transport):
    """A connection whose other side answers as soon as it hears a request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any) -> None:
        super().__init__()
        self._loop, self._protocol, self._is_closing = loop, protocol, False

    def write(self, data: Any) -> None:
        assert bytes(data).startswith(b"POST /write")
        self._loop.call_soon(self._protocol.data_received, ANSWER)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close


class ConnectedLoop(VirtualLoop):
    """A virtual loop that connects at once."""

    async def create_connection(self, factory: Callable[[], Any], *_: Any, **__: Any) -> Any:
        protocol = factory()
        transport = Connected(self, protocol)
        protocol.connection_made(transport)
        return transport, protocol


class Ramp:
    """One ramp of one worker whose evidence goes to the controller in parcels."""

    def __init__(self, folder: Path, count: int) -> None:
        self.clock = VirtualClock(10**9)
        self.loop = ConnectedLoop(self.clock)
        now = self.clock.now_ns
        curve = RateCurve.constant(RATE, count / RATE)
        task = make_assignment("http://127.0.0.1:9", curve=curve, count=count, workers=1)
        offer = make_offer(task, guard.resolve(task.target_url), folder / "here")
        self.offering = Offering(dataclasses.replace(offer, journey=OneWrite()), self.loop, now, Vitals(now))
        self.archive = Archive(folder / "there")
        elsewhere = Elsewhere(b"", "1", self.archive)
        self.conductor = Conductor(
            task.run, task.schedule(), self._order, now, workers=1, drain=task.drain, elsewhere=elsewhere
        )
        self._courier = Courier(folder / "here", lambda *it: self._say(Parcel(task.run, 0, *it)), now)
        self._attendant = Attendant(
            self.offering, self._say, run=task.run, worker=0, drain=5.0, clock=now, received=self._courier.hear
        )
        self.stats = RequestStats()
        attendant = self._attendant
        feed = Feed(self.stats, OneWrite.steps, self.offering.methods, lambda: attendant.wall_epoch)
        attendant.show(feed.add)
        self.sizes: dict[int, int] = {}

    def run(self) -> None:
        self._say(Join("here", 1, "1"))
        playing = self.loop.create_task(self.offering.play())
        self._tick()
        self._beat()
        self.loop.run_until_complete(playing)
        while not self._courier.is_through:
            self._courier.carry()
        self._attendant.finish(self._courier.shipped)
        self.conductor.tick()
        self.archive.close()
        self.loop.close()

    def _tick(self) -> None:
        self.conductor.tick()
        self.sizes.setdefault(self.offering.started // EVERY * EVERY, resident())
        self.loop.call_later(TICK, self._tick)

    def _beat(self) -> None:
        self._attendant.beat()
        self._courier.carry()
        self.loop.call_later(BEAT_EVERY, self._beat)

    def _say(self, report: Report) -> None:
        self.conductor.hear("here", pack(report))

    def _order(self, _client: str, order: Order) -> None:
        if not isinstance(order, Place):
            self._attendant.hear(pack(order))


def main(folder: Path, count: int) -> None:
    ramp = Ramp(folder, count)
    calm_garbage()
    ramp.run()
    (worker,) = ramp.conductor.record()["workers"]
    assert (worker["state"], worker["arrivals"], worker["errors"]) == ("finished", count, 0), worker
    assert (worker["samples"], worker["ledger"], ramp.stats.total.num_requests) == (count, 2 * count, count), worker
    sys.stdout.write(json.dumps(ramp.sizes))


if __name__ == "__main__":
    assert timebase(), "the controller and its worker share a clock"
    main(Path(sys.argv[1]), int(sys.argv[2]))
