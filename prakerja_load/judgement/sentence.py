"""The verdict in one sentence: claim, N, m, rate, hold, and what the run scaled down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.scenario import Scenario
from prakerja_load.units import format_count, format_duration, format_rate, format_share, format_size

_VERBS = {
    Verdict.SUSTAINED: "the system carries",
    Verdict.INCONCLUSIVE: "it is not shown whether the system carries",
    Verdict.NOT_SUSTAINED: "the system does not carry",
}
_LOOPBACK = ("127.", "localhost", "::1")


def sentence(
    verdict: Verdict, scenario: Scenario, plan: RampPlan, arithmetic: Sequence[str], disclosures: Sequence[str]
) -> str:
    """Return the verdict as one sentence that can be quoted without the report."""
    demand = scenario.demand
    parts = [
        f"{verdict.name}: {_VERBS[verdict]} {format_count(plan.registrants)} registrants",
        f"claim `{plan.claim}`: {_load(plan, arithmetic)}",
        f"m = {demand.multiplier:.6g}, N counts {demand.counts}",
        f"scaled down: {', '.join(disclosures)}" if disclosures else "nothing scaled down",
    ]
    return "; ".join(parts)


def _load(plan: RampPlan, arithmetic: Sequence[str]) -> str:
    reckoning = next((line.rpartition(" = ")[0] for line in arithmetic if "arrivals/s" in line), "")
    rate = format_rate(plan.rate) + (f" ({reckoning})" if reckoning else "")
    store = f"on a store prefilled to {format_count(plan.prefill)}"
    if plan.claim == "peak":
        return f"{rate} held for {format_duration(plan.hold)} {store}"
    return f"{format_count(plan.count)} arrivals over {format_duration(plan.hold)}, at most {rate}, {store}"


def disclosures(scenario: Scenario, target_url: str, target: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return what the run scaled down or did otherwise than citizens do, each in a few words."""
    return tuple(_disclosures(scenario, target_url, _health(target)))


def _health(target: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what the system said of itself before the ramp."""
    said = target or {}
    nested = said.get("healthz", said.get("health"))
    return nested if isinstance(nested, Mapping) else said


def _disclosures(scenario: Scenario, target_url: str, health: Mapping[str, Any]) -> Iterator[str]:
    journey = scenario.journey
    yield f"think time × {journey.think_time_scale:.6g}"
    if journey.name == "new-applicant":
        yield f"photos {format_size(journey.photo_size)}"
    if password_hash := health.get("password_hash"):
        yield str(password_hash)
    elif scenario.target.url is None:
        yield f"argon2id m={scenario.registrar.password_memory_kib}KiB t={scenario.registrar.password_passes}"
    if scenario.demand.compression != 1:
        yield f"curve played {scenario.demand.compression:.6g} × as fast"
    if scenario.load.connection == "reuse":
        yield "connections shared among registrants"
    if scenario.target.url is None or (urlsplit(target_url).hostname or "").startswith(_LOOPBACK):
        yield "generator and system on one machine"
    if health.get("lab"):
        yield "e-mail and SMS codes read from the laboratory's outbox"
    if defects := health.get("defects"):
        yield f"laboratory defects active: {', '.join(map(_defect_name, defects))}"


def _defect_name(defect: Any) -> str:
    return str(defect.get("name", defect)) if isinstance(defect, Mapping) else str(defect)


def not_tested(scenario: Scenario) -> tuple[str, ...]:
    """Return what no verdict of this scenario speaks of."""
    return tuple(_not_tested(scenario))


def _not_tested(scenario: Scenario) -> Iterator[str]:
    if scenario.claim == "peak":
        yield "more than the busiest minutes: leaks, expiring sessions and nightly jobs of a whole wave"
    if scenario.claim == "volume":
        yield "what only real time shows: leaks over hours, expiring sessions, nightly jobs"
    yield "the networks between citizens and the system, and its delivery of e-mail and SMS"
    if scenario.target.url is None:
        yield "the ministry's own system: the reference registrar stood in for it"
    if scenario.journey.think_time_scale < 1:
        yield f"citizens at their own pace: they were {1 / scenario.journey.think_time_scale:.6g} times as quick"
    if scenario.objectives.step_success < 1:
        yield f"failures rarer than {format_share(1 - scenario.objectives.step_success)} of a step"
