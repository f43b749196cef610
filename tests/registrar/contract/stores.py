"""Registrars on either kind of store, by the argument of `--database`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asgi
import psycopg


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
