"""Clients that make one account after another, and what was acknowledged to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from asgi import LAB_TOKEN
from people import Person
from wire import Wire

BROKEN = (ConnectionError, asyncio.IncompleteReadError, OSError)


class Load:
    """Twenty clients on as many registrars as there are addresses."""

    def __init__(self, *urls: str, first: int = 0) -> None:
        self._urls = urls
        self._next = first
        self._is_over = False
        self.acknowledged: set[str] = set()
        self.refused: list[tuple[int, str]] = []
        self.broken = 0

    async def run(self, clients: int = 20) -> None:
        """Send until `stop`; a client whose connection ends, ends."""
        await asyncio.gather(*(self._client(self._urls[number % len(self._urls)]) for number in range(clients)))

    @property
    def sent(self) -> int:
        """Return the number of accounts asked for."""
        return self._next

    def stop(self) -> None:
        """Let every client finish what it is at."""
        self._is_over = True

    async def until(self, condition: Callable[[Load], bool]) -> None:
        """Wait for something to be true, half a minute at most."""
        async with asyncio.timeout(30):
            while not condition(self):
                await asyncio.sleep(0.002)

    async def _client(self, url: str) -> None:
        wire = await Wire.open(url)
        try:
            while not self._is_over:
                self._next += 1
                await self._create(wire, Person(self._next))
        except BROKEN:
            self.broken += 1
        finally:
            await wire.close()

    async def _create(self, wire: Wire, person: Person) -> None:
        key = person.key("create-account")
        answer = await wire.send("POST", "/api/v1/accounts", person.account, idempotency_key=key)
        if answer.status == 201:
            self.acknowledged.add(key)
        else:
            self.refused.append((answer.status, answer.problem))
            await asyncio.sleep(0.02)  # as a client that is told to come back does, only sooner


async def exported(url: str, after: str = "p0") -> list[dict[str, Any]]:
    """Return the lines of an export."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /lab/export?after={after} HTTP/1.0\r\nLab-Token: {LAB_TOKEN}\r\n\r\n".encode())
    content = await reader.read()
    writer.close()
    await writer.wait_closed()
    rows = [json.loads(line) for line in content.splitlines() if line.startswith(b"{")]
    assert rows[-1]["kind"] == "end"
    return rows
