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


def test_a_whole_number_of_windows_is_cut_at_just_their_edges() -> None:
    assert Window(0, 60).split(10) == tuple(Window(start, start + 10) for start in (0, 10, 20, 30, 40, 50))
    assert Window(0, 61).split(10) == (*Window(0, 60).split(10), Window(51, 61))
    assert Window(0, 10).split(10) == (Window(0, 10),)
    # 0.3 ÷ 0.1 is a little less than 3 and (2.1 − 1.5) ÷ 0.1 a little more than 6: neither makes one window more
    assert [len(Window(0, 0.3).split(0.1)), len(Window(1.5, 2.1).split(0.1))] == [3, 6]


@given(st.floats(0, 50), st.floats(0.5, 100), st.floats(0.5, 30), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=200)
def test_what_lasts_half_a_window_lies_whole_in_one_that_slides(
    start: float, length: float, each: float, begin: float, share: float
) -> None:
    whole = Window(start, start + length)
    windows = whole.slide(each)
    lasts = min(each / 2, length) * share
    begins = start + begin * (length - lasts)

    assert all(window.length == pytest.approx(min(each, length), abs=1e-6) for window in windows)
    assert all(start - 1e-6 <= window.start and window.stop <= whole.stop + 1e-6 for window in windows)
    assert any(window.start - 1e-6 <= begins and begins + lasts <= window.stop + 1e-6 for window in windows)


def test_windows_slide_by_half_their_length() -> None:
    assert [window.start for window in Window(5, 65).slide(10)] == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]
    assert [window.start for window in Window(0, 12).slide(10)] == [0, 2]
    assert Window(0, 10).slide(10) == Window(0, 10).slide(20) == (Window(0, 10),)


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


def by_definition(series: list[float]) -> int | None:
    """MSER-5 as White, Cobb and Spratt state it, term by term."""
    batches = [sum(series[start : start + 5]) / 5 for start in range(0, len(series) - 4, 5)]
    k = len(batches)
    errors = []
    for cut in range(k - 5):
        kept = batches[cut:]
        mean = sum(kept) / len(kept)
        errors.append(sum((value - mean) ** 2 for value in kept) / len(kept) ** 2)
    cut = errors.index(min(errors))
    return None if cut > k // 2 else 5 * cut


@pytest.mark.parametrize("size", [50, 53, 55, 65, 118])
@pytest.mark.parametrize("slow", [0, 7, 24, 26, 31, 36])
def test_mser_is_what_its_definition_says(size: int, slow: int) -> None:
    series = np.random.default_rng(size + slow).standard_normal(size)
    series[:slow] += 4
    series += 3  # what is squared must be the distance from the mean

    assert mser5(series) == by_definition(series.tolist())


@pytest.mark.parametrize(("batches", "slow", "cut"), [(12, 6, 30), (14, 7, 35), (14, 8, None), (16, 9, None)])
def test_mser_may_cut_half_and_no_more(batches: int, slow: int, cut: int | None) -> None:
    series = np.repeat([5.0] * slow + [1.0, 1.01] * 10, 5)[: 5 * batches]

    assert mser5(series) == cut


def test_mser_decides_from_ten_batches_on() -> None:
    slow = np.concatenate([np.full(20, 9.0), np.tile([1.0, 1.1], 20)])

    assert mser5(slow[:50]) == 20
    assert mser5(slow[:49]) == 0
