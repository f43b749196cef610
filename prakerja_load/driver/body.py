"""The body of an answer without its content coding; gzip, because that is all we ever say we accept."""

from __future__ import annotations

import zlib

UNREADABLE = (zlib.error, ValueError)
"""What `decoded` raises for a body that is not what its coding says."""

ACCEPTED = "gzip"

_GZIP = 16 + zlib.MAX_WBITS
_SAME = ("", "identity")


def decoded(body: bytes, coding: str, limit: int) -> bytes:
    """Return the body as the target meant it, at most `limit` bytes; `coding` is its Content-Encoding header.

    Raises zlib.error for what is not gzip, and ValueError where it is cut short, followed by something else, larger
    than the limit once it is unpacked, or in another coding.
    """
    coding = coding.strip().lower()
    if coding in _SAME or not body:
        return body
    if coding not in ("gzip", "x-gzip"):
        raise ValueError(f"content coding {coding!r}, which was not asked for")
    whole = b""
    while body:  # a gzip file may have several members (RFC 1952 §2.2)
        member = zlib.decompressobj(_GZIP)
        whole += member.decompress(body, limit - len(whole) + 1)
        if len(whole) > limit:
            raise ValueError("the body is too large")
        if not member.eof:
            raise ValueError("the body is cut short")
        body = member.unused_data
    return whole
