"""The attendant: orders in, reports out, and a controller that falls silent."""

from __future__ import annotations

import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from prakerja_load.arrivals.lease import Span
from prakerja_load.clock import VirtualClock
from prakerja_load.driver.attendant import SILENCE, Attendant
from prakerja_load.driver.message import Beat, Begin, Final, Finish, Hello, Leases, Order, Quit, Report, Stop, pack
from prakerja_load.driver.pump import Handling
from prakerja_load.evidence.histogram import Histogram
from prakerja_load.evidence.journal import Kind
from prakerja_load.evidence.sample import SAMPLE


class FakeOffering:
    """Notes the orders it gets."""

    def __init__(self) -> None:
        self.orders: list[tuple[Any, ...]] = []
        self.started = self.finished = self.dropped = self.in_flight = 0
        self.reason = ""
        self.is_fatal = False
        self.standstill = self.exhausted = 0
        self.health = 0.3, 0.002
        self.left: tuple[Handling, ...] = ()
        self.recorder = SimpleNamespace(batches=deque(), counts=dict.fromkeys(Kind, 0))
        self.pump: Any = None

    def begin(self, epoch: int) -> None:
        self.orders.append(("begin", epoch))
        self.pump = SimpleNamespace(under_way=None, handled=deque(), issued=0)

    def lease(self, spans: Any) -> None:
        self.orders.append(("lease", tuple(spans)))

    def finish(self, deadline: int) -> None:
        self.orders.append(("finish", deadline))

    def stop(self, reason: str, deadline: int) -> None:
        self.reason = reason
        self.orders.append(("stop", reason, deadline))


class Desk:
    def __init__(self) -> None:
        self.clock = VirtualClock(5_000)
        self.offering = FakeOffering()
        self.said: list[Report] = []
        self.attendant = Attendant(
            self.offering,  # type: ignore[arg-type]
            self.said.append,
            run="k1r1",
            worker=3,
            drain=2.0,
            clock=self.clock.now_ns,
        )

    def order(self, order: Order) -> None:
        self.attendant.hear(pack(order))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_says_hello_until_the_epoch_is_set(desk: Desk) -> None:
    desk.attendant.beat()
    desk.attendant.beat()
    desk.order(Begin("k1r1", 9_000))
    desk.attendant.beat()

    assert [type(report) for report in desk.said] == [Hello, Hello, Beat]
    assert all(report.worker == 3 and report.run == "k1r1" for report in desk.said)


def test_orders_go_into_the_offering(desk: Desk) -> None:
    desk.order(Begin("k1r1", 9_000))
    desk.order(Begin("k1r1", 12_000))
    desk.order(Leases("k1r1", [(0, 16), (32, 48)]))
    desk.order(Leases("k1r1", []))
    desk.order(Finish("k1r1", 77))
    desk.order(Stop("k1r1", "interrupted", 78))
    desk.order(Quit("k1r1"))

    assert desk.offering.orders == [
        ("begin", 9_000),
        ("lease", (Span(0, 16), Span(32, 48))),
        ("finish", 77),
        ("stop", "interrupted", 78),
    ]
    assert desk.attendant.is_dismissed


@pytest.mark.parametrize("packed", [pack(Begin("another", 1)), pack(Quit("another")), None, {"type": "hello"}, "quit"])
def test_orders_of_another_run_are_refused(desk: Desk, packed: Any) -> None:
    desk.attendant.hear(packed)

    assert desk.offering.orders == []
    assert not desk.attendant.is_dismissed
    assert desk.attendant.foreign == 1


def test_a_controller_that_fell_silent_is_worked_for_no_longer(desk: Desk) -> None:
    desk.order(Begin("k1r1", 5_000))
    desk.clock.advance(round((SILENCE - 0.1) * 1e9))
    desk.attendant.beat()
    assert desk.offering.reason == ""

    desk.clock.advance(200_000_000)
    desk.attendant.beat()
    desk.attendant.beat()

    stops = [order for order in desk.offering.orders if order[0] == "stop"]
    assert stops == [("stop", "the controller fell silent", round((SILENCE + 0.1) * 1e9) + 2_000_000_000)]


def test_any_word_of_the_controller_keeps_it_working(desk: Desk) -> None:
    desk.order(Begin("k1r1", 5_000))
    for _ in range(10):
        desk.clock.advance(round((SILENCE - 0.5) * 1e9))
        desk.order(Leases("k1r1", []))
        desk.attendant.beat()

    assert desk.offering.reason == ""


def test_a_beat_says_what_was_done_since_the_last(desk: Desk) -> None:
    desk.order(Begin("k1r1", 5_000))
    desk.offering.pump.handled.extend([Span(0, 16), Span(16, 32)])
    desk.offering.pump.under_way = Handling(32, 48, 5)
    desk.offering.started = 37
    desk.attendant.beat()
    desk.offering.health = 0.9, 0.25
    desk.attendant.beat()

    first, second = desk.said
    assert isinstance(first, Beat)
    assert isinstance(second, Beat)
    assert first.handled == [(0, 16), (16, 32)]
    assert first.under_way == (32, 48, 5)
    assert first.totals.started == 37
    assert [(beat.cpu, beat.lag) for beat in (first, second)] == [(0.3, 0.002), (0.9, 0.25)]
    assert second.handled == []


def test_the_last_word_carries_the_totals_and_what_was_left(desk: Desk) -> None:
    desk.order(Begin("k1r1", 5_000))
    desk.offering.left = (Handling(0, 16, 4),)
    desk.offering.reason, desk.offering.is_fatal = "the result disk is full", True
    desk.offering.recorder.counts[Kind.SAMPLES] = 12
    desk.attendant.finish()

    (final,) = desk.said
    assert isinstance(final, Final)
    assert final.left == [(0, 16, 4)]
    assert final.totals.samples == 12
    assert (final.reason, final.is_fatal) == ("the result disk is full", True)


def batch() -> Any:
    samples = np.zeros(4, SAMPLE)
    samples["intended"] = 1_000_000_000
    samples["due"] = [1_000_000_000, 3_000_000_000, 3_500_000_000, 1_000_000_000]
    samples["think"] = [0, 1_500_000_000, 1_500_000_000, 0]
    samples["started"] = samples["due"] + 2_000_000
    samples["finished"] = samples["started"] + 100_000_000
    samples["outcome"] = [0, 1, 3, 4]
    return samples


def test_samples_are_shown_once_and_summed_up_in_the_beat(desk: Desk) -> None:
    desk.order(Begin("k1r1", 5_000))
    shown: list[Any] = []
    desk.attendant.show(shown.append)
    desk.offering.recorder.batches.append(batch())
    desk.attendant.beat()
    desk.attendant.beat()

    assert len(shown) == 1
    first, second = desk.said
    assert isinstance(first, Beat)
    assert isinstance(second, Beat)
    assert first.totals.errors == second.totals.errors == 2
    elapsed, lateness = Histogram.from_bytes(first.elapsed), Histogram.from_bytes(first.lateness)
    assert len(elapsed) == 4
    assert elapsed.quantile(1.0) == pytest.approx(1_102_000_000, rel=1e-3)
    assert len(lateness) == 2
    assert lateness.quantile(0.5) == pytest.approx(2_000_000, rel=1e-3)
    assert len(Histogram.from_bytes(second.elapsed)) == 0


def test_the_wall_clock_of_the_epoch_is_known_for_labels() -> None:
    desk = Desk()
    desk.order(Begin("k1r1", time.perf_counter_ns() + 2_000_000_000))

    assert desk.attendant.wall_epoch == pytest.approx(time.time() + 2, abs=0.5)
