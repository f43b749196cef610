"""The import of complete registrants: all or nothing, unique, in as many requests as it takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgi import LAB_TOKEN, Answer, Lab, Laboratory, in_loop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people import Person, Visit
from stores import laboratory_on

from prakerja_load.registrar import lab as lab_module
from prakerja_load.registrar.store.lookups import Lookups

PASSWORD = {"import_password": "rahasia-bersama"}
INDEXES = {"accounts_email", "identities_nik", "pending_identities_waiting", "phones_phone"}


def people(start: int, stop: int) -> list[dict[str, Any]]:
    return [Person(index).import_line for index in range(start, stop)]


async def send(lab: Lab, lines: list[dict[str, Any]], *, more: bool = False) -> Answer:
    return await lab.lines("import", lines, **PASSWORD, **({"import_more": "true"} if more else {}))


async def rows(lab: Lab, query: str) -> list[Any]:
    return await lab.registrar.store.read(Lookups.all, query)


async def indexes(lab: Lab) -> set[str]:
    if lab.registrar.store.kind == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    else:
        query = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND right(indexname, 5) <> '_pkey'"
    return {name for (name,) in await rows(lab, query)}


@in_loop
async def test_an_imported_person_logs_in_and_joins_at_once(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        answer = await send(lab, people(0, 3))
        visit = Visit(lab, Person(1, password="rahasia-bersama"))
        session = await visit.log_in()
        joined = await visit.join()
        status = (await lab.send("GET", "/api/v1/status", token=visit.token)).json()
        rows = await lab.export()
    assert answer.json() == {"imported": 3, "total": 3}
    assert (session.status, joined.status) == (201, 201)
    assert status == {
        "account": 2,
        "email_confirmed": True,
        "nik_checked": True,
        "identity": "checked",
        "identity_problem": None,
        "profile_complete": True,
        "photos": [],
        "phone_confirmed": True,
        "test_passed": True,
        "joined": [1],
    }
    assert rows[0] == {"kind": "join-wave", "key": Person(1).key("join-wave"), "owner": Person(1).email, "wave": 1}
    assert (rows[-1]["rows"], rows[-1]["accounts"], rows[-1]["imported"]) == (1, 3, 3)
    assert rows[-1]["before"] == 3


@in_loop
async def test_an_import_in_several_requests_appears_at_its_end(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        first = await send(lab, people(0, 50), more=True)
        meanwhile = await rows(lab, "SELECT count(*) FROM accounts")
        busy = await Visit(lab, Person(900)).create()
        reading = await lab.send("GET", "/api/v1/waves/current")
        second = await send(lab, people(50, 80), more=True)
        last = await send(lab, people(80, 90))
        total = await rows(lab, "SELECT count(*), min(account), max(account) FROM accounts")
        assert await indexes(lab) == INDEXES
        after = await Visit(lab, Person(900)).create()
    assert [answer.json() for answer in (first, second, last)] == [
        {"imported": 50, "total": 50},
        {"imported": 30, "total": 80},
        {"imported": 10, "total": 90},
    ]
    assert meanwhile == [(0,)]
    assert (busy.status, busy.problem, reading.status) == (503, "store-busy", 200)
    assert total == [(90, 1, 90)]
    assert after.json()["account"] == 91


@in_loop
async def test_imports_top_up_a_store_that_has_people(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await (await Visit(lab, Person(500)).complete()).join()
        await send(lab, people(0, 20), more=True)
        await send(lab, people(20, 40))
        answer = await send(lab, people(40, 60))
        again = await Visit(lab, Person(30)).create()
    assert answer.json() == {"imported": 20, "total": 61}
    assert again.problem == "email-in-use"


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("column", ["email", "nik", "phone"])
def test_a_person_twice_undoes_the_whole_import(laboratory: Laboratory, column: str, is_large: bool) -> None:
    twice = people(5, 6)[0] | {column: people(2, 3)[0][column]}

    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            await send(lab, people(0, 4))
            if is_large:
                assert (await send(lab, people(10, 20), more=True)).status == 200
            answer = await send(lab, [*people(20, 30), twice])
            assert (answer.status, answer.problem) == (409, "import-conflict")
            assert answer.json()["errors"] == [{"column": column}]
            assert await rows(lab, "SELECT count(*) FROM accounts") == [(4,)]
            assert await rows(lab, "SELECT sum(count) FROM imports") == [(4,)]
            assert await indexes(lab) == INDEXES
            assert (await Visit(lab, Person(15)).create()).status == 201

    scenario()


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"\xff",
        b"[]",
        json.dumps({**Person(9).import_line, "extra": 1}).encode(),
        json.dumps({**Person(9).import_line, "nik": "123"}).encode(),
        json.dumps({**Person(9).import_line, "nik": "3201011705900001"}).encode(),  # not synthetic
        json.dumps({**Person(9).import_line, "birth_date": "1990-13-01"}).encode(),
    ],
)
def test_a_bad_line_undoes_the_whole_import(laboratory: Laboratory, line: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            await send(lab, people(0, 3), more=True)
            answer = await lab.lab(
                "POST", "import", json.dumps(Person(8).import_line).encode() + b"\n" + line + b"\n", **PASSWORD
            )
            assert answer.status == 422
            assert await rows(lab, "SELECT count(*) FROM accounts") == [(0,)]
            assert (await Visit(lab, Person(1)).create()).status == 201

    scenario()


@in_loop
async def test_lines_may_be_cut_anywhere_and_the_last_needs_no_end(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prakerja_load.registrar.store.bulk._BLOCK", 700)
    body = b"\n".join(json.dumps(line).encode() for line in people(0, 40))
    pieces = [body[start : start + 101] for start in range(0, len(body), 101)]
    headers = {"content-type": "application/x-ndjson", "lab-token": LAB_TOKEN, "import-password": "rahasia-bersama"}
    async with laboratory() as lab:
        answer = await lab.client.call("POST", "/lab/import", headers=headers, pieces=pieces)
        emails = await rows(lab, "SELECT email FROM accounts ORDER BY account")
    assert answer.json() == {"imported": 40, "total": 40}
    assert [email for (email,) in emails] == [Person(index).email for index in range(40)]


@in_loop
async def test_a_client_that_goes_away_undoes_its_import(laboratory: Laboratory) -> None:
    body = json.dumps(Person(1).import_line).encode() + b"\n"
    headers = {"content-type": "application/x-ndjson", "lab-token": LAB_TOKEN, "import-password": "rahasia-bersama"}
    async with laboratory() as lab:
        await lab.client.call("POST", "/lab/import", headers=headers, pieces=[body, body[:9]], goes_away=True)
        assert (await Visit(lab, Person(1)).create()).status == 201


@in_loop
async def test_an_import_nobody_continues_is_given_up(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_module, "ABANDONED", 0.05)
    async with laboratory() as lab:
        await send(lab, people(0, 3), more=True)
        async with asyncio.timeout(10):
            while (await Visit(lab, Person(1)).create()).status == 503:
                await asyncio.sleep(0.01)
        assert await rows(lab, "SELECT count(*) FROM accounts") == [(1,)]
        assert await indexes(lab) == INDEXES


@in_loop
async def test_an_import_cut_short_by_the_end_of_the_server_leaves_nothing(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await send(lab, people(0, 3), more=True)
    async with laboratory() as lab:
        assert await rows(lab, "SELECT count(*) FROM accounts") == [(0,)]


@in_loop
async def test_an_import_needs_a_password(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        missing = await lab.lines("import", people(0, 1))
        short = await lab.lines("import", people(0, 1), import_password="short")
    assert {missing.problem, short.problem} == {"invalid-body"}


@in_loop
async def test_a_second_import_has_to_wait_for_the_first(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        answers = await asyncio.gather(*(send(lab, people(start, start + 5)) for start in (0, 10, 20)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses in ([200, 503, 503], [200, 200, 503], [200, 200, 200])
    assert {answer.problem for answer in answers} <= {"", "store-busy"}


FRAGMENTS = st.sampled_from([json.dumps(Person(index).import_line).encode() for index in range(3)])
BODIES = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=30)), max_size=6).map(b"\n".join)


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.tuples(st.sampled_from(["import", "civil"]), BODIES), max_size=5))
def test_whatever_lines_are_sent_the_store_holds_all_of_them_or_none(
    new_database: Callable[[], str], bodies: list[tuple[str, bytes]]
) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory_on(new_database())() as lab:
            held = 0
            for target, body in bodies:
                answer = await lab.lab("POST", target, body, content_type="application/x-ndjson", **PASSWORD)
                assert answer.status in (200, 409, 422)
                if target == "import" and answer.status == 200:
                    held += answer.json()["imported"]
                assert await rows(lab, "SELECT count(*) FROM accounts") == [(held,)]

    scenario()
