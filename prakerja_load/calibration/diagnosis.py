"""What the doctor found: one line a known length, the limits that follow, and what this machine is refused."""

from __future__ import annotations

import msgspec

from prakerja_load.calibration.ceiling import LATEST
from prakerja_load.judgement.plan import Plan
from prakerja_load.units import PerSecond, Seconds, format_duration, format_number

SCHEMA = 1
NEAR: Seconds = 0.002  # error of a quantile that passes for none
RELATIVE = 0.02  # of an objective: a larger error of a quantile might decide it
_LATE = 0.1  # of an objective: a generator later than this accuses the system of its own delay (method.md §3)


class Reading(msgspec.Struct, frozen=True):
    """One known length: what was observed, what is allowed, and what to change where it is not met."""

    name: str
    observed: str
    allowed: str
    is_met: bool
    remedy: str = ""


class Limits(msgspec.Struct, frozen=True):
    """What can be measured here; times in seconds."""

    arrivals_rate: PerSecond  # highest one worker offered soundly, each arrival one request
    lateness_p99: Seconds  # of arrivals at a calm rate
    quantile_error: Seconds  # largest of p50, p95, p99 on the known queue, 0 where within 2 %

    @property
    def tightest_objective(self) -> Seconds:
        """Return the shortest limit that can be judged: lateness within a tenth of it, quantile errors within 2 %.

        An error of 2 ms passes for none, so no machine judges a limit of which 2 ms are more than 2 %.
        """
        by_lateness = 0.0 if self.lateness_p99 <= LATEST else self.lateness_p99 / _LATE
        return max(by_lateness, max(self.quantile_error, NEAR) / RELATIVE)


class Diagnosis(msgspec.Struct, frozen=True):
    """The whole result, as doctor.json keeps it."""

    created: str
    machine: dict[str, str]
    readings: tuple[Reading, ...]
    limits: Limits
    ramps: tuple[Reading, ...] = ()  # of a scenario: within the limits or refused
    schema: int = SCHEMA

    @property
    def is_sound(self) -> bool:
        """Tell whether every known length was met and no ramp is refused."""
        return all(reading.is_met for reading in (*self.readings, *self.ramps))


def line(reading: Reading) -> str:
    """Return a reading as one line."""
    mark = "met    " if reading.is_met else "NOT MET"
    text = f"{mark}  {reading.name}: {reading.observed}; allowed: {reading.allowed}"
    return text if reading.is_met or not reading.remedy else f"{text}. {reading.remedy}"


def conclusion(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return what this machine measures, and what it is refused, in words."""
    limits = diagnosis.limits
    said = [f"measures: up to {format_number(limits.arrivals_rate)} arrivals/s from one worker, one request each"]
    tightest = limits.tightest_objective
    said.append(f"measures: {_objectives(tightest)}")
    said.append(f"refused: more than {format_number(limits.arrivals_rate)} requests/s from one worker")
    is_noisy = tightest > NEAR / RELATIVE
    why = "for want of a quieter machine" if is_noisy else f"of which {format_duration(NEAR)} are more than 2 %"
    said.append(f"refused: objectives below {format_duration(tightest)}, {why}")
    said += [f"refused: {ramp.name}" for ramp in diagnosis.ramps if not ramp.is_met]
    if unmet := [reading.name for reading in diagnosis.readings if not reading.is_met]:
        said.append(f"expect INCONCLUSIVE where it matters: {', '.join(unmet)} not met")
    return tuple(said)


def _objectives(tightest: Seconds) -> str:
    return f"objectives of {format_duration(tightest)} or more"


def fit(plan: Plan, limits: Limits, cores: int) -> tuple[Reading, ...]:
    """Return, for each ramp of a scenario, whether this machine can offer it and judge its tightest objective.

    `cores` are those that a run gives its generator: more workers than cores offer no more.
    """
    objectives, workers = plan.scenario.objectives, min(plan.scenario.load.workers, cores)
    tightest = objectives.elapsed_base + objectives.elapsed_per_step
    return tuple(
        Reading(
            f"ramp {outlook.ramp.number} {outlook.ramp.name}",
            f"{format_number(outlook.request_rate / workers)} requests/s from each of {workers} workers, "
            f"tightest objective {format_duration(tightest)}",
            f"≤ {format_number(limits.arrivals_rate)} requests/s, {_objectives(limits.tightest_objective)}",
            outlook.request_rate / workers <= limits.arrivals_rate and tightest >= limits.tightest_objective,
            "Add workers on further cores or hosts, or measure from a quieter machine",
        )
        for outlook in plan.ramps
    )


def labels(diagnosis: Diagnosis) -> dict[str, str]:
    """Return the diagnosis as label → text, for the environment of a run."""
    met = sum(reading.is_met for reading in diagnosis.readings)
    said = {"doctor": f"{diagnosis.created}: {met} of {len(diagnosis.readings)} known lengths met"}
    return said | {f"doctor: {one.name}": _label(one) for one in diagnosis.readings}


def _label(reading: Reading) -> str:
    return reading.observed if reading.is_met else f"{reading.observed} (NOT MET, allowed: {reading.allowed})"
