"""Durations, rates, sizes, shares and counts: parsed once at the edge, plain numbers inside.

Inside the package a time is `Seconds` (float) or `Nanoseconds` (int, in evidence), a rate is `PerSecond`.
Every parser raises ValueError, and nothing else, for anything it cannot read.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

Seconds: TypeAlias = float
Nanoseconds: TypeAlias = int
PerSecond: TypeAlias = float

SECOND_NS = 1_000_000_000

_DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_PER = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"((?:[0-9]{1,3}(?:[ _][0-9]{3})+|[0-9]+)(?:\.[0-9]+)?)"  # threes may stand apart: 2 000 000, 2_000_000

DURATION = "a duration such as 250ms, 90s, 10m or 1h30m"
RATE = "a rate such as 500/s or 80000/min"
SIZE = "a size such as 4KiB or 2MiB"
BANDWIDTH = "a bandwidth such as 12Mbit/s or 700kbit/s"
SHARE = "a share between 0 and 1, such as 0.0134 or 1.34%"
COUNT = "a whole number"
NUMBER = "a number"


def _refuse(given: object, wanted: str) -> ValueError:
    return ValueError(f"{given!r} is not {wanted}")


def _digits(text: str) -> float:
    return float(text.replace(" ", "").replace("_", ""))


def _plain(value: object, wanted: str, least: float = 0.0) -> float:
    """Return a bare number or a numeral in quotes; never a truth value, never NaN or infinite."""
    if isinstance(value, str):
        match = re.fullmatch(r"(-?)" + _NUMBER, value.strip())
        if match is None:
            raise _refuse(value, wanted)
        number = -_digits(match[2]) if match[1] else _digits(match[2])
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise _refuse(value, wanted)
    else:
        number = float(value) if abs(value) < 1e300 else math.inf
    if not math.isfinite(number) or number < least:
        raise _refuse(value, wanted)
    return number


def parse_duration(value: object) -> Seconds:
    """Return seconds from "250ms", "90s", "10m", "1h30m" or a bare number of seconds; never negative."""
    if isinstance(value, str):
        parts = re.findall(rf"{_NUMBER}\s*(ms|s|m|h|d)", value)
        rest = re.sub(rf"{_NUMBER}\s*(ms|s|m|h|d)", "", value)
        if parts and not rest.strip():
            return math.fsum(_digits(number) * _DURATIONS[unit] for number, unit in parts)
    return _plain(value, DURATION)


def parse_rate(value: object) -> PerSecond:
    """Return events per second from "500/s", "80000/min" or a bare number per second; never negative."""
    if isinstance(value, str):
        match = re.fullmatch(rf"{_NUMBER}\s*/\s*(s|min|m|h|d)", value.strip())
        if match is not None:
            return _digits(match[1]) / _PER[match[2]]
    return _plain(value, RATE)


def parse_size(value: object) -> int:
    """Return bytes from "4KiB", "2MiB" or a bare whole number of bytes; never negative."""
    if isinstance(value, str):
        match = re.fullmatch(rf"{_NUMBER}\s*(B|KiB|MiB|GiB|KB|MB|GB)", value.strip())
        if match is not None:
            return round(_digits(match[1]) * _SIZES[match[2]])
    number = _plain(value, SIZE)
    if number != int(number):
        raise _refuse(value, SIZE)
    return int(number)


def parse_bandwidth(value: object) -> float:
    """Return bytes per second from "12Mbit/s", "700kbit/s" or a bare number of bits per second; above 0."""
    if isinstance(value, str) and (match := re.fullmatch(rf"{_NUMBER}\s*([kMG])bit/s", value.strip())):
        bits = _digits(match[1]) * {"k": 1e3, "M": 1e6, "G": 1e9}[match[2]]
    else:
        bits = _plain(value, BANDWIDTH)
    if bits <= 0:
        raise _refuse(value, BANDWIDTH)
    return bits / 8


def parse_share(value: object) -> float:
    """Return a share between 0 and 1 from "99.5%" or 0.995."""
    if isinstance(value, str) and value.strip().endswith("%"):
        share = _plain(value.strip()[:-1].rstrip(), SHARE) / 100
    else:
        share = _plain(value, SHARE)
    if share > 1:
        raise _refuse(value, SHARE)
    return share


def parse_count(value: object) -> int:
    """Return a whole number from 200000, "200 000" or 2e6; its sign is the caller's business."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = _plain(value, COUNT, least=-math.inf)
    if number != int(number):
        raise _refuse(value, COUNT)
    return int(number)


def parse_number(value: object) -> float:
    """Return a finite number from 35.5, "35.5" or 35; its sign is the caller's business."""
    return _plain(value, NUMBER, least=-math.inf)


def format_duration(seconds: Seconds) -> str:
    """Return a duration as people read it: 4.2 ms, 1.25 s, 3 min 20 s, 2 h 05 min."""
    if seconds == float("inf"):
        return "∞"
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 99.95:
        return f"{seconds:.3g} s"
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest:02d} min" if rest else f"{hours} h"


def format_count(count: float) -> str:
    """Return a count with groups of three: 2 000 000."""
    return f"{count:,.0f}".replace(",", " ")


def format_rate(rate: PerSecond, of: str = "arrivals") -> str:
    """Return a rate as people read it: 447 arrivals/s, 44.7 arrivals/s, 0.8 arrivals/s."""
    return f"{format_number(rate)} {of}/s"


def format_number(number: float) -> str:
    """Return a number with three significant digits, or all digits before the point: 5 965 048, 44.7, 0.0134."""
    return format_count(number) if abs(number) >= 99.95 else f"{number:.3g}"


def format_size(size: float) -> str:
    """Return bytes as people read them: 812 B, 4 KiB, 1.5 GiB."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1023.5:
            return f"{size:.3g} {unit}" if size < 999.5 else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.3g} GiB" if size < 999.5 else f"{format_count(size)} GiB"


def format_share(share: float) -> str:
    """Return a share in per cent with as many digits as it needs: 99.95 %, 0.9 %."""
    return f"{share * 100:.4g} %"
