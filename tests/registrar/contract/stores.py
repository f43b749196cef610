"""Registrars on either kind of store, by the argument of `--database`."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asgi
import psycopg

from prakerja_load.registrar.acceptor import Acceptor
from prakerja_load.registrar.app import App
from prakerja_load.registrar.site import Site
from prakerja_load.registrar.store import server_writer
from prakerja_load.registrar.store.transaction import Transaction


def laboratory_on(database: str) -> asgi.Laboratory:
    """Return a way to open registrars on one database."""

    @asynccontextmanager
    async def laboratory(**settings: Any) -> AsyncIterator[asgi.Lab]:
        if database.startswith("postgresql:"):
            lab = asgi.Lab(Path(":memory:"), {"postgresql": database, **settings})
        else:
            lab = asgi.Lab(Path(database.removeprefix("sqlite:")), settings)
        await lab.registrar.start()
        try:
            yield lab
        finally:
            await lab.registrar.close()

    return laboratory


def stored_pictures(lab: asgi.Lab) -> list[bytes]:
    """Return the photographs as they lie in the database, or in the file beside it, by kind."""
    url = lab.registrar.settings.postgresql
    if url:
        query = "SELECT content FROM photos JOIN pictures ON picture = position ORDER BY kind"
        with psycopg.connect(url) as connection:
            return [bytes(content) for (content,) in connection.execute(query)]
    places = lab.registrar.store.lookups.all("SELECT position, size FROM photos ORDER BY kind")
    content = lab.path.with_name(lab.path.name + ".photos").read_bytes()
    return [content[position : position + size] for position, size in places]


@asynccontextmanager
async def serving(lab: asgi.Lab) -> AsyncIterator[str]:
    """Serve a laboratory on a socket, in the test's own loop; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    site = Site(App(lab.registrar), read_timeout=20, keep_alive=300)
    acceptor = Acceptor(listener, site.connect)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        acceptor.stop()
        await site.close(5)


@asynccontextmanager
async def held(
    lab: asgi.Lab, operation: Callable[[Transaction], Any] | None = None
) -> AsyncIterator[asyncio.Future[Any]]:
    """Keep the store at the commit of an operation, or of nothing: what is submitted meanwhile waits until the end.

    Gives the future of the operation.
    """
    may_go_on = threading.Event()
    on_server = bool(lab.registrar.settings.postgresql)
    hold = _begun if on_server else _committing
    holding = [await hold(lab, operation or _nothing, may_go_on)]
    if on_server:
        holding += [await _begun(lab, _nothing, may_go_on) for _ in range(server_writer._GROUPS - 1)]
    try:
        yield holding[0]
    finally:
        may_go_on.set()
        await asyncio.wait(holding)


def _nothing(_: Transaction) -> None:
    pass


async def _begun(
    lab: asgi.Lab, operation: Callable[[Transaction], Any], may_go_on: threading.Event
) -> asyncio.Future[Any]:
    """Return an operation that has run, in a thread of its own, and does not end."""
    has_run = threading.Event()

    def holding(transaction: Transaction) -> Any:
        result = operation(transaction)
        has_run.set()
        assert may_go_on.wait(30)
        return result

    future = lab.registrar.store.submit(holding)
    assert await asyncio.to_thread(has_run.wait, 10)
    return future


async def _committing(
    lab: asgi.Lab, operation: Callable[[Transaction], Any], may_go_on: threading.Event
) -> asyncio.Future[Any]:
    """Return an operation whose COMMIT has begun and does not end."""
    has_begun = threading.Event()

    def hook() -> bool:
        has_begun.set()
        return not may_go_on.wait(30)  # true would make it a rollback

    connection = lab.registrar.store._connection
    connection.set_commit_hook(hook)

    def writing(transaction: Transaction) -> Any:
        transaction.execute("UPDATE settings SET value = value")  # nothing written, nothing committed
        return operation(transaction)

    future = lab.registrar.store.submit(writing)
    assert await asyncio.to_thread(has_begun.wait, 10)
    return future
