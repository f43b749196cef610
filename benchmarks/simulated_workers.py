"""Many workers in one process that speak to a controller as real ones do, and make their requests up.

    python benchmarks/simulated_workers.py RAMP_DIR PORT

Each has its own connection to the controller, Locust's own worker runner behind it, and the real attendant; what the
attendant serves is a make-believe offering in which every arrival is over at once, with sixteen requests of 10 ms.
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
from prakerja_load.driver.address import Address
from prakerja_load.driver.assignment import Assignment, load
from prakerja_load.driver.attendant import BEAT_EVERY, Attendant
from prakerja_load.driver.feed import Feed
from prakerja_load.driver.gauge import calm_garbage
from prakerja_load.driver.link import Link
from prakerja_load.driver.offering import Offering
from prakerja_load.driver.pump import Handling
from prakerja_load.driver.telling import say
from prakerja_load.evidence.journal import DTYPES, Kind, Records
from prakerja_load.journey.step import Step
from prakerja_load.units import SECOND_NS, Nanoseconds

REQUESTS = 16
TOOK = SECOND_NS // 100
FEED_EVERY = 2  # beats; Locust itself reports every three seconds


class MadeUp:
    """What an attendant sees of an offering; `play` ends whatever has become due."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
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
        for handling in list(self._open):
            while handling.count < len(handling.due) and handling.due[handling.count] <= now:
                done.append(handling.due[handling.count])
                handling.count += 1
            if handling.count == len(handling.due):
                self._open.remove(handling)
                self.pump.handled.append(Span(handling.start, handling.stop))
        self.pump.under_way = self._open[0] if self._open and self._open[0].count else None
        if done:
            self._sample(np.array(done, np.int64))

    def _sample(self, due: Any) -> None:
        samples: Records = np.zeros(due.size * REQUESTS, DTYPES[Kind.SAMPLES])
        step = np.tile(np.arange(REQUESTS), due.size)
        samples["step"] = step + 1
        samples["status"] = 200
        samples["intended"] = np.repeat(due, REQUESTS)
        samples["due"] = samples["started"] = samples["intended"] + step * TOOK
        # as different from each other as real ones: what is packed and merged costs by its different values
        samples["finished"] = samples["started"] + TOOK + (samples["intended"] * (step + 7)) % TOOK
        self.recorder.batches.append(samples)
        self.recorder.counts[Kind.SAMPLES] += samples.size
        self.recorder.counts[Kind.ARRIVALS] += due.size
        self.started += due.size
        self.finished += due.size


class One:
    """One worker; its greenlet beats twice a second, as the main thread of a real one does."""

    def __init__(self, task: Assignment, schedule: Schedule, number: int, port: int) -> None:
        steps = [Step(step, f"step {step}") for step in range(1, REQUESTS + 1)]
        self._link = Link(Address("127.0.0.1", port), 30.0)
        self._made_up = MadeUp(schedule)
        self._attendant = Attendant(
            cast("Offering", self._made_up), self._link.say, run=task.run, worker=number, drain=task.drain
        )
        self._feed = Feed(self._link.environment.stats, steps, self._made_up.methods, time.time)
        self._fresh: list[Records] = []
        self._attendant.show(self._fresh.append)
        self._link.listen = self._attendant.hear
        self.beats = 0
        self.slowest = 0.0

    def run(self) -> None:
        """Serve the controller to the end."""
        before = time.monotonic()
        while not self._made_up.is_over:
            self._made_up.play()
            self._attendant.beat()
            self.beats += 1
            if self.beats % FEED_EVERY == 0:
                self._feed_locust()
            now = time.monotonic()
            self.slowest, before = max(self.slowest, now - before), now
            gevent.sleep(max(0.0, before + BEAT_EVERY - time.monotonic()))
        self._attendant.show_rest()
        self._feed_locust()
        self._link.say_statistics()
        while not self._attendant.is_dismissed:
            with contextlib.suppress(RPCError):
                self._attendant.finish()
            gevent.sleep(1.0)

    def _feed_locust(self) -> None:
        if self._fresh:
            self._feed.add(np.concatenate(self._fresh))
            self._fresh.clear()


def main(folder: Path, port: int) -> None:
    """Play every worker of a ramp."""
    task = load(folder)
    schedule = task.schedule()
    crowd = [One(task, schedule, number, port) for number in range(task.workers)]
    calm_garbage()
    began = time.monotonic()
    gevent.joinall([gevent.spawn_later(n * BEAT_EVERY / len(crowd), one.run) for n, one in enumerate(crowd)])
    say(
        "through",
        beats=sum(one.beats for one in crowd),
        seconds=time.monotonic() - began,
        slowest_beat=max(one.slowest for one in crowd),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
