"""The description says what the registrar does: every route, every type, every problem."""

from __future__ import annotations

import json
from typing import Any

from asgi import Laboratory, in_loop

from prakerja_load.registrar.openapi import document, problem_codes
from prakerja_load.registrar.problems import KINDS
from prakerja_load.registrar.questions import PAPERS
from prakerja_load.registrar.table import ROUTES

DOCUMENT = json.loads(document("1"))


def test_every_route_is_described_once() -> None:
    described = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(route.path, route.method.lower()) for route in ROUTES}
    assert len({route.step for route in ROUTES}) == len({route.operation for route in ROUTES}) == len(ROUTES)


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(item) for item in value.values()))
    return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere() -> None:
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert references(DOCUMENT) <= known


def test_every_problem_a_route_names_exists_and_every_problem_has_its_route() -> None:
    named = {code for route in ROUTES for code in problem_codes(route)}
    outside_routes = {
        "method-not-allowed",
        "malformed-request",
        "headers-too-large",
        "request-timeout",
        "injected-error",
    }
    assert named | outside_routes == set(KINDS)


def test_keys_and_tokens_are_described_where_they_are_needed() -> None:
    for route in ROUTES:
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        headers = [item["name"] for item in operation["parameters"] if item["in"] == "header"]
        ticket = ["Waiting-Ticket"] if route.step in ("create-account", "read-turn") else []
        assert headers == (["Idempotency-Key"] if route.needs_key else []) + ticket
        assert operation.get("security") == (
            [{"lab": []}] if route.is_lab else [{"bearer": []}] if route.needs_token else None
        )


@in_loop
async def test_the_document_is_served(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        served = (await lab.send("GET", "/openapi.json")).json()
    assert served["paths"] == DOCUMENT["paths"]


def test_a_test_paper_has_eighteen_questions_of_four_choices() -> None:
    for number, paper in enumerate(map(json.loads, PAPERS), 1):
        assert (paper["test"], paper["minutes"]) == (number, 15)
        assert [question["number"] for question in paper["questions"]] == list(range(1, 19))
        assert {len(question["choices"]) for question in paper["questions"]} == {4}
        assert len({question["text"] for question in paper["questions"]}) == 18
