"""The table of addresses: what each takes and gives, for the router and for the OpenAPI document alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import JSON, Reply
from prakerja_load.registrar.request import Request

SMALL_BODY = 16 * 1024
LARGEST_PHOTO = 4 * 1024 * 1024


class Call:
    """One request on its way to its endpoint."""

    __slots__ = ("account", "body", "headers", "key", "parameter", "query", "request", "route")

    def __init__(self, route: Route, parameter: int, request: Request) -> None:
        self.route = route
        self.parameter = parameter
        self.request = request
        self.headers = request.headers
        self.query = request.query
        self.body = b""
        self.account = 0
        self.key = ""

    def decode(self) -> Any:
        """Return the body as the route's type; raises RefusalError when it is not JSON or does not fit."""
        if self.route.decode is None:
            raise AssertionError(f"{self.route.step} takes no JSON")
        try:
            return self.route.decode(self.body)
        except msgspec.ValidationError as error:
            raise RefusalError("invalid-body", str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RefusalError("malformed-json", str(error)) from error


Endpoint: TypeAlias = Callable[[Registrar, Call], Awaitable[Reply]]


class Route:
    """One method at one address."""

    def __init__(
        self,
        step: str,
        method: str,
        path: str,
        endpoint: Endpoint,
        *,
        summary: str,
        success: Mapping[int, Any],
        body: Any = None,
        content_type: bytes = JSON,
        body_limit: int = 0,
        problems: Sequence[str] = (),
        needs_token: bool = False,
        needs_key: bool = False,
        is_lab: bool = False,
        is_unbounded: bool = False,
    ) -> None:
        self.step = step
        self.method = method
        self.path = path
        self.endpoint = endpoint
        self.summary = summary
        self.success = success
        self.body = body
        self.content_type = content_type
        self.body_limit = body_limit or (SMALL_BODY if body is not None else 0)
        self.problems = tuple(problems)
        self.needs_token = needs_token
        self.needs_key = needs_key
        self.is_lab = is_lab
        self.is_unbounded = is_unbounded  # the endpoint reads the body piece by piece itself
        self.is_journey = path.startswith("/api/")
        self.operation = 0  # its number in the table of kept answers
        self.decode = msgspec.json.Decoder(body).decode if body is not None else None

    @property
    def success_status(self) -> int:
        """Return the status of a success."""
        return min(self.success)


_NO_ROUTES: dict[str, Route] = {}


class Router:
    """Finds the route of a request; addresses are compared whole, one may hold a number in braces."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._exact: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[str, str, dict[str, Route]]] = []
        for route in routes:
            self._add(route)

    def find(self, method: str, path: str) -> tuple[Route, int]:
        """Return the route and the number in its address; raises RefusalError when there is none."""
        methods = self._exact.get(path)
        parameter = 0
        if methods is None:
            methods, parameter = self._match(path)
        route = methods.get(method)
        if route is None:
            allowed = ", ".join(sorted(methods)).encode()
            raise RefusalError("method-not-allowed", headers=[(b"allow", allowed)])
        return route, parameter

    def step_of(self, method: str, path: str) -> str:
        """Return the step of the journeys that an address without a number stands for; empty when it is none."""
        route = self._exact.get(path, _NO_ROUTES).get(method)
        return route.step if route is not None and route.is_journey else ""

    def _add(self, route: Route) -> None:
        before, brace, rest = route.path.partition("{")
        if not brace:
            self._exact.setdefault(route.path, {})[route.method] = route
        else:
            self._patterns.append((before, rest.partition("}")[2], {route.method: route}))

    def _match(self, path: str) -> tuple[dict[str, Route], int]:
        for before, after, methods in self._patterns:
            if path.startswith(before) and path.endswith(after):
                digits = path[len(before) : len(path) - len(after)]
                if digits.isascii() and digits.isdigit() and len(digits) <= 9:
                    return methods, int(digits)
        raise RefusalError("not-found")
