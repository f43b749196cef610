"""Cristian's exchange: the offset is as good as the quickest answer, and never better than it says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.driver.alignment import ENOUGH, SPELL, Alignment, timebase

MS = 1_000_000
WAYS = st.tuples(st.integers(0, 300 * MS), st.integers(0, 300 * MS))


def exchange(alignment: Alignment, at: int, offset: int, there: int, back: int) -> None:
    """Ask at a moment; the worker's clock is ahead by `offset`, and both ways take their time."""
    alignment.hear(at, at + there + offset, at + there + back)


@given(offset=st.integers(-(10**15), 10**15), ways=st.lists(WAYS, min_size=1, max_size=20))
def test_the_true_offset_lies_within_the_error(offset: int, ways: list[tuple[int, int]]) -> None:
    alignment = Alignment()
    for number, (there, back) in enumerate(ways):
        exchange(alignment, number * 10**9, offset, there, back)

    assert abs(alignment.offset - offset) <= alignment.error + 1
    assert alignment.error == -(-min(there + back for there, back in ways) // 2)


def test_a_ramp_begins_after_enough_exchanges_only() -> None:
    alignment = Alignment()
    for number in range(ENOUGH):
        assert not alignment.is_known
        exchange(alignment, number * MS, 5, MS, MS)

    assert alignment.is_known


def test_one_clock_needs_no_exchange() -> None:
    alignment = Alignment(is_same=True)
    exchange(alignment, 0, 77 * MS, MS, MS)

    assert alignment.is_known
    assert (alignment.fix(), alignment.error, alignment.bound, alignment.exchanges) == (0, 0, 0, 0)


def begun() -> Alignment:
    alignment = Alignment()
    for number in range(ENOUGH):
        exchange(alignment, number * MS, 40 * MS, MS, MS)
    assert alignment.fix() == 40 * MS
    return alignment


def test_what_is_heard_after_the_beginning_moves_no_offset() -> None:
    alignment = begun()
    exchange(alignment, 10**9, 900 * MS, 0, 0)

    assert alignment.offset == 40 * MS


def test_clocks_that_drift_apart_show_in_the_bound() -> None:
    alignment = begun()
    for second in range(60):
        exchange(alignment, second * 10**9, 40 * MS + second * MS, MS, MS)  # 1 ms a second

    assert 45 * MS <= alignment.bound <= 61 * MS


def test_slow_answers_alone_are_no_drift() -> None:
    alignment = begun()
    for second in range(60):
        slow = 400 * MS if second % 3 else MS
        exchange(alignment, second * 10**9, 40 * MS, slow, MS)
    exchange(alignment, 61 * 10**9, 40 * MS, 900 * MS, MS)

    assert alignment.bound <= 2 * MS
    assert SPELL < 60


def test_an_answer_from_before_its_question_is_none() -> None:
    alignment = Alignment()
    alignment.hear(100, 50, 99)

    assert alignment.exchanges == 0


def test_every_process_of_this_host_names_the_same_clock() -> None:
    assert timebase() == timebase() != ""
