"""Requests made from the OpenAPI document, and against it: no failure, no answer that is not described."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from asgi import LAB_TOKEN
from conftest import ServerProcess
from hypothesis import HealthCheck, given, settings
from people import Person
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance
from test_concurrency import confirmed
from wire import Wire

from prakerja_load.registrar.openapi import document
from prakerja_load.registrar.routes import Route
from prakerja_load.registrar.table import ROUTES

CASES = 25  # of each route and mode
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


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("fuzz") / "store.db", "--civil-latency", "0")
    yield server
    server.end()


@pytest.fixture(scope="module")
def session(fuzzed: ServerProcess) -> Iterator[requests.Session]:
    async def register() -> str:
        person = Person(1)
        wire = await Wire.open(fuzzed.url)
        await wire.send("POST", "/api/v1/accounts", person.account, idempotency_key="fuzz")
        await wire.close()
        return (await confirmed(fuzzed.url, [person]))[0]

    with requests.Session() as opened:
        opened.headers.update({"Authorization": f"Bearer {asyncio.run(register())}", "Lab-Token": LAB_TOKEN})
        yield opened


@pytest.mark.parametrize(("route", "mode"), FUZZED, ids=[f"{route.step}-{mode.value}" for route, mode in FUZZED])
def test_whatever_is_sent_the_answer_is_a_described_one(
    route: Route, mode: GenerationMode, fuzzed: ServerProcess, session: requests.Session
) -> None:
    operation = SCHEMA[route.path][route.method]

    @settings(deadline=None, max_examples=CASES, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(mode))
    def check_answers(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=fuzzed.url, session=session, excluded_checks=[positive_data_acceptance])

    check_answers()
