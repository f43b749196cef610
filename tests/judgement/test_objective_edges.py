"""Objectives of which little can be said, and samples that are just large enough."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from synthetic import Ramp

from prakerja_load.evidence.sample import ARRIVAL, SAMPLE
from prakerja_load.journey.step import Ending, Step
from prakerja_load.judgement.backlog import growth
from prakerja_load.judgement.case import Case
from prakerja_load.judgement.estimate import Estimate, quantile
from prakerja_load.judgement.history import Elapsed, lay_out
from prakerja_load.judgement.objective import judge_backlog, judge_elapsed, kept_limits
from prakerja_load.judgement.verdict import ObjectiveResult, Verdict
from prakerja_load.judgement.window import Window
from prakerja_load.units import SECOND_NS

GREEN, OPEN, RED = Verdict
DRAIN = "drain time after the last arrival"


def drained(*ends: float) -> ObjectiveResult:
    """Return the drain of a curve whose arrivals were due at 10 s and ended at these seconds, of 60 s allowed."""
    arrivals = np.zeros(len(ends), ARRIVAL)
    arrivals["index"], arrivals["ending"] = np.arange(len(ends)), Ending.COMPLETED
    arrivals["finished"] = np.rint(np.array(ends) * SECOND_NS)
    history = lay_out(np.full(max(1, len(ends)), 10.0), arrivals, np.zeros(0, SAMPLE))
    scenario = SimpleNamespace(load=SimpleNamespace(drain=60.0))
    (result,) = judge_backlog(cast(Case, SimpleNamespace(is_curve=True, history=history, scenario=scenario)))
    return result


@pytest.mark.parametrize(("last", "verdict"), [(12.0, GREEN), (70.0, GREEN), (70.001, RED), (200.0, RED)])
def test_a_drain_of_just_the_time_that_is_allowed_is_enough(last: float, verdict: Verdict) -> None:
    result = drained(11.0, last)

    assert (result.name, result.kind, result.limit, result.unit, result.verdict) == (DRAIN, "backlog", 60, "s", verdict)
    assert result.estimate == Estimate(last - 10, last - 10, last - 10, 1, 1.0)
    assert result.reason.endswith(" after the last arrival, limit 60 s")


def test_where_nobody_came_nothing_drained() -> None:
    result = drained()

    assert (result.name, result.kind, result.limit, result.unit, result.verdict) == (DRAIN, "backlog", 60, "s", OPEN)
    assert (result.estimate, result.reason) == (None, "no arrivals")


def test_a_journey_ended_before_the_last_arrival_was_due_drained_at_once() -> None:
    assert drained(9.0).estimate == Estimate(0.0, 0.0, 0.0, 1, 1.0)


@pytest.mark.parametrize("count", [1, 40, 49])
def test_a_short_window_of_equal_values_is_as_long_as_its_values(count: int) -> None:
    """Nothing depends on anything, so fewer than 50 values bound their median as well as they can."""
    estimate = quantile(np.full(count, 0.2), 0.5)

    assert (estimate.value, estimate.n, estimate.n_effective) == (0.2, count, count)
    assert estimate.high == (0.2 if count >= 5 else math.inf)


def test_growth_is_told_of_those_who_are_judged_and_recorded() -> None:
    """Ten arrivals a second whom nobody serves: all of what is offered is owed, whoever else is not judged."""
    due = np.arange(1_000) / 10.0
    arrivals = np.zeros(1_000, ARRIVAL)
    arrivals["index"], arrivals["ending"], arrivals["finished"] = np.arange(1_000), Ending.DROPPED, -1
    history = lay_out(due, arrivals, np.zeros(0, SAMPLE))
    window = Window(20.0, 80.0)
    case: Any = SimpleNamespace(history=history, window=window, judged=window.contains(due), alpha=0.05)

    assert growth(case).value == pytest.approx(1.0, rel=1e-6)


def test_every_objective_carries_the_limit_and_the_unit_that_it_is_judged_in(tmp_path: Path) -> None:
    found = [(each.kind, each.limit, each.unit) for each in Ramp().judge(tmp_path).objectives]

    assert found == [
        ("sample", 5_000, "arrivals"),
        ("sample", 60, "s"),
        *(("timing", 1 + 0.5 * step, "s") for step in (1, 2, 3, 4)),
        *[("success", 0.995, "ratio")] * 4,
        ("success", 0.999, "ratio"),
        ("backlog", pytest.approx(0.01), "ratio"),
    ]


def timed(seconds: float, count: int, estimate: Estimate, share: float) -> Any:
    """Return a case of one step, at which so many arrivals took just as long, with a limit of 1 s for a quantile."""
    step = Step(1, "log-in")
    return SimpleNamespace(
        is_curve=False,
        alpha=0.05,
        gated=(step,),
        last_step=step,
        objectives=SimpleNamespace(quantile=share),
        elapsed={1: Elapsed(np.arange(count), np.full(count, seconds))},
        elapsed_estimates={1: {share: estimate, 0.99: estimate}},
        elapsed_limit=lambda number: 1.0,
    )


@pytest.mark.parametrize(("low", "told"), [(-math.inf, "unknown"), (0.1, "100 ms")])
def test_a_lower_bound_that_a_sample_does_not_earn_is_called_unknown(low: float, told: str) -> None:
    """Of a quantile below the median, four values bound it from above and not from below."""
    (result,) = judge_elapsed(timed(0.2, 4, Estimate(0.2, low, 0.3, 4, 4.0), 0.4))

    assert result.verdict is GREEN
    assert result.reason == f"200 ms (from {told} to 300 ms), limit 1 s"


@pytest.mark.parametrize(("count", "kept"), [(298, ()), (299, (0.05, 0.1, 0.25, 0.5, 1.0, 2.0))])
def test_a_published_limit_is_one_of_the_p99_whatever_quantile_a_scenario_asks_for(
    count: int, kept: tuple[float, ...]
) -> None:
    """Of a window too short for an upper bound, 299 of whom none came near a limit prove that 99 % keep it."""
    unearned = Estimate(0.001, 0.001, math.inf, count, 4.0)

    assert kept_limits(timed(0.001, count, unearned, 0.5)) == kept
