"""The new applicant, against a fake system that follows the contract's rules."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fake_system import FakeSystem, Fault, problem
from journey_people import PREFILLED, RUN, TODAY, options, profile, registrant

from prakerja_load.applicants.regions import regions
from prakerja_load.journey.play import Played, play
from prakerja_load.journey.registration import NewApplicant
from prakerja_load.journey.step import Ending, Outcome, Request, Response, key_of, parse_key

ALL_STEPS = [
    "wave-page",
    "create-account",
    "read-email",
    "confirm-email",
    "log-in",
    "identity",
    "personal-data",
    "ktp-photo",
    "selfie",
    "phone-code",
    "read-sms",
    "confirm-phone",
    "test-questions",
    "submit-test",
    "join-wave",
    "read-status",
]


def system(fault: Fault | None = None, **rules: Any) -> FakeSystem:
    civil = [profile(PREFILLED + index) for index in range(400)]
    prefilled = [profile(person) for person in range(PREFILLED)]
    return FakeSystem(civil, today=TODAY, prefilled=prefilled, fault=fault, **rules)


def journey(**changes: Any) -> NewApplicant:
    return NewApplicant(options(**changes), profile)


def at(step: str, *responses: Response) -> Fault:
    """Answer the first requests of a step with these responses."""
    return lambda request, count: responses[count] if request.step.name == step and count < len(responses) else None


def shed(seconds: float = 2.0) -> Response:
    return problem(503, "overloaded", seconds)


def played(who: NewApplicant, where: FakeSystem, index: int = 0) -> Played:
    return play(who.script(registrant(index)), where)


def test_an_ordinary_applicant_goes_through_every_step_in_order_and_completes() -> None:
    result = played(journey(), system())

    assert [name for name, _ in result.outcomes] == ALL_STEPS
    assert {outcome for _, outcome in result.outcomes} == {Outcome.OK}
    assert result.ending is Ending.COMPLETED
    assert result.reached == 14


def test_everything_acknowledged_is_stored_under_its_key_with_the_fields_that_the_journey_promises() -> None:
    who = journey(
        nik_typo=0.3, under_age=0.1, someone_elses_nik=0.1, double_click=0.3, refresh=0.3, prefilled=PREFILLED, wave=1
    )
    steps = {step.name: step for step in who.steps if step.is_stored}
    where = system()
    for index in range(300):
        played(who, where, index)

    assert {row["kind"] for row in where.rows} == set(steps)
    assert len({row["key"] for row in where.rows}) == len(where.rows)
    for row in where.rows:
        kind, key = row.pop("kind"), row.pop("key")
        place = parse_key(key)
        assert place is not None
        run, index, number = place
        assert (run, number) == (RUN, steps[kind].number)
        assert who.stored(registrant(index), steps[kind]) == row


def test_the_body_of_every_stored_step_says_what_the_journey_promises() -> None:
    who = journey(nik_typo=0.2, under_age=0.2, someone_elses_nik=0.2, double_click=0.5, prefilled=PREFILLED)
    where = system()
    checked = 0
    for index in range(60):
        for request, _ in played(who, where, index).exchanges:
            promised = who.stored(registrant(index), request.step)
            if not request.step.is_stored:
                assert promised == {}
            elif request.content_type == "application/json" and request.step.name != "join-wave":
                assert promised.pop("owner") == registrant(index).profile.email
                assert promised.items() <= json.loads(request.body).items()
                checked += 1

    assert checked > 200


def test_every_write_but_the_log_in_carries_the_key_of_its_step() -> None:
    for request, _ in played(journey(), system()).exchanges:
        is_keyed = request.method != "GET" and request.step.name != "log-in"
        assert request.key == (key_of(RUN, 0, request.step.number) if is_keyed else "")


def test_only_looks_into_the_outbox_carry_the_laboratory_token_and_stand_outside_the_gates() -> None:
    for request, _ in played(journey(), system()).exchanges:
        assert request.is_lab == request.path.startswith("/lab/")
        assert request.is_lab == (not request.step.is_gated)


def test_an_under_age_registrant_is_refused_and_that_is_a_success() -> None:
    who, where = journey(under_age=1.0), system()

    result = played(who, where)

    assert result.outcomes[-1] == ("identity", Outcome.REJECTED)
    assert result.exchanges[-1][1].problem == "under-age"
    assert result.ending is Ending.COMPLETED
    assert result.reached == who.meant_to_reach(registrant(0)) == 5
    assert where.stored("identity") == []


def test_a_system_that_takes_an_under_age_registrant_fails_the_journey() -> None:
    taken = Response(201, b'{"account": 1, "nik_checked": true}')

    result = played(journey(under_age=1.0), system(at("identity", taken)))

    assert result.outcomes[-1] == ("identity", Outcome.ERROR)
    assert result.ending is Ending.FAILED


def kept(where: FakeSystem, **said: Any) -> Callable[[Request], Response]:
    """Return a system that keeps an identity until the civil registry is back, and says so with 202."""

    def answer(request: Request) -> Response:
        response = where(request)
        if request.step.name != "identity" or response.status != 201:
            return response
        return Response(202, json.dumps({**json.loads(response.body), **said}).encode())

    return answer


def test_an_identity_that_waits_for_the_civil_registry_is_stored_and_the_journey_goes_on() -> None:
    who, where = journey(), system()

    result = play(who.script(registrant(0)), kept(where, nik_checked=False, pending=True))

    assert [answer.status for _, answer in result.of("identity")] == [202]
    assert [name for name, _ in result.outcomes] == ALL_STEPS
    assert {outcome for _, outcome in result.outcomes} == {Outcome.OK}
    assert [row["key"] for row in where.stored("identity")] == [key_of(RUN, 0, 5)]


@pytest.mark.parametrize("said", [{"nik_checked": False}, {"pending": True}, {"nik_checked": False, "pending": False}])
def test_an_identity_that_is_neither_checked_nor_waits_is_malformed(said: dict[str, Any]) -> None:
    result = play(journey().script(registrant(0)), kept(system(), **said))

    assert result.outcomes[-1] == ("identity", Outcome.MALFORMED)
    assert result.ending is Ending.FAILED


def test_an_under_age_registrant_who_is_kept_waiting_fails_the_journey() -> None:
    waits = Response(202, b'{"account": 1, "nik_checked": false, "pending": true}')

    result = played(journey(under_age=1.0), system(at("identity", waits)))

    assert result.outcomes[-1] == ("identity", Outcome.ERROR)


def test_the_under_age_are_14_to_17_on_the_day_and_their_nik_says_so_too() -> None:
    who = journey(under_age=1.0)
    for index in range(50):
        request = played(who, system(), index).of("identity")[0][0]
        said = json.loads(request.body)
        year, month, day = said["birth_date"].split("-")
        assert 14 * 365 < (TODAY - TODAY.fromisoformat(said["birth_date"])).days < 18 * 365.25 - 60
        assert int(said["nik"][6:8]) % 40 == int(day)
        assert said["nik"][8:] == f"{month}{year[2:]}0000"


def test_someone_elses_nik_is_refused_and_that_is_a_success() -> None:
    who, where = journey(someone_elses_nik=1.0, prefilled=PREFILLED), system()

    result = played(who, where)

    request, answer = result.exchanges[-1]
    assert json.loads(request.body)["nik"] in {profile(person).nik for person in range(PREFILLED)}
    assert (answer.outcome, answer.problem) == (Outcome.REJECTED, "nik-in-use")
    assert result.ending is Ending.COMPLETED
    assert where.stored("identity") == []


def test_without_prefilled_people_nobody_gives_someone_elses_nik() -> None:
    result = play(NewApplicant(options(someone_elses_nik=1.0)).script(registrant(0)), system())

    assert result.reached == 14


def test_impostors_without_profiles_to_choose_from_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="profile_of"):
        NewApplicant(options(someone_elses_nik=0.1, prefilled=3))


def test_a_typo_in_the_nik_is_refused_and_then_the_right_nik_is_sent_under_the_key_of_the_step() -> None:
    who, where = journey(nik_typo=1.0), system()

    result = played(who, where)

    (first, no), (second, yes) = result.of("identity")
    wrong, right = json.loads(first.body)["nik"], json.loads(second.body)["nik"]
    assert sum(a != b for a, b in zip(wrong, right, strict=True)) == 1
    assert (no.outcome, no.problem, yes.outcome) == (Outcome.REJECTED, "nik-unknown", Outcome.OK)
    assert (first.key, second.key) == (f"{RUN}-0-105", f"{RUN}-0-5")
    assert result.ending is Ending.COMPLETED


WAITS = {"nik_checked": False, "pending": True}


def answering_typos(
    where: Callable[[Request], Response], status: int, index: int = 0, **said: Any
) -> Callable[[Request], Response]:
    """Return a system that says this of an account's mistyped NIK."""
    account = 0

    def answer(request: Request) -> Response:
        nonlocal account
        if request.key == f"{RUN}-{index}-105":
            return Response(status, json.dumps({"account": account, **said}).encode())
        response = where(request)
        if request.step.name == "create-account":
            account = json.loads(response.body)["account"]
        return response

    return answer


@pytest.mark.parametrize("is_back", [True, False])
def test_a_typo_that_waits_for_the_civil_registry_is_put_right_like_any_other(is_back: bool) -> None:
    who, where = journey(nik_typo=1.0), system()
    answers = answering_typos(where if is_back else kept(where, **WAITS), 202, **WAITS)

    result = play(who.script(registrant(0)), answers)

    said = [(request.key, answer.status) for request, answer in result.of("identity")]
    assert said == [(f"{RUN}-0-105", 202), (f"{RUN}-0-5", 201 if is_back else 202)]
    assert {outcome for _, outcome in result.outcomes} == {Outcome.OK}
    assert result.ending is Ending.COMPLETED
    assert [row["key"] for row in where.stored("identity")] == [key_of(RUN, 0, 5)]


def test_a_typo_is_not_sent_twice_by_who_sends_the_right_one_twice() -> None:
    who, where = journey(nik_typo=1.0, double_click=1.0), system()
    index = next(number for number in range(1000) if who.habits.of(number).click == 5)

    result = play(who.script(registrant(index)), answering_typos(where, 202, index, **WAITS))

    keys = [request.key for request, _ in result.of("identity")]
    assert keys == [f"{RUN}-{index}-105", f"{RUN}-{index}-5", f"{RUN}-{index}-5"]


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [
        (201, {"nik_checked": True}, Outcome.ERROR),
        (202, {"nik_checked": False}, Outcome.MALFORMED),
        (202, {**WAITS, "account": 0}, Outcome.MALFORMED),
    ],
)
def test_a_typo_that_is_neither_refused_nor_kept_fails_the_journey(
    status: int, said: dict[str, Any], outcome: Outcome
) -> None:
    result = play(journey(nik_typo=1.0).script(registrant(0)), answering_typos(system(), status, **said))

    assert result.outcomes[-1] == ("identity", outcome)
    assert result.ending is Ending.FAILED


def test_a_mistyped_try_is_never_stored() -> None:
    who = journey(nik_typo=1.0)

    first = played(who, system()).of("identity")[0][0]

    assert not first.step.is_stored
    assert who.stored(registrant(0), first.step) == {}
    place = parse_key(first.key)
    assert place is not None
    assert place[2] not in {step.number for step in who.steps}


def test_a_mistyped_nik_is_nobody_elses() -> None:
    assert max(regions().district_codes % 100) < 80  # the wrong digit makes it 8x or 9x
    everybody = {profile(person).nik for person in range(5_000)}
    who = journey(nik_typo=1.0)

    for index in range(200):
        assert json.loads(played(who, system(), index).of("identity")[0][0].body)["nik"] not in everybody


def test_a_double_click_gets_the_first_answer_again_and_is_carried_out_once() -> None:
    who = journey(double_click=1.0)
    doubled = set()
    for index in range(120):
        where = system()
        result = played(who, where, index)
        assert result.ending is Ending.COMPLETED
        assert where.effects == 10
        twice = [
            (before, after)
            for before, after in zip(result.exchanges, result.exchanges[1:], strict=False)
            if before[0].key and before[0].key == after[0].key
        ]
        [((first, first_answer), (second, second_answer))] = twice
        doubled.add(first.step.name)
        assert second.body == first.body
        assert (second_answer.status, second_answer.body) == (first_answer.status, first_answer.body)
    assert doubled == {name for name in ALL_STEPS if not name.startswith("read")} - {
        "wave-page",
        "log-in",
        "test-questions",
    }


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        (Response(201, b'{"account": 99, "email": "another@example.org"}'), Outcome.MALFORMED),
        (Response(200, b'{"account": 51, "email": "siti+50@example.org"}'), Outcome.ERROR),
        (problem(409, "email-in-use"), Outcome.ERROR),
    ],
)
def test_a_double_click_that_is_answered_differently_fails_the_journey(second: Response, outcome: Outcome) -> None:
    def fault(request: Request, count: int) -> Response | None:
        return second if request.step.name == "create-account" and count == 1 else None

    who = journey(double_click=1.0)
    index = next(index for index in range(200) if who.habits.of(index).click == 2)

    result = played(who, system(fault), index)

    assert result.outcomes[-1] == ("create-account", outcome)
    assert result.ending is Ending.FAILED


def test_a_refresh_reads_a_page_twice() -> None:
    who = journey(refresh=1.0)
    pages = {name for index in range(40) for name, count in _twice(played(who, system(), index)).items() if count == 2}

    assert pages == {"wave-page", "read-status"}


def _twice(result: Played) -> dict[str, int]:
    names = [name for name, _ in result.outcomes]
    return {name: names.count(name) for name in names}


def test_after_a_shed_the_same_request_with_the_same_key_comes_back_after_the_imposed_wait() -> None:
    who = journey(retry_after_shed=1.0, shed_retries=3)

    result = played(who, system(at("personal-data", shed(2.0), shed(5.0))))

    sent = [request for request, _ in result.of("personal-data")]
    assert len(sent) == 3
    assert sent[0] == sent[1] == sent[2]
    assert sent[0].key == key_of(RUN, 0, 6)
    assert result.imposed == 7.0
    assert result.ending is Ending.COMPLETED


def test_an_imposed_wait_is_not_scaled_and_not_think_time() -> None:
    calm = played(journey(retry_after_shed=1.0, shed_retries=1, think_time_scale=0.5), system())

    shaken = played(
        journey(retry_after_shed=1.0, shed_retries=1, think_time_scale=0.5), system(at("selfie", shed(60.0)))
    )

    assert shaken.planned == calm.planned
    assert (calm.imposed, shaken.imposed) == (0.0, 60.0)


def test_who_does_not_come_back_after_a_shed_has_failed() -> None:
    result = played(journey(retry_after_shed=0.0, shed_retries=3), system(at("log-in", shed())))

    assert result.outcomes[-1] == ("log-in", Outcome.SHED)
    assert result.ending is Ending.FAILED


def test_patience_with_shedding_ends_after_the_stated_number_of_retries() -> None:
    result = played(journey(retry_after_shed=1.0, shed_retries=2), system(at("log-in", *[shed()] * 9)))

    assert len(result.of("log-in")) == 3
    assert result.ending is Ending.FAILED


@pytest.mark.parametrize(
    ("response", "ending"),
    [
        (Response(failure=Outcome.TIMEOUT), Ending.GAVE_UP),
        (Response(failure=Outcome.ERROR), Ending.FAILED),
        (Response(500, b"oops"), Ending.FAILED),
        (Response(503, b"no header"), Ending.FAILED),
        (Response(201, b'{"account": 1}'), Ending.FAILED),
        (problem(409, "email-in-use"), Ending.FAILED),
    ],
)
def test_anything_else_ends_the_journey_at_once(response: Response, ending: Ending) -> None:
    who = journey(retry_after_shed=1.0, shed_retries=3)

    result = played(who, system(at("create-account", response)))

    assert result.ending is ending
    assert result.reached == 1
    assert result.exchanges[-1][0].step.name == "create-account"


def test_a_mail_that_is_late_is_looked_for_again_on_the_systems_time() -> None:
    late = problem(404, "nothing-sent")

    result = played(journey(), system(at("read-email", late, late)))

    assert [answer.outcome for _, answer in result.of("read-email")] == [Outcome.REJECTED, Outcome.REJECTED, Outcome.OK]
    assert result.imposed == 1.0
    assert result.ending is Ending.COMPLETED


def test_a_mail_that_never_comes_fails_the_journey() -> None:
    result = played(journey(), system(at("read-email", *[problem(404, "nothing-sent")] * 100)))

    assert len(result.of("read-email")) == 7
    assert result.ending is Ending.FAILED


def full() -> FakeSystem:
    return system(quota=0)


def closes_after_the_page() -> FakeSystem:
    def close(request: Request, _: int) -> None:
        where.is_open = where.is_open and request.step.name != "create-account"

    where = system(close)
    return where


@pytest.mark.parametrize(
    ("where", "expected", "code"),
    [
        (full, {"expects_quota_full": True}, "quota-full"),
        (closes_after_the_page, {"expects_wave_closed": True}, "wave-closed"),
    ],
)
def test_a_full_or_closed_wave_is_a_success_only_where_it_is_expected(
    where: Callable[[], FakeSystem], expected: dict[str, Any], code: str
) -> None:
    told, untold = played(journey(**expected), where()), played(journey(), where())

    assert told.of("join-wave")[0][1].problem == untold.of("join-wave")[0][1].problem == code
    assert (told.ending, told.reached) == (Ending.COMPLETED, 14)
    assert (untold.ending, untold.reached) == (Ending.FAILED, 12)


def test_a_page_that_shows_a_closed_wave_is_right_only_where_that_is_expected() -> None:
    told, untold = (played(journey(expects_wave_closed=expected), system(is_open=False)) for expected in (True, False))

    assert (told.ending, told.reached) == (Ending.COMPLETED, 14)
    assert untold.outcomes == [("wave-page", Outcome.MALFORMED)]


DENIALS: dict[str, tuple[str, dict[str, Any]]] = {
    "the page shows another wave": ("wave-page", {"wave": 2}),
    "the account is somebody else's": ("create-account", {"email": "somebody@else.example"}),
    "the confirmation is of another account": ("confirm-email", {"account": 77}),
    "the session is of another account": ("log-in", {"account": 77}),
    "the identity is of another account": ("identity", {"account": 77}),
    "the form is of another account": ("personal-data", {"account": 77}),
    "the photo is cut short": ("ktp-photo", {"size": 1}),
    "the selfie is cut short": ("selfie", {"size": 1}),
    "the code went to another phone": ("phone-code", {"phone": "080011112222"}),
    "the phone is of another account": ("confirm-phone", {"account": 77}),
    "the answers are of another account": ("submit-test", {"account": 77}),
    "the test was not passed": ("submit-test", {"passed": False}),
    "more points than there are": ("submit-test", {"score": 55}),
    "fewer points than none": ("submit-test", {"score": -1}),
    "the join is of another account": ("join-wave", {"account": 77}),
    "the join is in another wave": ("join-wave", {"wave": 2}),
    "the status is of another account": ("read-status", {"account": 77}),
    "the status shows no confirmed e-mail": ("read-status", {"email_confirmed": False}),
    "the status shows no checked NIK": ("read-status", {"nik_checked": False}),
    "the status shows no profile": ("read-status", {"profile_complete": False}),
    "the status shows no confirmed phone": ("read-status", {"phone_confirmed": False}),
    "the status shows no passed test": ("read-status", {"test_passed": False}),
    "the status shows one photo only": ("read-status", {"photos": ["ktp"]}),
    "the status shows no join": ("read-status", {"joined": []}),
    "the status shows a join of another wave": ("read-status", {"joined": [2]}),
}


class Denying:
    """A system that answers one step with something else than it did."""

    def __init__(self, where: FakeSystem, step: str, said: dict[str, Any]) -> None:
        self._where, self._step, self._said = where, step, said

    def __call__(self, request: Request) -> Response:
        response = self._where(request)
        if request.step.name != self._step:
            return response
        said = json.loads(response.body)
        assert self._said.keys() <= said.keys()
        return Response(response.status, json.dumps(said | self._said).encode())


@pytest.mark.parametrize("name", DENIALS)
def test_a_success_that_denies_what_it_stands_for_is_malformed(name: str) -> None:
    step, said = DENIALS[name]

    result = play(journey(wave=1).script(registrant(0)), Denying(system(), step, said))

    assert result.outcomes[-1] == (step, Outcome.MALFORMED)
    assert [outcome for _, outcome in result.outcomes[:-1]] == [Outcome.OK] * (len(result.outcomes) - 1)
    assert result.ending is Ending.FAILED


def test_a_status_that_shows_a_join_which_was_refused_is_malformed() -> None:
    where = Denying(full(), "read-status", {"joined": [1]})

    result = play(journey(expects_quota_full=True).script(registrant(0)), where)

    assert result.outcomes[-2:] == [("join-wave", Outcome.REJECTED), ("read-status", Outcome.MALFORMED)]


def test_think_time_is_real_minutes_times_the_scale() -> None:
    full = [played(journey(), system(), index).planned for index in range(20)]
    tenth = [played(journey(think_time_scale=0.1), system(), index).planned for index in range(20)]

    assert tenth == pytest.approx([seconds / 10 for seconds in full])
    assert all(22 * 60 < seconds < 45 * 60 for seconds in full)
    assert len(set(full)) == 20


def test_the_same_seed_and_index_play_the_same_journey_in_every_process() -> None:
    changes = {"funnel": "wave-1-close", "nik_typo": 0.5, "under_age": 0.1, "double_click": 0.5, "refresh": 0.5}

    def trace(seed: int) -> list[object]:
        who = journey(seed=seed, **changes)
        return [(request, seconds) for index in range(30) for request, seconds in _flat(played(who, system(), index))]

    assert trace(7) == trace(7)
    assert trace(7) != trace(8)


def _flat(result: Played) -> list[tuple[Request, float]]:
    return [(request, result.planned) for request, _ in result.exchanges]


def test_who_drops_off_stops_after_the_step_they_meant_to_reach_and_has_completed() -> None:
    who = journey(funnel="wave-1-21h")
    stops = set()
    for index in range(150):
        result = played(who, system(), index)
        assert result.ending is Ending.COMPLETED
        assert result.reached == who.meant_to_reach(registrant(index))
        stops.add(result.reached)

    assert stops >= {2, 3, 4, 5, 8, 14}


def test_who_never_confirms_the_e_mail_does_not_look_into_the_outbox_either() -> None:
    who = journey(funnel="wave-1-close")
    index = next(index for index in range(50) if who.meant_to_reach(registrant(index)) == 2)

    assert [name for name, _ in played(who, system(), index).outcomes] == ["wave-page", "create-account"]
