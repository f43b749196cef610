"""The returning applicant, against a fake system that follows the contract's rules."""

import json
from typing import Any

import pytest
from fake_system import PASSWORD, FakeSystem
from journey_people import RUN, TODAY, options, profile

from prakerja_load.journey.play import play
from prakerja_load.journey.returning import JOIN_WAVE, ReturningApplicant
from prakerja_load.journey.step import Ending, Outcome, Registrant, Request, Response


def system() -> FakeSystem:
    return FakeSystem([], today=TODAY, prefilled=[profile(person) for person in range(40)])


def journey(**changes: Any) -> ReturningApplicant:
    return ReturningApplicant(options(name="returning-applicant", returning_password=PASSWORD, **changes))


def returner(index: int) -> Registrant:
    return Registrant(RUN, index, index, profile(index))


def test_a_returning_applicant_logs_in_joins_and_reads_the_status() -> None:
    who, where = journey(wave=1), system()

    result = play(who.script(returner(0)), where)

    names = ["log-in", "wave-page", "join-wave", "read-status"]
    assert result.outcomes == [(name, Outcome.OK) for name in names]
    assert (result.ending, result.reached) == (Ending.COMPLETED, 4)
    owner = returner(0).profile.email
    assert where.rows == [{"kind": "join-wave", "key": f"{RUN}-0-3", "owner": owner, "wave": 1}]
    assert who.stored(returner(0), JOIN_WAVE) == {"owner": owner, "wave": 1}


def test_a_join_is_expected_in_no_particular_wave_where_none_is_named() -> None:
    assert journey().stored(returner(0), JOIN_WAVE) == {"owner": returner(0).profile.email}


@pytest.mark.parametrize("joined", [[], [2]])
def test_a_status_without_the_join_is_malformed(joined: list[int]) -> None:
    where = system()

    def denies(request: Request) -> Response:
        response = where(request)
        if request.step.name != "read-status":
            return response
        return Response(200, json.dumps(json.loads(response.body) | {"joined": joined}).encode())

    result = play(journey(wave=1).script(returner(0)), denies)

    assert result.outcomes[-1] == ("read-status", Outcome.MALFORMED)


def test_a_status_may_show_earlier_waves_and_no_photos_of_who_came_by_import() -> None:
    where = system()

    def remembers(request: Request) -> Response:
        response = where(request)
        if request.step.name != "read-status":
            return response
        return Response(200, json.dumps(json.loads(response.body) | {"joined": [0, 1], "photos": []}).encode())

    assert play(journey(wave=1).script(returner(0)), remembers).ending is Ending.COMPLETED


def test_everybody_finishes_and_is_of_age_whatever_the_options_say_of_new_applicants() -> None:
    who = journey(funnel="wave-1-21h", under_age=0.5, nik_typo=0.5)

    assert {who.meant_to_reach(returner(index)) for index in range(200)} == {4}


def test_a_double_click_joins_once_and_a_refresh_reads_a_page_twice() -> None:
    who, where = journey(double_click=1.0, refresh=1.0), system()

    for index in range(40):
        result = play(who.script(returner(index)), where)
        assert result.ending is Ending.COMPLETED
        assert len(result.of("join-wave")) == 2
        assert len(result.of("wave-page")) + len(result.of("read-status")) == 3

    assert len(where.stored("join-wave")) == 40


def test_a_wrong_shared_password_fails_at_the_log_in() -> None:
    who = ReturningApplicant(options(returning_password="salah"))

    result = play(who.script(returner(0)), system())

    assert result.outcomes == [("log-in", Outcome.ERROR)]
    assert result.ending is Ending.FAILED


def test_without_a_password_there_is_no_returning_applicant() -> None:
    with pytest.raises(ValueError, match="returning_password"):
        ReturningApplicant(options())
