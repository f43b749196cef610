"""The cookies of one registrant at one origin (RFC 6265, as far as a single origin needs it)."""

from __future__ import annotations

import email.utils
from collections.abc import Iterable
from typing import NamedTuple

from prakerja_load.units import Seconds


class Cookie(NamedTuple):
    """One cookie as it was set."""

    name: str
    value: str
    path: str


class Jar:
    """What the origin set and has not taken back; cookies that outlive no journey are not told from those that do.

    `host` is the origin's, `is_secure` tells whether it speaks https: a Secure cookie is not kept otherwise.
    """

    __slots__ = ("_cookies", "_host", "_is_secure")

    def __init__(self, host: str, *, is_secure: bool) -> None:
        self._host, self._is_secure = host.lower(), is_secure
        self._cookies: dict[tuple[str, str], Cookie] = {}

    def take(self, headers: Iterable[tuple[str, str]], path: str) -> None:
        """Take over what an answer sets; `headers` are (lower-case name, value), `path` is that of the request."""
        headers = tuple(headers)
        set_cookies = [value for name, value in headers if name == "set-cookie"]
        if set_cookies:
            now = _date(next((value for name, value in headers if name == "date"), ""))
            for text in set_cookies:
                self._set(text, path, now)

    def header(self, path: str) -> str:
        """Return the Cookie header for a path, longest cookie paths first, "" for none."""
        fitting = [cookie for cookie in self._cookies.values() if _covers(cookie.path, path)]
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in fitting)

    def value(self, name: str) -> str:
        """Return the value of a cookie, such as a CSRF token that a script copies into a header; "" for none."""
        return next((cookie.value for cookie in self._cookies.values() if cookie.name == name), "")

    def _set(self, text: str, path: str, now: Seconds | None) -> None:
        pair, *rest = text.split(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        attributes = {key.strip().lower(): word.strip() for key, _, word in (part.partition("=") for part in rest)}
        domain = attributes.get("domain", "").lower().lstrip(".")
        is_foreign = domain and self._host != domain and not self._host.endswith(f".{domain}")
        if not equals or not name or is_foreign or ("secure" in attributes and not self._is_secure):
            return
        if not (name + value).isascii() or not (name + value).isprintable():
            return  # no header can carry it back
        place = attributes.get("path", "")
        if not place.startswith("/"):
            place = path.partition("?")[0].rpartition("/")[0] or "/"
        if _is_over(attributes, now):
            self._cookies.pop((name, place), None)
        else:
            self._cookies[name, place] = Cookie(name, value, place)


def _covers(cookie_path: str, path: str) -> bool:
    """Tell whether a cookie's path covers a request's (RFC 6265 §5.1.4)."""
    path = path.partition("?")[0]
    return path == cookie_path or path.startswith(cookie_path if cookie_path.endswith("/") else f"{cookie_path}/")


def _is_over(attributes: dict[str, str], now: Seconds | None) -> bool:
    """Tell whether a cookie is taken back; compared with the answer's own date, so that no clock is needed."""
    age = attributes.get("max-age", "")
    if age.lstrip("-").isdecimal():
        return int(age) <= 0
    expires = _date(attributes.get("expires", ""))
    return expires is not None and expires <= (now or 0.0)


def _date(text: str) -> Seconds | None:
    try:
        # some servers still write the date with hyphens, as the first specification did
        return email.utils.parsedate_to_datetime(text.replace("-", " ")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
