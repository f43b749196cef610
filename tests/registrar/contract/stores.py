"""Registrars on either kind of store, by the argument of `--database`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asgi


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
