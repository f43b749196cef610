"""A rule: one named check with its threshold and reason, and what is said when it crashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from prakerja_load.judgement.case import Case

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@dataclass(frozen=True)
class Rule(Generic[Asked, Told]):
    """One check of a judgement, listed for whoever asks what is checked and why."""

    name: str
    kind: str  # flattering, accusing, note; sample, timing, success, backlog, window; integrity
    threshold: str
    reason: str
    check: Callable[[Asked], Told]
    advice: str = ""  # what to change where it does not hold


class Seen(NamedTuple):
    """What a check of soundness saw, and what it allows where that depends on the scenario."""

    holds: bool
    observed: str
    allowed: str = ""


SoundnessCheck: TypeAlias = "Callable[[Case], Seen]"


class Rulebook:
    """The checks of soundness of one kind, in the order in which they are written."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._rules: list[Rule[Case, Seen]] = []

    @property
    def rules(self) -> tuple[Rule[Case, Seen], ...]:
        """Return the rules written so far."""
        return tuple(self._rules)

    def rule(self, name: str, *, allowed: str, reason: str, advice: str) -> Callable[[SoundnessCheck], SoundnessCheck]:
        """Return a decorator that writes a check into the book."""

        def write(check: SoundnessCheck) -> SoundnessCheck:
            self._rules.append(Rule(name, self.kind, allowed, reason, check, advice))
            return check

        return write


def crash_text(crash: Exception) -> str:
    """Return how a crash inside a rule is told: such a rule decides nothing."""
    return f"the check crashed: {type(crash).__name__}: {crash}"
