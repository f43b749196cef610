"""What of HTTP the calibrated server speaks: whole requests out of bytes, answers of one line of JSON."""

from __future__ import annotations

import json
import re

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)
_INDEX = re.compile(rb"[A-Z]+ /serve/(\d{1,15}) ")
_SERVE = re.compile(rb"[A-Z]+ /serve[ ?]")
LONGEST_HEAD = 64 * 1024


def split(buffer: bytes) -> tuple[list[int | None], bytes]:
    """Return the whole requests at the begin of a buffer, and what is left; raises ValueError for an endless head.

    A request is its index, −1 where it names none, None where it asks for another page than the calibrated one.
    """
    found: list[int | None] = []
    while (end := buffer.find(_END_OF_HEAD)) >= 0:
        head = buffer[: end + 2]
        length = _LENGTH.search(head)
        stop = end + 4 + (int(length[1]) if length else 0)
        if len(buffer) < stop:
            break
        found.append(_index_of(head))
        buffer = buffer[stop:]
    if len(buffer) > LONGEST_HEAD and _END_OF_HEAD not in buffer:
        raise ValueError("a head without end")
    return found, buffer


def _index_of(head: bytes) -> int | None:
    if match := _INDEX.match(head):
        return int(match[1])
    return -1 if _SERVE.match(head) else None


def answer(status: bytes, content: object, headers: bytes = b"") -> bytes:
    """Return an answer whose body is a JSON object."""
    body = json.dumps(content).encode()
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status,
        headers,
        len(body),
        body,
    )


NOTHING = answer(b"200 OK", {})
REFUSAL = answer(b"503 Service Unavailable", {"type": "/problems/no-slot"}, b"Retry-After: 1\r\n")
ABSENT = answer(b"404 Not Found", {"type": "/problems/not-found"})
