"""A request as the bytes that go over the wire, and the headers of an answer where somebody looks at them."""

from __future__ import annotations

import contextlib
import email.utils
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from prakerja_load import __version__
from prakerja_load.driver.body import ACCEPTED
from prakerja_load.journey.step import Request
from prakerja_load.units import Seconds

Headers: TypeAlias = tuple[tuple[str, str], ...]

END_OF_HEAD = b"\r\n\r\n"
LONGEST_WAIT: Seconds = 86_400.0
"""The longest that a target can ask a registrant to wait: no run is left standing, or an integer made to overflow."""
LAB_VARIABLE = "PRAKERJA_LAB_TOKEN"
"""Environment variable with the token that laboratory requests carry."""


def user_agent(run: str, contact: str = "") -> str:
    """Return what a target's logs show: the tool, its version, the run, and whom to call when a contact is given."""
    return f"prakerja-load/{__version__} run={run}" + (f" contact={contact}" if contact else "")


class RequestWriter:
    """Turns requests into bytes for one target (1.2 µs for a small one).

    With `accepts_gzip` every answer may come packed; a journey that wants it for one request says so in its headers.
    """

    def __init__(self, authority: str, agent: str, lab_token: str = "", *, accepts_gzip: bool = False) -> None:
        for text in (authority, agent, lab_token):
            _check(text)
        self.accepts_gzip = accepts_gzip
        coding = f"Accept-Encoding: {ACCEPTED}\r\n" if accepts_gzip else ""
        self._plain = f" HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {agent}\r\n"
        self._fixed = f"{self._plain}Accept: application/json\r\n{coding}"
        self._lab = f"Lab-Token: {lab_token}\r\n" if lab_token else ""

    def __call__(self, request: Request) -> bytes:
        """Return the whole request; raises ValueError when a field would break out of its line."""
        path = request.path
        if path[:1] != "/" or " " in path or not path.isprintable():  # so that no path leads to another origin
            raise ValueError("a path must begin with / and be printable ASCII without blanks")
        method, headers, token, key, body = request.method, request.headers, request.token, request.key, request.body
        fixed = self._with(headers) if headers else self._fixed
        bearer = f"Authorization: Bearer {_check(token)}\r\n" if token else ""
        once = f"Idempotency-Key: {key}\r\n" if key else ""
        lab = self._lab if request.is_lab else ""
        if body:
            content = f"Content-Type: {request.content_type}\r\nContent-Length: {len(body)}\r\n"
            return f"{method} {path}{fixed}{bearer}{once}{lab}{content}\r\n".encode("ascii") + body
        content = "" if method in _BODILESS else "Content-Length: 0\r\n"
        return f"{method} {path}{fixed}{bearer}{once}{lab}{content}\r\n".encode("ascii")

    def _with(self, headers: Headers) -> str:
        """Return the first lines of a request that brings headers of its own, its Accept among them."""
        names = {name.lower() for name, _ in headers}
        if taken := names & _OURS:
            raise ValueError(f"the client itself sets {', '.join(sorted(taken))}")
        coding = f"Accept-Encoding: {ACCEPTED}\r\n" if self.accepts_gzip and "accept-encoding" not in names else ""
        return self._plain + coding + "".join(f"{_name(name)}: {_check(value)}\r\n" for name, value in headers)


_BODILESS = ("GET", "HEAD")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "user-agent"})
_NAME = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")  # RFC 9110 §5.6.2


def _check(text: str) -> str:
    """Return the text if it can stand in a header line; a token comes from the target and may be anything."""
    if text.isascii() and text.isprintable():
        return text
    raise ValueError("a header value must be printable ASCII")


def _name(text: str) -> str:
    if text and _NAME.issuperset(text):
        return text
    raise ValueError("a header name must be a token of printable ASCII")


class _Headers:
    """Collects the headers, not the trailers, of the last response that it sees begin: those before were interim."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self._is_open = False

    def on_message_begin(self) -> None:
        self.found.clear()
        self._is_open = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_open:
            self.found.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._is_open = False


def headers_of(head: bytes) -> Headers:
    """Return (lower-case name, value) of every header in raw response bytes, in order, as far as they can be read.

    `head` begins with a status line; of several responses, all but the last interim, those of the last are returned.
    """
    headers = _Headers()
    with contextlib.suppress(HttpParserError, HttpParserUpgrade):
        HttpResponseParser(headers).feed_data(head)
    return tuple(headers.found)


def whole_heads(head: bytes) -> int:
    """Return how many heads end in these bytes, none of which belongs to a body unless the last head is whole."""
    return head.count(END_OF_HEAD)


def retry_after_of(headers: Mapping[str, str], now: Callable[[], Seconds] = time.time) -> Seconds | None:
    """Return the seconds that a Retry-After header asks for, given as a number or as a date; None for neither.

    At most `LONGEST_WAIT`, whatever it says; never raises. `now` is the wall clock in seconds since 1970, which a date
    is compared with.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_WAIT)
    try:
        return min(max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now()), LONGEST_WAIT)
    except (
        ValueError,
        OverflowError,
        OSError,
        TypeError,
        IndexError,
    ):  # all that the standard library makes of rubbish
        return None
