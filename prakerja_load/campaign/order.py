"""What a capacity search is asked to do: the options of the command line as values, or all that is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prakerja_load import units
from prakerja_load.errors import Problem, ScenarioError
from prakerja_load.units import PerSecond, Seconds


@dataclass(frozen=True)
class CapacityOrder:
    """What was asked for on the command line."""

    scenario: Path
    settings: tuple[str, ...] = ()
    reports: Path = Path("reports")
    precision: float = 0.05
    hold: Seconds | None = None
    begin: PerSecond | None = None  # first rate; None: λ_peak of the scenario's smallest ramp
    highest: PerSecond = math.inf
    on_speed_alone: bool = False


@dataclass(frozen=True)
class Given:
    """The options as they were typed."""

    precision: str = "5%"
    hold: str | None = None
    begin: str | None = None
    highest: str | None = None


def order(
    scenario: Path, settings: tuple[str, ...], given: Given, reports: Path, *, on_speed_alone: bool = False
) -> CapacityOrder:
    """Return the order that the options state; raises ScenarioError with every option that is wrong."""
    problems: list[Problem] = []

    def read(
        option: str, text: str | None, parse: Callable[[object], float], allowed: str, least: float
    ) -> float | None:
        try:
            value = None if text is None else parse(text)
        except ValueError:
            value = -1.0
        if value is not None and not value >= least:
            problems.append(Problem(option, repr(text), allowed))
        return value

    precision = read("--precision", given.precision, units.parse_share, "a share from 0.5% to 100%", 0.005)
    hold = read("--hold", given.hold, units.parse_duration, units.DURATION, 1.0)
    begin = read("--begin", given.begin, units.parse_rate, f"{units.RATE}, above 0", 1e-3)
    highest = read("--highest", given.highest, units.parse_rate, f"{units.RATE}, above 0", 1e-3)
    if problems:
        raise ScenarioError("capacity", problems)
    return CapacityOrder(
        scenario=scenario,
        settings=settings,
        reports=reports,
        precision=precision or 0.05,
        hold=hold,
        begin=begin,
        highest=math.inf if highest is None else highest,
        on_speed_alone=on_speed_alone,
    )
