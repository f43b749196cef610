"""HTML forms: found in a page, filled in, and encoded as a browser would send them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from html.parser import HTMLParser
from typing import NamedTuple, TypeAlias
from urllib.parse import urlencode

Pairs: TypeAlias = tuple[tuple[str, str], ...]

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_TAGS = re.compile(r"<(/?)form\b", re.IGNORECASE)
_LONGEST = 256 * 1024  # characters; the parser's time may grow with the square of what is not closed
_BUTTONS = frozenset({"submit", "button", "image", "reset", "file"})


class File(NamedTuple):
    """A file to upload."""

    name: str
    content: bytes
    content_type: str = "application/octet-stream"


class Form(NamedTuple):
    """One form of a page, with the values that its fields have there; hidden ones such as a CSRF token included."""

    action: str  # as written; empty: the page itself
    method: str  # GET or POST
    content_type: str
    fields: Pairs
    id: str = ""

    def fill(self, values: Mapping[str, str]) -> Pairs:
        """Return the fields with some values replaced; what the form does not have comes last, as a script adds it."""
        kept = [(name, values.get(name, value)) for name, value in self.fields]
        names = {name for name, _ in kept}
        return (*kept, *((name, value) for name, value in values.items() if name not in names))


def encode(
    pairs: Iterable[tuple[str, str]], files: Mapping[str, File] | None = None, content_type: str = URLENCODED
) -> tuple[bytes, str]:
    """Return (body, content type) of form fields; with files, or if asked for, as multipart/form-data (RFC 7578).

    The boundary is made from the content, so that it is the same for the same form and cannot stand in it by chance.
    """
    pairs, files = tuple(pairs), files or {}
    if not files and content_type != MULTIPART:
        return urlencode(pairs).encode("ascii"), URLENCODED
    parts = [(f'name="{_quoted(name)}"', "", value.encode()) for name, value in pairs]
    for name, file in files.items():
        line = f'name="{_quoted(name)}"; filename="{_quoted(file.name)}"'
        parts.append((line, f"Content-Type: {_line(file.content_type)}\r\n", file.content))
    boundary = hashlib.blake2b(b"\0".join(content for _, _, content in parts), digest_size=16).hexdigest()
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {line}\r\n{more}\r\n".encode() + content + b"\r\n"
        for line, more, content in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"{MULTIPART}; boundary={boundary}"


@lru_cache(maxsize=4)  # a page is first checked and then read
def forms(page: str) -> tuple[Form, ...]:
    """Return the forms of an HTML page in their order, up to 256 KiB of them; never raises, whatever the text."""
    finder = _Finder()
    finder.feed("".join(_form_parts(_without_comments(page)))[:_LONGEST])
    finder.close()
    return tuple(finder.found())


def find(page: str, wanted: str) -> Form | None:
    """Return the first form whose id or action is `wanted`, or the first form of all for ""; None without one."""
    return next((form for form in forms(page) if not wanted or wanted in (form.id, form.action)), None)


def _without_comments(page: str) -> str:
    """Return a page without its comments; one that is not closed takes the rest with it, as in a browser."""
    kept, place = [], 0
    while (start := page.find("<!--", place)) >= 0:
        kept.append(page[place:start])
        stop = page.find("-->", start)
        if stop < 0:
            return "".join(kept)
        place = stop + 3
    return "".join((*kept, page[place:]))


def _form_parts(page: str) -> Iterator[str]:
    """Yield what stands from each <form to its </form>: the parser costs 15 µs a tag, and nothing else matters."""
    start: int | None = None
    for tag in _TAGS.finditer(page):
        if start is None and tag[1]:  # the end of none
            continue
        if start is None:
            start = tag.start()
        elif tag[1]:
            yield f"{page[start : tag.start()]}</form>"
            start = None
    if start is not None:
        yield page[start:]


def _quoted(text: str) -> str:
    """Return a name as HTML's multipart encoding writes it."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _line(text: str) -> str:
    return " ".join(text.split())


class _Finder(HTMLParser):
    """Collects forms and the fields inside them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._forms: list[tuple[dict[str, str], list[tuple[str, str]]]] = []
        self._is_inside = False
        self._area: tuple[str, list[str]] | None = None  # textarea under way
        self._choice: tuple[str, list[tuple[str, bool]]] | None = None  # select under way

    def found(self) -> Iterable[Form]:
        for attributes, fields in self._forms:
            multipart = attributes.get("enctype", "").lower() == MULTIPART
            method = "POST" if attributes.get("method", "").lower() == "post" else "GET"
            action, id_ = attributes.get("action", "").strip(), attributes.get("id", "")
            yield Form(action, method, MULTIPART if multipart else URLENCODED, tuple(fields), id_)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._forms.append((attributes, []))
            self._is_inside = True
        elif self._is_inside and tag == "option" and self._choice is not None:
            self._choice[1].append((attributes.get("value", ""), "selected" in attributes))
        elif self._is_inside and attributes.get("name") and "disabled" not in attributes:
            self._open_field(tag, attributes)

    def _open_field(self, tag: str, attributes: dict[str, str]) -> None:
        name, kind = attributes["name"], attributes.get("type", "text").lower()
        if tag == "textarea":
            self._area = (name, [])
        elif tag == "select":
            self._choice = (name, [])
        elif tag == "input" and kind in ("checkbox", "radio"):
            if "checked" in attributes:
                self._add(name, attributes.get("value", "on"))
        elif tag == "input" and kind not in _BUTTONS:
            self._add(name, attributes.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "textarea" and self._area is not None:
            name, parts = self._area
            self._area = None
            self._add(name, "".join(parts).removeprefix("\n"))
        elif tag == "select" and self._choice is not None:
            name, options = self._choice
            self._choice = None
            chosen = [value for value, is_selected in options if is_selected] or [value for value, _ in options[:1]]
            for value in chosen:
                self._add(name, value)

    def _add(self, name: str, value: str) -> None:
        self._forms[-1][1].append((name, value))
