"""What is shown live."""

from __future__ import annotations

import numpy as np
import pytest
from ramp_rig import make_assignment

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.clock import VirtualClock
from prakerja_load.driver.conductor import LEAD, Conductor
from prakerja_load.driver.message import Beat, Hello, Totals, pack
from prakerja_load.driver.tally import HIGHEST, Tally
from prakerja_load.driver.watch import Watch
from prakerja_load.evidence.histogram import Histogram
from prakerja_load.evidence.progress import Progress
from prakerja_load.evidence.sample import SAMPLE


class Show:
    """A watched ramp of 40 arrivals/s for 20 s, warmed up for 4."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        task = make_assignment(
            "http://127.0.0.1:1", curve=RateCurve.constant(40, 20.0), count=800, warm_up=4.0, workers=1
        )
        self.watch = Watch(task)
        self.conductor = Conductor(
            task.run,
            task.schedule(),
            lambda client, order: None,
            self.clock.now_ns,
            workers=1,
            drain=5.0,
            listen=lambda beat: self.watch.listen(beat, self.clock.now_ns()),
        )
        self.conductor.hear("c0", pack(Hello(task.run, 0, 1)))
        self.conductor.tick()

    def at(self, seconds: float) -> None:
        self.clock.advance(round((LEAD + seconds) * 1e9) - self.clock.now_ns())

    def beat(self, totals: Totals, milliseconds: int = 10, cpu: float = 0.0, lag: float = 0.0) -> None:
        times = Histogram(HIGHEST)
        times.record(milliseconds * 1_000_000, 100)
        elapsed = lateness = times.to_bytes()
        self.conductor.hear("c0", pack(Beat("k1r1", 0, totals, [], None, elapsed, lateness, cpu=cpu, lag=lag)))

    def look(self) -> Progress:
        return self.watch.look(self.conductor, self.clock.now_ns())


@pytest.fixture
def show() -> Show:
    return Show()


@pytest.mark.parametrize(
    ("seconds", "phase"), [(-0.5, "starting"), (1.0, "warming-up"), (4.5, "holding"), (20.5, "draining")]
)
def test_the_phase_is_that_of_the_schedule(show: Show, seconds: float, phase: str) -> None:
    show.at(seconds)

    assert show.look().phase == phase


def test_what_is_stopped_drains(show: Show) -> None:
    show.at(6.0)
    show.conductor.stop("interrupted")

    assert (show.look().phase, show.look().note) == ("draining", "interrupted")


def test_rates_are_those_of_the_last_seconds(show: Show) -> None:
    for second in range(1, 12):
        show.at(second)
        show.beat(Totals(started=30 * second, finished=20 * second, in_flight=10 * second, samples=100 * second))
        seen = show.look()

    assert seen.finished_rate == pytest.approx(20)
    assert seen.request_rate == pytest.approx(100)
    assert seen.offered_rate == pytest.approx(40, rel=0.2)
    assert seen.offered == show.conductor.schedule.due_before(11.0)
    assert (seen.started, seen.finished, seen.in_flight, seen.workers) == (330, 220, 110, 1)
    assert seen.remaining == pytest.approx(9.0)


def test_quantiles_forget_what_is_long_past(show: Show) -> None:
    show.at(1.0)
    show.beat(Totals(), milliseconds=900)
    assert show.look().p99 == pytest.approx(0.9, rel=1e-3)

    show.at(7.0)
    show.beat(Totals(), milliseconds=20)

    assert show.look().p99 == pytest.approx(0.02, rel=1e-3)
    assert show.look().lateness_p99 == pytest.approx(0.02, rel=1e-3)


def test_the_health_of_the_workers_is_that_of_the_last_seconds(show: Show) -> None:
    for second, (cpu, lag) in enumerate([(1.0, 3.0), (0.4, 0.001), (0.6, 0.2), (0.5, 0.003)]):
        show.at(1.0 if not second else 7.0 + second)
        show.beat(Totals(), cpu=cpu, lag=lag)

    assert (show.look().cpu, show.look().lag) == (pytest.approx(0.5), 0.2)


def test_whoever_gathers_workers_is_starting_even_in_the_middle_of_a_ramp_that_is_resumed() -> None:
    task = make_assignment("http://127.0.0.1:1", curve=RateCurve.constant(40, 20.0), count=800, workers=1)
    clock = VirtualClock()
    conductor = Conductor(
        task.run, task.schedule(), lambda client, order: None, clock.now_ns, workers=1, drain=5.0, begins_at=10.0
    )

    assert Watch(task).look(conductor, clock.now_ns()).phase == "starting"


def test_nothing_heard_is_shown_as_nothing(show: Show) -> None:
    seen = show.look()

    assert (seen.p50, seen.p99, seen.lateness_p99, seen.request_rate) == (0, 0, 0, 0)


def test_times_beyond_the_histogram_are_shown_as_its_end() -> None:
    samples = np.zeros(2, SAMPLE)
    samples["finished"] = [2 * HIGHEST, -5]
    tally = Tally()
    tally.add(samples)

    elapsed = Histogram.from_bytes(tally.take()[0])

    assert elapsed.quantile(1.0) == HIGHEST
    assert elapsed.quantile(0.0) == 0
