"""The plan's expectations agree with what registrants then do."""

import statistics

import pytest
from fake_system import PASSWORD, FakeSystem
from journey_people import PREFILLED, RUN, TODAY, options, profile, registrant

from prakerja_load.journey.forecast import forecast
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.play import play
from prakerja_load.journey.step import Registrant

MANY = 1_500
BEHAVIOR = {"nik_typo": 0.3, "under_age": 0.05, "someone_elses_nik": 0.05, "double_click": 0.2, "refresh": 0.4}


def test_requests_and_think_time_per_arrival_are_those_of_a_thousand_played_journeys() -> None:
    chosen = options(funnel="wave-1-close", prefilled=PREFILLED, think_time_scale=0.1, **BEHAVIOR)
    journey = make_journey(chosen, profile)
    expected = forecast(journey)
    where = FakeSystem(
        [profile(PREFILLED + index) for index in range(MANY)],
        today=TODAY,
        prefilled=[profile(person) for person in range(PREFILLED)],
    )
    results = [play(journey.script(registrant(index)), where) for index in range(MANY)]
    gated = [sum(request.step.is_gated for request, _ in result.exchanges) for result in results]
    lab = [sum(request.is_lab for request, _ in result.exchanges) for result in results]
    planned = [result.planned for result in results]

    for seen, mean in ((gated, expected.requests), (lab, expected.lab_requests), (planned, expected.think_time)):
        assert abs(statistics.mean(seen) - mean) < 4 * statistics.stdev(seen) / MANY**0.5
    assert max(planned) <= expected.longest_think_time
    for step, share in expected.reach.items():
        assert sum(result.reached >= step for result in results) / MANY == pytest.approx(share, abs=0.052)


def test_a_whole_journey_without_extras_is_fourteen_requests_and_two_looks_into_the_outbox() -> None:
    expected = forecast(make_journey(options()))

    assert (expected.requests, expected.lab_requests) == (14, 2)
    assert set(expected.reach.values()) == {1.0}
    assert 25 * 60 < expected.think_time < 40 * 60


def test_a_returning_applicant_makes_four_requests_and_their_repeats() -> None:
    chosen = options(name="returning-applicant", returning_password=PASSWORD, double_click=0.25, refresh=0.5)
    expected = forecast(make_journey(chosen))

    assert expected.requests == pytest.approx(4.75)
    assert expected.lab_requests == 0
    where = FakeSystem([], today=TODAY, prefilled=[profile(0)])
    assert play(make_journey(chosen).script(Registrant(RUN, 0, 0, profile(0))), where).reached == 4
