"""People who register while a disk is recorded, and what must be found of them afterwards."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asgi import Answer, Lab
from people import Person, Visit, picture
from recording_disk import Event, RecordingDisk

from prakerja_load.registrar.metrics import Metrics
from prakerja_load.registrar.store import sqlite
from prakerja_load.registrar.store.embedded import EmbeddedStore
from prakerja_load.registrar.store.waves import open_wave

ANSWERS = [0, 1, 2] * 6
ATTEMPTS = 6
LANES = 5


class Witness:
    """A laboratory that notes on the record which keys were answered, and how."""

    def __init__(self, lab: Lab, disk: RecordingDisk) -> None:
        self._lab = lab
        self._disk = disk
        self.lines = lab.lines
        self.failed: list[Answer] = []

    async def send(self, method: str, target: str, value: Any = None, *, key: str = "", **more: str) -> Answer:
        answer = await self._lab.send(method, target, value, key=key, **more)
        if key and answer.status < 300:
            self._disk.note("acknowledge", key)
        elif key and answer.status < 500:
            self._disk.note("refuse", key)
        elif answer.status >= 500:
            self.failed.append(answer)
        return answer

    async def lab(self, method: str, target: str) -> Answer:
        """Look into the outbox, again when the store cannot be read."""
        for _ in range(ATTEMPTS):
            answer = await self._lab.lab(method, target)
            if answer.status < 500:
                break
            self.failed.append(answer)
        return answer


async def register(witness: Witness, index: int) -> None:
    """Lead one person through everything; what the store failed to do is asked for again under the same key."""
    visit = Visit(witness, Person(index))
    steps = (
        visit.create,
        visit.confirm_email,
        visit.log_in,
        visit.identify,
        visit.fill_in,
        lambda: visit.photograph("ktp"),
        lambda: visit.photograph("selfie"),
        visit.ask_for_code,
        visit.confirm_phone,
        visit.submit_test,
        visit.join,
    )
    for step in steps:
        for _ in range(ATTEMPTS):
            answer = await step()
            if answer.status < 500:
                break
        if answer.status >= 300:
            return


async def register_in_vain(witness: Witness, index: int) -> None:
    """Ask for an account on an address that has one."""
    taken = Person(index).account
    await witness.send("POST", "/api/v1/accounts", taken, key=f"vain-{index}")


async def crowd(witness: Witness, people: Sequence[int]) -> None:
    """Let people register, five at a time, then somebody else try each of their addresses."""

    async def lane(start: int) -> None:
        for index in people[start::LANES]:
            await register(witness, index)

    await asyncio.gather(*map(lane, range(LANES)))
    await asyncio.gather(*(register_in_vain(witness, index) for index in people))


def _fields(person: Person) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return what the export must say of each write: kind by key's step, and the fields."""
    photos = {kind: picture(kind, person) for kind in ("ktp", "selfie")}
    shown = {kind: {"size": len(p), "sha256": hashlib.sha256(p).hexdigest()} for kind, p in photos.items()}
    return {
        "create-account": ("create-account", {"full_name": "Siti Rahayu", "email": person.email}),
        "confirm-email": ("confirm-email", {"email": person.email}),
        "identity": ("identity", person.identity),
        "personal-data": ("personal-data", person.profile),
        "ktp-photo": ("ktp-photo", shown["ktp"]),
        "selfie": ("selfie", shown["selfie"]),
        "confirm-phone": ("confirm-phone", {"phone": person.phone}),
        "submit-test": ("submit-test", {"answers": ANSWERS}),
        "join-wave": ("join-wave", {"wave": 1}),
    }


def rows_of(people: Iterable[int]) -> dict[str, dict[str, Any]]:
    """Return, by key, the row that each write of these people makes."""
    rows = {}
    for person in map(Person, people):
        for step, (kind, fields) in _fields(person).items():
            key = person.key(step)
            rows[key] = {"kind": kind, "key": key, "owner": person.email, **fields}
        first = rows[person.key("create-account")]
        second = f"vain-{person.index}"  # stored where the first failed
        rows[second] = {**first, "key": second}
    return rows


@dataclass
class Answered:
    """Which keys the clients have an answer to at some point of a record."""

    stored: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def follow(self, event: Event) -> None:
        if event.kind == "acknowledge":
            self.stored.add(str(event.subject))
        elif event.kind == "refuse":
            self.refused.add(str(event.subject))


async def contradictions(path: Path, answered: Answered, possible: dict[str, dict[str, Any]]) -> list[str]:
    """Open a store as the registrar does and say what is not as the clients were told."""
    store = EmbeddedStore(path, Metrics())
    try:
        (check,) = sqlite.first(store._connection.execute("PRAGMA integrity_check"))
        found = [] if check == "ok" else [f"integrity: {check}"]
        lines = [json.loads(line) for block in store.export(0) for line in block.splitlines()]
        rows = {line["key"]: line for line in lines[:-1]}
        kept = {key for (key,) in store._connection.execute("SELECT key FROM replies").fetchall()}
        promised = answered.stored | answered.refused
        found += [f"lost: {key}" for key in sorted(answered.stored & possible.keys() - rows.keys())]
        found += [f"changed: {key}" for key, row in rows.items() if row != possible.get(key)]
        found += [f"refused, but stored: {key}" for key in sorted(answered.refused & rows.keys())]
        found += [f"forgotten answer: {key}" for key in sorted(promised - kept)]
        found += [f"no answer to a stored write: {key}" for key in sorted(rows.keys() - kept)]
        if len(rows) != len(lines) - 1:
            found.append("twice: a key has two rows")
        await store.submit(open_wave("after the cut", 1, None, None, 0.0))
    finally:
        await store.close()
    return found
