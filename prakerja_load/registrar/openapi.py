"""The OpenAPI 3.1 document, made from the same table the router uses and the same types that validate."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import Any

import msgspec

from prakerja_load.registrar.problems import KINDS, ProblemDocument
from prakerja_load.registrar.reply import JSON, NDJSON, PROBLEM
from prakerja_load.registrar.routes import Route
from prakerja_load.registrar.table import ROUTES

_EVERYWHERE = ("internal-error",)
_JOURNEY = ("overloaded", "rate-limited")
_WRITES = ("store-busy", "store-unavailable", "store-full")
_KEYED = (
    "idempotency-key-missing",
    "idempotency-key-invalid",
    "idempotency-key-reused",
    "idempotency-key-in-flight",
    *_WRITES,
)
_BODY = ("body-too-large", "unsupported-media-type")
_DECODED = ("malformed-json", "invalid-body")
_HEADERS = {"create-account": ("Waiting-Ticket", False), "read-turn": ("Waiting-Ticket", True)}
_QUERIES = {"read-outbox": ("to", True), "export": ("after", False)}


def problem_codes(route: Route) -> list[str]:
    """Return every problem code that a route may answer with."""
    codes = [*route.problems, *_EVERYWHERE]
    codes += _JOURNEY if route.is_journey else ()
    codes += _KEYED if route.needs_key else ()
    codes += ["unauthenticated"] if route.needs_token else []
    codes += ["not-found", *_WRITES] if route.is_lab else []
    codes += ["not-found"] if "{" in route.path else []
    codes += _BODY if route.body_limit or route.is_unbounded else ()
    codes += _DECODED if route.body is not None else ()
    return sorted(set(codes))


@functools.cache
def document(version: str) -> bytes:
    """Return the OpenAPI document as JSON."""
    _, components = msgspec.json.schema_components(_types(), ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in ROUTES:
        paths[route.path][route.method.lower()] = _operation(route)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Reference registrar",
                "version": version,
                "description": "A reference registration system for load tests. Its addresses are its own.",
            },
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "lab": {"type": "apiKey", "in": "header", "name": "Lab-Token"},
                },
            },
        }
    )


def _types() -> list[Any]:
    types: list[Any] = [ProblemDocument]
    for route in ROUTES:
        types += [kind for kind in (route.body, *route.success.values()) if kind not in (None, str, dict)]
    return types


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.step,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {**_successes(route), **_problems(route)},
    }
    if route.body_limit or route.is_unbounded:
        operation["requestBody"] = {"required": True, "content": {route.content_type.decode(): _body(route)}}
    if route.needs_token:
        operation["security"] = [{"bearer": []}]
    if route.is_lab:
        operation["security"] = [{"lab": []}]
    return operation


def _body(route: Route) -> dict[str, Any]:
    if route.body is not None:
        return {"schema": _reference(route.body)}
    return {"schema": {"type": "string", "format": "binary"}}


def _reference(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    return dict(schema)


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if "{" in route.path:
        name = route.path.partition("{")[2].partition("}")[0]
        number = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
        parameters.append({"name": name, "in": "path", "required": True, "schema": number})
    if route.needs_key:
        key = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]{1,64}$"}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": True, "schema": key})
    if route.step in _HEADERS:
        header, required = _HEADERS[route.step]
        parameters.append({"name": header, "in": "header", "required": required, "schema": {"type": "string"}})
    if route.step in _QUERIES:
        query, required = _QUERIES[route.step]
        parameters.append({"name": query, "in": "query", "required": required, "schema": {"type": "string"}})
    return parameters


def _successes(route: Route) -> dict[str, Any]:
    return {
        str(status): {"description": route.summary, "content": _success_content(route, kind)}
        for status, kind in route.success.items()
    }


def _success_content(route: Route, kind: Any) -> dict[str, Any]:
    if kind is str:
        media = NDJSON.decode() if route.is_lab else "application/openmetrics-text"
        if route.step == "admin-page":
            media = "text/html"
        return {media: {"schema": {"type": "string"}}}
    return {JSON.decode(): {"schema": {"type": "object"} if kind is dict else _reference(kind)}}


def _problems(route: Route) -> dict[str, Any]:
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in problem_codes(route):
        by_status[KINDS[code][0]].append(code)
    return {str(status): _problem(status, codes) for status, codes in sorted(by_status.items())}


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": ", ".join(codes),
        "content": {PROBLEM.decode(): {"schema": _reference(ProblemDocument)}},
    }
    if status in (429, 503):
        seconds = {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}
        response["headers"] = {"Retry-After": seconds}
    return response
