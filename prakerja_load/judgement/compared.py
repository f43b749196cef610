"""From the directories of two groups of runs to what comparing them says, or to why they cannot be compared."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prakerja_load import units
from prakerja_load.errors import Problem, ScenarioError
from prakerja_load.judgement import comparability, repeats
from prakerja_load.judgement.comparison import FEWEST, TOLERANCE, Change, Comparison, Indicator, compare, repeats_needed
from prakerja_load.judgement.record import plain

SCHEMA = 1
WANTED = 0.10  # change of a time that five repeats of each side ought to see


@dataclass(frozen=True)
class CompareOrder:
    """What was asked for on the command line."""

    base: tuple[Path, ...]
    new: tuple[Path, ...]
    tolerance: str = f"{TOLERANCE:.0%}"
    only: tuple[str, ...] = ()  # patterns of indicators
    despite: tuple[str, ...] = ()  # beginnings of keys that may differ

    def parsed_tolerance(self) -> float:
        """Return the tolerance as a share; raises ScenarioError with everything that is wrong with the order."""
        problems = [
            Problem(side, "no run", "run directories: BASE… -- NEW…")
            for side, runs in (("BASE", self.base), ("NEW", self.new))
            if not runs
        ]
        gone = [path for path in (*self.base, *self.new) if not path.is_dir()]
        problems += [Problem("run", str(path), "a directory of a run or of a capacity search") for path in gone]
        both = sorted({path.resolve() for path in self.base} & {path.resolve() for path in self.new})
        problems += [Problem("BASE and NEW", str(path), "each run on one side only") for path in both]
        try:
            tolerance = units.parse_share(self.tolerance)
        except ValueError:
            tolerance = 0.0
        if not 0 < tolerance < 1:
            problems.append(Problem("--tolerance", repr(self.tolerance), "a share such as 5%"))
        if problems:
            raise ScenarioError("compare", problems)
        return tolerance


@dataclass(frozen=True)
class Compared:
    """Everything said about two groups of runs."""

    scenario: str
    base: tuple[str, ...]
    new: tuple[str, ...]
    digest: str
    tolerance: float
    comparison: Comparison
    system: tuple[str, ...]  # in what the systems are said to differ
    remarks: tuple[str, ...]
    needed: int | None  # repeats of each side that would see `WANTED` in every time, None where nobody can tell


def compare_runs(order: CompareOrder) -> Compared:
    """Return what two groups of runs, or of capacity searches, say when compared.

    Raises NotComparableError with every difference in what they asked or ran on, ScenarioError for an order that is
    wrong, EvidenceError for a directory that cannot be read.
    """
    tolerance = order.parsed_tolerance()
    base, new = ([repeats.read(path) for path in side] for side in (order.base, order.new))
    comparability.refuse([one.facts for one in base], [one.facts for one in new], order.despite)
    everything = repeats.indicators(base, new, tolerance)
    chosen = [each for each in everything if _is_chosen(each, order.only)]
    if order.only and not chosen:
        names = ", ".join(dict.fromkeys(each.name for each in everything))
        raise ScenarioError("compare", [Problem("--only", " ".join(order.only), f"patterns of: {names}")])
    comparison = compare(chosen, repeats.harm(base, new))
    return Compared(
        scenario=base[0].scenario.name,
        base=tuple(one.facts.name for one in base),
        new=tuple(one.facts.name for one in new),
        digest=base[0].facts.digest,
        tolerance=tolerance,
        comparison=comparison,
        system=tuple(comparability.changed_system(base[0].facts, new[0].facts)),
        remarks=tuple(_remarks(base, new, order)),
        needed=_needed(comparison.changes),
    )


def _is_chosen(indicator: Indicator, patterns: Sequence[str]) -> bool:
    whole = f"{indicator.part}, {indicator.name}"
    return not patterns or any(fnmatch.fnmatch(whole, f"*{pattern}*") for pattern in patterns)


def _remarks(base: Sequence[repeats.Repeat], new: Sequence[repeats.Repeat], order: CompareOrder) -> list[str]:
    remarks = []
    if len(base) > 1 and len(new) > 1 and not repeats.is_interleaved(base, new):
        remarks.append("the runs did not take turns, so that a drift of the machine counts as a change of the system")
    if min(len(base), len(new)) < FEWEST:
        remarks.append("one run of a side shows no spread between runs")
    if order.despite:
        remarks.append(f"compared despite differences in: {', '.join(order.despite)}")
    if order.only:
        remarks.append(f"compared in no more than: {', '.join(order.only)}")
    return remarks


def _needed(changes: Sequence[Change]) -> int | None:
    """Return the repeats of each side that would see the wanted change in every time, the most that any time needs."""
    times = [change for change in changes if change.indicator.unit == "s"]
    needed = [repeats_needed(change, WANTED, len(changes)) for change in times]
    known = [runs for runs in needed if runs is not None]
    return max(known) if known and len(known) == len(needed) else None


def compared_json(compared: Compared) -> dict[str, Any]:
    """Return a comparison as plain values: schema 1, the field names of `Compared` and `Change`, outcomes in words."""
    comparison = compared.comparison
    return {
        "schema": SCHEMA,
        "outcome": comparison.outcome.words,
        "exit_code": comparison.outcome.exit_code,
        **{name: plain(value) for name, value in vars(compared).items() if name != "comparison"},
        "reasons": list(comparison.reasons),
        "changes": [_change_json(change) for change in comparison.changes],
    }


def _change_json(change: Change) -> dict[str, Any]:
    indicator = change.indicator
    numbers = {name: getattr(change, name) for name in ("base", "new", "change", "low", "high", "p", "seen")}
    return {
        "part": indicator.part,
        "name": indicator.name,
        "unit": indicator.unit,
        "outcome": change.outcome.words,
        **{name: None if math.isnan(value) else plain(value) for name, value in numbers.items()},
        "tolerance": indicator.tolerance,
        "values": {"base": plain(indicator.base), "new": plain(indicator.new)},
        "reason": change.reason,
    }
