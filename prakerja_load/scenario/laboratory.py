"""What a scenario may ask of the embedded registrar: its database, and the defects that its laboratory can inject.

The registrar is another program and is not imported; a test holds these tables to what it knows.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from prakerja_load.errors import Problem
from prakerja_load.scenario.values import RegistrarOptions

Given: TypeAlias = str | int | float


@dataclass(frozen=True)
class _Kind:
    allowed: str
    suits: Callable[[Given], bool]


def _between(lowest: float, highest: float) -> Callable[[Given], bool]:
    return lambda given: not isinstance(given, str | bool) and lowest <= given <= highest


STEPS = (
    "create-account",
    "confirm-email",
    "identity",
    "personal-data",
    "ktp-photo",
    "selfie",
    "confirm-phone",
    "submit-test",
    "join-wave",
)
_COUNT = _Kind("a whole number, at least 1", lambda given: type(given) is int and 1 <= given <= 2**53)
_LENGTH = _Kind("seconds, 0 to 3600", _between(0, 3600))
_SHARE = _Kind("a number, 0 to 1", _between(0, 1))


def _whole(lowest: int, highest: int) -> _Kind:
    allowed = f"a whole number, {lowest} to {highest}"
    return _Kind(allowed, lambda given: type(given) is int and lowest <= given <= highest)


def _one_of(*names: str) -> _Kind:
    return _Kind(f"one of {', '.join(names)}", lambda given: given in names)


DEFECTS: Mapping[str, Mapping[str, _Kind]] = {
    "lose-write": {"every": _COUNT, "step": _one_of(*STEPS)},
    "duplicate-write": {"every": _COUNT},
    "corrupt-field": {"every": _COUNT},
    "oversell": {"places": _COUNT},
    "acknowledge-early": {"every": _COUNT},
    "stall": {"after": _LENGTH, "seconds": _LENGTH},
    "silence": {"share": _SHARE},
    "mute": {},
    "slow": {"seconds": _LENGTH},
    "slow-above": {"rate": _whole(1, 1_000_000), "seconds": _LENGTH},
    "known-queue": {
        "slots": _whole(1, 100_000),
        "seconds": _LENGTH,
        "service": _one_of("fixed", "exponential"),
        "seed": _whole(0, 2**53),
    },
    "leak-memory": {"bytes": _whole(1, 1024 * 1024)},
    "drop-connection": {"share": _SHARE, "moment": _one_of("before", "after")},
    "truncate-body": {"share": _SHARE},
    "error": {"share": _SHARE},
    "error-as-200": {"share": _SHARE},
}
OPTIONAL = frozenset({"step", "service", "seed", "moment"})

_DATABASE = re.compile(r"sqlite(:.*[^/].*)?")


def registrar_problems(options: RegistrarOptions) -> Iterator[Problem]:
    """Yield what the embedded registrar would refuse."""
    if not _DATABASE.fullmatch(options.database):
        allowed = "sqlite, in the run directory, or sqlite:PATH"
        yield Problem("registrar.database", _shown(options.database), allowed)
    for number, defect in enumerate(options.defects, 1):
        yield from _defect_problems(f"registrar.defects.{number}", defect)


def _defect_problems(key: str, defect: Mapping[str, Given]) -> Iterator[Problem]:
    name = defect.get("name", "")
    fields = DEFECTS.get(str(name))
    if fields is None:
        yield Problem(f"{key}.name", _shown(name) if name else "nothing", f"one of {', '.join(DEFECTS)}", _near(name))
        return
    for field in defect.keys() - fields.keys() - {"name"}:
        yield Problem(f"{key}.{field}", "an unknown key", f"one of {', '.join(('name', *fields))}")
    for field, kind in fields.items():
        if field not in defect:
            if field not in OPTIONAL:
                yield Problem(f"{key}.{field}", "nothing", kind.allowed)
        elif not kind.suits(defect[field]):
            yield Problem(f"{key}.{field}", _shown(defect[field]), kind.allowed)


def _shown(given: Given) -> str:
    return json.dumps(given, ensure_ascii=False)


def _near(given: Given) -> str:
    return "".join(f"did you mean {match}?" for match in difflib.get_close_matches(str(given), DEFECTS, n=1))
