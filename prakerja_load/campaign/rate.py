"""One rate of a capacity search as overrides of its scenario: N, hold, store and draw of a run with claim peak."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prakerja_load.arrivals import demand as demands
from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.errors import Problem, ScenarioError
from prakerja_load.judgement import plan as planning
from prakerja_load.judgement import ports
from prakerja_load.judgement.plan import JourneyFigures, RampOutlook
from prakerja_load.judgement.ports import PortSpace
from prakerja_load.scenario import CAPACITY, Scenario, load
from prakerja_load.units import PerSecond, Seconds, format_rate


@dataclass(frozen=True)
class RateOrder:
    """A scenario about to be held at many rates."""

    path: Path
    settings: tuple[str, ...]  # overrides of the scenario itself
    scenario: Scenario  # with them
    figures: JourneyFigures
    store: int  # registrants that every step is held on, at least
    hold: Seconds | None = None  # each rate is held at least so long; None: as long as the objectives need
    is_uncounted: bool = False  # nobody looks up what the system stores

    @property
    def is_returning(self) -> bool:
        """Tell whether arrivals are people of the store."""
        return self.scenario.journey.name == "returning-applicant"


@dataclass(frozen=True)
class RatePlan:
    """One step before it is run: what is overridden, and what it will offer."""

    settings: tuple[str, ...]
    ramp: RampPlan


def rate_order(path: Path, settings: Sequence[str], hold: Seconds | None, *, on_speed_alone: bool = False) -> RateOrder:
    """Return the order of a scenario file; raises ScenarioError where it holds no constant rate.

    `on_speed_alone` says of a system of somebody else's that nobody looks up what it stores.
    """
    scenario = load(path, settings)
    if scenario.claim != "peak":
        hint = "a capacity search holds constant rates; a curve has none"
        raise ScenarioError(str(path), [Problem("claim", f'"{scenario.claim}"', '"peak"', hint)])
    figures = planning.journey_figures(scenario)
    store = max(outlook.ramp.prefill for outlook in planning.plan(scenario, figures).ramps)
    is_uncounted = on_speed_alone and scenario.target.url is not None
    return RateOrder(path, tuple(settings), scenario, figures, 0 if is_uncounted else store, hold, is_uncounted)


def plan_rate(order: RateOrder, rate: PerSecond, draw: int, *, hold_factor: float = 1.0) -> RatePlan:
    """Return the step that holds `rate` for as long as its objectives need, times `hold_factor`.

    The rate is rounded to that of a whole N, so `ramp.rate` is what will be offered. Raises ScenarioError where no
    hold makes the scenario decidable.
    """
    outlook = _outlook(order, rate, draw, 1.0)
    hold = max(order.hold or 0.0, _needed(outlook)) * hold_factor
    settings = _settings(order, rate, draw, math.ceil(hold))
    return RatePlan(settings, _outlook(order, rate, draw, math.ceil(hold)).ramp)


def refuse_unplayable(order: RateOrder, rate: PerSecond, space: PortSpace | None = None) -> None:
    """Raise ScenarioError with what forbids a verdict at every rate: cuts too short, people or ports not there.

    The ports are those of this machine, as for `plan` and for the run, unless `space` says otherwise.
    """
    settings = plan_rate(order, rate, 0).settings
    made = planning.plan(load(order.path, settings), order.figures, space or ports.of_this_machine())
    problems = [problem for problem in made.problems if problem.key not in _SETTLED]
    if problems:
        raise ScenarioError(str(order.path), problems)


_SETTLED = ("objectives.every_window", "ramps.1.prefill")
"""What forbids no search: windows are joined where they must, and a store smaller than N is told of what it proves."""


def _needed(outlook: RampOutlook) -> Seconds:
    """Return the shortest hold that gives every objective the sample it needs; windows are joined where they must."""
    needs = (need for need in outlook.needs if not need.objective.startswith("every "))
    return max(outlook.ramp.hold * need.wanted / max(need.expected, 1e-9) for need in needs)


def _outlook(order: RateOrder, rate: PerSecond, draw: int, hold: Seconds) -> RampOutlook:
    scenario = load(order.path, _settings(order, rate, draw, hold))
    (outlook,) = planning.plan(scenario, order.figures).ramps
    return outlook


def _settings(order: RateOrder, rate: PerSecond, draw: int, hold: Seconds) -> tuple[str, ...]:
    registrants, demand = _demand(order, rate)
    store = order.store
    if order.is_returning:
        store = max(store, math.ceil(rate * (order.scenario.load.warm_up + hold)) + 1)
    ramp = (
        f"{{name = {json.dumps(format_rate(rate))}, registrants = {registrants}, hold = {hold!r}, "
        f"prefill = {min(store, CAPACITY)}, draw = {draw}}}"
    )
    return (*order.settings, *demand, f"ramps=[{ramp}]")


def _demand(order: RateOrder, rate: PerSecond) -> tuple[int, tuple[str, ...]]:
    """Return (N, overrides of the demand) for which λ_peak is `rate`.

    Beyond the largest N there is, more accounts come for each registrant; where people present are stated, N stays.
    """
    demand = order.scenario.demand
    wanted = demands.registrants_at(demand, rate)
    if wanted is None:
        present = max(1, round(rate * order.figures.mean_seconds))
        return max(ramp.registrants for ramp in order.scenario.ramps), (f"demand.in_system={present}",)
    if wanted <= CAPACITY:
        return max(1, round(wanted)), ()
    return CAPACITY, (f"demand.multiplier={demand.multiplier * wanted / CAPACITY!r}",)
