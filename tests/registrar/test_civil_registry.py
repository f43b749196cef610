"""The civil registry stub: what it knows, how many it serves at once, when it is away."""

from __future__ import annotations

import asyncio
import datetime
import json
from pathlib import Path

import pytest
from asgi import NOON, Laboratory, in_loop
from people import Person, Visit

from prakerja_load.registrar.breaker import BreakerRules, BreakerState
from prakerja_load.registrar.civil_registry import CitizenRecords, CivilRegistry
from prakerja_load.registrar.problems import RefusalError

BORN = datetime.date(1990, 5, 17)
DAY = 24 * 3600


def records(folder: Path, *people: Person) -> CitizenRecords:
    citizens = CitizenRecords(folder / "civil.db")
    citizens.add(b"".join(json.dumps(person.identity).encode() + b"\n" for person in people))
    return citizens


@in_loop
async def test_the_registry_knows_its_people_with_their_family_card_and_birth_date(tmp_path: Path) -> None:
    person, stranger = Person(1), Person(2)
    registry = CivilRegistry(records(tmp_path, person), latency=0)
    assert await registry.problem_with(person.nik, person.kk, BORN, NOON) is None
    assert await registry.problem_with(stranger.nik, stranger.kk, BORN, NOON) == "nik-unknown"
    assert await registry.problem_with(person.nik, stranger.kk, BORN, NOON) == "civil-mismatch"
    other_day = datetime.date(1990, 5, 18)
    assert await registry.problem_with(person.nik, person.kk, other_day, NOON) == "civil-mismatch"
    registry.records.close()


def test_people_are_remembered_and_the_newest_entry_counts(tmp_path: Path) -> None:
    first = records(tmp_path, Person(1), Person(2))
    assert first.count() == 2
    first.close()
    second = records(tmp_path, Person(2), Person(3))
    assert second.count() == 3
    assert second.find(int(Person(1).nik)) == (int(Person(1).kk), BORN.toordinal())
    second.close()


@pytest.mark.parametrize("lines", [b"{\n", b"\xff\n", b'{"nik":"1","kk":"1","birth_date":"1990-05-17"}\n', b"[]\n"])
def test_a_bad_line_is_refused(tmp_path: Path, lines: bytes) -> None:
    citizens = CitizenRecords(tmp_path / "civil.db")
    with pytest.raises(RefusalError, match="invalid-body"):
        citizens.add(lines)
    citizens.close()


@in_loop
async def test_the_daily_quota_is_spent_once_a_day_of_jakarta(tmp_path: Path) -> None:
    person = Person(1)
    registry = CivilRegistry(records(tmp_path, person), latency=0, daily_quota=2)
    for _ in range(2):
        assert await registry.problem_with(person.nik, person.kk, BORN, NOON) is None
    with pytest.raises(RefusalError, match="civil-registry-away") as away:
        await registry.problem_with(person.nik, person.kk, BORN, NOON)
    assert away.value.retry_after == 60
    assert await registry.problem_with(person.nik, person.kk, BORN, NOON + DAY) is None
    assert (registry.checks, registry.refused) == (3, 1)
    registry.records.close()


@in_loop
async def test_checks_beyond_the_capacity_wait_and_give_up_in_time(tmp_path: Path) -> None:
    person = Person(1)
    registry = CivilRegistry(records(tmp_path, person), latency=0.4, capacity=2, timeout=0.6, daily_quota=3)
    checks = [registry.problem_with(person.nik, person.kk, BORN, NOON) for _ in range(3)]
    answers = await asyncio.gather(*checks, return_exceptions=True)
    assert answers[:2] == [None, None]
    assert getattr(answers[2], "code", "") == "civil-registry-away"
    assert registry.waiting == 0
    registry.records.close()


@in_loop
async def test_checks_that_could_not_be_answered_in_time_do_not_wait_and_cost_nothing(tmp_path: Path) -> None:
    person = Person(1)
    registry = CivilRegistry(records(tmp_path, person), latency=1.0, capacity=1, timeout=2.0)
    checks = [asyncio.create_task(registry.problem_with(person.nik, person.kk, BORN, NOON)) for _ in range(3)]
    await asyncio.sleep(0)  # they have begun
    with pytest.raises(RefusalError, match="civil-registry-away") as away:
        await registry.problem_with(person.nik, person.kk, BORN, NOON)
    assert away.value.detail == "too many checks wait"
    assert (registry.checks, registry.waiting, registry.refused) == (1, 2, 1)
    for check in checks:
        check.cancel()
    await asyncio.wait(checks)
    assert registry.waiting == 0
    registry.records.close()


@in_loop
async def test_a_registry_that_does_not_answer_is_left_alone_and_then_tried_once(tmp_path: Path) -> None:
    person = Person(1)
    rules = BreakerRules(failures=3, rest=0.2)
    registry = CivilRegistry(records(tmp_path, person), latency=60, timeout=0.02, breaker=rules)

    async def ask() -> str | None:
        return await registry.problem_with(person.nik, person.kk, BORN, NOON)

    reasons = []
    for _ in range(5):
        with pytest.raises(RefusalError, match="civil-registry-away") as away:
            await ask()
        reasons.append(away.value.detail)
    assert reasons == ["no answer in time"] * 3 + ["it did not answer lately"] * 2
    assert registry.checks == 3
    registry._latency = 0  # it is well again
    await asyncio.sleep(0.21)
    answers = await asyncio.gather(ask(), ask(), return_exceptions=True)
    assert answers[0] is None
    assert await ask() is None
    assert registry.breaker.state is BreakerState.CLOSED
    registry.records.close()


@in_loop
async def test_a_registry_away_is_503_and_the_same_key_works_later(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0, civil_pending=0) as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        away = await visit.identify()
        lab.registrar.civil_registry._daily_quota = 1
        back = await visit.identify()
        replayed = await visit.identify()
    assert (away.status, away.problem, away.headers["retry-after"]) == (503, "civil-registry-away", "60")
    assert back.status == 201
    assert replayed.headers["idempotency-replayed"] == "true"  # without asking the registry again


@in_loop
async def test_a_registered_nik_is_refused_without_asking_the_registry(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await (await Visit(lab, Person(1)).up_to_login()).identify()
        thief = await Visit(lab, Person(2)).up_to_login()
        asked = lab.registrar.civil_registry.checks
        answer = await lab.send("POST", "/api/v1/identity", Person(1).identity, key="k", token=thief.token)
        own = await lab.send("POST", "/api/v1/identity", Person(2).identity, key="k2", token=thief.token)
        assert lab.registrar.civil_registry.checks == asked + 1
    assert (answer.status, answer.problem) == (409, "nik-in-use")
    assert own.problem == "nik-unknown"


@in_loop
async def test_an_account_has_one_identity(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        await visit.identify()
        await lab.lines("civil", [Person(2).identity])
        again = await lab.send("POST", "/api/v1/identity", Person(2).identity, key="k", token=visit.token)
    assert again.problem == "identity-already-checked"


@in_loop
async def test_a_family_card_has_room_for_as_many_as_the_rule_allows(laboratory: Laboratory) -> None:
    async with laboratory(max_persons_per_kk=2) as lab:
        problems = []
        for index in range(3):
            visit = await Visit(lab, Person(index)).up_to_login()
            family = {**Person(index).identity, "kk": Person(0).kk}
            await lab.lines("civil", [family])
            answer = await lab.send("POST", "/api/v1/identity", family, key="k", token=visit.token)
            problems.append(answer.problem)
    assert problems == ["", "", "family-card-full"]


@in_loop
async def test_people_are_added_in_any_number_of_pieces(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prakerja_load.registrar.lab._CIVIL_BLOCK", 300)
    async with laboratory() as lab:
        answer = await lab.lines("civil", [Person(index).identity for index in range(100)])
        more = await lab.lines("civil", [Person(index).identity for index in range(90, 110)])
    assert (answer.json(), more.json()) == ({"known": 100}, {"known": 110})
