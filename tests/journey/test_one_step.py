"""The one-step journey asks once for a page that bears the arrival's index."""

from __future__ import annotations

import datetime
from typing import Any

from prakerja_load.applicants.population import Population
from prakerja_load.journey.forecast import forecast
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.one_step import SERVE, OneStep
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.step import Answer, Ending, Outcome, Registrant, Request

OPTIONS = JourneyOptions(
    seed=1, today=datetime.date(2020, 8, 1), name="one-step", double_click=1.0, refresh=1.0, under_age=1.0
)


def end_of(script: Any, answer: Answer) -> Ending:
    try:
        script.send(answer)
    except StopIteration as end:
        return Ending(end.value)
    raise AssertionError("it asked again")


def test_everybody_asks_once_by_their_index_whatever_the_habits_of_others() -> None:
    journey = make_journey(OPTIONS)
    assert isinstance(journey, OneStep)
    registrant = Registrant("k1r1", 41, 41, Population(1).applicant(41))

    script = journey.script(registrant)
    request = next(script)

    assert request == Request(SERVE, "GET", "/serve/41")
    assert journey.meant_to_reach(registrant) == 1
    assert journey.stored(registrant, SERVE) == {}
    assert end_of(script, Answer(Outcome.OK, 200)) == Ending.COMPLETED


def test_a_refusal_is_a_failure() -> None:
    script = OneStep(OPTIONS).script(Registrant("k1r1", 0, 0, Population(1).applicant(0)))
    next(script)

    assert end_of(script, Answer(Outcome.SHED, 503)) == Ending.FAILED


def test_its_forecast_is_one_request() -> None:
    expected = forecast(OneStep(OPTIONS))

    assert (expected.requests, expected.think_time, expected.reach) == (1.0, 0.0, {1: 1.0})
