"""Windows of intended time and the search for a steady part."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.judgement.window import Window, groups, mser5


def test_a_window_holds_its_start_and_not_its_stop() -> None:
    window = Window(5, 65)

    assert window.contains(np.array([4.9, 5, 64.9, 65])).tolist() == [False, True, True, False]
    assert window.length == 60


def test_overlap_is_the_time_spent_inside() -> None:
    window = Window(10, 20)

    assert window.overlap(np.array([0.0, 5, 12, 19, 30]), np.array([5.0, 11, 14, 40, 31])) == 1 + 2 + 1


@given(st.floats(0, 50), st.floats(0.5, 100), st.floats(0.5, 30))
@settings(deadline=None, max_examples=100)
def test_windows_cover_the_whole_and_are_all_as_long_as_asked(start: float, length: float, each: float) -> None:
    windows = Window(start, start + length).split(each)

    assert windows[0].start == start
    assert windows[-1].stop == pytest.approx(start + length)
    assert all(before.stop >= after.start - 1e-9 for before, after in itertools.pairwise(windows))
    assert all(window.length == pytest.approx(min(each, length), abs=1e-6) for window in windows)


def test_batches_are_equal_and_adjoin() -> None:
    assert Window(0, 9).batches(3) == (Window(0, 3), Window(3, 6), Window(6, 9))


def test_poor_windows_are_joined_until_each_has_enough() -> None:
    times = np.array([1.0, 2, 3, 11, 12, 13, 21, 31, 32])
    windows = Window(0, 40).split(10)

    assert groups(times, windows, 3) == (Window(0, 10), Window(10, 20), Window(20, 40))
    assert groups(times, windows, 4) == (Window(0, 40),)
    assert groups(times, windows, 100) == (Window(0, 40),)


def test_what_is_left_over_joins_the_last_group() -> None:
    times = np.array([1.0, 2, 3, 11, 12, 13, 21])

    assert groups(times, Window(0, 30).split(10), 3) == (Window(0, 10), Window(10, 30))


def test_mser_cuts_a_slow_start_and_nothing_of_a_steady_series() -> None:
    noise = np.random.default_rng(1).standard_normal(200) * 0.01
    slow = np.concatenate([np.full(50, 5.0), np.ones(150)]) + noise

    assert mser5(slow) == 50
    assert mser5(np.ones(200)) == 0


def test_mser_finds_no_steady_part_where_only_the_end_is_steady() -> None:
    assert mser5(np.concatenate([np.linspace(9, 1, 150), np.ones(50)])) is None


def test_mser_decides_nothing_on_a_short_series() -> None:
    assert mser5(np.arange(49.0)) == 0
