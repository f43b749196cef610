"""The journey of a new applicant, step by step, and what the registrar holds afterwards."""

from __future__ import annotations

import asyncio
import hashlib

from asgi import Laboratory, in_loop
from people import STEPS, Person, Visit, picture
from stores import stored_pictures


@in_loop
async def test_a_new_applicant_registers_and_joins_the_wave(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).complete()
        joined = await visit.join()
        status = await lab.send("GET", "/api/v1/status", token=visit.token)
        page = (await lab.send("GET", "/api/v1/waves/current")).json()
    assert joined.status == 201
    assert joined.json()["joined_at"].startswith("2020-04-15T07:00:00")
    assert status.json() == {
        "account": 1,
        "email_confirmed": True,
        "nik_checked": True,
        "identity": "checked",
        "identity_problem": None,
        "profile_complete": True,
        "photos": ["ktp", "selfie"],
        "phone_confirmed": True,
        "test_passed": True,
        "joined": [1],
    }
    assert (page["wave"], page["joined"], page["is_open"]) == (1, 1, True)


@in_loop
async def test_the_export_is_what_was_acknowledged(laboratory: Laboratory) -> None:
    person = Person(7)
    async with laboratory() as lab:
        position = (await lab.lab("GET", "position")).json()["position"]
        await (await Visit(lab, person).complete()).join()
        *rows, end = await lab.export(position)
    by_kind = {row.pop("kind"): row for row in rows}
    assert list(by_kind) == list(STEPS)
    assert {kind: row.pop("key") for kind, row in by_kind.items()} == {kind: person.key(kind) for kind in STEPS}
    assert {row.pop("owner") for row in by_kind.values()} == {person.email}
    ktp = picture("ktp", person)
    assert by_kind["create-account"] == {"full_name": "Siti Rahayu", "email": person.email}
    assert by_kind["confirm-email"] == {"email": person.email}
    assert by_kind["identity"] == person.identity
    assert by_kind["personal-data"] == person.profile
    assert by_kind["ktp-photo"] == {"size": len(ktp), "sha256": hashlib.sha256(ktp).hexdigest()}
    assert by_kind["confirm-phone"] == {"phone": person.phone}
    assert by_kind["submit-test"] == {"answers": [0, 1, 2] * 6}
    assert by_kind["join-wave"] == {"wave": 1}
    assert end == {
        "kind": "end",
        "rows": 9,
        "accounts": 1,
        "before": 0,
        "imported": 0,
        "joined": {"1": 1},
        "quota": {"1": 200_000_000},
    }


@in_loop
async def test_an_export_holds_only_what_came_after_its_position(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        early = await Visit(lab, Person(1)).complete()
        position = (await lab.lab("GET", "position")).json()["position"]
        await early.join()
        await Visit(lab, Person(2)).create()
        rows = await lab.export(position)
        everything = await lab.export()
    assert [(row["kind"], row.get("key")) for row in rows[:-1]] == [
        ("create-account", Person(2).key("create-account")),
        ("join-wave", Person(1).key("join-wave")),
    ]
    assert len(everything) == 1 + 9 + 1


@in_loop
async def test_a_position_outlives_a_restart(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await Visit(lab, Person(1)).create()
        position = (await lab.lab("GET", "position")).json()["position"]
    async with laboratory() as lab:
        await Visit(lab, Person(2)).create()
        rows = await lab.export(position)
    assert [row["kind"] for row in rows] == ["create-account", "end"]


@in_loop
async def test_the_stored_picture_is_the_one_sent(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(3)).up_to_login()
        await visit.photograph("ktp")
        await visit.photograph("selfie")
        pictures = await asyncio.to_thread(stored_pictures, lab)
    assert pictures == [picture("ktp", Person(3)), picture("selfie", Person(3))]


@in_loop
async def test_a_restart_keeps_the_wave_and_who_joined_it(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await (await Visit(lab, Person(1)).complete()).join()
    async with laboratory(wave_quota=5) as lab:
        page = (await lab.send("GET", "/api/v1/waves/current")).json()
    assert (page["wave"], page["joined"], page["quota"]) == (1, 1, 200_000_000)


@in_loop
async def test_codes_and_tokens_outlive_a_restart(laboratory: Laboratory) -> None:
    person = Person(4)
    async with laboratory() as lab:
        await Visit(lab, person).create()
        other = await Visit(lab, Person(5)).up_to_login()
        await other.ask_for_code()
    async with laboratory() as lab:
        visit = Visit(lab, person)
        confirmed = await visit.confirm_email()
        other.lab = lab
        phone = await other.confirm_phone()
    assert confirmed.json() == {"account": 1, "email_confirmed": True}
    assert phone.json() == {"account": 2, "phone_confirmed": True}


@in_loop
async def test_a_wave_that_is_incomplete_closed_or_joined_already_refuses(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        newcomer = await Visit(lab, Person(1)).up_to_login()
        incomplete = await newcomer.join()
        visit = await Visit(lab, Person(2)).complete()
        await visit.join()
        again = await lab.send("POST", "/api/v1/waves/1/joins", {"declaration": True}, key="other", token=visit.token)
        await lab.lab("POST", "waves", {"name": "Gelombang 2", "quota": 5})
        closed = await lab.send("POST", "/api/v1/waves/1/joins", {"declaration": True}, key="third", token=visit.token)
        unknown = await lab.send("POST", "/api/v1/waves/9/joins", {"declaration": True}, key="4th", token=visit.token)
        second = await lab.send("POST", "/api/v1/waves/2/joins", {"declaration": True}, key="5th", token=visit.token)
    assert incomplete.problem == "incomplete"
    assert again.problem == "already-joined"
    assert closed.problem == unknown.problem == "wave-closed"
    assert second.status == 201


@in_loop
async def test_a_wave_is_open_between_its_bounds_only(laboratory: Laboratory) -> None:
    bounds = {"opens_at": "2020-04-15T15:00:00+07:00", "closes_at": "2020-04-15T16:00:00+07:00"}
    async with laboratory() as lab:
        await lab.lab("POST", "waves", {"name": "Gelombang 2", "quota": 5, **bounds})
        seen = []
        for minutes in (59, 60, 119, 120):
            lab.time = 1_586_934_000.0 + minutes * 60
            seen.append((await lab.send("GET", "/api/v1/waves/current")).json()["is_open"])
    assert seen == [False, True, True, False]


@in_loop
async def test_quota_full_is_said_when_the_last_place_is_gone(laboratory: Laboratory) -> None:
    async with laboratory(wave_quota=1) as lab:
        first = await Visit(lab, Person(1)).complete()
        second = await Visit(lab, Person(2)).complete()
        taken, refused = await first.join(), await second.join()
        page = (await lab.send("GET", "/api/v1/waves/current")).json()
    assert (taken.status, refused.problem) == (201, "quota-full")
    assert (page["joined"], page["quota"]) == (1, 1)


@in_loop
async def test_a_phone_belongs_to_whoever_confirms_it(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        first = await Visit(lab, Person(1)).up_to_login()
        second = await Visit(lab, Person(2)).up_to_login()
        phone = {"phone": Person(1).phone}
        await first.ask_for_code()
        old_code = await first._code(Person(1).phone)
        taken_over = await lab.send("POST", "/api/v1/phone-codes", phone, key="p2", token=second.token)
        code = await first._code(Person(1).phone)
        late = await lab.send(
            "POST", "/api/v1/phone-confirmations", {**phone, "code": old_code}, key="c1", token=first.token
        )
        mine = await lab.send(
            "POST", "/api/v1/phone-confirmations", {**phone, "code": code}, key="c2", token=second.token
        )
        lost = await lab.send("POST", "/api/v1/phone-codes", phone, key="p3", token=first.token)
        confirm_lost = await lab.send(
            "POST", "/api/v1/phone-confirmations", {**phone, "code": code}, key="c3", token=first.token
        )
    assert (taken_over.status, mine.status) == (202, 200)
    assert late.problem == "wrong-code"
    assert lost.problem == confirm_lost.problem == "phone-in-use"
