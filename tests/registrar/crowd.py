"""Many clients at once over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from asgi import LAB_TOKEN, Answer
from people import Person
from wire import Wire

CLIENTS = 60
Act = Callable[[int, Wire], Awaitable[Answer]]


async def at_once(url: str, act: Act, clients: int = CLIENTS) -> list[Answer]:
    """Open the connections first, then let every client act at the same moment."""
    wires = [await Wire.open(url) for _ in range(clients)]
    answers = await asyncio.gather(*(act(number, wire) for number, wire in enumerate(wires)))
    for wire in wires:
        await wire.close()
    return list(answers)


async def lines(url: str, target: str, values: list[dict[str, Any]]) -> None:
    wire = await Wire.open(url)
    body = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    headers = {"lab_token": LAB_TOKEN, "import_password": "rahasia-bersama", "content_type": "application/x-ndjson"}
    answer = await wire.send("POST", f"/lab/{target}", body, **headers)
    assert answer.status == 200, answer.body
    await wire.close()


async def tokens(url: str, people: list[Person]) -> list[str]:
    """Import people and return a token for each."""
    await lines(url, "import", [person.import_line for person in people])

    async def log_in(number: int, wire: Wire) -> Answer:
        credentials = {"email": people[number].email, "password": "rahasia-bersama"}
        return await wire.send("POST", "/api/v1/sessions", credentials)

    return [answer.json()["token"] for answer in await at_once(url, log_in, len(people))]


def outcomes(answers: list[Answer]) -> Counter[str]:
    return Counter(answer.problem or str(answer.status) for answer in answers)


async def confirmed(url: str, people: list[Person]) -> list[str]:
    async def confirm(number: int, wire: Wire) -> Answer:
        person = people[number]
        code = (await wire.send("GET", f"/lab/outbox?to={person.email}", lab_token=LAB_TOKEN)).json()["code"]
        confirmation = {"email": person.email, "code": code}
        await wire.send("POST", "/api/v1/email-confirmations", confirmation, idempotency_key=f"c{number}")
        return await wire.send("POST", "/api/v1/sessions", {"email": person.email, "password": person.password})

    return [answer.json()["token"] for answer in await at_once(url, confirm, len(people))]
