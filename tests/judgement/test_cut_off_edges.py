"""Who was cut off, who was late by then, and whose writes nobody can account for: arrival by arrival."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from prakerja_load.evidence.part import KEPT
from prakerja_load.evidence.sample import ARRIVAL, SAMPLE
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.judgement.cut_off import cut_off, undecided
from prakerja_load.judgement.history import History, lay_out
from prakerja_load.judgement.writes import unaccounted
from prakerja_load.units import SECOND_NS

COUNT = 5
UNDER_WAY, DONE = Ending.IN_FLIGHT, Ending.COMPLETED


def history(endings: list[Ending], asked: dict[int, float] | None = None) -> History:
    """Return arrivals due at 10 s, each with its ending, and requests of step 2 in flight for so many seconds."""
    arrivals = np.zeros(len(endings), ARRIVAL)
    arrivals["index"], arrivals["ending"], arrivals["meant"] = np.arange(len(endings)), endings, 4
    samples = np.zeros(len(asked or {}), SAMPLE)
    for row, (index, seconds) in zip(samples, (asked or {}).items(), strict=True):
        row["index"], row["step"], row["outcome"] = index, 2, Outcome.IN_FLIGHT
        row["intended"], row["think"] = 10 * SECOND_NS, 3 * SECOND_NS
        row["finished"] = round((13 + seconds) * SECOND_NS)
    return lay_out(np.full(len(endings), 10.0), arrivals, samples)


def evidence(controller: dict[str, Any] | None, kept: tuple[int, ...] = (), aborted: str = "") -> Any:
    records = np.zeros(len(kept), KEPT)
    records["index"] = kept
    return SimpleNamespace(controller=controller, kept=records, aborted=aborted)


@pytest.mark.parametrize(
    ("controller", "aborted", "is_cut"),
    [
        ({}, "", False),
        (None, "", True),
        ({"stopped": "by hand"}, "", True),
        ({"interrupted": True}, "", True),
        ({"stopped": "abort_on"}, "too slow", False),
        (None, "too slow", False),
    ],
)
def test_who_is_under_way_is_cut_off_where_somebody_ended_the_load(
    controller: dict[str, Any] | None, aborted: str, *, is_cut: bool
) -> None:
    found = cut_off(history([DONE, UNDER_WAY]), evidence(controller, aborted=aborted))

    assert found.tolist() == [False, is_cut]


def test_who_was_kept_waiting_by_an_earlier_part_is_cut_off_by_name() -> None:
    """Arrivals of no plan are nobody's; the first and the last of the plan are somebody's."""
    found = cut_off(history([UNDER_WAY] * COUNT), evidence({}, kept=(0, 4, 5, -1)))

    assert found.tolist() == [True, False, False, False, True]


@pytest.mark.parametrize(("seconds", "is_undecided"), [(1.99, True), (2.0, True), (2.01, False)])
def test_who_was_cut_off_is_late_beyond_the_limit_of_the_step_without_the_time_they_meant_to_think(
    seconds: float, *, is_undecided: bool
) -> None:
    told = history([UNDER_WAY, UNDER_WAY], {0: seconds})

    found = undecided(told, np.array([True, True]), lambda number: 1.0 * number)

    assert found.tolist() == [is_undecided, True]  # the other one was thinking


def test_who_was_not_cut_off_is_decided_whatever_came() -> None:
    assert not undecided(history([UNDER_WAY], {0: 0.1}), np.array([False]), lambda _: 1.0).any()


def left(controller: dict[str, Any] | None, **more: Any) -> Any:
    usual = {"is_ledger_whole": True, "torn": (), "missing": (), "replayed": np.empty(0, np.int64)}
    return SimpleNamespace(controller=controller, **(usual | more))


FINISHED: dict[str, Any] = {"workers": [{"state": "finished"}, {"state": "finished"}]}
LOST: dict[str, Any] = {"workers": [{"state": "finished"}, {"state": "lost"}]}
RECORDED = np.array([True, False, True])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (left(FINISHED), [False, False, False]),
        (left(LOST), [False, True, False]),
        (left({"workers": [{}]}), [False, True, False]),
        (left({}), [False, False, False]),
        (left(None), [False, True, False]),
        (left(FINISHED, torn=("worker-0/samples.seg",)), [False, True, False]),
        (left(FINISHED, missing=("worker-1/vitals.seg",)), [False, True, False]),
        (left(FINISHED, missing=("target.json",)), [False, False, False]),
        (left(FINISHED, is_ledger_whole=False), [True, True, True]),
        (left(FINISHED, replayed=np.array([0, 3])), [True, False, False]),
    ],
)
def test_whose_writes_may_have_been_sent_without_a_trace(found: Any, expected: list[bool]) -> None:
    """Of three arrivals the second has no record; nobody is the fourth."""
    is_unaccounted = unaccounted(found, RECORDED)

    assert is_unaccounted.tolist() == expected
    assert is_unaccounted.dtype == np.bool_
