"""Whatever is sent, the answer is a problem document of the 400s, never a failure of the server."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from asgi import LAB_TOKEN, Laboratory, in_loop
from people import Person, Visit

from prakerja_load.registrar.app import lab_header
from prakerja_load.registrar.problems import KINDS
from prakerja_load.registrar.routes import LARGEST_PHOTO, SMALL_BODY
from prakerja_load.registrar.table import ROUTES

JSON = "application/json"
ACCOUNT = {"full_name": "Siti Rahayu", "email": "siti@example.com", "password": "rahasia-negara"}


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in ACCOUNT.items() if key != name}).encode()


def account(**changes: Any) -> bytes:
    return json.dumps({**ACCOUNT, **changes}).encode()


MALFORMED = [
    (b"", 400),
    (b"{", 400),
    (b"not json", 400),
    (b"\xff\xfe", 400),
    (b"\xef\xbb\xbf" + account(), 400),
    (b'{"full_name":"\xff","email":"a@example.com","password":"12345678"}', 400),
    (b'{"full_name":"\\ud800","email":"a@example.com","password":"12345678"}', 400),
    (account() + b"x", 400),
    (b"NaN", 400),
    (b"[" * 5_000, 422),
    (b'{"email":' + b"[" * 5_000, 422),
    (b'{"email":' + b'{"a":' * 2_000, 422),
    (b"null", 422),
    (b"[]", 422),
    (b'"text"', 422),
    (b"1e999", 422),
    (b"{}", 422),
    (without("email"), 422),
    (account(extra=1), 422),
    (account(full_name=None), 422),
    (account(full_name=""), 422),
    (account(full_name="x" * 101), 422),
    (account(full_name="a\nb"), 422),
    (account(full_name="a\x00b"), 422),
    (account(full_name={"first": "Siti"}), 422),
    (account(email="no-at-sign"), 422),
    (account(email="a@b"), 422),
    (account(email="a@example.com\nBcc: b@example.com"), 422),
    (account(email="a" * 65 + "@example.com"), 422),
    (account(email=5), 422),
    (account(password="short"), 422),
    (account(password="x" * 129), 422),
    (account(password=[1] * 10), 422),
]


@pytest.mark.parametrize(("body", "status"), MALFORMED)
def test_a_malformed_account_is_refused(laboratory: Laboratory, body: bytes, status: int) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            answer = await lab.send("POST", "/api/v1/accounts", body, key="k")
            assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
            assert answer.json()["status"] == status
            assert len(await lab.export()) == 1

    scenario()


AUTHENTICATED = [
    ("POST", "identity", {"nik": "12", "kk": "3201010101000001", "birth_date": "1990-05-17"}, 422),
    ("POST", "identity", {"nik": "３２０１０１１７０５９０００００", "kk": "1" * 16, "birth_date": "1990-05-17"}, 422),
    ("POST", "identity", {"nik": "3201011705900000\n", "kk": "1" * 16, "birth_date": "1990-05-17"}, 422),
    ("POST", "identity", {"nik": "3201011705900000", "kk": "1" * 16, "birth_date": "1990-02-30"}, 422),
    ("POST", "identity", {"nik": "3201011705900000", "kk": "1" * 16, "birth_date": "17-05-1990"}, 422),
    ("POST", "identity", {"nik": 3201011705900000, "kk": "1" * 16, "birth_date": "1990-05-17"}, 422),
    ("PUT", "profile", {**Person(1).profile, "sex": "X"}, 422),
    ("PUT", "profile", {**Person(1).profile, "address": "x" * 201}, 422),
    ("PUT", "profile", {**Person(1).profile, "district": "a\tb"}, 422),
    ("POST", "phone-codes", {"phone": "+628990000001"}, 422),
    ("POST", "phone-codes", {"phone": "0899"}, 422),
    ("POST", "phone-codes", {"phone": "0899000000000000"}, 422),
    ("POST", "phone-confirmations", {"phone": "089900000001", "code": "12345"}, 422),
    ("POST", "phone-confirmations", {"phone": "089900000001", "code": "abcdef"}, 422),
    ("POST", "phone-confirmations", {"phone": "089900000001", "code": "123456"}, 422),
    ("POST", "test-answers", {"test": 1, "answers": [0] * 17}, 422),
    ("POST", "test-answers", {"test": 1, "answers": [0] * 19}, 422),
    ("POST", "test-answers", {"test": 1, "answers": [4] * 18}, 422),
    ("POST", "test-answers", {"test": 1, "answers": [-1] * 18}, 422),
    ("POST", "test-answers", {"test": 1, "answers": [0.5] * 18}, 422),
    ("POST", "test-answers", {"test": 0, "answers": [0] * 18}, 422),
    ("POST", "test-answers", {"test": 5, "answers": [0] * 18}, 422),
    ("POST", "waves/1/joins", {"declaration": False}, 422),
    ("POST", "waves/1/joins", {"declaration": "true"}, 422),
    ("POST", "waves/999999999/joins", {"declaration": True}, 409),
    ("POST", "waves/1000000000/joins", {"declaration": True}, 404),
    ("POST", "waves/-1/joins", {"declaration": True}, 404),
    ("POST", "waves/one/joins", {"declaration": True}, 404),
    ("POST", "waves/１/joins", {"declaration": True}, 404),
]


@pytest.mark.parametrize(("method", "path", "value", "status"), AUTHENTICATED)
def test_a_malformed_step_is_refused(laboratory: Laboratory, method: str, path: str, value: Any, status: int) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            token = lab.registrar.signer.issue(1, lab.time)
            answer = await lab.send(method, f"/api/v1/{path}", value, key="k", token=token)
            assert answer.status == status
            assert answer.problem in KINDS

    scenario()


@in_loop
async def test_every_step_that_needs_a_token_asks_for_one(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        guarded = [route for route in ROUTES if route.needs_token]
        for route in guarded:
            path = route.path.replace("{wave}", "1")
            for token in ("", "x", "é", lab.registrar.signer.issue(1, lab.time - 7200)):
                authorization = {"authorization": f"Bearer {token}"} if token else {}
                answer = await lab.send(route.method, path, {}, key="k", **authorization)
                assert (answer.status, answer.headers.get("www-authenticate")) == (401, "Bearer"), (path, token)
    assert len(guarded) == 10


@in_loop
async def test_an_unknown_address_is_not_found_and_a_wrong_method_says_which_is_right(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        missing = [await lab.send("GET", path) for path in ("/", "/api/v1", "/api/v1/accounts/", "//healthz")]
        wrong = await lab.send("DELETE", "/api/v1/accounts")
        wrong_join = await lab.send("GET", "/api/v1/waves/1/joins")
    assert {answer.problem for answer in missing} == {"not-found"}
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert (wrong_join.status, wrong_join.headers["allow"]) == (405, "POST")


@in_loop
async def test_a_body_too_large_is_refused_whether_announced_or_not(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        token = lab.registrar.signer.issue(1, lab.time)
        announced = await lab.send("POST", "/api/v1/accounts", b"x" * (SMALL_BODY + 1), key="k")
        pieces = [b"\xff\xd8" + b"x" * LARGEST_PHOTO, b"x", b"x"]
        headers = {"content-type": "image/jpeg", "idempotency-key": "k", "authorization": f"Bearer {token}"}
        hidden = await lab.client.call("PUT", "/api/v1/photos/ktp", headers=headers, pieces=pieces)
        at_once = await lab.client.call("PUT", "/api/v1/photos/ktp", headers=headers, pieces=[pieces[0]])
    assert {answer.problem for answer in (announced, hidden, at_once)} == {"body-too-large"}
    assert announced.headers["connection"] == "close"


@in_loop
async def test_a_body_in_pieces_is_read_whole(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        body = account()
        headers = {"content-type": JSON, "idempotency-key": "k"}
        pieces = [body[:10], b"", body[10:30], body[30:]]
        answer = await lab.client.call("POST", "/api/v1/accounts", headers=headers, pieces=pieces)
    assert answer.json() == {"account": 1, "email": "siti@example.com"}


@in_loop
async def test_a_client_that_goes_away_leaves_nothing_behind(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        headers = {"content-type": JSON, "idempotency-key": "k"}
        gone = await lab.client.call("POST", "/api/v1/accounts", headers=headers, pieces=[b'{"fu'], goes_away=True)
        again = await lab.send("POST", "/api/v1/accounts", ACCOUNT, key="k")
        assert lab.registrar.admission.in_flight == 0
    assert (gone.status, again.status) == (0, 201)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=utf-8", 201),
        ("text/plain", 415),
        ("application/jsonx", 415),
        ("", 415),
    ],
)
def test_the_content_type_must_be_the_one_taken(laboratory: Laboratory, given: str, status: int) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            answer = await lab.send("POST", "/api/v1/accounts", ACCOUNT, key="k", content_type=given)
            assert answer.status == status

    scenario()


@in_loop
async def test_a_photo_must_begin_as_a_jpeg_does(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        token = lab.registrar.signer.issue(1, lab.time)
        for body in (b"", b"\x89PNG", b"\xff"):
            answer = await lab.send("PUT", "/api/v1/photos/ktp", body, key="k", token=token, content_type="image/jpeg")
            assert (answer.status, answer.problem) == (422, "invalid-body")


@in_loop
async def test_every_answer_forbids_caching_and_guessing(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        answers = [await lab.send("GET", path) for path in ("/healthz", "/nowhere", "/api/v1/waves/current")]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
        assert answer.headers["content-security-policy"] == policy


@in_loop
async def test_the_laboratory_is_hidden_from_all_without_its_token(laboratory: Laboratory) -> None:
    async with laboratory() as lab, laboratory(name="live.db", is_lab=False, lab_token="") as live:
        for route in (route for route in ROUTES if route.is_lab):
            path = route.path.removeprefix("/lab/")
            assert (await lab.send(route.method, route.path)).problem == "not-found", route.path
            assert (await lab.send(route.method, route.path, lab_token="wrong")).problem == "not-found"
            assert (await live.lab(route.method, path)).problem == "not-found"
            assert (await live.send(route.method, route.path, lab_token="")).problem == "not-found"
        assert "prakerja-lab" not in (await live.send("GET", "/healthz")).headers
        assert (await lab.send("GET", "/healthz")).headers["prakerja-lab"] == "on"


@in_loop
async def test_a_live_registrar_takes_any_known_nik(laboratory: Laboratory) -> None:
    real = {"nik": "3201011705900123", "kk": "3201010101000001", "birth_date": "1990-05-17"}
    line = json.dumps(real).encode() + b"\n"
    async with laboratory(is_lab=False, lab_token="") as live:
        live.registrar.civil_registry.records.add(line)
        token = live.registrar.signer.issue(1, live.time)
        assert (await live.send("POST", "/api/v1/identity", real, key="k", token=token)).status == 201


@in_loop
async def test_health_says_what_a_reader_of_figures_should_know(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        health = (await lab.send("GET", "/healthz")).json()
    assert {name: health[name] for name in ("status", "lab", "defects", "password_hash", "database")} == {
        "status": "ok",
        "lab": True,
        "defects": [],
        "password_hash": "argon2id m=8KiB t=1 p=1",
        "database": "sqlite",
    }
    assert (health["journal"], health["synchronous"]) == ("wal", "full")


@in_loop
async def test_more_than_the_limit_under_way_is_told_to_come_back(laboratory: Laboratory) -> None:
    async with laboratory(max_in_flight=3) as lab:
        visits = [Visit(lab, Person(index)) for index in range(8)]
        answers = await asyncio.gather(*(visit.create() for visit in visits))
        health = await lab.send("GET", "/healthz")
        metrics = (await lab.send("GET", "/metrics")).body.decode()
        retried = [await visit.create() for visit in visits]
    shed = [answer for answer in answers if answer.status == 503]
    assert len(shed) == 5
    assert {answer.problem for answer in shed} == {"overloaded"}
    assert all(1 <= int(answer.headers["retry-after"]) <= 3 for answer in shed)
    assert health.status == 200
    assert 'registrar_shed_total{reason="in-flight"} 5.0' in metrics
    assert {answer.status for answer in retried} == {201}


@in_loop
async def test_a_failure_inside_is_one_500_and_the_log_holds_no_person(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        monkeypatch.setattr(type(lab.registrar.store.lookups), "has_identity", lambda *_: 1 / 0)
        with caplog.at_level(logging.ERROR):
            answer = await lab.send("POST", "/api/v1/identity", Person(1).identity, key="k", token=visit.token)
        assert lab.registrar.admission.in_flight == 0
    assert (answer.status, answer.problem) == (500, "internal-error")
    assert [(record.msg, record.fields["step"]) for record in caplog.records] == [("request-failed", "identity")]
    assert "ZeroDivisionError" in caplog.text
    assert Person(1).nik not in caplog.text


def test_the_lab_header_names_every_defect() -> None:
    assert lab_header([]) == b"on"
    assert lab_header(["slow", "stall"]) == b"on; defect=slow,stall"
    assert LAB_TOKEN


@in_loop
async def test_the_consent_is_the_file_as_it_is_now(laboratory: Laboratory, tmp_path: Path) -> None:
    path, address = tmp_path / "consent.json", "/.well-known/prakerja-load.json"
    async with laboratory(consent=path) as lab:
        before = await lab.send("GET", address)
        path.write_text('{"max_rps": 1}')
        there = await lab.send("GET", address)
        path.unlink()
        after = await lab.send("GET", address)
    async with laboratory() as without:
        never = await without.send("GET", address)

    assert [answer.status for answer in (before, there, after, never)] == [404, 200, 404, 404]
    assert there.json() == {"max_rps": 1}
