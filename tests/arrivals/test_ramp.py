"""What one ramp will offer."""

from __future__ import annotations

import pytest

from prakerja_load import scenario
from prakerja_load.arrivals.ramp import schedule_seed

PEAK = """
name = "peak"
demand.peak_minute_share = 0.0134
load.warm_up = "25s"
ramps = [{ name = "a", registrants = 200_000, hold = "215s" }, { name = "b", registrants = 300_000, prefill = 7 }]
"""
VOLUME = """
name = "volume"
claim = "volume"
demand = { multiplier = 2.5, window = "1h", compression = 10, process = "uniform" }
ramps = [{ name = "a", registrants = 2_000 }]
"""


def test_a_peak_holds_its_rate_over_warm_up_and_hold_on_a_filled_store() -> None:
    plan = scenario.plan_ramp(scenario.parse(PEAK), 1)

    assert (plan.number, plan.name, plan.claim, plan.registrants, plan.prefill) == (1, "a", "peak", 200_000, 200_000)
    assert plan.rate == pytest.approx(0.0134 * 200_000 / 60)
    assert plan.count == round(plan.rate * 240) == 10_720
    assert plan.window == pytest.approx((25, 240))
    assert plan.judged == pytest.approx(plan.count * 215 / 240)


def test_a_stated_prefill_is_kept() -> None:
    assert scenario.plan_ramp(scenario.parse(PEAK), 2).prefill == 7


def test_a_volume_plays_everybody_and_judges_all_of_it() -> None:
    plan = scenario.plan_ramp(scenario.parse(VOLUME), 1)

    assert plan.count == 5000
    assert plan.window == pytest.approx((0, 360))
    assert plan.judged == plan.count
    assert plan.rate == pytest.approx(5000 / 360)
    assert (plan.prefill, plan.process) == (0, "uniform")


def test_people_present_become_a_rate_by_the_journey_time() -> None:
    crowd = scenario.parse(PEAK.replace("peak_minute_share = 0.0134", "in_system = 900"))

    assert scenario.plan_ramp(crowd, 1, 90.0).rate == 10
    with pytest.raises(ValueError, match="mean journey time"):
        scenario.plan_ramp(crowd, 1)


def test_the_schedule_is_a_function_of_scenario_and_ramp_number() -> None:
    parsed = scenario.parse(PEAK)
    digests = {scenario.plan_ramp(parsed, number).schedule().digest() for number in (1, 2, 1, 2)}
    other = scenario.plan_ramp(scenario.parse(PEAK, overrides=["seed=2021"]), 1).schedule()

    assert len(digests) == 2
    assert other.digest() not in digests
    assert len(other) == 10_720


def test_the_seed_of_a_schedule_fits_a_signed_number() -> None:
    seeds = {schedule_seed(seed, number) for seed in range(20) for number in range(20)}

    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_every_draw_of_a_ramp_is_another_schedule_with_the_same_count() -> None:
    draws = [scenario.parse(PEAK, overrides=[f"ramps.1.draw={draw}"]) for draw in range(5)]
    plans = [scenario.plan_ramp(drawn, 1) for drawn in draws]

    assert len({plan.schedule().digest() for plan in plans}) == 5
    assert {plan.count for plan in plans} == {plans[0].count}
    assert plans[0].seed == scenario.plan_ramp(scenario.parse(PEAK), 1).seed
