"""Which outcome a response is."""

from typing import Any

import msgspec
import pytest
from fake_system import problem
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.journey import reply
from prakerja_load.journey.answer import problem_code, read
from prakerja_load.journey.step import Answer, Outcome, Request, Response, Step

STEP = Step(2, "create-account", is_stored=True)
REPLIES = [value for value in vars(reply).values() if isinstance(value, type) and issubclass(value, msgspec.Struct)]


def request(**changes: Any) -> Request:
    return Request(STEP, "POST", "/api/v1/accounts", **changes)


def test_a_success_is_decoded() -> None:
    answer = read(request(ok=(201,), reply=reply.AccountCreated), Response(201, b'{"account": 4, "email": "a@b"}'))

    assert answer.outcome is Outcome.OK
    assert answer.reply == reply.AccountCreated(4, "a@b")


def test_fields_that_nobody_asked_for_do_no_harm() -> None:
    body = b'{"wave": 2, "is_open": true, "quota": null, "sponsor": {"name": "x"}}'

    assert read(request(reply=reply.WavePage), Response(200, body)).reply == reply.WavePage(2, True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"<html>",
        b'{"account": 4}',
        b'{"account": "4", "email": "a@b"}',
        b'{"email": "\xff", "account": 4}',
    ],
)
def test_a_success_whose_body_lacks_what_its_status_promises_is_malformed(body: bytes) -> None:
    assert read(request(reply=reply.AccountCreated), Response(200, body)).outcome is Outcome.MALFORMED


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (reply.EmailConfirmed, b'{"account": 1, "email_confirmed": false}'),
        (reply.IdentityChecked, b'{"account": 1, "nik_checked": false}'),
        (reply.PhoneConfirmed, b'{"account": 1, "phone_confirmed": false}'),
        (reply.LoggedIn, b'{"token": "", "account": 1, "expires_in": 60}'),
        (reply.QuestionSheet, b'{"test": 1, "minutes": 15, "questions": []}'),
    ],
)
def test_a_success_that_says_the_opposite_is_malformed(kind: type, body: bytes) -> None:
    assert read(request(reply=kind), Response(200, body)).outcome is Outcome.MALFORMED


def test_a_success_that_need_not_be_decoded_keeps_its_body() -> None:
    answer = read(request(), Response(200, b"anything"))

    assert (answer.outcome, answer.reply, answer.body) == (Outcome.OK, None, b"anything")


def test_a_repeated_request_must_get_the_very_same_body() -> None:
    repeat = request(same_as=b'{"a":1}')

    assert read(repeat, Response(200, b'{"a":1}')).outcome is Outcome.OK
    assert read(repeat, Response(200, b'{"a": 1}')).outcome is Outcome.MALFORMED


@pytest.mark.parametrize("failure", [Outcome.TIMEOUT, Outcome.ERROR, Outcome.MALFORMED, Outcome.IN_FLIGHT])
def test_a_failure_on_the_wire_is_that_failure_whatever_else_came(failure: Outcome) -> None:
    assert read(request(), Response(200, b"{}", 3.0, failure)).outcome is failure


@pytest.mark.parametrize("status", [503, 429])
def test_a_refusal_that_says_when_to_come_back_is_shed(status: int) -> None:
    answer = read(request(rejected=("overloaded", status)), problem(status, "overloaded", 4.0))

    assert (answer.outcome, answer.retry_after) == (Outcome.SHED, 4.0)


@pytest.mark.parametrize("retry_after", [None, -1.0, float("nan"), float("inf")])
def test_a_503_that_does_not_say_when_to_come_back_is_an_error(retry_after: float | None) -> None:
    assert read(request(), problem(503, "overloaded", retry_after)).outcome is Outcome.ERROR


def test_an_expected_no_is_known_by_its_code_or_by_its_status() -> None:
    response = problem(409, "quota-full")

    assert read(request(rejected=("quota-full",)), response).outcome is Outcome.REJECTED
    assert read(request(rejected=(409,)), response).outcome is Outcome.REJECTED
    assert read(request(rejected=("wave-closed", 410)), response).outcome is Outcome.ERROR
    assert read(request(), response).problem == "quota-full"


def test_a_success_where_only_a_no_is_right_is_an_error() -> None:
    body = b'{"type": "/problems/under-age"}'

    assert read(request(ok=(), rejected=("under-age",)), Response(200, body)).outcome is Outcome.ERROR


def test_the_code_of_a_problem_is_the_last_segment_of_its_type() -> None:
    assert problem_code(b'{"type": "https://example.org/problems/nik-in-use"}') == "nik-in-use"
    assert problem_code(b'{"type": "about:blank"}') == "about:blank"
    assert problem_code(b'{"title": "no type"}') == ""
    assert problem_code(b"[" * 100_000) == ""


@settings(deadline=None, max_examples=150)
@given(
    status=st.integers(0, 999),
    body=st.one_of(
        st.binary(max_size=80),
        st.sampled_from(
            [b"[" * 50_000, b'{"account":' * 50_000, b'{"account": 1e999}', b'{"type": 3}', b'{"x": "\xed\xa0"}']
        ),
    ),
    retry_after=st.none() | st.floats(),
    kind=st.sampled_from([None, *REPLIES]),
    ok=st.sampled_from([(), (200,), (200, 201), tuple(range(1000))]),
    rejected=st.sampled_from([(), ("", 404), ("under-age",)]),
)
def test_no_bytes_whatever_make_reading_raise(
    status: int,
    body: bytes,
    retry_after: float | None,
    kind: type | None,
    ok: tuple[int, ...],
    rejected: tuple[str | int, ...],
) -> None:
    asked = request(ok=ok, rejected=rejected, reply=kind)

    answer = read(asked, Response(status, body, retry_after))

    assert (answer.outcome is Outcome.OK) <= (status in ok)
    assert (answer.status, answer.body) == (status, body)


def test_what_a_right_answer_is_beyond_its_status_is_what_the_check_says() -> None:
    headers = (("location", "/next"),)
    asked = request(ok=(200, 302), check=lambda response: Outcome.OK if response.headers else Outcome.MALFORMED)

    assert read(asked, Response(302, b"", headers=headers)) == Answer(Outcome.OK, 302, None, b"", headers=headers)
    assert read(asked, Response(200, b"")).outcome is Outcome.MALFORMED
    assert read(asked, Response(500, b"", headers=headers)).outcome is Outcome.ERROR
