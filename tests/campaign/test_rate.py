"""One rate as overrides of a scenario, however the scenario states its peak."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prakerja_load.campaign.rate import RateOrder, RatePlan, plan_rate, rate_order, refuse_unplayable
from prakerja_load.errors import ScenarioError
from prakerja_load.judgement import ports
from prakerja_load.scenario import load, plan_ramp

BASE = """
name = "some"
{demand}
ramps = [{{name = "a", registrants = 10_000}}, {{name = "b", registrants = 50_000, hold = "70s"}}]
load.warm_up = "25s"
journey = {{think_time_scale = 0.005{journey}}}
objectives = {{journey_success = "99%", arrivals = 500}}
"""


def order(folder: Path, demand: str, journey: str = "", *settings: str) -> RateOrder:
    path = folder / "some.toml"
    path.write_text(BASE.format(demand=demand, journey=journey))
    return rate_order(path, settings, None)


def checked(made: RateOrder, planned: RatePlan) -> RatePlan:
    """The overrides give, read again, the very plan that was promised."""
    again = plan_ramp(load(made.path, planned.settings), 1, made.figures.mean_seconds)
    assert (again.rate, again.hold, again.prefill, again.seed) == (
        planned.ramp.rate,
        planned.ramp.hold,
        planned.ramp.prefill,
        planned.ramp.seed,
    )
    return planned


@pytest.mark.parametrize(
    "demand",
    ["demand.peak_minute_share = 0.06", 'demand = {peak_to_mean = 4.9, window = "1h", multiplier = 12.4}'],
)
@pytest.mark.parametrize("rate", [3.3, 47.0, 512.25])
def test_the_rate_is_that_of_a_whole_n(tmp_path: Path, demand: str, rate: float) -> None:
    made = order(tmp_path, demand)
    planned = checked(made, plan_rate(made, rate, 3))

    assert planned.ramp.rate == pytest.approx(rate, rel=0.003)
    assert planned.ramp.prefill == 50_000
    # asked for the rounded rate again, it is the same to the last bit
    assert plan_rate(made, planned.ramp.rate, 3).ramp.rate == planned.ramp.rate


def test_people_present_are_stated_where_the_scenario_states_people(tmp_path: Path) -> None:
    made = order(tmp_path, "demand.in_system = 900")
    planned = checked(made, plan_rate(made, 40.0, 1))

    assert planned.ramp.registrants == 50_000
    assert planned.ramp.rate == pytest.approx(40.0, rel=0.01)


def test_overrides_of_the_command_line_are_kept(tmp_path: Path) -> None:
    made = order(tmp_path, "demand.peak_minute_share = 0.06", "", "load.workers=3", "objectives.arrivals=9_000")
    planned = plan_rate(made, 100.0, 1)

    scenario = load(made.path, planned.settings)
    assert scenario.load.workers == 3
    assert planned.ramp.judged >= 9_000


def test_a_hold_is_as_long_as_the_objectives_need_at_that_rate(tmp_path: Path) -> None:
    made = order(tmp_path, "demand.peak_minute_share = 0.06")
    holds = [plan_rate(made, rate, 1).ramp.hold for rate in (2.0, 20.0, 200.0)]

    assert holds[0] > 9 * holds[1]
    assert holds[2] == 60.0
    assert plan_rate(made, 200.0, 1, hold_factor=2.0).ramp.hold == 120.0


def test_returning_people_are_all_in_the_store(tmp_path: Path) -> None:
    made = order(tmp_path, "demand.peak_minute_share = 0.06", ', name = "returning-applicant"')
    planned = checked(made, plan_rate(made, 1_500.0, 1))

    assert planned.ramp.prefill >= planned.ramp.count > 50_000


def test_of_a_system_that_is_not_looked_into_nothing_is_said_to_be_stored(tmp_path: Path) -> None:
    made = order(tmp_path, "demand.peak_minute_share = 0.06")
    theirs = ('target.url="http://127.0.0.1:9"',)

    assert rate_order(made.path, theirs, None, on_speed_alone=True).store == 0
    assert rate_order(made.path, theirs, None).store == 50_000
    assert rate_order(made.path, (), None, on_speed_alone=True).store == 50_000


def test_every_draw_is_another_schedule(tmp_path: Path) -> None:
    made = order(tmp_path, "demand.peak_minute_share = 0.06")

    assert len({plan_rate(made, 50.0, draw).ramp.seed for draw in range(4)}) == 4


def test_short_windows_forbid_no_search_and_short_cuts_do(tmp_path: Path) -> None:
    refuse_unplayable(order(tmp_path, "demand.peak_minute_share = 0.06", "", 'objectives.every_window="2s"'), 50.0)

    with pytest.raises(ScenarioError) as refused:
        refuse_unplayable(order(tmp_path, "demand.peak_minute_share = 0.06", "", "load.drain=1s"), 50.0)
    assert [problem.key for problem in refused.value.problems] == ["load.drain"]


def test_a_search_is_refused_where_this_machine_lacks_the_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = order(tmp_path, "demand.peak_minute_share = 0.06", "", 'load.source_addresses=["127.0.0.1"]')
    refuse_unplayable(made, 50.0, ports.LINUX)

    monkeypatch.setattr(ports, "of_this_machine", lambda: ports.PortSpace(ports=20))
    with pytest.raises(ScenarioError) as refused:
        refuse_unplayable(made, 50.0)
    assert [problem.key for problem in refused.value.problems] == ["load.source_addresses"]


def test_the_name_of_a_step_is_its_rate(tmp_path: Path) -> None:
    planned = plan_rate(order(tmp_path, "demand.peak_minute_share = 0.06"), 47.0, 1)

    assert planned.ramp.name == "47 arrivals/s"
    assert json.dumps(planned.ramp.name) in planned.settings[-1]
