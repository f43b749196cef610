"""The pump: every leased arrival once, in order, never early, and an account of each lease."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from still_loop import StillLoop

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.arrivals.lease import Span
from prakerja_load.arrivals.schedule import Schedule
from prakerja_load.driver.agenda import Agenda
from prakerja_load.driver.pump import Pump

SCHEDULE = Schedule(RateCurve.constant(100, 2.0), 200, 3)
DUE = np.rint(SCHEDULE.times(0, 200) * 1e9).astype(int).tolist()


class Started:
    """Notes what was started, and when."""

    def __init__(self, still: StillLoop) -> None:
        self.still = still
        self.seen: list[tuple[int, int, int]] = []

    def __call__(self, index: int, due: int) -> None:
        self.seen.append((index, due, self.still.now_ns))

    @property
    def indices(self) -> list[int]:
        return [index for index, _, _ in self.seen]


def pump_on(still: StillLoop) -> tuple[Pump, Started]:
    started = Started(still)
    return Pump(SCHEDULE, Agenda(still, still.clock), started), started  # type: ignore[arg-type]


def test_every_leased_arrival_starts_once_when_it_is_due(still: StillLoop) -> None:
    pump, started = pump_on(still)
    pump.lease([Span(0, 16), Span(16, 200)])

    still.run_to(2.1)

    assert started.indices == list(range(200))
    assert [due for _, due, _ in started.seen] == DUE
    assert all(due <= at < due + 2_000_000 for _, due, at in started.seen)
    assert pump.is_empty


def test_what_is_overdue_when_it_is_leased_starts_late_and_is_not_skipped(still: StillLoop) -> None:
    pump, started = pump_on(still)
    still.run_to(1.5)
    pump.lease([Span(0, 50)])

    still.run_to(1.6)

    assert started.indices == list(range(50))
    assert all(at >= 1_500_000_000 for _, _, at in started.seen)


@given(order=st.permutations(range(10)), handed_out=st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_the_order_of_leases_does_not_matter(order: list[int], handed_out: int) -> None:
    still = StillLoop()
    pump, started = pump_on(still)
    spans = [Span(20 * number, 20 * number + 20) for number in order]
    pump.lease(spans[:handed_out])
    pump.lease(spans[handed_out:])

    still.run_to(2.1)

    assert started.indices == list(range(200))
    assert [(span.start, span.stop) for span in pump.handled] == [(20 * k, 20 * k + 20) for k in range(10)]


def test_an_earlier_lease_that_comes_later_does_not_wait_for_the_one_in_hand(still: StillLoop) -> None:
    pump, started = pump_on(still)
    pump.lease([Span(150, 160)])
    still.run_to(0.001)
    pump.lease([Span(10, 12)])

    still.run_to(2.1)

    assert started.indices == [10, 11, *range(150, 160)]
    assert all(at < due + 2_000_000 for _, due, at in started.seen)


def test_leases_are_accounted_for_as_they_are_worked_on(still: StillLoop) -> None:
    pump, started = pump_on(still)
    pump.lease([Span(0, 10), Span(10, 20)])
    still.run_to((DUE[14] + 2_000_000) / 1e9)
    done = started.indices[-1] + 1

    assert 10 < done < 20
    assert list(pump.handled) == [Span(0, 10)]
    assert pump.under_way is not None
    assert (pump.under_way.start, pump.under_way.stop, pump.under_way.count) == (10, 20, done - 10)
    assert pump.issued == 20


def test_a_stopped_pump_starts_nothing_more_and_says_what_is_left(still: StillLoop) -> None:
    pump, started = pump_on(still)
    pump.lease([Span(0, 100), Span(100, 110)])
    still.run_to(0.2)
    before = len(started.seen)

    left = pump.stop()
    still.run_to(2.1)

    assert 0 < before < 100
    assert len(started.seen) == before
    assert [(one.start, one.stop, one.count) for one in left] == [(0, 100, before), (100, 110, 0)]
    assert pump.is_empty


def test_where_nothing_may_be_started_nothing_is_and_no_account_of_it_is_made(still: StillLoop) -> None:
    asked: list[int] = []
    started = Started(still)

    def may_start(now: int) -> bool:
        asked.append(now)
        return now < DUE[40]

    pump = Pump(SCHEDULE, Agenda(still, still.clock), started, may_start)  # type: ignore[arg-type]
    pump.lease([Span(0, 200)])

    still.run_to(2.1)

    assert started.indices == list(range(len(started.indices)))
    assert 30 <= len(started.indices) <= 40  # one look for all that are due at the same millisecond
    assert asked[-1] >= DUE[40]
    (left,) = pump.stop()
    assert (left.start, left.stop, left.count) == (0, 200, len(started.indices))
