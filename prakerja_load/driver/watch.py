"""How far a ramp is, put together from what the workers said in the last seconds; shown live and never judged."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver.conductor import Conductor
from prakerja_load.driver.message import Beat
from prakerja_load.driver.tally import HIGHEST
from prakerja_load.evidence.histogram import Histogram
from prakerja_load.evidence.progress import Progress
from prakerja_load.units import SECOND_NS, Nanoseconds, PerSecond, Seconds

RECENT: Seconds = 5.0


@dataclass(frozen=True)
class _Mark:
    """The counts at one moment."""

    at: Nanoseconds
    offered: int
    finished: int
    samples: int


class _Slot:
    """What was heard within one second, added up as it came: two hundred workers' beats, unpacked once."""

    def __init__(self, second: int) -> None:
        self.second = second
        self.elapsed, self.lateness = Histogram(HIGHEST), Histogram(HIGHEST)
        self.cpu: dict[int, float] = {}  # by worker
        self.lag: Seconds = 0.0


class Watch:
    """Listens to the workers' beats and says once a second how far the ramp is."""

    def __init__(self, task: Assignment) -> None:
        self._task = task
        self._slots: deque[_Slot] = deque()
        self._marks: deque[_Mark] = deque()

    def listen(self, beat: Beat, now: Nanoseconds) -> None:
        """Take a worker's beat, received `now`."""
        second = now // SECOND_NS
        if not self._slots or self._slots[-1].second != second:
            self._slots.append(_Slot(second))
        slot = self._slots[-1]
        slot.elapsed.merge(Histogram.from_bytes(beat.elapsed))
        slot.lateness.merge(Histogram.from_bytes(beat.lateness))
        slot.cpu[beat.worker] = beat.cpu
        slot.lag = max(slot.lag, beat.lag)

    def look(self, conductor: Conductor, now: Nanoseconds) -> Progress:
        """Return the state of the ramp."""
        totals, elapsed = conductor.totals(), conductor.elapsed / SECOND_NS
        offered = conductor.schedule.due_before(elapsed)
        mark = _Mark(now, offered, totals.finished, totals.samples)
        self._forget(now)
        first = self._marks[0] if self._marks else mark
        self._marks.append(mark)
        elapsed_times, lateness = self._histograms()
        return Progress(
            ramp=self._task.name,
            phase="starting" if conductor.epoch is None else self._phase(conductor, elapsed),
            elapsed=max(0.0, elapsed),
            remaining=max(0.0, conductor.schedule.duration - elapsed),
            offered=offered,
            started=totals.started,
            finished=totals.finished,
            dropped=totals.dropped,
            in_flight=totals.in_flight,
            offered_rate=_rate(first.offered, offered, first.at, now),
            finished_rate=_rate(first.finished, totals.finished, first.at, now),
            request_rate=_rate(first.samples, totals.samples, first.at, now),
            p50=_quantile(elapsed_times, 0.5),
            p99=_quantile(elapsed_times, 0.99),
            lateness_p99=_quantile(lateness, 0.99),
            requests=totals.samples,
            errors=totals.errors,
            workers=len(conductor.workers),
            lost_workers=sum(worker.state == "lost" for worker in conductor.workers.values()),
            cpu=self._busiest(),
            lag=max((slot.lag for slot in self._slots), default=0.0),
            note=conductor.stopped,
        )

    def _forget(self, now: Nanoseconds) -> None:
        oldest = now - round(RECENT * SECOND_NS)
        while self._slots and (self._slots[0].second + 1) * SECOND_NS <= oldest:
            self._slots.popleft()
        while self._marks and self._marks[0].at < oldest:
            self._marks.popleft()

    def _phase(self, conductor: Conductor, elapsed: Seconds) -> str:
        if elapsed < 0:
            return "starting"
        if conductor.stopped or elapsed >= conductor.schedule.duration:
            return "draining"
        return "warming-up" if elapsed < self._task.warm_up else "holding"

    def _busiest(self) -> float:
        """Return the highest mean CPU share of a worker over the last seconds."""
        shares: dict[int, list[float]] = {}
        for slot in self._slots:
            for worker, cpu in slot.cpu.items():
                shares.setdefault(worker, []).append(cpu)
        return max((sum(found) / len(found) for found in shares.values()), default=0.0)

    def _histograms(self) -> tuple[Histogram, Histogram]:
        elapsed, lateness = Histogram(HIGHEST), Histogram(HIGHEST)
        for slot in self._slots:
            elapsed.merge(slot.elapsed)
            lateness.merge(slot.lateness)
        return elapsed, lateness


def _rate(before: int, after: int, since: Nanoseconds, now: Nanoseconds) -> PerSecond:
    return (after - before) * SECOND_NS / (now - since) if now > since else 0.0


def _quantile(histogram: Histogram, share: float) -> Seconds:
    return histogram.quantile(share) / SECOND_NS if len(histogram) else 0.0
