"""The goals of the benchmarks: which side of a limit is good, and that a missed one is named and fails."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from servers.judged import Goal, judge


def test_a_figure_on_its_limit_meets_it_on_either_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge([Goal("p99", 10, 10, " ms"), Goal("requests per core-second", 8_000, 8_000, is_floor=True)]) == 0
    said = capsys.readouterr().out
    assert "| p99 | at most 10 ms | 10 ms | met |" in said
    assert "| requests per core-second | at least 8000 | 8000 | met |" in said
    assert "missed" not in said


@pytest.mark.parametrize("measured", [10.001, math.inf, math.nan])
def test_a_missed_goal_is_named_and_fails_among_others_that_are_met(
    measured: float, capsys: pytest.CaptureFixture[str]
) -> None:
    goals = [Goal("ratio", 1, 2), Goal("p99", measured, 10, " ms"), Goal("rate", 7_999, 8_000, is_floor=True)]
    assert judge(goals) == 1
    assert capsys.readouterr().out.endswith("missed: p99; rate\n")
