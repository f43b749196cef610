"""What nobody can do out of turn: skip a step, use a code twice or elsewhere, take one kind of token for another."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable

import pytest
from asgi import Answer, Lab, Laboratory, in_loop
from people import Person, Visit

from prakerja_load.registrar import endpoints, logs
from prakerja_load.registrar.table import ROUTES
from prakerja_load.registrar.tokens import LIFETIME, TokenSigner
from prakerja_load.registrar.waiting_room import TicketSigner

YEAR = 365 * 24 * 3600


async def phone(visit: Visit) -> Answer:
    await visit.ask_for_code()
    return await visit.confirm_phone()


PARTS: dict[str, Callable[[Visit], Awaitable[Answer]]] = {
    "identity": Visit.identify,
    "personal-data": Visit.fill_in,
    "ktp-photo": lambda visit: visit.photograph("ktp"),
    "selfie": lambda visit: visit.photograph("selfie"),
    "phone": phone,
    "test": Visit.submit_test,
}


async def join(visit: Visit, key: str) -> Answer:
    return await visit.lab.send("POST", "/api/v1/waves/1/joins", {"declaration": True}, key=key, token=visit.token)


async def confirm_phone(visit: Visit, number: str, code: str, key: str) -> Answer:
    body = {"phone": number, "code": code}
    return await visit.lab.send("POST", "/api/v1/phone-confirmations", body, key=key, token=visit.token)


async def confirm_email(lab: Lab, email: str, code: str, key: str) -> Answer:
    return await lab.send("POST", "/api/v1/email-confirmations", {"email": email, "code": code}, key=key)


@pytest.mark.parametrize("left_out", PARTS)
def test_a_wave_is_joined_when_no_part_is_left_out(laboratory: Laboratory, left_out: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            visit = await Visit(lab, Person(1)).up_to_login()
            for name, take in PARTS.items():
                if name != left_out:
                    assert (await take(visit)).status < 300, name
            refused = await join(visit, "early")
            assert (await PARTS[left_out](visit)).status < 300
            taken = await join(visit, "complete")
        assert (refused.status, refused.problem) == (409, "incomplete")
        assert taken.status == 201

    scenario()


@in_loop
async def test_nothing_comes_before_the_confirmed_address(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = Visit(lab, Person(1))
        assert (await visit.log_in()).problem == "wrong-credentials"
        await visit.create()
        assert (await visit.log_in()).problem == "email-unconfirmed"
        parts = [*(take for name, take in PARTS.items() if name != "phone"), Visit.ask_for_code, Visit.join]
        assert {(await part(visit)).problem for part in parts} == {"unauthenticated"}
        await visit.confirm_email()
        assert (await visit.log_in()).status == 201
        unasked = await confirm_phone(visit, visit.person.phone, "000000", "unasked")
    assert unasked.problem == "wrong-code"


@in_loop
async def test_a_code_confirms_once(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = Visit(lab, Person(1))
        email, number = visit.person.email, visit.person.phone
        await visit.create()
        code = await visit._code(email)
        by_email = [await confirm_email(lab, email, code, key) for key in ("first", "second")]
        await visit.log_in()
        await visit.ask_for_code()
        code = await visit._code(number)
        by_phone = [await confirm_phone(visit, number, code, key) for key in ("third", "fourth")]
    assert [answer.status for answer in (*by_email, *by_phone)] == [200, 409, 200, 409]
    assert (by_email[1].problem, by_phone[1].problem) == ("email-already-confirmed", "phone-already-confirmed")


@in_loop
async def test_a_code_is_good_for_nothing_but_what_it_was_sent_for(laboratory: Laboratory) -> None:
    codes = iter(range(111_111, 999_999, 111_111))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(endpoints, "_new_code", lambda: next(codes))
        async with laboratory() as lab:
            one, other = [await Visit(lab, Person(index)).up_to_login() for index in (1, 2)]
            newcomer = Visit(lab, Person(3))
            await newcomer.create()
            await one.ask_for_code()
            number, code = one.person.phone, await one._code(one.person.phone)
            body = {"phone": Person(4).phone}
            strange = [
                await confirm_phone(other, number, code, "by-another-account"),
                await confirm_email(lab, newcomer.person.email, code, "of-another-channel"),
                await confirm_phone(one, number, await newcomer._code(newcomer.person.email), "of-an-e-mail"),
            ]
            await lab.send("POST", "/api/v1/phone-codes", body, key="another-number", token=one.token)
            strange.append(await confirm_phone(one, number, code, "of-an-earlier-request"))
            strange.append(await confirm_phone(one, Person(4).phone, code, "for-another-number"))
            right = await confirm_phone(one, Person(4).phone, await one._code(Person(4).phone), "right")
    assert [answer.problem for answer in strange] == ["wrong-code"] * 5
    assert right.status == 200


def test_a_code_is_any_of_a_million_numbers() -> None:
    codes = [endpoints._new_code() for _ in range(5_000)]
    assert all(0 <= code < 1_000_000 for code in codes)
    assert len(set(codes)) > 4_900, "twelve pairs are expected"
    for digit in range(10):
        assert 350 < sum(code // 100_000 == digit for code in codes) < 650, digit


@in_loop
async def test_a_log_in_leaves_earlier_sessions_as_they_are(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        first = visit.token
        lab.time += LIFETIME - 1
        await visit.log_in()
        seen = [(await lab.send("GET", "/api/v1/status", token=token)).status for token in (first, visit.token)]
        lab.time += 1
        later = [(await lab.send("GET", "/api/v1/status", token=token)).status for token in (first, visit.token)]
    assert (seen, later) == ([200, 200], [401, 200])


@in_loop
async def test_a_password_never_grows_old(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        lab.time += 3 * YEAR
        assert (await visit.log_in()).status == 201


@in_loop
async def test_a_new_store_has_nobody_in_it_and_a_key_of_its_own(laboratory: Laboratory) -> None:
    async with laboratory() as one, laboratory(name="other.db") as other:
        keys = [lab.registrar.store.token_key for lab in (one, other)]
        assert [len(await lab.export()) for lab in (one, other)] == [1, 1]  # the line that says where it ends
        refused = await one.send("POST", "/api/v1/sessions", {"email": "admin@example.com", "password": "admin"})
    assert [len(key) for key in keys] == [32, 32]
    assert keys[0] != keys[1]
    assert refused.problem == "wrong-credentials"


def test_a_ticket_of_the_waiting_room_is_no_token_under_one_key_even() -> None:
    key = b"k" * 32
    tickets, tokens = TicketSigner(key), TokenSigner(key)
    for number in range(50):
        assert tokens.account_of(tickets.ticket(number).encode(), 0) is None
        assert tickets.number(tokens.issue(number, 0).encode()) is None
    assert tickets.number(tickets.ticket(7).encode()) == 7


@in_loop
async def test_a_value_is_taken_from_its_own_place_only(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        in_address = f"email={visit.person.email}&password={visit.person.password}"
        log_in = await lab.send("POST", f"/api/v1/sessions?{in_address}", {})
        status = await lab.send("GET", f"/api/v1/status?token={visit.token}&authorization=Bearer+{visit.token}")
        wave = await lab.send("GET", "/api/v1/waves/current?wave=2&wave=3")
    assert (log_in.status, status.status) == (422, 401)
    assert wave.json()["wave"] == 1


def test_what_writes_is_asked_for_by_a_method_that_says_so() -> None:
    writing = [route for route in ROUTES if route.needs_key or route.body_limit or route.is_unbounded]
    assert len(writing) > 10
    assert {route.method for route in writing} <= {"POST", "PUT", "DELETE"}


def test_a_line_of_the_log_cannot_be_forged() -> None:
    forged = 'a\r\n{"level":"error","event":"request"}\x1b[2J\u2028b'
    record = logging.makeLogRecord({"msg": forged, "levelno": logging.WARNING, "levelname": "WARNING"})
    line = logs.JsonLines().format(record)
    assert not {"\n", "\r", "\x1b"} & set(line)
    assert json.loads(line)["event"] == "library"
