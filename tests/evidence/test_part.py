"""Parts of a ramp put together: every arrival counts once, and what its first try may have written is remembered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.evidence.cut import KEPT_WAITING, WAIT
from prakerja_load.evidence.ledger import LedgerState, resolve
from prakerja_load.evidence.part import Part, join, part_paths, remaining
from prakerja_load.evidence.sample import ARRIVAL, LEDGER, SAMPLE
from prakerja_load.journey.step import Ending, Outcome


def part(arrivals: dict[int, Ending], *, samples: dict[int, int], ledger: list[tuple[int, int, int]]) -> Part:
    """Return a part of these arrivals, samples (how many by arrival) and ledger entries (arrival, attempt, state)."""
    closing = np.zeros(len(arrivals), ARRIVAL)
    closing["index"], closing["ending"] = list(arrivals), list(arrivals.values())
    taken = np.zeros(sum(samples.values()), SAMPLE)
    taken["index"] = [index for index, count in samples.items() for _ in range(count)]
    taken["started"] = np.arange(taken.size) * 10**9
    entries = np.zeros(len(ledger), LEDGER)
    for row, entry in enumerate(ledger):
        entries[row] = (entry[0], 1, entry[1], entry[2], 0, 0)
    return Part(closing, taken, entries)


ENDED, UNDER_WAY = Ending.COMPLETED, Ending.IN_FLIGHT
INTENT, ACKNOWLEDGED = LedgerState.INTENT, LedgerState.ACKNOWLEDGED
REJECTED, IN_DOUBT = LedgerState.REJECTED, LedgerState.IN_DOUBT


def test_an_arrival_belongs_to_the_part_in_which_it_ended() -> None:
    first = part({0: ENDED, 1: UNDER_WAY}, samples={0: 3, 1: 2, 2: 1}, ledger=[(0, 0, INTENT), (2, 0, INTENT)])
    last = part({1: ENDED, 2: ENDED}, samples={1: 4, 2: 5}, ledger=[(1, 0, INTENT)])
    whole = join([first], last)

    assert whole.arrivals["index"].tolist() == [0, 1, 2]
    assert set(whole.arrivals["ending"].tolist()) == {ENDED}
    assert {index: int((whole.samples["index"] == index).sum()) for index in range(3)} == {0: 3, 1: 4, 2: 5}
    assert whole.carried == {"arrivals": 1, "samples": 3, "ledger": 2}
    assert whole.replayed.tolist() == [1, 2]
    assert whole.cut_at == (5.0,)


def under_way_for(waited: dict[int, float]) -> Part:
    """Return a part cut off while these arrivals waited so long (s) for an answer."""
    found = part(dict.fromkeys(waited, UNDER_WAY), samples=dict.fromkeys(waited, 1), ledger=[])
    found.samples["outcome"] = Outcome.IN_FLIGHT
    found.samples["due"] = 10**9
    found.samples["finished"] = [round((1 + seconds) * 10**9) for seconds in waited.values()]
    return found


def test_who_was_kept_waiting_until_the_cut_stays_unfinished_and_is_not_played_again() -> None:
    first = under_way_for({0: KEPT_WAITING - 0.001, 1: KEPT_WAITING, 2: 25.0})
    whole = join([first], part({0: ENDED}, samples={0: 14}, ledger=[]))

    assert first.closed.tolist() == [1, 2]
    assert remaining(3, first.closed) == [(0, 1)]
    assert whole.replayed.tolist() == [0]
    assert sorted(zip(whole.arrivals["index"].tolist(), whole.arrivals["ending"].tolist(), strict=True)) == [
        (0, ENDED),
        (1, UNDER_WAY),
        (2, UNDER_WAY),
    ]
    assert whole.samples["outcome"].tolist().count(Outcome.IN_FLIGHT) == 2


def waiting(*waits: tuple[int, int, float, float]) -> np.ndarray[Any, Any]:
    """Return writes (arrival, step, sent at, not answered by) that a killed worker left."""
    made = np.zeros(len(waits), WAIT)
    for row, (index, step, at, until) in enumerate(waits):
        made[row] = (index, step, 0, round(at * 10**9), round(until * 10**9))
    return made


def test_who_waited_when_a_worker_was_killed_stays_unfinished_whatever_the_second_try_says() -> None:
    killed = part({0: ENDED}, samples={0: 2, 1: 2}, ledger=[(1, 0, INTENT), (2, 0, INTENT)])
    killed.samples["finished"] = killed.samples["started"] + 10**8
    killed = replace(killed, waiting=waiting((1, 5, 4.0, 9.0), (2, 5, 8.5, 9.5)))
    again = part({1: ENDED, 2: ENDED, 3: ENDED}, samples={1: 7, 2: 7, 3: 7}, ledger=[(1, 0, INTENT)])
    again.arrivals["meant"], again.arrivals["reached"], again.arrivals["intended"] = 9, 9, [100, 200, 300]
    whole = join([killed], again)

    rows = {int(row["index"]): row for row in whole.arrivals}
    assert {index: row["ending"] for index, row in rows.items()} == {0: ENDED, 1: UNDER_WAY, 2: UNDER_WAY, 3: ENDED}
    assert whole.arrivals.size == 4
    assert [rows[1][name] for name in ("intended", "started", "finished", "meant", "reached")] == [
        100,
        2 * 10**9,
        -1,
        9,
        4,
    ]
    assert rows[2]["started"] == 8.5 * 10**9
    of_one = whole.samples[whole.samples["index"] == 1]
    assert of_one["outcome"].tolist() == [Outcome.OK, Outcome.OK, Outcome.IN_FLIGHT]
    unanswered = of_one[-1]
    assert [unanswered[name] for name in ("step", "due", "finished", "intended")] == [5, 4 * 10**9, 9 * 10**9, 100]
    assert unanswered["think"] == 0.9 * 10**9  # since the answer before, at 3.1 s
    assert whole.samples.size == 2 + 3 + 1 + 7
    # what the second try wrote is remembered, and the records of the last part can be counted
    assert whole.ledger.size == 3
    assert {1, 2} <= set(whole.replayed.tolist())
    assert whole.carried == {"arrivals": 1, "samples": whole.samples.size - again.samples.size, "ledger": 2}
    assert [(row["index"], row["waited"]) for row in whole.kept] == [(1, 5.0), (2, 1.0)]


def test_who_waited_when_killed_and_never_came_again_has_no_record() -> None:
    killed = replace(part({}, samples={0: 1}, ledger=[(0, 0, INTENT)]), waiting=waiting((0, 5, 1.0, 9.0)))
    whole = join([killed], part({1: ENDED}, samples={1: 7}, ledger=[]))

    assert whole.arrivals["index"].tolist() == [1]
    assert whole.samples.size == 7
    assert whole.kept.size == 0


def test_who_waited_in_the_first_of_three_parts_is_not_excused_by_the_third() -> None:
    killed = replace(part({}, samples={0: 1}, ledger=[(0, 0, INTENT)]), waiting=waiting((0, 5, 1.0, 9.0)))
    second = part({0: UNDER_WAY}, samples={0: 3}, ledger=[(0, 0, INTENT)])
    whole = join([killed, second], part({0: ENDED}, samples={0: 7}, ledger=[]))

    assert whole.arrivals["ending"].tolist() == [UNDER_WAY]
    assert whole.samples.size == 2
    assert whole.kept["waited"].tolist() == [8.0]


def test_arrivals_that_a_killed_process_had_not_written_down_may_have_been_begun() -> None:
    first = part({0: ENDED}, samples={0: 1, 3: 1}, ledger=[])
    nothing = part({}, samples={}, ledger=[])

    assert join([first], nothing, unwritten=2).replayed.tolist() == [3, 4, 5]
    assert join([nothing], nothing, unwritten=2).replayed.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("before", "after", "fate"),
    [
        ([(0, 0, INTENT)], [(0, 0, INTENT), (0, 0, ACKNOWLEDGED)], ACKNOWLEDGED),
        ([(0, 0, INTENT)], [(0, 0, INTENT), (0, 0, REJECTED)], IN_DOUBT),  # the "no" may be the first try's own echo
        ([(0, 0, INTENT), (0, 0, ACKNOWLEDGED)], [(0, 0, INTENT)], ACKNOWLEDGED),
        ([], [(0, 0, INTENT), (0, 0, REJECTED)], REJECTED),
    ],
)
def test_a_write_of_two_parts_has_the_fate_of_two_attempts(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], fate: LedgerState
) -> None:
    whole = join([part({}, samples={}, ledger=before)], part({}, samples={}, ledger=after))

    assert resolve(whole.ledger, 1).of(0, 1) == fate


def test_the_rest_is_later_by_what_the_wall_clock_says() -> None:
    empty = part({}, samples={}, ledger=[])
    first, second = (Part(empty.arrivals, empty.samples, empty.ledger, wall) for wall in (1000.0, 1060.0))

    assert join([first], second).offsets == (60.0,)
    assert join([empty], second).offsets == (0.0,)


@given(count=st.integers(0, 60), closed=st.lists(st.integers(-5, 70)))
def test_what_is_closed_and_what_remains_are_all_there_is(count: int, closed: list[int]) -> None:
    spans = remaining(count, np.array(closed, np.int64))
    left = [index for start, stop in spans for index in range(start, stop)]

    assert all(start < stop for start, stop in spans)
    assert left == sorted(set(range(count)) - set(closed))


def test_parts_are_found_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("part-10", "part-2", "worker-0", "part-x"):
        (tmp_path / name).mkdir()

    assert [path.name for path in part_paths(tmp_path)] == ["part-2", "part-10"]
