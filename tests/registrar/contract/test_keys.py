"""The laws of idempotency keys: the same answer, never a second effect, no mixing of bodies."""

from __future__ import annotations

import asyncio

from asgi import Answer, Laboratory, in_loop
from people import Person, Visit


@in_loop
async def test_every_write_is_answered_again_as_it_was_first(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = Visit(lab, Person(1))
        first: dict[str, Answer] = {}
        second: dict[str, Answer] = {}
        for name in ("create", "confirm_email", "log_in", "identify", "fill_in", "ktp", "ask", "phone", "test", "join"):
            for answers in (first, second):
                answers[name] = await _move(visit, name)
            if name == "ktp":
                await visit.photograph("selfie")
        rows = await lab.export()
    del first["log_in"], second["log_in"]
    for name, answer in first.items():
        assert answer.status < 300
        assert "idempotency-replayed" not in answer.headers
        assert (second[name].status, second[name].body) == (answer.status, answer.body)
        assert second[name].headers["idempotency-replayed"] == "true"
    assert len(rows) == 9 + 1


async def _move(visit: Visit, name: str) -> Answer:
    moves = {
        "ktp": lambda: visit.photograph("ktp"),
        "ask": visit.ask_for_code,
        "phone": visit.confirm_phone,
        "test": visit.submit_test,
    }
    answer: Answer = await (moves[name] if name in moves else getattr(visit, name))()
    return answer


@in_loop
async def test_a_conflict_is_kept_too_even_when_its_cause_is_gone(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        first = await visit.join()
        complete = await Visit(lab, Person(2)).complete()
        await visit.identify()
        assert first.problem == "incomplete"
        assert (await visit.join()).headers["idempotency-replayed"] == "true"
        assert (await complete.join()).status == 201


@in_loop
async def test_a_refused_input_leaves_its_key_free_for_the_corrected_one(laboratory: Laboratory) -> None:
    person = Person(1)
    async with laboratory() as lab:
        visit = await Visit(lab, person).up_to_login()
        await lab.lines("civil", [person.identity])
        typo = {**person.identity, "nik": Person(2).nik}
        wrong = await lab.send("POST", "/api/v1/identity", typo, key="k", token=visit.token)
        right = await lab.send("POST", "/api/v1/identity", person.identity, key="k", token=visit.token)
    assert (wrong.problem, right.status) == ("nik-unknown", 201)


@in_loop
async def test_another_body_under_the_same_key_is_refused(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await lab.send("POST", "/api/v1/accounts", Person(1).account, key="k")
        other = await lab.send("POST", "/api/v1/accounts", Person(2).account, key="k")
        rows = await lab.export()
    assert (other.status, other.problem) == (422, "idempotency-key-reused")
    assert len(rows) == 1 + 1


@in_loop
async def test_a_join_of_another_wave_under_the_same_key_is_refused(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).complete()
        await visit.join(1)
        await lab.lab("POST", "waves", {"name": "Gelombang 2", "quota": 5})
        assert (await visit.join(2)).problem == "idempotency-key-reused"


@in_loop
async def test_a_key_is_the_operations_and_the_accounts_own(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visits = [await Visit(lab, Person(index)).up_to_login() for index in (1, 2)]
        profiles = [
            await lab.send("PUT", "/api/v1/profile", visit.person.profile, key="same", token=visit.token)
            for visit in visits
        ]
        answers = {"test": 1, "answers": [0] * 18}
        test = await lab.send("POST", "/api/v1/test-answers", answers, key="same", token=visits[0].token)
    assert [answer.json()["account"] for answer in profiles] == [1, 2]
    assert test.status == 201


@in_loop
async def test_a_key_whose_request_is_under_way_is_in_flight(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        answers = await asyncio.gather(*(Visit(lab, Person(1)).create() for _ in range(10)))
        rows = await lab.export()
        later = await Visit(lab, Person(1)).create()
    assert sorted(answer.status for answer in answers) == [201] + [409] * 9
    assert {answer.problem for answer in answers if answer.status == 409} == {"idempotency-key-in-flight"}
    assert len(rows) == 1 + 1
    assert later.headers["idempotency-replayed"] == "true"


@in_loop
async def test_keys_outlive_a_restart(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        first = await Visit(lab, Person(1)).create()
    async with laboratory() as lab:
        second = await Visit(lab, Person(1)).create()
    assert (second.status, second.body) == (first.status, first.body)


@in_loop
async def test_a_write_without_a_key_is_refused(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        answer = await lab.send("POST", "/api/v1/accounts", Person(1).account)
        long = await lab.send("POST", "/api/v1/accounts", Person(1).account, key="k" * 65)
        longest = await lab.send("POST", "/api/v1/accounts", Person(1).account, key="k" * 64)
    assert (answer.problem, long.problem) == ("idempotency-key-missing", "idempotency-key-invalid")
    assert longest.status == 201
