"""Many workers in one process that speak to a controller as real ones do, and make their requests up.

    python benchmarks/simulated_workers.py RAMP_DIR PORT [EVIDENCE_DIR]

Each has its own connection to the controller, Locust's own worker runner behind it, and the real attendant; what the
attendant serves is a make-believe offering in which every arrival is over at once, with sixteen requests of 10 ms.

With EVIDENCE_DIR they are workers on other hosts, with clocks of their own: each asks for its place, answers questions
about its clock, writes its evidence below that folder and lets the real courier send all of it in parcels.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gevent
import numpy as np
from locust.exception import RPCError

from prakerja_load.arrivals.lease import Span
from prakerja_load.arrivals.schedule import Schedule
from prakerja_load.driver import attendant
from prakerja_load.driver.address import Address
from prakerja_load.driver.assignment import Assignment, load
from prakerja_load.driver.attendant import BEAT_EVERY, Attendant
from prakerja_load.driver.courier import Courier
from prakerja_load.driver.feed import Feed
from prakerja_load.driver.gauge import calm_garbage
from prakerja_load.driver.link import Link, find_place
from prakerja_load.driver.message import Parcel
from prakerja_load.driver.offering import Offering
from prakerja_load.driver.pump import Handling
from prakerja_load.driver.telling import say
from prakerja_load.evidence.journal import DTYPES, Kind, Records, SegmentWriter
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.journey.step import Step
from prakerja_load.units import SECOND_NS, Nanoseconds

REQUESTS = 16
WRITES = 9  # of them, which the ledger tells of
TOOK = SECOND_NS // 100
EVERY_SECOND = 2  # beats; Locust itself reports every three seconds
PATIENCE = 60.0  # seconds for a place


class Notebook:
    """The evidence of one made-up worker: what a real one would write of the same arrivals, in segments of its own."""

    def __init__(self, folder: Path) -> None:
        order = (Kind.LEDGER, Kind.SAMPLES, Kind.ARRIVALS, Kind.VITALS)
        self._writers = {kind: SegmentWriter(folder / kind.file_name, kind) for kind in order}

    def write(self, index: Any, due: Any, samples: Records) -> dict[Kind, int]:
        """Take down these arrivals and return how many records of each kind that was."""
        arrivals: Records = np.zeros(due.size, DTYPES[Kind.ARRIVALS])
        arrivals["index"] = index
        arrivals["intended"] = arrivals["started"] = due
        arrivals["finished"] = due + REQUESTS * TOOK
        arrivals["meant"] = arrivals["reached"] = REQUESTS
        ledger: Records = np.zeros(due.size * WRITES * 2, DTYPES[Kind.LEDGER])  # an intent and its fate
        ledger["index"] = np.repeat(index, WRITES * 2)
        ledger["step"] = np.tile(np.repeat(np.arange(WRITES), 2) + 1, due.size)
        ledger["state"] = np.tile([LedgerState.INTENT, LedgerState.ACKNOWLEDGED], due.size * WRITES)
        ledger["at"] = np.repeat(due, WRITES * 2)
        records = {Kind.LEDGER: ledger, Kind.SAMPLES: samples, Kind.ARRIVALS: arrivals}
        for kind, found in records.items():
            self._writers[kind].append(found)
        return {kind: found.size for kind, found in records.items()}

    def second(self, at: Nanoseconds) -> None:
        """Take down one second of this worker's own health."""
        vital: Records = np.zeros(1, DTYPES[Kind.VITALS])
        vital["at"] = at
        self._writers[Kind.VITALS].append(vital)


class MadeUp:
    """What an attendant sees of an offering; `play` ends whatever has become due."""

    def __init__(self, schedule: Schedule, notebook: Notebook | None = None) -> None:
        self._schedule, self._notebook = schedule, notebook
        self._open: list[Handling] = []
        self._epoch: Nanoseconds | None = None
        self.recorder = SimpleNamespace(batches=deque(), counts=dict.fromkeys(Kind, 0))
        self.pump = SimpleNamespace(issued=0, under_way=None, handled=deque())
        self.methods: dict[int, str] = dict.fromkeys(range(1, REQUESTS + 1), "POST")
        self.started = self.finished = 0
        self.dropped = self.in_flight = self.exhausted = self.standstill = 0
        self.health = 0.0, 0.0
        self.left: tuple[Handling, ...] = ()
        self.reason = ""
        self.is_fatal = False
        self.has_all = False

    def begin(self, epoch: Nanoseconds) -> None:
        """Let time begin."""
        self._epoch = epoch

    def lease(self, spans: Any) -> None:
        """Take over ranges of arrivals."""
        for span in spans:
            due = np.rint(self._schedule.times(span.start, span.stop) * SECOND_NS).astype(np.int64).tolist()
            self._open.append(Handling(span.start, span.stop, 0, due))
            self.pump.issued += len(span)

    def finish(self, _deadline: Nanoseconds) -> None:
        """Expect no more ranges."""
        self.has_all = True

    def stop(self, reason: str, _deadline: Nanoseconds) -> None:
        """Start nothing more."""
        self.reason = self.reason or reason
        self.left, self._open, self.has_all = tuple(self._open), [], True

    @property
    def is_over(self) -> bool:
        """Tell whether everything that was ordered is done."""
        return self.has_all and not self._open

    def play(self) -> None:
        """End every arrival that is due."""
        if self._epoch is None:
            return
        now = time.perf_counter_ns() - self._epoch
        done: list[int] = []
        indices: list[int] = []
        for handling in list(self._open):
            while handling.count < len(handling.due) and handling.due[handling.count] <= now:
                done.append(handling.due[handling.count])
                indices.append(handling.start + handling.count)
                handling.count += 1
            if handling.count == len(handling.due):
                self._open.remove(handling)
                self.pump.handled.append(Span(handling.start, handling.stop))
        self.pump.under_way = self._open[0] if self._open and self._open[0].count else None
        if done:
            self._sample(np.array(indices, np.int64), np.array(done, np.int64))

    def second(self) -> None:
        """Take down a second of health once time has begun."""
        if self._notebook is not None and self._epoch is not None and not self.is_over:
            self._notebook.second(time.perf_counter_ns() - self._epoch)

    def _sample(self, index: Any, due: Any) -> None:
        samples: Records = np.zeros(due.size * REQUESTS, DTYPES[Kind.SAMPLES])
        samples["index"] = np.repeat(index, REQUESTS)
        step = np.tile(np.arange(REQUESTS), due.size)
        samples["step"] = step + 1
        samples["status"] = 200
        samples["intended"] = np.repeat(due, REQUESTS)
        samples["due"] = samples["started"] = samples["intended"] + step * TOOK
        # as different from each other as real ones: what is packed and merged costs by its different values
        samples["finished"] = samples["started"] + TOOK + (samples["intended"] * (step + 7)) % TOOK
        self.recorder.batches.append(samples)
        counts = {Kind.SAMPLES: samples.size, Kind.ARRIVALS: due.size}
        if self._notebook is not None:
            counts = self._notebook.write(index, due, samples)
        for kind, count in counts.items():
            self.recorder.counts[kind] += count
        self.started += due.size
        self.finished += due.size


class One:
    """One worker; its greenlet beats twice a second, as the main thread of a real one does."""

    def __init__(self, task: Assignment, schedule: Schedule, number: int, port: int, elsewhere: Path | None) -> None:
        self._task, self._schedule, self._number, self._elsewhere = task, schedule, number, elsewhere
        self._link = Link(Address("127.0.0.1", port), 30.0)
        self._fresh: list[Records] = []
        self._courier: Courier | None = None
        self.beats = 0
        self.slowest = 0.0

    def run(self) -> None:
        """Serve the controller to the end."""
        self._take_place()
        before = time.monotonic()
        while not self._made_up.is_over:
            self._made_up.play()
            self._attendant.beat()
            self._carry()
            self.beats += 1
            if self.beats % EVERY_SECOND == 0:
                self._feed_locust()
                self._made_up.second()
            now = time.monotonic()
            self.slowest, before = max(self.slowest, now - before), now
            gevent.sleep(max(0.0, before + BEAT_EVERY - time.monotonic()))
        self._part()

    def _take_place(self) -> None:
        """Ask for a place where that is needed, and make ready for it."""
        task, folder = self._task, None
        if self._elsewhere is not None:
            place = find_place(self._link, "another host", PATIENCE)
            assert place is not None
            self._number, folder = place.worker, self._elsewhere / str(place.worker)
        self._made_up = MadeUp(self._schedule, Notebook(folder) if folder is not None else None)
        self._attendant = Attendant(
            cast("Offering", self._made_up),
            self._link.say,
            run=task.run,
            worker=self._number,
            drain=task.drain,
            received=self._received,
        )
        if folder is not None:
            self._courier = Courier(folder, self._send, time.perf_counter_ns)
        steps = [Step(step, f"step {step}") for step in range(1, REQUESTS + 1)]
        self._feed = Feed(self._link.environment.stats, steps, self._made_up.methods, time.time)
        self._attendant.show(self._fresh.append)
        self._link.listen = self._attendant.hear

    def _part(self) -> None:
        """Send what is left, then the last word, until the controller has it."""
        self._attendant.show_rest()
        self._feed_locust()
        self._link.say_statistics()
        while self._courier is not None and not self._courier.is_through:
            self._attendant.beat()
            self._carry()
            gevent.sleep(BEAT_EVERY)
        while not self._attendant.is_dismissed:
            with contextlib.suppress(RPCError):
                self._attendant.finish(self._courier.shipped if self._courier is not None else None)
            gevent.sleep(1.0)

    def _send(self, *parcel: Any) -> None:
        self._link.say(Parcel(self._task.run, self._number, *parcel))

    def _received(self, awaited: int) -> None:
        if self._courier is not None:
            self._courier.hear(awaited)
            self._courier.carry()

    def _carry(self) -> None:
        if self._courier is not None:
            self._courier.carry()

    def _feed_locust(self) -> None:
        if self._fresh:
            self._feed.add(np.concatenate(self._fresh))
            self._fresh.clear()


def main(folder: Path, port: int, elsewhere: Path | None = None) -> None:
    """Play every worker of a ramp."""
    if elsewhere is not None:
        attendant.timebase = lambda: "a clock of another host"  # so that the controller has to ask about it
    task = load(folder)
    schedule = task.schedule()
    crowd = [One(task, schedule, number, port, elsewhere) for number in range(task.workers)]
    calm_garbage()
    began = time.monotonic()
    gevent.joinall(
        [gevent.spawn_later(n * BEAT_EVERY / len(crowd), one.run) for n, one in enumerate(crowd)], raise_error=True
    )
    say(
        "through",
        beats=sum(one.beats for one in crowd),
        seconds=time.monotonic() - began,
        slowest_beat=max(one.slowest for one in crowd),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
