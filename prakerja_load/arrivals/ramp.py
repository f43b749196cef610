"""What one ramp will offer, as a value: rate, count, judged window, curve and the schedule's seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from prakerja_load import seeds
from prakerja_load.arrivals import demand as demands
from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.arrivals.demand import StatedDemand
from prakerja_load.arrivals.schedule import ArrivalProcess, Schedule
from prakerja_load.units import PerSecond, Seconds


@dataclass(frozen=True)
class RampPlan:
    """One ramp as it will be offered; times are seconds after the ramp's epoch."""

    number: int  # from 1
    name: str
    claim: str
    registrants: int  # N
    prefill: int  # registrants the store holds beforehand
    rate: PerSecond  # highest rate offered: λ_peak, times the compression of a curve
    count: int  # arrivals, exactly
    warm_up: Seconds  # cut by intended time; 0 for curves
    hold: Seconds  # judged
    curve: RateCurve
    seed: int
    process: ArrivalProcess = "poisson"

    @property
    def window(self) -> tuple[Seconds, Seconds]:
        """Return begin and end of what is judged, by intended time."""
        return self.warm_up, self.warm_up + self.hold

    @property
    def judged(self) -> float:
        """Return the expected number of arrivals in the judged window."""
        begin, end = self.curve.cumulative(list(self.window))
        return float(self.count * (end - begin) / self.curve.total)

    def schedule(self) -> Schedule:
        """Return the due time of every arrival."""
        return Schedule(self.curve, self.count, self.seed, self.process)


class StatedRamp(Protocol):
    """What a scenario states about one ramp."""

    @property
    def name(self) -> str: ...
    @property
    def registrants(self) -> int: ...
    @property
    def hold(self) -> Seconds: ...
    @property
    def prefill(self) -> int | None: ...
    @property
    def draw(self) -> int: ...


def plan(
    numbered: tuple[int, StatedRamp],
    *,
    claim: str,
    demand: StatedDemand,
    warm_up: Seconds,
    seed: int,
    journey_seconds: Seconds | None = None,
) -> RampPlan:
    """Return what a ramp, given with its number from 1, will offer.

    Claim peak: λ_peak over warm-up and hold, round(λ·(warm_up + hold)) arrivals, on a store prefilled to N. Claims
    volume and real: round(m·N) arrivals along the compressed curve, all of it judged. Raises ValueError when the
    demand does not state what the claim needs.
    """
    number, ramp = numbered
    if claim == "peak":
        rate = demands.peak_rate(demand, ramp.registrants, journey_seconds)
        curve, hold, prefill = RateCurve.constant(rate, warm_up + ramp.hold), ramp.hold, ramp.registrants
    else:
        curve = demands.rate_curve(demand, ramp.registrants)
        rate, warm_up, hold, prefill = curve.peak_rate, 0.0, curve.duration, 0
    return RampPlan(
        number=number,
        name=ramp.name,
        claim=claim,
        registrants=ramp.registrants,
        prefill=prefill if ramp.prefill is None else ramp.prefill,
        rate=rate,
        count=max(1, round(curve.total)),
        warm_up=warm_up,
        hold=hold,
        curve=curve,
        seed=schedule_seed(seed, number, ramp.draw),
        process=demand.process,
    )


def schedule_seed(seed: int, number: int, draw: int = 0) -> int:
    """Return the 63-bit seed of one ramp's schedule; every draw is another, for repeats that are independent."""
    return seeds.key(seed, "ramp", number, *((draw,) if draw else ())) >> 1
