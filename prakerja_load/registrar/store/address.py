"""Which database a registrar is told to use: the argument of `--database` as a value."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import msgspec

from prakerja_load.errors import UsageError

_ALLOWED = "sqlite:PATH or postgresql://USER@HOST/NAME"
_PASSWORD = re.compile(r"(?<=//)(?P<user>[^:@/?#]*):(?P<secret>.*)@", re.DOTALL)
_PARAMETER = re.compile(r"(?<=[?&])(?P<name>[^=&]*password)=(?P<secret>[^&]*)", re.IGNORECASE)
_CUTS = re.compile(r"[@/?#:]")  # where a parser cuts a password that was not escaped
_IN_MEMORY = Path(":memory:")


class Address(msgspec.Struct, frozen=True):
    """A file of SQLite or, where `url` is not empty, a database of PostgreSQL."""

    path: Path = _IN_MEMORY
    url: str = ""

    def __str__(self) -> str:
        return redacted(self.url).partition("?")[0] if self.url else f"sqlite:{self.path}"

    def without_secrets(self, text: str) -> str:
        """Return what a driver says of the database, without a password or a part of one that it quotes."""
        secrets = [found["secret"] for pattern in (_PASSWORD, _PARAMETER) for found in pattern.finditer(self.url)]
        parts = {part for secret in secrets for part in (secret, unquote(secret), *_CUTS.split(secret))}
        for part in sorted(parts, key=len, reverse=True):
            if len(part) > 1:
                text = text.replace(part, "…")
        return text


def redacted(url: str) -> str:
    """Return a URL without its passwords, in front of the host and among the parameters.

    It is done on the text, since an unescaped `#`, `/` or `?` in a password is where a parser would cut it in two.
    """
    return _PARAMETER.sub(r"\g<name>=…", _PASSWORD.sub(r"\g<user>@", url))


def parse(text: str) -> Address:
    """Return the database that is meant; raises UsageError when it is neither kind."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "sqlite" and rest.strip("/"):
        return Address(path=Path(rest))
    if colon and scheme in ("postgresql", "postgres") and rest.startswith("//"):
        return Address(url=text)
    raise UsageError(f"--database: got {redacted(text)}, allowed: {_ALLOWED}")
