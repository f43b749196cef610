"""A scenario file as a validated value.

Durations, rates and shares are plain numbers here; "10m", "500/s", "99.5%" are read at this edge and nowhere else.
A file is refused with all its problems at once; ramps are counted from 1 in messages and in overrides.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from prakerja_load.scenario.objection import is_prakerja_host
from prakerja_load.scenario.reading import load, parse
from prakerja_load.scenario.values import (
    CAPACITY,
    AbortOn,
    Behavior,
    Curve,
    Demand,
    JourneyChoice,
    Link,
    Load,
    Objectives,
    Ramp,
    RegistrarOptions,
    Scenario,
    StoredTable,
    Target,
)

if TYPE_CHECKING:
    from prakerja_load.arrivals.ramp import RampPlan
    from prakerja_load.units import Seconds

__all__ = [
    "CAPACITY",
    "AbortOn",
    "Behavior",
    "Curve",
    "Demand",
    "JourneyChoice",
    "Link",
    "Load",
    "Objectives",
    "Ramp",
    "RegistrarOptions",
    "Scenario",
    "StoredTable",
    "Target",
    "digest",
    "is_prakerja_host",
    "load",
    "parse",
    "plan_ramp",
]


def digest(scenario: Scenario) -> str:
    """Return 32 hexadecimal digits of everything that determines the run; the description does not."""
    content = scenario.model_dump(mode="json", exclude={"description"})
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def plan_ramp(scenario: Scenario, number: int, journey_seconds: Seconds | None = None) -> RampPlan:
    """Return what ramp `number`, counted from 1, will offer.

    Claim peak holds λ_peak over warm-up and hold; volume and real play m·N arrivals along the compressed curve, all
    of it judged. `journey_seconds`, the mean journey time as scaled, is needed by demand.in_system only (ValueError).
    """
    from prakerja_load.arrivals import ramp

    return ramp.plan(
        (number, scenario.ramps[number - 1]),
        claim=scenario.claim,
        demand=scenario.demand,
        warm_up=scenario.load.warm_up,
        seed=scenario.seed,
        journey_seconds=journey_seconds,
    )
