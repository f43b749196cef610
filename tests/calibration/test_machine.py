"""The machine's own clock and timers read as what they are."""

from __future__ import annotations

from itertools import count
from unittest.mock import patch

from prakerja_load.calibration import machine


def test_the_clock_is_monotonic_fine_and_shared_by_all_processes() -> None:
    clock = machine.read_clock(20_000)

    assert clock.backward == 0
    assert clock.is_shared
    assert 0 < clock.step <= 100_000
    assert clock.cost > 0


def test_a_clock_that_runs_backward_is_seen() -> None:
    instants = (10 * number - 1_000 * (number > 50) for number in count())
    with (
        patch.object(machine, "_is_shared", lambda: True),
        patch.object(machine.time, "perf_counter_ns", instants.__next__),
    ):
        clock = machine.read_clock(100)

    assert (clock.backward, clock.step) == (1, 10)


def test_no_timer_fires_early() -> None:
    assert machine.timer_lateness(20, 0.001).min() >= 0


def test_what_others_take_is_a_share_and_its_longest_pause_is_part_of_it() -> None:
    share, longest = machine.stolen(0.05)

    assert 0 <= share < 1
    assert 0 <= longest <= share * 0.05 * 20
