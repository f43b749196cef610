"""What keeps people's data theirs: tokens, headers, the hidden laboratory, silent logs."""

from __future__ import annotations

import asyncio
import re

from asgi import LAB_TOKEN, Answer, Lab, Laboratory, in_loop
from hypothesis import given, settings
from hypothesis import strategies as st
from people import Person, Visit
from server_process import StartServer
from wire import Wire

from prakerja_load.registrar.table import ROUTES
from prakerja_load.registrar.tokens import LIFETIME, TokenSigner

LIVE = {"is_lab": False, "lab_token": ""}
NIK = re.compile(r"(?<!\d)\d{16}(?!\d)")


async def status_with(lab: Lab, token: str) -> Answer:
    return await lab.send("GET", "/api/v1/status", token=token)


@in_loop
async def test_no_token_but_the_accounts_own_opens_its_status(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        assert (await status_with(lab, visit.token)).status == 200
        foreign = TokenSigner(b"another key, of 32 bytes length.").issue(1, lab.time)
        for token in (foreign, visit.token[:-1], visit.token + "A", visit.token[::-1], "null", "1"):
            refused = await status_with(lab, token)
            assert (refused.status, refused.problem) == (401, "unauthenticated"), token
            assert refused.headers["www-authenticate"] == "Bearer"
        lab.time += LIFETIME
        assert (await status_with(lab, visit.token)).status == 401


@settings(deadline=None, max_examples=100)
@given(position=st.integers(0, 37), other=st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef0123456789-_"))
def test_no_character_of_a_token_can_be_changed(position: int, other: str) -> None:
    signer = TokenSigner(b"k" * 32)
    token = signer.issue(1, 0)
    changed = token[:position] + other + token[position + 1 :]
    # 38 characters hold 228 bits and the token 224: the last four bits of the last character are nobody's
    if changed[:-1] != token[:-1]:
        assert signer.account_of(changed.encode(), 0) is None


@in_loop
async def test_a_token_reaches_its_own_account_only(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visits = [await Visit(lab, Person(index)).up_to_login() for index in (1, 2)]
        await visits[0].identify()
        seen = [(await status_with(lab, visit.token)).json() for visit in visits]
    assert [status["nik_checked"] for status in seen] == [True, False]
    assert seen[0]["account"] != seen[1]["account"]


@in_loop
async def test_every_answer_has_the_security_headers(laboratory: Laboratory) -> None:
    async with laboratory(**LIVE) as live:
        answers = [await live.send(method, path) for method, path in (("GET", "/healthz"), ("PUT", "/healthz"))]
        answers += [await live.send("GET", "/nowhere"), await live.send("GET", "/api/v1/status")]
        answers += [await live.send("POST", "/api/v1/sessions", b"{")]
    assert [answer.status for answer in answers] == [200, 405, 404, 401, 400]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers.keys() & {"server", "x-powered-by", "set-cookie", "access-control-allow-origin"} == set()


@in_loop
async def test_without_lab_the_laboratory_is_what_any_unknown_address_is(laboratory: Laboratory) -> None:
    async with laboratory(**LIVE) as live:
        unknown = await live.send("GET", "/nowhere")
        for path in sorted({route.path for route in ROUTES if route.is_lab}):
            for method in ("GET", "POST", "PUT", "DELETE"):
                for headers in ({}, {"lab_token": ""}, {"lab_token": LAB_TOKEN}):
                    assert await live.send(method, path, **headers) == unknown, (method, path)


@in_loop
async def test_methods_that_no_route_has_are_refused(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        for method in ("TRACE", "CONNECT", "OPTIONS", "PATCH", "DELETE", "PROPFIND"):
            assert (await lab.send(method, "/healthz")).problem == "method-not-allowed", method


def test_no_nik_and_no_secret_reaches_a_log_or_an_answer_that_needs_it_not(start_server: StartServer) -> None:
    """Every step is taken, well and badly, and the log at its most verbose and all answers are searched."""
    server = start_server("--civil-latency", "0", "--log-level", "info")
    person = Person(1)
    seen: list[Answer] = []
    tokens: list[str] = []

    async def scenario() -> None:
        wire = await Wire.open(server.url)

        async def send(method: str, path: str, value: object = None, **headers: str) -> Answer:
            seen.append(await wire.send(method, path, value, **headers))
            return seen[-1]

        import_headers = {"content_type": "application/x-ndjson", "lab_token": LAB_TOKEN}
        civil = b'{"nik":"%b","kk":"%b","birth_date":"1990-05-17"}\n' % (person.nik.encode(), person.kk.encode())
        await send("POST", "/lab/civil", civil, **import_headers)
        await send("POST", "/lab/import", b'{"nik":"3201011705900000"}\n', import_password="12345678", **import_headers)
        await send("POST", "/api/v1/accounts", person.account, idempotency_key="a")
        code = (await wire.send("GET", f"/lab/outbox?to={person.email}", lab_token=LAB_TOKEN)).json()["code"]
        await send("POST", "/api/v1/email-confirmations", {"email": person.email, "code": code}, idempotency_key="b")
        opened = await wire.send("POST", "/api/v1/sessions", {"email": person.email, "password": person.password})
        tokens.append(opened.json()["token"])
        bearer = {"authorization": f"Bearer {tokens[0]}"}
        await send("POST", "/api/v1/identity", {**person.identity, "nik": 12}, idempotency_key="c", **bearer)
        await send("POST", "/api/v1/identity", {**person.identity, "kk": "1" * 16}, idempotency_key="d", **bearer)
        for key in ("e", "e", "f"):
            await send("POST", "/api/v1/identity", person.identity, idempotency_key=key, **bearer)
        await send("GET", f"/{person.nik}", **bearer)
        await send("GET", "/api/v1/status", **bearer)
        await send("GET", "/metrics")
        await send("GET", "/healthz")
        await wire.close()

    asyncio.run(scenario())
    server.process.terminate()
    server.process.wait(15)
    said = server.log.read_text() + "".join(answer.body.decode() + str(answer.headers) for answer in seen)
    assert [answer.status for answer in seen][:3] == [200, 422, 201]
    assert {"create-account", "identity", "read-status"} <= set(re.findall(r'"step":"([a-z-]+)"', said))
    assert NIK.findall(said) == []
    for secret in (person.password, tokens[0], person.kk, "Traceback"):
        assert secret not in said, secret
    assert person.email not in server.log.read_text()
