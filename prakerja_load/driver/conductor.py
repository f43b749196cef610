"""The controller's side of the talk with the workers: who starts what, who is lost, and when it is over.

Knows neither Locust nor a network: reports come in through `hear`, orders go out through `send`, and time is asked of
`clock`. The course of a ramp: every worker says hello → the epoch is set → leases are issued ahead of their time →
nothing is left to issue, the workers drain → every worker's final totals are acknowledged → over. Clocks that are not
this host's are compared before the epoch is set. Where workers come from elsewhere, they ask for their place first, and
their final totals are acknowledged once all their evidence lies in the archive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from prakerja_load.arrivals.lease import Lease, LeaseBook, Span
from prakerja_load.arrivals.schedule import Schedule
from prakerja_load.driver.alignment import Alignment, timebase
from prakerja_load.driver.message import (
    Beat,
    Begin,
    Final,
    Finish,
    Hello,
    Join,
    Leases,
    Order,
    Parcel,
    Place,
    Question,
    Quit,
    Reading,
    Received,
    Stop,
    Totals,
    unpack_report,
)
from prakerja_load.driver.roster import Elsewhere, Worker
from prakerja_load.driver.seats import Seats
from prakerja_load.errors import EvidenceError
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

LEAD: Seconds = 1.5  # between the last hello and time 0
HORIZON: Seconds = 2.5  # arrivals are leased this long before they are due
LOST_AFTER: Seconds = 4.5  # without a word from a worker; it stops by itself a second earlier
AGAIN_AFTER: Seconds = 1.0  # a lost worker's arrivals due later than this may go to others
GATHERING: Seconds = 60.0  # for every worker to say hello
GATHERING_ELSEWHERE: Seconds = 600.0  # when people or a cluster's scheduler have to start them
LAST_WORDS: Seconds = 10.0  # after the drain's end and the last parcel, for the final totals
ASK_EVERY: Seconds = 1.0  # what a worker's clock shows, while the ramp runs
STANDSTILL: Seconds = 3.0  # of a worker's loop while its process still speaks

Send = Callable[[str, Order], None]
_FromWorker: TypeAlias = Hello | Beat | Reading | Parcel | Final


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
        elsewhere: Elsewhere | None = None,
        begins_at: Seconds = 0.0,
        only: Iterable[tuple[int, int]] | None = None,
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
        self._elsewhere, self._seats = elsewhere, Seats(workers)
        self._timebase = timebase()
        self._ask_next: Nanoseconds = 0
        self._again = 0  # arrivals of lost workers that others took over
        self._began = clock()
        self._begins_at = round(begins_at * SECOND_NS)
        spans = None if only is None else [Span(start, stop) for start, stop in only]
        self._book = LeaseBook(len(schedule), only=spans)
        self._deadline: Nanoseconds | None = None  # after the epoch; set when nothing more is issued
        self._open: dict[tuple[int, int], Lease] = {}

    @property
    def elapsed(self) -> Nanoseconds:
        """Return the time after the epoch, negative before it and before it is set."""
        return self._clock() - self.epoch if self.epoch is not None else self._begins_at - round(LEAD * SECOND_NS)

    # what workers say

    def hear(self, client: str, packed: object) -> None:
        """Take one report; what is not of this run, or of a worker given up, is refused and counted."""
        try:
            report = unpack_report(packed)
        except msgspec.ValidationError:
            self.foreign += 1
            return
        if isinstance(report, Join):
            self._seat(report, client)
            return
        worker = self.workers.get(report.worker)
        if report.run != self.run or not self._is_ours(report, client, worker):
            self._refuse(report, client, worker)
            return
        if isinstance(report, Hello):
            self._welcome(report, client)
        else:
            assert worker is not None
            worker.heard = self._clock()
            self._note(report, worker)

    def _refuse(self, report: _FromWorker, client: str, worker: Worker | None) -> None:
        if worker and worker.client == client and worker.state == "finished":
            self._send(client, Quit(self.run))  # the first one got lost on its way
            return
        self.foreign += 1
        self._send(client, Stop(report.run, "this controller has given the worker up", 0))
        self._send(client, Quit(report.run, is_acknowledged=False))

    def _is_ours(self, report: _FromWorker, client: str, worker: Worker | None) -> bool:
        if worker is None:
            is_seated = self._elsewhere is None or self._seats.is_of(client, report.worker)
            return isinstance(report, Hello) and 0 <= report.worker < self.wanted and self.epoch is None and is_seated
        return worker.client == client and worker.is_running

    def _seat(self, report: Join, client: str) -> None:
        """Give a worker from elsewhere its place while there is one; who comes late waits for the next ramp."""
        if self._elsewhere is None or report.version != self._elsewhere.version:
            self.foreign += 1
            ours = self._elsewhere.version if self._elsewhere else "none that come from elsewhere"
            why = f"workers of version {report.version} (+ digest of the sources) asked for a place, wanted: {ours}"
            self._send(client, Stop("", why, 0))
        elif self.epoch is None and (number := self._seats.take(client, self._clock())) is not None:
            self._send(client, Place(self.run, number, self._elsewhere.task))

    def _welcome(self, report: Hello, client: str) -> None:
        now = self._clock()
        if report.worker in self.workers:
            self.workers[report.worker].heard = now
            return
        # a stock worker may be on another host, with the controller's locustfile and not its clock
        is_told = report.timebase != "" != self._timebase
        is_same = report.timebase == self._timebase if is_told else self._elsewhere is None
        self.workers[report.worker] = Worker(
            report.worker, client, report.pid, now, host=report.host, alignment=Alignment(is_same)
        )
        self._book.join(report.worker)

    def _note(self, report: Beat | Final | Reading | Parcel, worker: Worker) -> None:
        if isinstance(report, Reading):
            worker.alignment.hear(report.asked, report.clock, self._clock())
            return
        if isinstance(report, Parcel):
            self._shelve(report, worker)
            return
        worker.totals = report.totals
        if isinstance(report, Beat):
            if report.under_way is not None:
                start, stop, count = report.under_way
                self._book.handled(self._open[start, stop], count)
            self._close(report.handled)
            self._listen(report)
            if report.standstill > STANDSTILL * SECOND_NS:
                self._lose(worker, f"its loop stands still for {report.standstill / SECOND_NS:.1f} s")
            return
        if self._elsewhere is not None and not self._elsewhere.archive.of(worker.number).holds(report.shipped):
            return  # it says so again when the rest has arrived
        self._close(report.handled)
        for start, stop, count in report.left:
            self._book.finish(self._open.pop((start, stop)), count)
        worker.reason = report.reason
        if report.is_fatal:
            self.fail(f"worker {worker.number}: {report.reason}")
        if report.reason and not self.stopped:
            self._lose(worker, report.reason)
        else:
            worker.state = "finished"
            self._book.lose(worker.number)
        self._send(worker.client, Quit(self.run))

    def _shelve(self, parcel: Parcel, worker: Worker) -> None:
        if self._elsewhere is None:
            self.foreign += 1
            return
        try:
            shelf = self._elsewhere.archive.of(worker.number)
            shelf.take(parcel)
        except EvidenceError as refusal:
            self.fail(f"the result disk refused evidence: {refusal}")
            return
        worker.fed = self._clock()
        self._send(worker.client, Received(self.run, shelf.awaited))

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
            self._ask_again()
            self._issue()
        self._end_if_over()

    def _gather(self) -> None:
        now = self._clock()
        if self._elsewhere is not None:
            self._forget_silent(now)
        self._ask([worker for worker in self.workers.values() if not worker.alignment.is_known])
        patience = GATHERING if self._elsewhere is None else GATHERING_ELSEWHERE
        if len(self.workers) == self.wanted and all(worker.alignment.is_known for worker in self.workers.values()):
            self.epoch = now + round(LEAD * SECOND_NS) - self._begins_at
            for worker in self.workers.values():
                worker.heard = now
                # on the worker's own clock
                self._send(worker.client, Begin(self.run, self.epoch + worker.alignment.fix()))
        elif now - self._began > patience * SECOND_NS:
            self.is_failed = True
            self.stopped = f"{len(self.workers)} of {self.wanted} workers came within {patience:g} s"
            self._dismiss_all()

    def _forget_silent(self, now: Nanoseconds) -> None:
        """Let somebody else have the place of a worker that went away before anything began."""
        for worker in list(self.workers.values()):
            if now - worker.heard > LOST_AFTER * SECOND_NS:
                del self.workers[worker.number]
                self._book.lose(worker.number)
                self._seats.free(worker.client)

    def _ask(self, workers: Iterable[Worker]) -> None:
        for worker in workers:
            self._send(worker.client, Question(self.run, self._clock()))

    def _ask_again(self) -> None:
        now = self._clock()
        if now >= self._ask_next:
            self._ask_next = now + round(ASK_EVERY * SECOND_NS)
            self._ask(one for one in self.workers.values() if one.is_running and not one.alignment.is_same)

    def _watch(self) -> None:
        """Give up workers that fell silent, and those that do not come to their end."""
        now = self._clock()
        latest = math.inf if self._deadline is None else self._deadline + LAST_WORDS * SECOND_NS
        for worker in self.workers.values():
            silent = (now - worker.heard) / SECOND_NS
            if worker.is_running and silent > LOST_AFTER:
                self._lose(worker, f"no word for {silent:.1f} s")
            elif worker.is_running and self.elapsed > latest and now - worker.fed > LAST_WORDS * SECOND_NS:
                self._lose(worker, "no final totals after the drain")

    def _lose(self, worker: Worker, reason: str) -> None:
        """Give a worker up: what it had not reported as handled is not started, and others get only what is not due."""
        worker.state, worker.reason = "lost", reason
        again = None
        if self._tolerates_loss and self._deadline is None:
            again = self.schedule.due_before(self.elapsed / SECOND_NS + AGAIN_AFTER)
        before = self._book.totals.not_issued
        self._book.lose(worker.number, again)
        self._again += self._book.totals.not_issued - before
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

    def fail(self, reason: str) -> None:
        """Stop at once, because the harness cannot do its work."""
        self.is_failed = True
        self.stop(reason, 0.0)

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
            "workers": [self.workers[number].record() for number in sorted(self.workers)],
            "issued": book.issued,
            "not_started": book.not_started + book.open,
            "not_issued": book.not_issued,
            "not_started_ranges": [(span.start, span.stop) for span in self._book.not_started],
            "taken_over": self._again,
            "foreign_messages": self.foreign,
            "interrupted": self.is_interrupted,
            "stopped": self.stopped,
        }
