"""Log lines: one JSON object each, on standard error, with nothing in them that belongs to a person.

What a line says is chosen field by field; a body, a header or an address with its query is never among them. What
libraries and exceptions say is not ours to choose: of that the first line is kept, with e-mail addresses, long numbers
and tokens taken out, and of a traceback the places but not the values.
"""

from __future__ import annotations

import datetime
import logging
import re
import sys
import traceback
from typing import TextIO

import msgspec

from prakerja_load.units import Seconds

LEVELS = ("error", "warning", "info")
DEFAULT_LEVEL = "warning"
LOGGER = "prakerja_load.registrar"
_FIELDS = "fields"
_LONGEST = 300
_PERSONAL = re.compile(r"[^\s@\"'<>()]+@[^\s@\"'<>()]+|\+?\d[\d -]{4,}\d|(?i:bearer)\s+\S+|[\w-]{24,}(?:\.[\w-]+)*")
_logger = logging.getLogger(LOGGER)


class JsonLines(logging.Formatter):
    """Renders a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, object] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, _FIELDS, None)
        if fields is None:  # said by a library
            line |= {"event": "library", "logger": record.name, "message": redacted(record.getMessage())}
        else:
            line |= {"event": record.msg, **fields}
        if record.exc_info and record.exc_info[1] is not None:
            line |= _account_of(record.exc_info[1])
        return msgspec.json.encode(line).decode()


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send everything from a level on, libraries' included, to a stream as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))  # libraries: nothing below a warning
    _logger.setLevel(level.upper())


def answered(number: int, step: str, status: int, seconds: Seconds) -> None:
    """Note an answered request, at level info."""
    if _logger.isEnabledFor(logging.INFO):
        took = round(1000 * seconds, 3)
        _say(logging.INFO, "request", request=number, step=step, status=status, duration_ms=took)


def failed(number: int, step: str, error: BaseException, *, is_expected: bool) -> None:
    """Note why a request could not be served; for what nobody has foreseen, also where."""
    fields: dict[str, object] = {"request": number, "step": step}
    if is_expected:
        _say(logging.ERROR, "store-failed", **fields, error=type(error).__name__, message=redacted(str(error)))
    else:
        _logger.error("request-failed", extra={_FIELDS: fields}, exc_info=error)


def redacted(text: str) -> str:
    """Return the first line of a text without what may belong to a person."""
    return _PERSONAL.sub("…", text.split("\n", 1)[0])[:_LONGEST]


def _say(level: int, event: str, **fields: object) -> None:
    _logger.log(level, event, extra={_FIELDS: fields})


def _account_of(error: BaseException) -> dict[str, object]:
    """Return what went wrong and where, without what the exception says: that can quote anything."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "where": where}
