"""An HTTP answer as a value."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeAlias

import msgspec

Header: TypeAlias = tuple[bytes, bytes]
JSON = b"application/json"
PROBLEM = b"application/problem+json"
NDJSON = b"application/x-ndjson"
REPLAYED: Header = (b"idempotency-replayed", b"true")


class Reply(msgspec.Struct, frozen=True):
    """Status, body and what stands beside them; `stream` takes the place of the body when it is set.

    `closes` ends the connection after the reply. The laboratory cuts the body off after `cut_after` bytes, announced
    in full, or drops the connection without a reply.
    """

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()
    stream: AsyncIterator[bytes] | None = None
    closes: bool = False
    cut_after: int | None = None
    is_dropped: bool = False


def json_reply(status: int, value: object) -> Reply:
    """Return a reply whose body is the value as JSON."""
    return Reply(status, msgspec.json.encode(value))
