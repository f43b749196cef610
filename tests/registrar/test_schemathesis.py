"""Requests made from the OpenAPI document, and against it: no failure, no answer that is not described.

`make test` sends more than 2 000, `make test-all` more than 10 000. By hand, as many as you like, always others:

    PRAKERJA_FUZZ_CASES=100000 .venv/bin/python -m pytest -m slow --timeout 0 tests/registrar/test_schemathesis.py
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from asgi import LAB_TOKEN
from crowd import confirmed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people import Person
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance
from server_process import ServerProcess
from wire import Wire

from prakerja_load.registrar.openapi import document
from prakerja_load.registrar.routes import Route
from prakerja_load.registrar.table import ROUTES

CASES = 65  # of each route and mode that has as many
MANY = int(os.environ.get("PRAKERJA_FUZZ_CASES", "14000"))  # altogether, in the slow test
SCHEMA = schemathesis.openapi.from_dict(json.loads(document("1")))
ENDS_THE_FUZZING = "inject-defects"
IGNORES_WHAT_IT_DOES_NOT_KNOW = "export"  # and has nothing that is required


def fuzzed_in(mode: GenerationMode) -> list[tuple[Route, GenerationMode]]:
    """Return the routes with their mode; what takes nothing cannot be sent anything wrong."""
    routes = [route for route in ROUTES if not route.is_unbounded and route.step != ENDS_THE_FUZZING]
    if mode is GenerationMode.NEGATIVE:
        takes = [route for route in routes if route.needs_key or route.body or route.is_lab or route.needs_token]
        routes = [route for route in takes if route.step != IGNORES_WHAT_IT_DOES_NOT_KNOW]
    return [(route, mode) for route in routes]


FUZZED = [pair for mode in GenerationMode for pair in fuzzed_in(mode)]
EACH = pytest.mark.parametrize(("route", "mode"), FUZZED, ids=[f"{route.step}-{mode.value}" for route, mode in FUZZED])


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("fuzz") / "store.db", "--civil-latency", "0")
    yield server
    server.end()


@pytest.fixture(scope="module")
def tokens(fuzzed: ServerProcess) -> list[str]:
    """Return the tokens of accounts at the beginning and at the end of the journey, and of one that never was."""

    async def register() -> list[str]:
        beginner, complete = Person(1), Person(2)
        wire = await Wire.open(fuzzed.url)
        await wire.send("POST", "/api/v1/accounts", beginner.account, idempotency_key="fuzz")
        line = json.dumps(complete.import_line).encode() + b"\n"
        headers = {"content_type": "application/x-ndjson", "import_password": complete.password}
        imported = await wire.send("POST", "/lab/import", line, lab_token=LAB_TOKEN, **headers)
        assert imported.status == 200, imported.body
        session = {"email": complete.email, "password": complete.password}
        opened = (await wire.send("POST", "/api/v1/sessions", session)).json()["token"]
        await wire.close()
        return [(await confirmed(fuzzed.url, [beginner]))[0], opened]

    real = asyncio.run(register())
    return [*real, real[0][:-3] + "AAA"]


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.headers["Lab-Token"] = LAB_TOKEN
        yield opened


class Fuzzing:
    """Sends cases of one operation and looks at the answers; remembers their statuses."""

    def __init__(self, server: ServerProcess, session: requests.Session, tokens: list[str]) -> None:
        self.statuses: list[int] = []
        self._server = server
        self._session = session
        self._tokens = tokens

    def run(self, route: Route, mode: GenerationMode, cases: int, *, is_repeatable: bool) -> None:
        cases_of = SCHEMA[route.path][route.method].as_strategy(mode)

        @settings(
            deadline=None,
            max_examples=cases,
            derandomize=is_repeatable,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases_of, token=st.sampled_from(self._tokens))
        def check_answers(case: schemathesis.Case[Any], token: str) -> None:
            if route.needs_token:
                self._session.headers["Authorization"] = f"Bearer {token}"
            answer = case.call(base_url=self._server.url, session=self._session)
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])
            assert answer.status_code < 500, answer.text
            assert answer.elapsed < 5
            self.statuses.append(answer.status_code)

        check_answers()
        assert self._server.process.poll() is None


@EACH
def test_whatever_is_sent_the_answer_is_a_described_one(
    route: Route, mode: GenerationMode, fuzzed: ServerProcess, session: requests.Session, tokens: list[str]
) -> None:
    fuzzing = Fuzzing(fuzzed, session, tokens)
    fuzzing.run(route, mode, CASES, is_repeatable=True)
    if mode is GenerationMode.NEGATIVE:
        assert set(fuzzing.statuses) & {400, 401, 404, 413, 415, 422}
    elif route.needs_token:
        assert set(fuzzing.statuses) - {401}, "no case came past the check of the token"


@pytest.mark.slow
@EACH
def test_however_much_is_sent_the_answer_is_a_described_one(
    route: Route, mode: GenerationMode, fuzzed: ServerProcess, session: requests.Session, tokens: list[str]
) -> None:
    Fuzzing(fuzzed, session, tokens).run(route, mode, -(-MANY // len(FUZZED)), is_repeatable=False)
