"""A registrar inside the test's own event loop, called without a socket."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec

from prakerja_load.registrar.app import App
from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.request import Request
from prakerja_load.registrar.settings import Settings

P = ParamSpec("P")
LAB_TOKEN = "laboratory"
NOON = 1_586_934_000.0  # 15 April 2020, 14.00 in Jakarta


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@dataclass(frozen=True)
class Answer:
    """A response as the client sees it."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """Return the code of a problem document, empty for another body."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        return str(self.json()["type"]).removeprefix("/problems/")


class Client:
    """Calls the application."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def call(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        pieces: Iterable[bytes] | None = None,
        goes_away: bool = False,
    ) -> Answer:
        """Send a request; `pieces` sends the body in parts, `goes_away` closes the connection after them."""
        request = Request()
        request.method = method
        request.path, _, query = target.partition("?")
        request.query = query.encode()
        given = {"content-length": str(len(body)), **(headers or {})}
        request.headers.update({name.lower().encode(): value.encode() for name, value in given.items()})
        for piece in pieces or [body]:
            request.add(piece)
        if goes_away:
            request.lose()
        else:
            request.complete()
        reply = await self._app.answer(request)
        if reply is None:
            return Answer(0, {}, b"")
        head = self._app.head(reply, b"", closes=reply.closes).decode("latin-1").split("\r\n")
        names = {name: value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        streamed = [block async for block in reply.stream] if reply.stream is not None else []
        return Answer(reply.status, names, b"".join([*streamed, reply.body]))


class Lab:
    """A registrar with a client and a clock that stands still until it is moved."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.time = NOON
        self.path = path
        chosen = {"is_lab": True, "lab_token": LAB_TOKEN, "civil_latency": 0.0, **settings}
        self.registrar = Registrar(Settings(path=path, **chosen), now=lambda: self.time)
        self.client = Client(App(self.registrar))

    async def send(
        self, method: str, target: str, value: Any = None, *, key: str = "", token: str = "", **headers: str
    ) -> Answer:
        """Send JSON, with an idempotency key and a bearer token where they are given."""
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        if key:
            given["idempotency-key"] = key
        if token:
            given["authorization"] = f"Bearer {token}"
        body = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        if value is not None:
            given.setdefault("content-type", "application/json")
        return await self.client.call(method, target, body, headers=given)

    async def lab(self, method: str, target: str, value: Any = None, **headers: str) -> Answer:
        """Send a request with the laboratory's token."""
        return await self.send(method, f"/lab/{target}", value, lab_token=LAB_TOKEN, **headers)

    async def lines(self, target: str, values: Iterable[Any], **headers: str) -> Answer:
        """Send NDJSON to the laboratory."""
        body = b"".join(json.dumps(value).encode() + b"\n" for value in values)
        return await self.lab("POST", target, body, content_type="application/x-ndjson", **headers)

    async def export(self, after: str = "p0") -> list[dict[str, Any]]:
        """Return the lines of an export."""
        answer = await self.lab("GET", f"export?after={after}")
        return [json.loads(line) for line in answer.body.splitlines()]


Laboratory = Callable[..., Any]


def laboratory_in(folder: Path) -> Laboratory:
    """Return a way to open registrars in a folder: `async with laboratory(**settings) as lab`."""

    @asynccontextmanager
    async def laboratory(name: str = "store.db", **settings: Any) -> AsyncIterator[Lab]:
        lab = Lab(folder / name, settings)
        await lab.registrar.start()
        try:
            yield lab
        finally:
            await lab.registrar.close()

    return laboratory


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something to be true, ten seconds at most."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)
