"""The plan of a scenario: its arithmetic, the samples it will have, and what it refuses."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load import scenario
from prakerja_load.errors import Problem, ScenarioError
from prakerja_load.evidence import sample
from prakerja_load.journey import pauses
from prakerja_load.journey.behavior import Habits
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.judgement import plan as planning
from prakerja_load.judgement.plan import JourneyFigures, Plan
from prakerja_load.judgement.tails import beta_quantile

BOX = Path(__file__).parent.parent.parent / "scenarios"
FIGURES = JourneyFigures(
    requests=8.0, lab_requests=1.0, writes=5.0, photos=1.0, finishing=0.348, think_time=9.6, longest=22.0, steps=14
)
ONE = """
name = "one"
[demand]
peak_minute_share = 0.0134
[[ramps]]
name = "200 000"
registrants = 200_000
hold = "215s"
[load]
warm_up = "25s"
"""


def planned(*overrides: str, text: str = ONE, figures: JourneyFigures = FIGURES) -> Plan:
    return planning.plan(scenario.parse(text, overrides=overrides), figures)


def refused(*overrides: str, text: str = ONE, figures: JourneyFigures = FIGURES) -> Problem:
    made = planned(*overrides, text=text, figures=figures)
    with pytest.raises(ScenarioError) as caught:
        planning.refuse_undecidable(made, "one.toml")
    assert caught.value.problems == made.problems
    (problem,) = made.problems
    return problem


@pytest.mark.parametrize("path", sorted(BOX.glob("*.toml")), ids=lambda path: path.stem)
def test_every_scenario_in_the_box_can_reach_a_verdict(path: Path) -> None:
    made = planning.plan(scenario.load(path))

    planning.refuse_undecidable(made, path.name)
    assert all(need.is_enough for outlook in made.ramps for need in outlook.needs)
    assert len([line for line in planning.lines(made) if line.startswith("ramp ")]) == len(made.ramps)


def test_the_smoke_test_takes_less_than_half_a_minute() -> None:
    assert planning.plan(scenario.load(BOX / "smoke.toml")).duration < 30


def test_the_ministry_ramps_bring_enough_journeys_to_the_end_and_no_more_than_needed() -> None:
    made = planning.plan(scenario.load(BOX / "ministry-ramp.toml"))

    finishing = [outlook.ramp.judged * made.figures.finishing for outlook in made.ramps]
    assert [round(outlook.ramp.rate, 1) for outlook in made.ramps] == [44.7, 67.0, 134.0, 446.7]
    assert min(finishing) > 3112  # so that 3 000 come, two standard deviations on the safe side
    assert max(finishing[:3]) < 3300
    assert made.ramps[3].ramp.hold == 60
    assert made.duration < 12 * 60


def test_the_first_volume_ramp_is_for_two_cores() -> None:
    first = planning.plan(scenario.load(BOX / "ministry-ramp-volume.toml")).ramps[0]

    assert 450 < first.ramp.rate < 550
    assert first.ramp.count == 200_000
    assert 400 < first.ramp.hold < 440


def test_the_replay_of_wave_1_has_all_its_accounts() -> None:
    (outlook,) = planning.plan(scenario.load(BOX / "wave-1-2020.toml")).ramps

    assert outlook.ramp.count == 5_965_048
    assert outlook.ramp.prefill == 0


def test_numbers_follow_from_rate_and_journey() -> None:
    (outlook,) = planned().ramps

    assert outlook.requests == 10_720 * 8
    assert outlook.request_rate == pytest.approx(44.667 * 8, rel=1e-4)
    assert outlook.in_flight == pytest.approx(44.667 * 10, rel=1e-4)
    assert outlook.disk == pytest.approx(10_720 * (9 * 53 + 10 * 21 + 43))
    assert outlook.duration == pytest.approx(200_000 / 25_000 + 5 + 240 + 22.7)


def test_records_have_the_sizes_that_the_disk_is_planned_for() -> None:
    sizes = (sample.SAMPLE.itemsize, sample.LEDGER.itemsize, sample.ARRIVAL.itemsize)

    assert sizes == (planning.SAMPLE_SIZE, planning.LEDGER_SIZE, planning.ARRIVAL_SIZE)


def test_the_plan_says_its_arithmetic_in_words() -> None:
    text = "\n".join(planning.lines(planned("demand.openings=4")))

    assert "0.0134 × 1 × 200 000 / 60 s = 44.7 arrivals/s" in text
    assert "read as the month in 4 openings: 44.7 / 4 = 11.2 arrivals/s" in text
    assert "store prefilled to 200 000; 10 720 arrivals: 25 s warm-up, then 3 min 35 s judged (9 603 arrivals)" in text
    assert "44.7/s × 10 s = 447 registrants, limit 20 000" in text
    assert "success of journeys meant to finish: 3 342 journeys, needed 3 000 journeys: enough" in text
    assert "NOT ENOUGH" not in text


def test_registrants_who_find_no_port_are_refused_with_the_arithmetic() -> None:
    size, there = "ramps.1.registrants=2_000_000", ('target.url="http://site.example"', "target.authorized_by=owner")
    here, far, two = (
        planned(size, *more) for more in ((), there, (*there, 'load.source_addresses=["10.0.0.1", "10.0.0.2"]'))
    )
    arithmetic = "arrivals in 10 + 60 s with TIME_WAIT, of 28 232 × 1 address: NOT ENOUGH, 2 source addresses"

    assert [problem.key for problem in far.problems] == ["load.source_addresses"]
    assert arithmetic in "\n".join(planning.lines(far))
    assert not here.problems  # on loopback a port is free again after a second
    assert not two.problems
    assert planned(size, *there, "load.connection=reuse").ramps[0].ports is None


def test_registrants_networks_take_their_time_in_the_plan() -> None:
    link = scenario.Link(name="slow", share=1, down="0.8Mbit/s", up="0.4Mbit/s", latency=0.4)
    plain = planning.journey_figures(scenario.parse(ONE))
    text = 'network.links=[{name="slow", share=1, down="0.8Mbit/s", up="0.4Mbit/s", latency="400ms"}]'
    slow = planning.journey_figures(scenario.parse(ONE, overrides=[text]))

    # 0.4 s there and back, 500 bytes at 50 000 bytes/s, 400 at 100 000 bytes/s: 0.414 s a request
    assert planning.link_seconds(link, 10, 50_000) == pytest.approx(0.4 + 10 * 0.414 + 1.0)
    assert slow.mean_seconds - plain.mean_seconds > 0.414 * plain.requests
    assert slow.p99_seconds - plain.p99_seconds == pytest.approx(0.4 + 16 * 0.414 + 2 * 4096 / 50_000)


def test_only_what_is_not_stored_yet_is_prefilled() -> None:
    again = '[[ramps]]\nname = "again"\nregistrants = 200_000\nhold = "215s"\n'
    first, second = planned(text=ONE + again).ramps

    assert first.duration - second.duration == pytest.approx(200_000 / 25_000)


@pytest.mark.parametrize(("quantile", "alpha", "least"), [(0.99, 0.05, 299), (0.95, 0.05, 59), (0.99, 0.05 / 3, 408)])
def test_a_quantile_needs_as_many_samples_as_its_upper_bound(quantile: float, alpha: float, least: int) -> None:
    assert planning.quantile_need(quantile, alpha) == least
    assert quantile**least <= alpha < quantile ** (least - 1)


@pytest.mark.parametrize(
    ("ratio", "alpha", "least"), [(0.999, 0.05, 3000), (0.995, 0.05, 600), (0.95, 0.05, 60), (0.999, 0.05 / 3, 4095)]
)
def test_a_success_ratio_needs_the_rule_of_three(ratio: float, alpha: float, least: int) -> None:
    assert planning.ratio_need(ratio, alpha) == least
    assert ratio**least <= alpha


@pytest.mark.parametrize(
    ("overrides", "key", "given_", "allowed", "hint"),
    [
        (["ramps.1.hold=60s"], "ramps.1.hold", "60 s: 933 journeys", "at least 201 s", "99.9 % needs 3 000"),
        (["ramps.1.hold=50s", "objectives.journey_success=0.9", "objectives.step_success=0.9",
          "objectives.arrivals=9"], "ramps.1.hold", "50 s", "at least 60 s", "objectives.judged"),
        (["ramps.1.hold=100s", "objectives.journey_success=0.99"],
         "ramps.1.hold", "4 466 arrivals for arrivals judged", "at least 116 s", "objectives.arrivals"),
        (["objectives.quantile=99.95%"], "ramps.1.hold", "elapsed to the last step, p99.95", "at least 396 s", "5 990"),
        (["load.warm_up=20s"], "load.warm_up", "20 s", "at least 22.7 s", "99 of 100 journeys"),
        (["load.drain=20s"], "load.drain", "20 s", "at least 22.7 s", "99 of 100 journeys"),
        (["load.in_flight_limit=400"], "load.in_flight_limit", "400 for all", "at least 447 in ramp 1", "dropped"),
        (["objectives.every_window=10s"], "objectives.every_window", "155 journeys", "windows of at least 22 s", "299"),
        (["ramps.1.prefill=5_999_999"], "ramps", "6 010 719 people", "at most 6 000 000", "used twice"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_reach_a_verdict_is_refused_with_what_to_change(
    overrides: list[str], key: str, given_: str, allowed: str, hint: str
) -> None:
    problem = refused(*overrides)

    assert problem.key == key
    assert given_ in problem.given
    assert allowed in problem.allowed
    assert hint in problem.hint


def test_the_hold_that_a_refusal_asks_for_is_enough() -> None:
    for hold in (60, 100, 150, 190):
        asked = refused(f"ramps.1.hold={hold}s").allowed.split()[2]

        assert planned(f"ramps.1.hold={asked}s").problems == ()


def test_several_looks_need_more() -> None:
    assert planned().problems == ()
    assert "needs 4 095" in refused("objectives.looks=3").hint


@pytest.mark.parametrize(
    ("looks", "words"),
    [(1, "run once before you decide (objectives.looks): every bound errs in at most 5 % of runs"),
     (3, "run up to 3 times before you decide (objectives.looks): every bound errs in at most 1.667 % of runs")],
)  # fmt: skip
def test_the_plan_says_what_the_looks_declared_mean(looks: int, words: str) -> None:
    assert f"meant to be {words}" in planning.lines(planned(f"objectives.looks={looks}"))


LENIENT = ("objectives.quantile=80%", "objectives.step_success=80%", "objectives.journey_success=80%")


def test_a_backlog_that_too_few_arrivals_could_prove_is_refused() -> None:
    few = (*LENIENT, "objectives.arrivals=9", "ramps.1.registrants=4_000", "ramps.1.prefill=4_000")
    problem = refused(*few)

    assert problem.key == "ramps.1.hold"
    assert "192 arrivals for backlog growth" in problem.given
    assert "99 % completed needs 300 without one left waiting; objectives.completed_share" in problem.hint
    assert planned(*few, "objectives.completed_share=95%").problems == ()
    asked = problem.allowed.split()[2]
    assert planned(*few, f"ramps.1.hold={asked}s").problems == ()


def test_what_the_plan_wants_for_the_backlog_bounds_it_and_less_does_not() -> None:
    """The bound of none of n arrivals left waiting, as the judgement draws it, against the limit of the plan."""
    for share, alpha in ((0.99, 0.05), (0.99, 0.05 / 3), (0.95, 0.05), (0.9, 0.05)):
        need = planning.ratio_need(share, alpha)

        assert beta_quantile(1 - alpha, 1, need) <= 1 - share
        assert beta_quantile(1 - alpha, 1, round(need * 0.93)) > 1 - share


def test_a_backlog_of_exactly_none_is_refused_because_nothing_proves_it() -> None:
    problem = refused("objectives.completed_share=100%")

    assert (problem.key, problem.given) == ("objectives.completed_share", "100 %")


def test_a_curve_has_no_backlog_to_prove() -> None:
    flat = ["claim=volume", "demand.peak_minute_share=0.05", "demand.window=20m", "objectives.completed_share=100%"]
    made = planned(*flat, text=ONE.replace('hold = "215s"', ""))

    assert made.problems == ()
    assert [need for outlook in made.ramps for need in outlook.needs if "backlog" in need.objective] == []


def test_a_short_volume_is_told_to_register_more_or_to_take_its_time() -> None:
    few = ONE.replace('registrants = 200_000\nhold = "215s"', "registrants = 4_000")
    flat = ["claim=volume", "demand.peak_minute_share=0.05", "demand.window=20m"]
    problem = refused(*flat, text=few)
    hurried = refused(*flat, "demand.compression=30", text=few.replace("4_000", "40_000"))

    assert problem.key == "ramps.1.registrants"
    assert "1 392 journeys" in problem.given
    assert "at least 8 942, for 3 112 journeys" in problem.allowed
    assert (hurried.key, hurried.given, hurried.allowed) == ("demand.compression", "40 s", "at most 20")
    assert not planned(*flat, text=few.replace("4_000", "8_942")).problems


def test_a_curve_tells_which_windows_have_a_bound_of_their_own() -> None:
    curve = """
name = "curve"
claim = "volume"
[demand.curve]
window = "20m"
opening_share = 0.9
opening_tau = "1m"
[[ramps]]
name = "a"
registrants = 60_000
"""
    (line,) = [line for line in planning.lines(planned(text=curve)) if "windows of 60 s" in line]

    assert "20 windows of 60 s, the quietest with 104 journeys" in line
    assert "; 5 have the 299" in line


def test_those_who_return_must_have_registered() -> None:
    returning = ["journey.name=returning-applicant", "target.url=http://127.0.0.1:9"]

    assert refused(*returning, "ramps.1.prefill=10_000").key == "ramps.1.prefill"
    assert planned(*returning, "ramps.1.prefill=10_720").problems == ()


def test_a_peak_on_a_store_that_does_not_hold_all_registrants_is_refused_where_we_fill_it() -> None:
    given = refused("ramps.1.prefill=0")

    assert (given.key, given.given) == ("ramps.1.prefill", "0")
    assert planned("ramps.1.prefill=0", "target.url=http://127.0.0.1:9").problems == ()


def test_every_problem_of_every_ramp_is_found_at_once() -> None:
    second = '[[ramps]]\nname = "b"\nregistrants = 300_000\nhold = "5s"\n'
    made = planned("ramps.1.hold=5s", "load.warm_up=1s", "load.drain=1s", text=ONE + second)

    assert [problem.key for problem in made.problems] == [
        "ramps.1.hold",
        "ramps.2.hold",
        "load.warm_up",
        "load.drain",
    ]
    assert planning.lines(made)[-1] == "4 reasons why no verdict can be reached"


def test_people_present_are_a_rate_by_the_planned_journey_time() -> None:
    crowd = planned("demand.in_system=4470", text=ONE.replace("peak_minute_share = 0.0134", ""))

    assert crowd.ramps[0].ramp.rate == pytest.approx(447)
    assert crowd.ramps[0].in_flight == pytest.approx(4470)


def test_photos_count_towards_the_disk() -> None:
    small, large = planned("journey.photo_size=4KiB"), planned("journey.photo_size=300KiB")

    assert large.disk - small.disk == pytest.approx(10_720 * 296 * 1024)


@settings(deadline=None, max_examples=40)
@given(st.floats(1, 1000), st.sampled_from(["hold", "registrants"]))
def test_a_longer_hold_or_a_larger_ramp_is_never_refused_for_its_sample(factor: float, what: str) -> None:
    value = {"hold": f"{215 * factor:.3f}s", "registrants": str(min(6_000_000, round(200_000 * factor)))}[what]
    made = planned(f"ramps.1.{what}={value}", "ramps.1.prefill=0", "load.in_flight_limit=1_000_000")

    assert not [problem for problem in made.problems if problem.key == "ramps.1.hold"]


def test_the_figures_of_a_journey_are_those_of_its_forecast() -> None:
    parsed = scenario.load(BOX / "ministry-ramp.toml")
    figures = planning.journey_figures(parsed)
    options = JourneyOptions(seed=2020, today=datetime.date(2020, 4, 11), think_time_scale=0.01)
    journey = make_journey(options)

    assert figures.finishing == pytest.approx(2_078_026 / 5_965_048, rel=1e-6)
    assert figures.steps == 14
    assert figures.photos < figures.writes < figures.requests
    assert journey.habits.reach(14) == pytest.approx(figures.finishing)
    assert isinstance(journey.habits, Habits)


def test_99_of_100_whole_journeys_think_no_longer_than_planned() -> None:
    parsed = scenario.load(BOX / "ministry-ramp.toml")
    figures = planning.journey_figures(parsed)
    drawn = pauses.Pauses(1, parsed.journey.think_time_scale)
    waits = [(wait, drawn.stream(name)) for name, wait in pauses.NEW_APPLICANT.items() if name != "identity-typo"]
    totals = sorted(sum(drawn.draw(wait, stream, index) for wait, stream in waits) for index in range(20_000))

    assert figures.longest == pytest.approx(totals[int(0.99 * 20_000)], rel=0.01)


def test_a_forecast_looks_nobody_up() -> None:
    crowded = scenario.parse(ONE, overrides=["journey.behavior.someone_elses_nik=0.5", "ramps.1.prefill=50"])

    assert planning.journey_figures(crowded).finishing > 0


def test_no_one_is_prefilled_for_a_volume_unless_it_says_so() -> None:
    volume = scenario.load(BOX / "ministry-ramp-volume.toml")

    assert planning.journey_figures(volume).requests == pytest.approx(
        planning.journey_figures(scenario.load(BOX / "ministry-ramp.toml")).requests, rel=0.01
    )
    assert replace(FIGURES, requests=0).mean_seconds == FIGURES.think_time
