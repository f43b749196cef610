"""The controller's side of the talk with the workers: who starts what, who is lost, and when it is over.

Knows neither Locust nor a network: reports come in through `hear`, orders go out through `send`, and time is asked of
`clock`. The course of a ramp: every worker says hello → the epoch is set → leases are issued ahead of their time →
nothing is left to issue, the workers drain → every worker's final totals are acknowledged → over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from prakerja_load.arrivals.lease import Lease, LeaseBook
from prakerja_load.arrivals.schedule import Schedule
from prakerja_load.driver.message import (
    Beat,
    Begin,
    Final,
    Finish,
    Hello,
    Leases,
    Order,
    Quit,
    Report,
    Stop,
    Totals,
    unpack_report,
)
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

LEAD: Seconds = 1.5  # between the last hello and time 0
HORIZON: Seconds = 2.5  # arrivals are leased this long before they are due
LOST_AFTER: Seconds = 4.5  # without a word from a worker; it stops by itself a second earlier
AGAIN_AFTER: Seconds = 1.0  # a lost worker's arrivals due later than this may go to others
GATHERING: Seconds = 60.0  # for every worker to say hello
LAST_WORDS: Seconds = 10.0  # after the drain's end, for the final totals

Send = Callable[[str, Order], None]


@dataclass
class Worker:
    """What is known of one worker."""

    number: int
    client: str  # its address in Locust's messaging
    pid: int
    heard: Nanoseconds
    totals: Totals = field(default_factory=Totals)
    state: str = "running"  # finished, lost
    reason: str = ""

    @property
    def is_running(self) -> bool:
        """Tell whether its final totals are still to come."""
        return self.state == "running"


class Conductor:
    """Leads one ramp over `workers` workers; `tick` is called several times a second."""

    def __init__(
        self,
        run: str,
        schedule: Schedule,
        send: Send,
        clock: Callable[[], Nanoseconds],
        *,
        workers: int,
        drain: Seconds,
        tolerates_loss: bool = False,
        listen: Callable[[Beat], None] = lambda _: None,
    ) -> None:
        self.run, self.schedule, self.wanted = run, schedule, workers
        self.workers: dict[int, Worker] = {}
        self.epoch: Nanoseconds | None = None
        self.stopped = ""  # why it ended early
        self.is_interrupted = False  # a person ended it
        self.is_failed = False  # the harness could not do its work
        self.foreign = 0  # messages of other runs and of workers given up, which were refused
        self.is_over = False
        self._drain = round(drain * SECOND_NS)
        self._send, self._clock, self._listen = send, clock, listen
        self._tolerates_loss = tolerates_loss
        self._began = clock()
        self._book = LeaseBook(len(schedule))
        self._deadline: Nanoseconds | None = None  # after the epoch; set when nothing more is issued
        self._open: dict[tuple[int, int], Lease] = {}

    @property
    def elapsed(self) -> Nanoseconds:
        """Return the time after the epoch, negative before it and before it is set."""
        return self._clock() - self.epoch if self.epoch is not None else -round(LEAD * SECOND_NS)

    # what workers say

    def hear(self, client: str, packed: object) -> None:
        """Take one report; what is not of this run, or of a worker given up, is refused and counted."""
        try:
            report = unpack_report(packed)
        except msgspec.ValidationError:
            self.foreign += 1
            return
        worker = self.workers.get(report.worker)
        if report.run != self.run or not self._is_ours(report, client, worker):
            self.foreign += 1
            self._send(client, Stop(report.run, "this controller has given the worker up", 0))
            self._send(client, Quit(report.run))
            return
        if isinstance(report, Hello):
            self._welcome(report, client)
        else:
            assert worker is not None
            worker.heard = self._clock()
            self._note(report, worker)

    def _is_ours(self, report: Report, client: str, worker: Worker | None) -> bool:
        if worker is None:
            return isinstance(report, Hello) and 0 <= report.worker < self.wanted and self.epoch is None
        return worker.client == client and worker.is_running

    def _welcome(self, report: Hello, client: str) -> None:
        now = self._clock()
        if report.worker in self.workers:
            self.workers[report.worker].heard = now
            return
        self.workers[report.worker] = Worker(report.worker, client, report.pid, now)
        self._book.join(report.worker)

    def _note(self, report: Beat | Final, worker: Worker) -> None:
        worker.totals = report.totals
        if isinstance(report, Beat):
            if report.under_way is not None:
                start, stop, count = report.under_way
                self._book.handled(self._open[start, stop], count)
            self._close(report.handled)
            self._listen(report)
            return
        self._close(report.handled)
        for start, stop, count in report.left:
            self._book.finish(self._open.pop((start, stop)), count)
        worker.reason = report.reason
        if report.is_fatal:
            self.is_failed = True
            self.stop(f"worker {worker.number}: {report.reason}", 0.0)
        if report.reason and not self.stopped:
            self._lose(worker, report.reason)
        else:
            worker.state = "finished"
            self._book.lose(worker.number)
        self._send(worker.client, Quit(self.run))

    def _close(self, handled: list[tuple[int, int]]) -> None:
        for start, stop in handled:
            self._book.finish(self._open.pop((start, stop)))

    # what time brings

    def tick(self) -> None:
        """Do what is due now."""
        if self.is_over:
            return
        if self.epoch is None:
            self._gather()
        else:
            self._watch()
            self._issue()
        self._end_if_over()

    def _gather(self) -> None:
        now = self._clock()
        if len(self.workers) == self.wanted:
            self.epoch = now + round(LEAD * SECOND_NS)
            for worker in self.workers.values():
                worker.heard = now
                self._send(worker.client, Begin(self.run, self.epoch))
        elif now - self._began > GATHERING * SECOND_NS:
            self.is_failed = True
            self.stopped = f"{len(self.workers)} of {self.wanted} workers came within {GATHERING:g} s"
            self._dismiss_all()

    def _watch(self) -> None:
        """Give up workers that fell silent, and those that do not come to their end."""
        now = self._clock()
        latest = math.inf if self._deadline is None else self._deadline + LAST_WORDS * SECOND_NS
        for worker in self.workers.values():
            silent = (now - worker.heard) / SECOND_NS
            if worker.is_running and silent > LOST_AFTER:
                self._lose(worker, f"no word for {silent:.1f} s")
            elif worker.is_running and self.elapsed > latest:
                self._lose(worker, "no final totals after the drain")

    def _lose(self, worker: Worker, reason: str) -> None:
        """Give a worker up: what it had not reported as handled is not started, and others get only what is not due."""
        worker.state, worker.reason = "lost", reason
        again = None
        if self._tolerates_loss and self._deadline is None:
            again = self.schedule.due_before(self.elapsed / SECOND_NS + AGAIN_AFTER)
        self._book.lose(worker.number, again)
        self._open = {span: lease for span, lease in self._open.items() if lease.worker != worker.number}

    def _issue(self) -> None:
        """Lease what is due soon; every worker hears something each time."""
        orders: dict[int, list[tuple[int, int]]] = {w.number: [] for w in self.workers.values() if w.is_running}
        if self._deadline is None and orders:
            until = self.schedule.due_before(self.elapsed / SECOND_NS + HORIZON)
            for lease in self._book.issue(until):
                self._open[lease.start, lease.stop] = lease
                orders[lease.worker].append((lease.start, lease.stop))
        for number, spans in orders.items():
            self._send(self.workers[number].client, Leases(self.run, spans))
        if self._deadline is None and not self._book.totals.not_issued:
            self._finish()

    def _finish(self) -> None:
        """Let the workers drain after the last arrival."""
        last = round(self.schedule.duration * SECOND_NS)
        self._deadline = max(last, self.elapsed) + self._drain
        self._tell(Finish(self.run, self._deadline))

    def stop(self, reason: str, drain: Seconds | None = None) -> None:
        """Offer nothing more; whoever is under way has `drain` seconds, the scenario's drain by default."""
        self.stopped = self.stopped or reason
        if self.epoch is None:
            self._dismiss_all()
            return
        wait = self._drain if drain is None else round(drain * SECOND_NS)
        deadline = max(0, self.elapsed) + wait
        self._deadline = deadline if self._deadline is None else min(deadline, self._deadline)
        self._tell(Stop(self.run, reason, self._deadline))

    def _dismiss_all(self) -> None:
        """End what never began."""
        for worker in self.workers.values():
            worker.state, worker.reason = "lost", self.stopped
        for worker in self.workers.values():
            self._send(worker.client, Stop(self.run, self.stopped, 0))
            self._send(worker.client, Quit(self.run))
        self.is_over = True

    def _tell(self, order: Order) -> None:
        for worker in self.workers.values():
            if worker.is_running:
                self._send(worker.client, order)

    def _end_if_over(self) -> None:
        if self.epoch is None or any(worker.is_running for worker in self.workers.values()):
            return
        if not self.stopped and all(worker.state == "lost" for worker in self.workers.values()):
            self.stopped = "every worker was lost"
        self.is_over = True

    # what is left behind

    def totals(self) -> Totals:
        """Return the workers' totals added up, as far as they were reported."""
        reported = [msgspec.structs.asdict(worker.totals) for worker in self.workers.values()]
        return Totals(**{name: sum(one[name] for one in reported) for name in Totals.__struct_fields__})

    def record(self) -> dict[str, Any]:
        """Return the counts of controller.json; every planned arrival is handled or not started."""
        book = self._book.totals
        return {
            "epoch_ns": self.epoch,
            "workers": [
                {
                    "worker": worker.number,
                    "pid": worker.pid,
                    "state": worker.state,
                    "reason": worker.reason,
                    **msgspec.structs.asdict(worker.totals),
                }
                for worker in sorted(self.workers.values(), key=lambda worker: worker.number)
            ],
            "issued": book.issued,
            "not_started": book.not_started + book.open,
            "not_issued": book.not_issued,
            "not_started_ranges": [(span.start, span.stop) for span in self._book.not_started],
            "foreign_messages": self.foreign,
            "interrupted": self.is_interrupted,
            "stopped": self.stopped,
        }
