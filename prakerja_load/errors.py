"""What can go wrong, with the exit code that says so.

PrakerjaLoadError          4  the harness could not do its work
├── UsageError             2  nothing was sent
│   ├── ScenarioError      2  every problem of a scenario at once
│   ├── AuthorizationError 2  the target did not consent to load
│   └── StratumFullError   2  no synthetic person of that kind is left
├── EvidenceError          4  a run directory that cannot be read or written
└── HarnessError           4  target never reached, disk full, a process of ours that died
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class PrakerjaLoadError(Exception):
    """The root of everything this package raises on purpose."""

    exit_code = 4


class UsageError(PrakerjaLoadError):
    """The request itself is wrong; nothing was sent."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one key: where it stands, what was given, what is allowed."""

    key: str
    given: str
    allowed: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.key}: got {self.given}, allowed: {self.allowed}"
        return f"{text} ({self.hint})" if self.hint else text


class ScenarioError(UsageError):
    """A scenario that cannot be run, with all its problems."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = [f"{source}: {count} problem{'s' if count != 1 else ''}"]
        lines += [f"  {number}. {problem}" for number, problem in enumerate(self.problems, 1)]
        super().__init__("\n".join(lines))


class AuthorizationError(UsageError):
    """The target did not consent to being put under load."""


class StratumFullError(UsageError):
    """A stratum of the population has given out every identity it has."""


class EvidenceError(PrakerjaLoadError):
    """A run directory that cannot be read or written."""


class HarnessError(PrakerjaLoadError):
    """The harness could not do its work: target never reached, disk full, a process that died."""
