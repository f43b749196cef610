"""What a capacity search shows: each result from steps whose meaning is plain."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load import scenario
from prakerja_load.arrivals import demand as demands
from prakerja_load.judgement import carrying
from prakerja_load.judgement.capacity import CapacityInterval, Ending, Purpose
from prakerja_load.judgement.capacity_record import write_capacity
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.measured import MeasuredStep
from prakerja_load.judgement.projection import ScalabilityLaw, Unidentified
from prakerja_load.judgement.verdict import Verdict

GOOD, OPEN, BAD = Verdict
FOUR = """
name = "four"
demand.peak_minute_share = 0.012
ramps = [
  {name = "a", registrants = 200_000}, {name = "b", registrants = 1_000_000}, {name = "c", registrants = 2_000_000}
]
"""  # 40, 200, 400 arrivals/s
FULL = 2_000_000  # registrants, the largest ramp's


def exactly(value: float) -> Estimate:
    return Estimate(value, value, value, 100, 100.0)


def step(rate: float, verdict: Verdict = GOOD, p50: float = 0.1, p99: float = 0.2, **changes: object) -> MeasuredStep:
    made = MeasuredStep(
        number=1,
        purpose=Purpose.WIDEN,
        is_repeat=False,
        run="run",
        rate=rate,
        hold=60.0,
        verdict=verdict,
        reasons=("why",),
        failing=("elapsed to step 2 log-in, p99: 9 s",) if verdict is BAD else (),
        doubts=(),
        is_timed=True,
        is_sound=True,
        is_broken=False,
        is_lagging=verdict is BAD,
        served=exactly(min(rate, 300.0)),
        p50=exactly(p50),
        p95=exactly(p99),
        p99=exactly(p99),
        owed=rate * p50,
        p99_proven=tuple(limit for limit in (0.05, 0.1, 0.25, 0.5, 1.0, 2.0) if p99 <= limit)
        if verdict is GOOD
        else (),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def rates(steps: list[MeasuredStep]) -> dict[float, float | None]:
    return {one.limit: one.rate for one in carrying.judge_limits(steps)}


def test_each_limit_has_the_highest_rate_that_keeps_it() -> None:
    found = rates([step(100, p99=0.08), step(200, p99=0.3), step(300, p99=0.9), step(400, BAD, p99=5)])

    assert found == {0.05: None, 0.1: 100, 0.25: 100, 0.5: 200, 1.0: 300, 2.0: 300}


def test_above_a_rate_that_broke_a_limit_nothing_is_proven_for_it() -> None:
    found = rates([step(100, p99=0.08), step(200, p99=0.3), step(300, p99=0.2)])

    assert found[0.25] == 100
    assert found[0.5] == 300


def test_the_last_look_at_a_rate_decides_its_limits() -> None:
    assert rates([step(100, p99=0.08), step(100, p99=0.3)])[0.1] is None
    assert rates([step(100, p99=0.3), step(100, p99=0.08)])[0.1] == 100


def test_a_rate_too_short_of_samples_to_keep_a_limit_breaks_none() -> None:
    unsure = step(50, p99_proven=(), p99=0.08)

    assert rates([unsure, step(100, p99=0.08)])[0.1] == 100


def test_above_a_rate_that_failed_at_what_is_no_time_nothing_is_proven_for_any_limit() -> None:
    fails = step(200, BAD, p99=0.08, is_broken=True)
    found = rates([step(100, p99=0.08), fails, fails, step(300, p99=0.08)])

    assert found[0.1] == found[2.0] == 100
    # of a rate that failed once and passed when repeated, the repeat decides; a doubt takes no failure back
    assert rates([step(100, p99=0.08), fails, step(200, p99=0.08)])[0.1] == 200
    assert rates([step(100, p99=0.08), fails, step(200, OPEN), step(300, p99=0.08)])[0.1] == 100


def test_a_probe_proves_no_limit() -> None:
    assert rates([step(100, p99=0.08), step(250, p99=0.08, purpose=Purpose.PROBE)])[0.1] == 100


def test_throughput_is_known_from_sound_steps_only() -> None:
    assert carrying.has_throughput([step(100)])
    assert not carrying.has_throughput([step(100, is_sound=False), step(200, served=None)])


def test_the_knee_lies_where_the_median_doubles() -> None:
    knee = carrying.find_knee([step(300, p50=0.5), step(100, p50=0.1), step(200, p50=0.19), step(400, p50=math.inf)])

    assert knee is not None
    assert (knee.level, knee.flat_to, knee.bent_from) == (0.1, 200, 300)


def test_the_last_sound_look_at_a_rate_counts_for_the_knee() -> None:
    shaken = [step(100), step(200, p50=0.9), step(300, p50=0.9), step(200, p50=0.11), step(300, is_sound=False)]
    knee = carrying.find_knee(shaken)

    assert knee is not None
    assert (knee.flat_to, knee.bent_from) == (200, 300)


def test_a_curve_that_stays_flat_has_no_knee_yet() -> None:
    knee = carrying.find_knee([step(100), step(200)])

    assert knee is not None
    assert (knee.flat_to, knee.bent_from) == (200, None)
    assert carrying.find_knee([]) is None
    assert carrying.find_knee([step(100, is_sound=False)]) is None


def test_saturation_is_the_best_throughput_that_fell_behind() -> None:
    lagging = [step(400, BAD, served=exactly(297.0)), step(800, BAD, served=exactly(303.0))]

    assert carrying.find_saturation([step(100), *lagging]) == exactly(303.0)
    assert carrying.find_saturation([step(100)]) is None
    assert carrying.find_saturation([step(400, BAD, is_sound=False)]) is None


@pytest.mark.parametrize(
    ("passed", "failed", "verdicts"),
    [
        (450.0, 470.0, [GOOD, GOOD, GOOD]),
        (400.0, 420.0, [GOOD, GOOD, GOOD]),
        (250.0, 260.0, [GOOD, GOOD, BAD]),
        (250.0, 400.0, [GOOD, GOOD, BAD]),
        (250.0, None, [GOOD, GOOD, OPEN]),
        (None, 30.0, [OPEN, OPEN, BAD]),  # a smaller store than the one that failed was not tried
        (None, None, [OPEN, OPEN, OPEN]),
    ],
)
def test_a_ramp_is_proven_below_the_interval_and_refuted_above(
    passed: float | None, failed: float | None, verdicts: list[Verdict]
) -> None:
    ramps = carrying.judge_ramps(scenario.parse(FOUR), CapacityInterval(passed, failed, is_confirmed=True), FULL)

    assert [ramp.verdict for ramp in ramps] == verdicts
    assert [ramp.rate for ramp in ramps] == pytest.approx([40, 200, 400])
    if passed is not None:
        assert [ramp.proven for ramp in ramps] == pytest.approx([passed / rate - 1 for rate in (40, 200, 400)])


def verdicts_of(interval: CapacityInterval, stored: int | None = FULL) -> list[Verdict]:
    return [ramp.verdict for ramp in carrying.judge_ramps(scenario.parse(FOUR), interval, stored)]


def test_no_ramp_is_carried_by_a_rate_that_was_not_confirmed_or_on_a_store_that_nobody_counted() -> None:
    assert verdicts_of(CapacityInterval(450.0, 470.0, is_confirmed=False)) == [OPEN] * 3
    assert verdicts_of(CapacityInterval(450.0, 470.0, is_confirmed=True), None) == [OPEN] * 3


def test_a_ramp_is_not_refuted_where_its_rate_passed_above_a_failure_or_its_own_store_was_not_tried() -> None:
    contested = CapacityInterval(None, 30.0, is_confirmed=False, above_a_fail=(250.0,))
    plain = CapacityInterval(None, 30.0, is_confirmed=False)

    assert verdicts_of(contested, 200_000) == [OPEN, OPEN, BAD]
    assert verdicts_of(plain, 200_000) == [BAD] * 3
    assert verdicts_of(plain, 1_000_000) == [OPEN, BAD, BAD]
    assert verdicts_of(plain, None) == [BAD] * 3


def test_the_verdict_of_a_search_is_that_of_its_worst_ramp_once_it_is_over() -> None:
    ramps = carrying.judge_ramps(scenario.parse(FOUR), CapacityInterval(450.0, 470.0, is_confirmed=True), FULL)

    assert carrying.verdict_of(Ending.FOUND, ramps, on_speed_alone=False) is GOOD
    assert carrying.verdict_of("interrupted", ramps, on_speed_alone=False) is OPEN
    assert carrying.verdict_of(Ending.EXHAUSTED, ramps, on_speed_alone=False) is OPEN


def test_on_speed_alone_no_search_is_sustained_and_one_that_fails_still_does() -> None:
    proven, refuted = (
        carrying.judge_ramps(scenario.parse(FOUR), CapacityInterval(passed, failed, is_confirmed=True), FULL)
        for passed, failed in ((450.0, 470.0), (250.0, 260.0))
    )

    assert carrying.verdict_of(Ending.FOUND, proven, on_speed_alone=True) is OPEN
    assert carrying.verdict_of(Ending.FOUND, refuted, on_speed_alone=True) is BAD


def test_no_more_registrants_are_proven_than_the_store_held() -> None:
    interval = CapacityInterval(500.0, 510.0, is_confirmed=True)
    held = carrying.judge_registrants(scenario.parse(FOUR), interval, 2_000_000)
    unknown = carrying.judge_registrants(scenario.parse(FOUR), interval, None)

    assert held is not None
    assert unknown is not None
    assert (held.by_rate, held.proven, held.doubled) == (2_500_000, 2_000_000, 4_000_000)
    assert held.doubled_rate == pytest.approx(800)
    assert held.doubled_factor == pytest.approx(1.6)
    assert unknown == carrying.Registrants(2_500_000, None, None, None, None, None)
    assert carrying.judge_registrants(scenario.parse(FOUR), interval, 0) == replace(unknown, stored=0)


def test_registrants_are_not_told_where_nothing_passed_or_the_peak_knows_no_n() -> None:
    nothing = CapacityInterval(None, 10.0, is_confirmed=False)
    crowd = scenario.parse(FOUR.replace("peak_minute_share = 0.012", "in_system = 900"))

    assert carrying.judge_registrants(scenario.parse(FOUR), nothing, 9) is None
    assert carrying.judge_registrants(crowd, CapacityInterval(10.0, None, is_confirmed=True), 9) is None


@given(
    registrants=st.integers(1, 6_000_000),
    multiplier=st.floats(0.01, 100),
    share=st.floats(1e-4, 1),
    ratio=st.floats(1, 99),
)
def test_registrants_at_a_rate_invert_the_peak_rate(
    registrants: int, multiplier: float, share: float, ratio: float
) -> None:
    stated = {"peak_minute_share": share}, {"peak_to_mean": ratio, "window": 3600.0}
    for peak in stated:
        demand = scenario.Demand(multiplier=multiplier, **peak)  # type: ignore[arg-type]
        rate = demands.peak_rate(demand, registrants)
        assert demands.registrants_at(demand, rate) == pytest.approx(registrants)


def test_what_failed_first_is_told_of_the_lowest_rate_that_failed() -> None:
    steps = [step(100), step(800, BAD, failing=("too late",)), step(400, BAD), step(400, BAD)]
    interval = carrying.interval_of(steps)

    assert carrying.first_failing(steps, interval) == "elapsed to step 2 log-in, p99: 9 s"
    assert carrying.first_failing([step(100)], carrying.interval_of([step(100)])) == ""


def test_only_sound_steps_go_into_the_model() -> None:
    def lawful(n: float) -> MeasuredStep:
        return step(n, owed=n, served=exactly(50 * n / (1 + 0.02 * (n - 1) + 0.0005 * n * (n - 1))))

    steps = [lawful(n) for n in (1, 2, 4, 8, 16, 32, 45, 64, 90, 128)]
    law = carrying.fit_model([*steps, replace(lawful(40), served=exactly(1.0), is_sound=False)])

    assert isinstance(law, ScalabilityLaw)
    assert law.gamma.value == pytest.approx(50)
    assert isinstance(carrying.fit_model(steps[:5]), Unidentified)


def test_contention_and_crosstalk_have_bounds_that_hold_their_truth() -> None:
    random = np.random.default_rng(7)
    ns = np.array([1, 2, 4, 8, 12, 16, 24, 32, 45, 64, 90, 128, 160], np.float64)
    truth = 50 * ns / (1 + 0.02 * (ns - 1) + 0.0005 * ns * (ns - 1))
    outside, found = 0, 0
    for _ in range(200):
        served = truth * (1 + 0.02 * random.standard_normal(ns.size))
        law = carrying.fit_model([step(n, owed=n, served=exactly(x)) for n, x in zip(ns, served, strict=True)])
        if isinstance(law, ScalabilityLaw):
            contention, crosstalk = carrying.shape_of(law)
            assert contention.value == law.contention
            found += 1
            outside += not contention.low <= 0.02 <= contention.high
            outside += not crosstalk.low <= 0.0005 <= crosstalk.high
            assert 0 < crosstalk.high - crosstalk.low < 0.0005

    assert found >= 150
    assert outside <= 0.04 * found  # two bounds of 99 %


def test_the_record_is_json_with_a_version_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    steps = (step(100), step(400, BAD, p99=math.inf), step(400, BAD, p99=math.inf))
    interval = carrying.interval_of(steps)
    ramps = carrying.judge_ramps(scenario.parse(FOUR), interval, FULL)
    asked = carrying.Asked(("seed=1",), 0.05, None, 40.0, math.inf)
    judged = carrying.CapacityJudgement(
        "four", "", 1, "", asked, 0.05, False, 9, "found", BAD, 1, interval, "", carrying.judge_limits(steps),
        carrying.find_knee(steps), None, ramps, None, carrying.fit_model(steps), steps, (), {}, (),
    )  # fmt: skip

    path = write_capacity(judged, tmp_path)
    first = path.read_bytes()
    said = json.loads(first)
    write_capacity(judged, tmp_path)
    assert path.read_bytes() == first
    assert (said["schema"], said["verdict"], said["indonesian"], said["exit_code"]) == (
        1,
        "NOT_SUSTAINED",
        "TIDAK LAYAK",
        1,
    )
    assert (said["interval"]["passed"], said["interval"]["failed"]) == (100, 400)
    assert said["steps"][1]["p99"]["value"] == "inf"
    assert said["steps"][0]["purpose"] == "widen"
    assert said["asked"] == {"overrides": ["seed=1"], "precision": 0.05, "hold": None, "begin": 40.0, "highest": "inf"}
    assert said["model"]["reason"].startswith("3 sound points")
