"""Codes by e-mail and SMS: right once, counted when wrong, locked, expired, replaced by the next."""

from __future__ import annotations

import pytest
from asgi import Answer, Lab, Laboratory, in_loop
from people import Person, Visit

from prakerja_load.registrar import rules

PERSON = Person(1)


async def confirm(lab: Lab, code: str, key: str) -> Answer:
    return await lab.send("POST", "/api/v1/email-confirmations", {"email": PERSON.email, "code": code}, key=key)


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


@in_loop
async def test_the_fifth_wrong_code_locks_and_time_unlocks(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = Visit(lab, PERSON)
        await visit.create()
        code = await visit._code(PERSON.email)
        wrong = [await confirm(lab, other_than(code), f"w{number}") for number in range(5)]
        locked = await confirm(lab, code, "right")
        lab.time += rules.CODE_LOCK - 1
        still_locked = await confirm(lab, code, "right")
        lab.time += 1
        unlocked = await confirm(lab, code, "right")
    assert {answer.problem for answer in wrong} == {"wrong-code"}
    assert (locked.status, locked.problem, locked.headers["retry-after"]) == (429, "too-many-attempts", "300")
    assert still_locked.headers["retry-after"] == "1"
    assert unlocked.json() == {"account": 1, "email_confirmed": True}


@in_loop
async def test_wrong_codes_are_remembered_through_a_restart(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await Visit(lab, PERSON).create()
        code = await Visit(lab, PERSON)._code(PERSON.email)
        for number in range(5):
            await confirm(lab, other_than(code), f"w{number}")
    async with laboratory() as lab:
        assert (await confirm(lab, code, "right")).problem == "too-many-attempts"


@in_loop
async def test_a_code_expires(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = Visit(lab, PERSON)
        await visit.create()
        code = await visit._code(PERSON.email)
        lab.time += rules.EMAIL_CODE_LIFETIME
        assert (await confirm(lab, code, "late")).status == 410
        lab.time -= 1
        assert (await confirm(lab, code, "in time")).status == 400  # a key has no blanks
        assert (await confirm(lab, code, "in-time")).status == 200


@in_loop
async def test_an_expired_sms_code_is_replaced_by_the_next(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, PERSON).up_to_login()
        await visit.ask_for_code()
        lab.time += rules.PHONE_CODE_LIFETIME
        late = await visit.confirm_phone()
        await lab.send("POST", "/api/v1/phone-codes", {"phone": PERSON.phone}, key="again", token=visit.token)
        assert late.problem == "code-expired"
        assert (await visit.confirm_phone()).status == 200


@in_loop
async def test_a_new_sms_code_forgives_wrong_ones(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, PERSON).up_to_login()
        await visit.ask_for_code()
        wrong = {"phone": PERSON.phone, "code": other_than(await visit._code(PERSON.phone))}
        for number in range(5):
            await lab.send("POST", "/api/v1/phone-confirmations", wrong, key=f"w{number}", token=visit.token)
        locked = await visit.confirm_phone()
        await lab.send("POST", "/api/v1/phone-codes", {"phone": PERSON.phone}, key="again", token=visit.token)
        assert locked.problem == "too-many-attempts"
        assert (await visit.confirm_phone()).status == 200


@in_loop
async def test_an_unknown_address_is_answered_as_a_wrong_code(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await Visit(lab, PERSON).create()
        code = await Visit(lab, PERSON)._code(PERSON.email)
        known = await confirm(lab, other_than(code), "k1")
        stranger = {"email": "nobody@example.com", "code": "123456"}
        unknown = await lab.send("POST", "/api/v1/email-confirmations", stranger, key="k2")
    assert (known.status, known.body) == (unknown.status, unknown.body)


@in_loop
async def test_logging_in_says_the_same_to_strangers_and_to_those_who_mistype(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await Visit(lab, PERSON).up_to_login()
        wrong = {"email": PERSON.email, "password": "something-else"}
        stranger = {"email": "nobody@example.com", "password": PERSON.password}
        answers = [await lab.send("POST", "/api/v1/sessions", credentials) for credentials in (wrong, stranger)]
    assert answers[0] == answers[1]
    assert (answers[0].status, answers[0].problem) == (401, "wrong-credentials")


@in_loop
async def test_an_unconfirmed_address_cannot_log_in(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = Visit(lab, PERSON)
        await visit.create()
        assert (await visit.log_in()).problem == "email-unconfirmed"


@in_loop
async def test_an_address_is_the_same_in_capitals(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await Visit(lab, PERSON).up_to_login()
        shouted = {**PERSON.account, "email": PERSON.email.upper()}
        again = await lab.send("POST", "/api/v1/accounts", shouted, key="capitals")
        credentials = {"email": PERSON.email.upper(), "password": PERSON.password}
        session = await lab.send("POST", "/api/v1/sessions", credentials)
    assert (again.problem, session.status) == ("email-in-use", 201)


@pytest.mark.parametrize("target", ["outbox?to=nobody@example.com", "outbox?to=0899000", "outbox?to="])
def test_the_outbox_has_nothing_for_strangers(laboratory: Laboratory, target: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            answer = await lab.lab("GET", target)
            assert answer.problem in ("nothing-sent", "malformed-query")

    scenario()
