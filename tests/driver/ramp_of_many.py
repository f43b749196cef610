"""A worker that plays many arrivals of people who leave at once, in virtual time, and says how large it is on the way.

Run as a program, with this folder and tests/simulation on its path: `python ramp_of_many.py FOLDER ARRIVALS` prints one
JSON object {arrivals so far: resident bytes}. Offering, pump, recorder, courier, archive and attendant are the real
ones, led by a real conductor beside them.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

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
from prakerja_load.driver.gauge import Vitals, calm_garbage, resident
from prakerja_load.driver.message import Join, Order, Parcel, Place, Report, pack
from prakerja_load.driver.offer import make_offer
from prakerja_load.driver.offering import Offering
from prakerja_load.driver.roster import Elsewhere
from prakerja_load.journey.step import Ending, Registrant, Script, Step

RATE = 5_000.0  # arrivals/s
EVERY = 20_000  # arrivals between two looks at the memory
TICK = 0.1  # seconds


class AtOnce:
    """A journey of nobody who stays."""

    name = "at-once"
    steps = (Step(1, "page"),)

    def script(self, registrant: Registrant) -> Script:
        return Ending.COMPLETED
        yield  # a generator all the same

    def meant_to_reach(self, registrant: Registrant) -> int:
        return 0

    def stored(self, registrant: Registrant, step: Step) -> dict[str, str]:
        return {}


class Ramp:
    """One ramp of one worker whose evidence goes to the controller in parcels."""

    def __init__(self, folder: Path, count: int) -> None:
        self.clock = VirtualClock(10**9)
        self.loop = VirtualLoop(self.clock)
        now = self.clock.now_ns
        curve = RateCurve.constant(RATE, count / RATE)
        task = make_assignment("http://127.0.0.1:9", curve=curve, count=count, workers=1)
        offer = make_offer(task, guard.resolve(task.target_url), folder / "here")
        self.offering = Offering(dataclasses.replace(offer, journey=AtOnce()), self.loop, now, Vitals(now))
        self.archive = Archive(folder / "there")
        elsewhere = Elsewhere(b"", "1", self.archive)
        self.conductor = Conductor(
            task.run, task.schedule(), self._order, now, workers=1, drain=task.drain, elsewhere=elsewhere
        )
        self._courier = Courier(folder / "here", lambda *it: self._say(Parcel(task.run, 0, *it)), now)
        self._attendant = Attendant(
            self.offering, self._say, run=task.run, worker=0, drain=5.0, clock=now, received=self._courier.hear
        )
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
    assert (worker["state"], worker["arrivals"]) == ("finished", count), worker
    sys.stdout.write(json.dumps(ramp.sizes))


if __name__ == "__main__":
    assert timebase(), "the controller and its worker share a clock"
    main(Path(sys.argv[1]), int(sys.argv[2]))
