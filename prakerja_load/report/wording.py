"""How a number is written in a report: never rounded to look better than it is."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any, TypeVar

from prakerja_load.judgement.estimate import Estimate
from prakerja_load.units import Seconds, format_count, format_duration

Value = TypeVar("Value")

REACHED = "(failures reach this quantile)"
"""Stands beside ∞: so many requests failed that this quantile has no finite time."""

UNKNOWN = "not known"
"""Stands for a count of none where not all that is stored was looked through."""

NOTHING = "–"
"""Stands where there is no number; an empty cell could be mistaken for a zero."""

_IDENTITY = re.compile(r"(?<![0-9a-f])\d{16,}(?![0-9a-f])")  # a NIK or KK; digits within a hexadecimal digest are not


def stored_text(count: int, *, is_whole: bool) -> str:
    """Return how many writes were found in the store: "at least" so many where not all that is stored was looked at.

    Of none there is nothing to say then but "not known".
    """
    if is_whole:
        return format_count(count)
    return f"at least {format_count(count)}" if count else UNKNOWN


def time_text(seconds: Seconds) -> str:
    """Return a time as people read it, "∞" for one that never ended and "–" for one that was not measured."""
    return NOTHING if math.isnan(seconds) else format_duration(seconds)


def share_text(share: float) -> str:
    """Return a share in per cent that reads 100 % or 0 % only when it is exactly that: 99.996 %, 0.0012 %."""
    if math.isnan(share) or math.isinf(share):
        return NOTHING
    distance = min(abs(share), abs(1 - share))
    if share in (0, 1) or distance == 0:
        return f"{share * 100:.0f} %"
    decimals = max(2, min(8, 1 - math.floor(math.log10(distance * 100))))
    text = f"{share * 100:.{decimals}f}"
    return f"{text.rstrip('0').rstrip('.')} %"


def amount_text(value: float, unit: str) -> str:
    """Return a value in its unit: "s" is a time, "ratio" a share, anything else a count of that unit."""
    if unit == "s":
        return time_text(value)
    if unit == "ratio":
        return share_text(value)
    if math.isnan(value) or math.isinf(value):
        return NOTHING
    number = format_count(value) if value == round(value) or abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}".strip()


def bounds_text(estimate: Estimate, unit: str) -> str:
    """Return the one-sided bounds as "[low, high]", a dash for a bound that the sample does not earn."""
    if estimate.low == estimate.high == estimate.value:
        return ""
    low, high = amount_text(estimate.low, unit), amount_text(estimate.high, unit)
    if estimate.low == -math.inf:
        low = NOTHING
    if low == high == NOTHING:
        return ""
    if low.rpartition(" ")[2] == high.rpartition(" ")[2] and " " in low:
        low = low.rpartition(" ")[0]
    return f"[{low}, {high}]"


def estimate_text(estimate: Estimate | None, unit: str) -> tuple[str, str]:
    """Return an estimate as (value, note): the note holds the bounds, or what ∞ means."""
    if estimate is None or math.isnan(estimate.value):
        return NOTHING, "(no data)"
    if unit == "s" and estimate.value == math.inf:
        return "∞", REACHED
    return amount_text(estimate.value, unit), bounds_text(estimate, unit)


def at_least(headroom: float | None) -> str:
    """Return the headroom rounded down, so that "at least" stays true."""
    if headroom is None or math.isnan(headroom):
        return "not shown"
    if headroom < 0:
        return "none"
    per_cent = headroom * 100
    down = math.floor(per_cent + 1e-9) if per_cent >= 10 else math.floor(per_cent * 10 + 1e-9) / 10
    return f"at least {down:g} %"


def indonesian_count(count: int) -> str:
    """Return a count as the ministry prints it: 2.000.000."""
    return f"{count:,}".replace(",", ".")


def seed_text(seed: int) -> str:
    """Return a seed as a scenario can hold it; a long one in groups, so that it never reads like a NIK."""
    return str(seed) if seed < 10**12 else f"{seed:_}"


def withhold_identities(value: Value) -> Value:
    """Return the same value with every free-standing number of 16 or more digits (a NIK, a KK) taken out of its texts.

    Reports travel further than run directories; evidence quoted in a reason must not carry a person's number.
    """
    withheld: Any = value
    if isinstance(value, str):
        withheld = _IDENTITY.sub("[number withheld]", value)
    elif isinstance(value, tuple):
        withheld = tuple(withhold_identities(item) for item in value)
    elif isinstance(value, dict):
        withheld = {withhold_identities(key): withhold_identities(item) for key, item in value.items()}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        withheld = dataclasses.replace(value, **{name: withhold_identities(getattr(value, name)) for name in names})
    kept: Value = withheld
    return kept
