"""The goals that the speed table of generators is held to: what is met, what is missed, and what was not measured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import goals
from goals import OURS

COSTS = {
    OURS: 20.0,
    "Locust FastHttpUser": 300.0,
    "Locust HttpUser": 900.0,
    "k6": 120.0,
    "wrk, one POST with Lua": 10.0,
}


def test_costs_that_lie_on_the_goals_meet_them() -> None:
    found = goals.compare(COSTS)

    assert [(one.goal.other, one.goal.text) for one in found] == [
        ("Locust FastHttpUser", "1/15"),
        ("Locust HttpUser", "1/45"),
        ("k6", "1/6"),
        ("wrk, one POST with Lua", "2×"),
    ]
    assert all(one.is_met for one in found)


@pytest.mark.parametrize("other", [name for name in COSTS if name != OURS])
def test_another_generator_that_is_a_little_cheaper_makes_its_goal_a_missed_one(other: str) -> None:
    found = goals.compare({**COSTS, other: COSTS[other] * 0.99})

    assert [one.goal.other for one in found if not one.is_met] == [other]


def test_the_line_of_a_goal_tells_the_ratio_and_the_journeys_of_a_core() -> None:
    fast, http, _, wrk = goals.compare({**COSTS, "Locust FastHttpUser": 250.0, "wrk, one POST with Lua": 8.0})

    assert fast.row == "| Locust FastHttpUser | 1/15 | 1/12.5 | 3125 against 250 | missed |"
    assert http.row == "| Locust HttpUser | 1/45 | 1/45 | 3125 against 69 | met |"
    assert wrk.row == "| wrk, one POST with Lua | 2× | 2.5× | 3125 | missed |"


@pytest.mark.parametrize("absent", [OURS, "k6"])
def test_what_was_not_measured_is_not_met(absent: str) -> None:
    found = goals.compare({name: cost for name, cost in COSTS.items() if name != absent})
    missing = [one for one in found if absent in (OURS, one.goal.other)]

    assert missing
    assert not any(one.is_met for one in missing)
    assert all("not measured" in one.row for one in missing)
