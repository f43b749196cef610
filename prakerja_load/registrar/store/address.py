"""Which database a registrar is told to use: the argument of `--database` as a value."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec

from prakerja_load.errors import UsageError

_ALLOWED = "sqlite:PATH or postgresql://USER@HOST/NAME"
_IN_MEMORY = Path(":memory:")


class Address(msgspec.Struct, frozen=True):
    """A file of SQLite or, where `url` is not empty, a database of PostgreSQL."""

    path: Path = _IN_MEMORY
    url: str = ""

    def __str__(self) -> str:
        if not self.url:
            return f"sqlite:{self.path}"
        parts = urlsplit(self.url)
        user, _, host = parts.netloc.rpartition("@")
        name = f"{user.partition(':')[0]}@" if user else ""
        return urlunsplit((parts.scheme, name + host, parts.path, "", ""))  # the query may hold a password


def parse(text: str) -> Address:
    """Return the database that is meant; raises UsageError when it is neither kind."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "sqlite" and rest.strip("/"):
        return Address(path=Path(rest))
    if colon and scheme in ("postgresql", "postgres") and rest.startswith("//"):
        return Address(url=text)
    raise UsageError(f"--database: got {text}, allowed: {_ALLOWED}")
