"""Registrants who go through the whole journey one after another, each client as fast as it is answered."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import uvloop
from servers.pinned import LAB_TOKEN

from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.journey import particulars
from prakerja_load.journey.photo import Photos

CLIENTS = 64
REQUESTS = 16  # of one registrant: fourteen steps and two looks into the outbox
_JSON = "application/json"


def register(url: str, people: range, profile_of: Callable[[int], ApplicantProfile]) -> None:
    """Let these people register, as many at once as there are clients; raises SystemExit when one is refused."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_register(url, iter(people), profile_of))


async def _register(url: str, people: Iterator[int], profile_of: Callable[[int], ApplicantProfile]) -> None:
    photos = Photos(1, 4096)
    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(_client(url, people, profile_of, photos))


async def _client(
    url: str, people: Iterator[int], profile_of: Callable[[int], ApplicantProfile], photos: Photos
) -> None:
    line = await Line.open(url)
    for person in people:
        await _journey(line, person, profile_of(person), photos)
    line.close()


async def _journey(line: Line, person: int, profile: ApplicantProfile, photos: Photos) -> None:
    session: dict[str, str] = {}

    async def write(method: str, path: str, body: Any, kind: str = _JSON) -> Any:
        headers = {**session, "Idempotency-Key": str(uuid.uuid4())}
        return await line.ask(method, f"/api/v1/{path}", body, kind, headers)

    async def code_for(recipient: str) -> str:
        said = await line.ask("GET", f"/lab/outbox?to={quote(recipient)}", None, _JSON, {"Lab-Token": LAB_TOKEN})
        return str(said["code"])

    wave = (await line.ask("GET", "/api/v1/waves/current"))["wave"]
    await write("POST", "accounts", {**particulars.account(profile), "password": profile.password})
    await write("POST", "email-confirmations", {"email": profile.email, "code": await code_for(profile.email)})
    opened = await line.ask("POST", "/api/v1/sessions", {"email": profile.email, "password": profile.password})
    session["Authorization"] = f"Bearer {opened['token']}"
    await write("POST", "identity", particulars.identity(profile))
    await write("PUT", "profile", particulars.personal(profile))
    for kind in ("ktp", "selfie"):
        await write("PUT", f"photos/{kind}", photos.of(kind, person), "image/jpeg")
    await write("POST", "phone-codes", {"phone": profile.phone})
    await write("POST", "phone-confirmations", {"phone": profile.phone, "code": await code_for(profile.phone)})
    test = await line.ask("GET", "/api/v1/test", headers=session)
    answers = [question["number"] % 4 for question in test["questions"]]
    await write("POST", "test-answers", {"test": test["test"], "answers": answers})
    await write("POST", f"waves/{wave}/joins", {"declaration": True})
    await line.ask("GET", "/api/v1/status", headers=session)


class Line:
    """One keep-alive connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> Line:
        """Connect to the host and port of a URL."""
        place = urlsplit(url)
        return cls(*await asyncio.open_connection(place.hostname, place.port))

    async def ask(
        self, method: str, path: str, body: Any = None, kind: str = _JSON, headers: dict[str, str] | None = None
    ) -> Any:
        """Send a request and return the JSON of its answer; raises SystemExit unless it is a success."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
        lines += [f"Content-Type: {kind}"] if content else []
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
        answer = await self._reader.readexactly(length)
        if not head.startswith(b"http/1.1 20"):
            raise SystemExit(f"{method} {path} was answered {head[9:12].decode()}: {answer[:300].decode()}")
        return json.loads(answer)

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()
