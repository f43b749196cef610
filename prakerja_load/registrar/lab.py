"""The laboratory's own addresses: fill the store, read codes, take positions, export, open waves, inject defects."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta

from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.defect_catalog import AnyDefect, explained
from prakerja_load.registrar.messages import Incoming, Name
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import NDJSON, Reply, json_reply
from prakerja_load.registrar.routes import Call
from prakerja_load.registrar.store.bulk import BulkImport
from prakerja_load.registrar.store.lookups import Lookups
from prakerja_load.registrar.store.waves import open_wave as store_wave
from prakerja_load.units import Seconds

ABANDONED: Seconds = 60  # an import that waits longer for its next request is given up
_CIVIL_BLOCK = 1024 * 1024


class NewWave(Incoming, frozen=True):
    """A wave to be opened; a missing bound does not bind.

    `waiting_room` is the rate at which this process lets newcomers in; null: no waiting room; missing: as at its start.
    """

    name: Name
    quota: Annotated[int, Meta(ge=0, le=2**53)]
    opens_at: Annotated[datetime.datetime, Meta(tz=True)] | None = None
    closes_at: Annotated[datetime.datetime, Meta(tz=True)] | None = None
    waiting_room: Annotated[float, Meta(ge=0.001, le=1e6)] | msgspec.UnsetType | None = msgspec.UNSET


class DefectList(Incoming, frozen=True):
    """The defects that are to be active from now on; an empty list ends them all."""

    defects: list[AnyDefect]


class WaveOpened(msgspec.Struct, frozen=True):
    """The number of the new current wave."""

    wave: int


class DefectsActive(msgspec.Struct, frozen=True):
    """The defects that are active now, with their parameters."""

    defects: list[str]


class Imported(msgspec.Struct, frozen=True):
    """Lines taken from this request, and accounts in the store; provisional while `Import-More` is sent."""

    imported: int
    total: int


class Known(msgspec.Struct, frozen=True):
    """Entries that the civil registry has."""

    known: int


class Position(msgspec.Struct, frozen=True):
    """An opaque mark of "now" for a later export."""

    position: str


class SentCode(msgspec.Struct, frozen=True):
    """The newest code sent to a recipient."""

    code: str


async def outbox(registrar: Registrar, call: Call) -> Reply:
    """Show the newest code sent to an e-mail address or phone number."""
    code = await registrar.store.read(Lookups.code_sent_to, _argument(call, "to"))
    if code is None:
        raise RefusalError("nothing-sent")
    return json_reply(200, SentCode(f"{code:06d}"))


async def position(registrar: Registrar, _call: Call) -> Reply:
    """Mark now: an export after this position holds every row written from here on."""
    return json_reply(200, Position(f"p{await registrar.store.position()}"))


async def export(registrar: Registrar, call: Call) -> Reply:
    """Stream every row that journeys wrote after a position."""
    text = _argument(call, "after", "p0")
    if not text.startswith("p") or not text[1:].isdecimal() or len(text) > 16:
        raise RefusalError("malformed-query", "after: not a position of this server")
    blocks = registrar.store.export(int(text[1:]))

    async def stream() -> AsyncIterator[bytes]:
        while (block := await asyncio.to_thread(next, blocks, b"")) != b"":
            yield block

    return Reply(200, content_type=NDJSON, stream=stream())


async def open_wave(registrar: Registrar, call: Call) -> Reply:
    """Open a new current wave and close the one before; the waiting room of this process, in memory, begins anew."""
    return await asyncio.shield(_open_wave(registrar, call.decode()))  # a wave without its room would be half of it


async def _open_wave(registrar: Registrar, request: NewWave) -> Reply:
    opens_at, closes_at = (None if at is None else at.timestamp() for at in (request.opens_at, request.closes_at))
    wave = await registrar.store.submit(store_wave(request.name, request.quota, opens_at, closes_at, registrar.now()))
    rate = registrar.settings.waiting_room if request.waiting_room is msgspec.UNSET else request.waiting_room
    registrar.door.reopen(rate or 0.0)
    return json_reply(201, WaveOpened(wave))


async def inject_defects(registrar: Registrar, call: Call) -> Reply:
    """Replace the active defects."""
    try:
        request: DefectList = call.decode()
    except RefusalError as refusal:
        if refusal.code == "invalid-body":
            raise RefusalError("invalid-body", explained(refusal.detail or "", call.body)) from refusal
        raise
    registrar.defects.replace(request.defects)
    return json_reply(200, DefectsActive([str(defect) for defect in request.defects]))


async def fill_civil_registry(registrar: Registrar, call: Call) -> Reply:
    """Add people to the civil registry stub."""
    records = registrar.civil_registry.records
    rest = b""
    async for piece in body_of(call):
        rest += piece
        if len(rest) >= _CIVIL_BLOCK:
            end = rest.rfind(b"\n") + 1
            records.add(rest[:end])
            rest = rest[end:]
    records.add(rest)
    return json_reply(200, Known(records.count()))


async def import_applicants(registrar: Registrar, call: Call) -> Reply:
    """Store complete registrants; the header `Import-More: true` says that another request continues the import."""
    has_more = call.headers.get(b"import-more", b"").lower() == b"true"
    bulk = await _import_of(registrar, call, has_more=has_more)
    before = bulk.imported
    is_continued = False
    try:
        async for piece in body_of(call):
            bulk.feed(piece)
        bulk.end_of_body()
        if not has_more:
            await _commit(bulk)
        is_continued = has_more
    finally:
        if not is_continued:
            _end_import(registrar, bulk)
    if has_more:
        _put_aside(registrar, bulk)
    return json_reply(200, Imported(bulk.imported - before, bulk.total))


async def body_of(call: Call) -> AsyncIterator[bytes]:
    """Yield a body as it arrives; raises ClientGoneError when it ends early."""
    while piece := await call.request.read():
        yield piece


async def _import_of(registrar: Registrar, call: Call, *, has_more: bool) -> BulkImport:
    """Return the import that this request continues, or a new one."""
    if registrar.bulk_import is not None:
        bulk, registrar.bulk_import = registrar.bulk_import, None
        return bulk
    password = call.headers.get(b"import-password", b"")
    if not 8 <= len(password) <= 128 or not password.isascii():
        raise RefusalError("invalid-body", "the header Import-Password has 8 to 128 ASCII characters")
    encoded = await registrar.passwords.hash(password.decode("ascii"))
    return await registrar.store.begin_import(encoded, is_large=has_more, is_lab=registrar.settings.is_lab)


def _put_aside(registrar: Registrar, bulk: BulkImport) -> None:
    registrar.bulk_import = bulk
    mark = bulk.imported

    def abandon() -> None:
        if registrar.bulk_import is bulk and bulk.imported == mark:
            registrar.bulk_import = None
            _end_import(registrar, bulk)

    asyncio.get_running_loop().call_later(ABANDONED, abandon)


async def _commit(bulk: BulkImport) -> None:
    """Commit in a thread and see it through, however often this is cancelled: till then the connection is its own."""
    committing = asyncio.get_running_loop().run_in_executor(None, bulk.commit)
    cancellation: asyncio.CancelledError | None = None
    while not committing.done():
        try:
            await asyncio.wait((committing,))
        except asyncio.CancelledError as error:
            cancellation = error
    fault = committing.exception()
    if cancellation is not None:
        raise cancellation
    if fault is not None:
        raise fault


def _end_import(registrar: Registrar, bulk: BulkImport) -> None:
    """Leave nothing of an import that is not committed, and let the journeys write again, whatever happens."""
    try:
        bulk.give_up()
    finally:
        registrar.store.end_import()


def _argument(call: Call, name: str, default: str | None = None) -> str:
    try:
        values = parse_qs(call.query.decode("ascii"), max_num_fields=8).get(name)
    except ValueError as error:
        raise RefusalError("malformed-query", str(error)) from error
    if not values and default is None:
        raise RefusalError("malformed-query", f"{name}: missing")
    return values[0] if values else str(default)
