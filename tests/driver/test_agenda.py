"""The agenda: never early, in order, and it lets answers be read in between."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from still_loop import StillLoop

from prakerja_load.driver.agenda import Agenda

MS = 1_000_000


def test_nothing_runs_before_it_is_due_although_timers_fire_early(still: StillLoop) -> None:
    agenda = Agenda(still, still.clock)
    ran: list[int] = []
    still.early = 0.0006

    agenda.at(5 * MS + 1, lambda: ran.append(still.clock()))
    still.run_to(1.0)

    assert len(ran) == 1
    assert ran[0] >= 5 * MS + 1


@given(dues=st.lists(st.integers(0, 50 * MS), min_size=1, max_size=200))
@settings(deadline=None, max_examples=50)
def test_everything_runs_once_in_the_order_it_is_due(dues: list[int]) -> None:
    still = StillLoop()
    agenda = Agenda(still, still.clock)
    ran: list[tuple[int, int]] = []
    for due in dues:
        agenda.at(due, lambda due=due: ran.append((due, still.clock())))  # type: ignore[misc]

    still.run_to(0.1)

    assert [due for due, _ in ran] == sorted(dues)
    assert all(due <= at <= due + MS for due, at in ran)


def test_an_earlier_entry_comes_before_one_that_was_waited_for(still: StillLoop) -> None:
    agenda = Agenda(still, still.clock)
    ran: list[str] = []
    agenda.at(900 * MS, lambda: ran.append("late"))
    agenda.at(3 * MS, lambda: ran.append("early"))

    still.run_to(0.01)

    assert ran == ["early"]
    still.run_to(1.0)
    assert ran == ["early", "late"]


def test_a_crowd_that_is_overdue_lets_the_loop_read_answers_in_between(still: StillLoop) -> None:
    agenda = Agenda(still, still.clock)
    ran: list[str] = []
    still.now_ns = 500 * MS
    for _ in range(100):
        agenda.at(0, lambda: ran.append("due"))
    still.call_soon(lambda: ran.append("answer"))

    still.run_to(0.6)

    assert ran.count("due") == 100
    assert 0 < ran.index("answer") < 100


def test_what_was_cleared_never_runs(still: StillLoop) -> None:
    agenda = Agenda(still, still.clock)
    ran: list[int] = []
    agenda.at(MS, lambda: ran.append(1))
    agenda.clear()

    still.run_to(1.0)

    assert ran == []
    assert len(agenda) == 0
