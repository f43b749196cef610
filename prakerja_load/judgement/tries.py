"""Earlier runs that asked the same of the same system: what a green that comes after tries is worth.

Nothing here changes a verdict. The system may have been repaired between two tries, which is what tries are for, and
only people know; so the tries are laid beside the verdict, with what chance alone makes of so many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prakerja_load.judgement.estimate import ALPHA
from prakerja_load.judgement.verdict import EarlierRun, RunJudgement, Verdict
from prakerja_load.units import format_share

_TEENS = range(11, 14)
_SUFFIXES = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True)
class Tries:
    """A run and those before it: how often it was tried, how often that was declared, and with what error each."""

    earlier: tuple[EarlierRun, ...]
    declared: int  # objectives.looks

    @property
    def count(self) -> int:
        """Return the number of this run, counted from 1."""
        return len(self.earlier) + 1

    @property
    def error(self) -> float:
        """Return the chance of a wrong green that each run has: 5 %, shared by the looks that were declared."""
        return ALPHA / self.declared

    @property
    def are_repeated(self) -> bool:
        """Tell whether a run before this one was anything but green, so that a green now may be a lucky one."""
        return any(run.verdict is not Verdict.SUSTAINED for run in self.earlier)


def tries_of(run: RunJudgement) -> Tries:
    """Return the tries of which a run is the last."""
    return Tries(run.earlier_runs, run.looks)


def wrong_green(tries: int, error: float) -> float:
    """Return 1 − (1 − error)^tries: the chance of at least one wrong green in so many runs that are independent."""
    chance: float = 1.0 - (1.0 - error) ** tries
    return chance


def parse(value: Any) -> tuple[EarlierRun, ...]:
    """Return the earlier runs that run.json names; what cannot be read as one is left out."""
    listed = value if isinstance(value, list) else ()
    return tuple(
        EarlierRun(str(one["run"]), str(one["created"]), Verdict[one["verdict"]])
        for one in listed
        if isinstance(one, dict) and {"run", "created"} <= one.keys() and one.get("verdict") in Verdict.__members__
    )


def line(tries: Tries) -> str:
    """Return in one line which run this is and what came of those before, nothing for a first one."""
    if not tries.earlier:
        return ""
    before = len(tries.earlier)
    of = "the one before" if before == 1 else f"of the {before} before,"
    return f"{ordinal(tries.count)} run of this scenario against this system in this folder: {of} {_came_of(tries)}"


def sentences(tries: Tries) -> str:
    """Return the same in whole sentences, with what so many tries do to the chance of a wrong green."""
    if not tries.earlier:
        return ""
    if not tries.are_repeated:
        return f"This is the {line(tries)}."
    declared = (
        f"{tries.declared} look{'s'[: tries.declared > 1]} declared (objectives.looks), this is run {tries.count}"
    )
    each, right = format_share(tries.error), f"{1 - tries.error:.4g}"
    chance = format_share(wrong_green(tries.count, tries.error))
    return (
        f"This is the {line(tries)}. A green that comes after tries is worth less than one that comes first: with "
        f"{tries.count} tries at {each} each the chance of one wrong green is up to "
        f"1 − {right}^{tries.count} = {chance}; {declared}. The verdict does not change: the system may have."
    )


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th."""
    suffix = "th" if number % 100 in _TEENS else _SUFFIXES.get(number % 10, "th")
    return f"{number}{suffix}"


def _came_of(tries: Tries) -> str:
    """Return "2 were NOT_SUSTAINED and 1 INCONCLUSIVE", worst first, of one no more than what it was."""
    verdicts = [run.verdict for run in tries.earlier]
    found = [(verdicts.count(verdict), verdict.name) for verdict in sorted(set(verdicts), reverse=True)]
    if len(verdicts) == 1:
        return f"was {found[0][1]}"
    (first, name), *rest = found
    texts = [f"{first} {'was' if first == 1 else 'were'} {name}", *(f"{count} {other}" for count, other in rest)]
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
