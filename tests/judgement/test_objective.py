"""Objectives are judged on bounds: in both directions, over the whole and window by window."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from synthetic import CURVE, OPTIONS, Ramp, parse

from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement import objective
from prakerja_load.judgement.case import Case, open_case
from prakerja_load.judgement.estimate import NOTHING, Estimate
from prakerja_load.judgement.objective import RULES, at_least, at_most, judge_objectives
from prakerja_load.judgement.rule import Rule
from prakerja_load.judgement.verdict import ObjectiveResult, Verdict

GREEN, OPEN, RED = Verdict


def case_of(ramp: Ramp, folder: Path) -> Case:
    return open_case(ramp.evidence(folder), ramp.scenario, ramp.plan, make_journey(OPTIONS).steps)


def judged(ramp: Ramp, folder: Path) -> dict[str, ObjectiveResult]:
    return {result.name: result for result in judge_objectives(case_of(ramp, folder))}


@pytest.mark.parametrize(
    ("low", "high", "most", "least"),
    [
        (1.0, 2.0, GREEN, RED),
        (1.0, 3.0, GREEN, OPEN),
        (2.0, 4.0, OPEN, OPEN),
        (3.0, 4.0, OPEN, GREEN),
        (3.1, 4.0, RED, GREEN),
        (3.1, math.inf, RED, GREEN),
        (-math.inf, math.inf, OPEN, OPEN),
    ],
)
def test_the_pessimistic_bound_decides_green_and_the_optimistic_one_red(
    low: float, high: float, most: Verdict, least: Verdict
) -> None:
    estimate = Estimate((low + high) / 2, low, high, 9, 9)

    assert at_most(estimate, 3.0) is most
    assert at_least(estimate, 3.0) is least


def test_no_sample_decides_nothing() -> None:
    assert at_most(NOTHING, 1) is OPEN
    assert at_least(NOTHING, 0) is OPEN


def test_a_good_system_meets_every_objective(tmp_path: Path) -> None:
    results = judged(Ramp(), tmp_path)

    assert {result.verdict for result in results.values()} == {GREEN}
    assert list(results) == [
        "arrivals judged",
        "time judged",
        "elapsed to step 1 log-in, p99",
        "elapsed to step 2 wave-page, p99",
        "elapsed to step 3 join-wave, p99",
        "journey time (elapsed to step 4 read-status), p99",
        "success of step 1 log-in",
        "success of step 2 wave-page",
        "success of step 3 join-wave",
        "success of step 4 read-status",
        "success of journeys meant to finish",
        "backlog growth",
    ]


def test_limits_grow_with_the_step(tmp_path: Path) -> None:
    results = judged(Ramp(), tmp_path).values()

    assert [result.limit for result in results if result.kind == "timing"] == [1.5, 2.0, 2.5, 3.0]


@pytest.mark.parametrize(
    ("override", "name"), [("objectives.arrivals=6001", "arrivals judged"), ("objectives.judged=61s", "time judged")]
)
def test_a_small_sample_is_inconclusive(tmp_path: Path, override: str, name: str) -> None:
    result = judged(Ramp(scenario=parse(override)), tmp_path)[name]

    assert (result.verdict, result.kind) == (OPEN, "sample")
    assert "fewer than" in result.reason


def test_a_slow_step_shows_in_its_own_time_and_in_all_after_it(tmp_path: Path) -> None:
    ramp = Ramp()
    ramp.service[:, 1] += 3.5

    results = judged(ramp, tmp_path)

    red = [name for name, result in results.items() if result.verdict is RED]
    assert [name.partition(" ")[0] for name in red] == ["elapsed", "elapsed", "journey"]
    assert "step 2" in red[0]


def drifting(worst: float, period: float) -> Ramp:
    """Return a ramp whose service time of step 1 moves up and down, more slowly than a window of 60 s can tell."""
    ramp = Ramp()
    ramp.service[:, 0] += worst / 2 * (1 + np.sin(ramp.due / period * 2 * np.pi))
    return ramp


@pytest.mark.parametrize(
    ("worst", "period", "verdict", "reason"),
    [
        (0.4, 6, GREEN, "drifts like those seen stay below"),
        (0.9, 6, OPEN, "too few for an upper bound"),  # some took more than half the limit
        (0.4, 40, OPEN, "drifts like those seen may reach"),
    ],
)
def test_a_window_too_short_for_a_bound_is_green_only_far_inside_the_limit_and_for_drifts_seen_often(
    tmp_path: Path, worst: float, period: float, verdict: Verdict, reason: str
) -> None:
    result = judged(drifting(worst, period), tmp_path)["elapsed to step 1 log-in, p99"]

    assert result.estimate is not None
    assert result.estimate.high == math.inf
    assert result.verdict is verdict
    assert reason in result.reason


def test_too_few_registrants_are_not_green_however_quick(tmp_path: Path) -> None:
    ramp = Ramp()
    ramp.service[:] = 0.02
    ramp.meant[::2] = 1
    ramp.meant[: ramp.plan.count - 600] = 1

    result = judged(ramp, tmp_path)["elapsed to step 2 wave-page, p99"]

    assert result.estimate is not None
    assert (result.estimate.n, result.verdict) == (300, GREEN)
    ramp.meant[-4:] = 1
    assert judged(ramp, tmp_path / "fewer")["elapsed to step 2 wave-page, p99"].verdict is OPEN


def test_failures_enter_the_quantiles_however_quick_they_are(tmp_path: Path) -> None:
    ramp = Ramp()
    ramp.fail(2, np.arange(0, ramp.plan.count, 25), Outcome.ERROR, 0.001)  # 4 %

    results = judged(ramp, tmp_path)

    assert results["elapsed to step 1 log-in, p99"].verdict is GREEN
    time = results["elapsed to step 3 join-wave, p99"]
    assert (time.verdict, time.estimate and time.estimate.low) == (RED, math.inf)


@pytest.mark.parametrize(
    ("outcome", "untimed"),
    [(Outcome.TIMEOUT, OPEN), (Outcome.ERROR, RED), (Outcome.SHED, RED), (Outcome.MALFORMED, RED)],
)
def test_what_a_slow_generator_can_cause_does_not_stand_without_timing(
    tmp_path: Path, outcome: Outcome, untimed: Verdict
) -> None:
    ramp = Ramp()
    ramp.fail(2, np.arange(0, ramp.plan.count, 50), outcome)  # 2 %

    results = judged(ramp, tmp_path)

    for name in ("success of step 2 wave-page", "success of journeys meant to finish"):
        assert (results[name].verdict, results[name].untimed) == (RED, untimed)
    assert results["success of step 3 join-wave"].untimed is GREEN


def test_expected_refusals_are_successes(tmp_path: Path) -> None:
    ramp = Ramp()
    ramp.outcome[:, 2] = Outcome.REJECTED

    assert {result.verdict for result in judged(ramp, tmp_path).values()} == {GREEN}


def test_nobody_at_a_step_leaves_it_undecided(tmp_path: Path) -> None:
    ramp = Ramp()
    ramp.meant[:] = 2

    results = judged(ramp, tmp_path)

    for name in (
        "success of step 3 join-wave",
        "elapsed to step 3 join-wave, p99",
        "success of journeys meant to finish",
    ):
        assert results[name].verdict is OPEN
        assert "nobody came this far" in results[name].reason


def test_no_data_is_inconclusive_everywhere(tmp_path: Path) -> None:
    results = judged(Ramp(unrecorded=slice(0, None)), tmp_path)

    assert {result.verdict for name, result in results.items() if name != "time judged"} == {OPEN}


def test_one_stall_is_not_shown_over_the_whole_and_shown_in_its_window(tmp_path: Path) -> None:
    ramp = Ramp(scenario=parse("objectives.every_window=10s")).stall(30, 3, 1_000)

    results = judged(ramp, tmp_path)

    # x_p = T − (1 − p)·D·(1 − r): the third second of a stall of 3 s in 60 s at r = 100 / 1 000
    time = results["elapsed to step 1 log-in, p99"]
    assert time.estimate is not None
    assert time.estimate.value == pytest.approx(3 - 0.01 * 60 * 0.9, abs=0.01)
    assert time.verdict is OPEN
    window = results["elapsed to step 1 log-in, p99, every 10 s window"]
    assert (window.verdict, window.kind) == (RED, "window")
    assert window.reason.startswith("worst from 25 s to 35 s")


def test_a_result_knows_its_quantile_and_its_windows(tmp_path: Path) -> None:
    scenario = parse("objectives.every_window=10s", "objectives.quantile=95%")
    results = judged(Ramp(scenario=scenario), tmp_path)

    told = {name: (result.quantile, result.window) for name, result in results.items()}
    assert told["elapsed to step 1 log-in, p95"] == (0.95, None)
    assert told["elapsed to step 1 log-in, p95, every 10 s window"] == (0.95, 10.0)
    assert told["success of step 1 log-in"] == (None, None)
    assert told["success of step 1 log-in, every 10 s window"] == (None, 10.0)
    assert told["backlog growth"] == (None, None)


def test_every_good_window_is_green(tmp_path: Path) -> None:
    results = judged(Ramp(scenario=parse("objectives.every_window=10s")), tmp_path)

    windows = [result for result in results.values() if result.kind == "window"]
    assert len(windows) == 8
    assert {result.verdict for result in windows} == {GREEN}


def test_a_bad_moment_on_the_border_of_two_windows_is_found_by_one_that_slides_over_it(tmp_path: Path) -> None:
    ramp = Ramp(scenario=parse("objectives.every_window=10s"))
    ramp.service[(ramp.due >= 34.85) & (ramp.due < 35.15), 0] = 1.6  # 15 late ones in each window, limit 10 of 1 000

    results = judged(ramp, tmp_path)

    bad = [result for result in results.values() if result.verdict is Verdict.NOT_SUSTAINED]
    assert [result.kind for result in bad] == ["window"]
    assert "from 30 s to 40 s" in bad[0].reason


def test_windows_too_poor_for_a_bound_are_joined(tmp_path: Path) -> None:
    results = judged(Ramp(scenario=parse("objectives.every_window=1s")), tmp_path)

    time = results["journey time (elapsed to step 4 read-status), p99, every 1 s window"]
    assert time.verdict is GREEN
    assert time.estimate is not None
    assert 598 <= time.estimate.n < 1_200


def test_a_failure_in_one_window_is_found_there(tmp_path: Path) -> None:
    ramp = Ramp(scenario=parse("objectives.every_window=10s"))
    inside = np.flatnonzero((ramp.due >= 47) & (ramp.due < 48))
    ramp.fail(2, inside, Outcome.ERROR, 0.01)

    result = judged(ramp, tmp_path)["success of step 2 wave-page, every 10 s window"]

    assert result.verdict is RED
    assert "from 45 s to 55 s" in result.reason


def test_empty_windows_decide_nothing(tmp_path: Path) -> None:
    ramp = Ramp(scenario=parse("objectives.every_window=10s"))
    ramp.meant[:] = 1

    result = judged(ramp, tmp_path)["success of step 2 wave-page, every 10 s window"]

    assert result.verdict is OPEN


def test_a_curve_is_judged_window_by_window_to_its_last_arrival(tmp_path: Path) -> None:
    ramp = Ramp(scenario=CURVE)
    case = case_of(ramp, tmp_path)

    results = {result.name: result for result in judge_objectives(case)}

    assert case.judged.all()
    assert {result.verdict for result in results.values()} == {GREEN}
    assert [result.kind for result in results.values()].count("window") == 8
    assert not any(result.kind == "timing" for result in results.values())
    drain = results["drain time after the last arrival"]
    assert (drain.limit, drain.kind) == (60, "backlog")


def test_a_curve_that_does_not_drain_is_red(tmp_path: Path) -> None:
    ramp = Ramp(scenario=CURVE).fail(4, slice(0, 1), Outcome.IN_FLIGHT)

    assert judged(ramp, tmp_path)["drain time after the last arrival"].verdict is RED


def test_a_curve_without_arrivals_is_inconclusive(tmp_path: Path) -> None:
    results = judged(Ramp(scenario=CURVE, unrecorded=slice(0, None)), tmp_path)

    assert results["drain time after the last arrival"].verdict is OPEN


def test_looks_that_were_declared_share_the_error(tmp_path: Path) -> None:
    once = judged(Ramp(), tmp_path / "once")["success of step 1 log-in"].estimate
    thrice = judged(Ramp(scenario=parse("objectives.looks=3")), tmp_path / "thrice")[
        "success of step 1 log-in"
    ].estimate

    assert once is not None
    assert thrice is not None
    assert thrice.low == pytest.approx(1 - math.log(60) / 6_000, abs=1e-5)
    assert once.low == pytest.approx(1 - math.log(20) / 6_000, abs=1e-5)


def test_a_rule_that_crashes_is_inconclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: Case) -> list[ObjectiveResult]:
        raise KeyError("lost")

    monkeypatch.setattr(objective, "RULES", (Rule("odd", "timing", "never", "none", crash),))

    results = judge_objectives(case_of(Ramp(), tmp_path))

    assert [(result.verdict, result.kind, result.name) for result in results] == [(OPEN, "timing", "odd")]
    assert "KeyError" in results[0].reason


def test_every_rule_has_a_threshold_and_a_reason() -> None:
    assert all(rule.threshold and rule.reason for rule in RULES)
