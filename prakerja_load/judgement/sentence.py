"""The verdict in one sentence: claim, N, m, rate, hold, and what the run scaled down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.evidence.ramp import RampEvidence
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.scenario import Link, Objectives, Scenario
from prakerja_load.units import (
    Seconds,
    format_count,
    format_duration,
    format_number,
    format_rate,
    format_share,
    format_size,
)

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
    if scenario.demand.process == "uniform":
        yield "arrivals evenly spaced, which queue less than people's do"
    if looser := tuple(_looser(scenario.objectives)):
        yield f"limits looser than the default: {', '.join(looser)}"
    if scenario.load.connection == "reuse":
        yield "connections shared among registrants"
    if scenario.network.chosen:
        yield f"networks of registrants: {', '.join(map(_link_text, scenario.network.chosen))}"
    if scenario.target.url is None or (urlsplit(target_url).hostname or "").startswith(_LOOPBACK):
        yield "generator and system on one machine"
    if health.get("lab"):
        yield "e-mail and SMS codes read from the laboratory's outbox"
    if defects := health.get("defects"):
        yield f"laboratory defects active: {', '.join(map(_defect_name, defects))}"


def _looser(asked: Objectives) -> Iterator[str]:
    default = Objectives()
    if asked.elapsed_base > default.elapsed_base or asked.elapsed_per_step > default.elapsed_per_step:
        yield f"{format_duration(asked.elapsed_base)} + {format_duration(asked.elapsed_per_step)} · k"
    if asked.quantile < default.quantile:
        yield f"p{100 * asked.quantile:g}"
    for name in ("step_success", "journey_success", "completed_share"):
        if getattr(asked, name) < getattr(default, name):
            yield f"{name.replace('_', ' ')} {format_share(getattr(asked, name))}"
    if asked.arrivals < default.arrivals or asked.judged < default.judged:
        yield f"{format_count(asked.arrivals)} arrivals in {format_duration(asked.judged)} are enough"


def smaller_store(plan: RampPlan) -> str:
    """Return that a peak was not met on a full store in a few words; empty when it was."""
    if plan.claim != "peak" or plan.prefill >= plan.registrants:
        return ""
    return f"the store held {format_count(plan.prefill)} of {format_count(plan.registrants)} registrants"


def resumed(evidence: RampEvidence) -> str:
    """Return how a ramp was cut off and resumed in a few words; empty when it was not."""
    cuts = [
        f"cut off {format_duration(cut)} into its schedule and resumed" + _later(offset)
        for cut, offset in zip(evidence.cut_at, evidence.offsets, strict=True)
    ]
    if not cuts:
        return ""
    before, anew = evidence.carried.get("arrivals", 0), evidence.replayed
    begun = int(np.count_nonzero(anew < evidence.ramp.count))
    told = f"{', then '.join(cuts)}; {format_count(before)} arrivals before, at most {format_count(begun)} begun anew"
    # whoever is played again may have stored the right NIK before, so that nobody there gives a wrong one first
    is_meant_to = bool(evidence.ramp.journey.get("nik_typo"))
    unplayed = "; registrants of the resumed part mistype no NIK" if is_meant_to else ""
    return f"{told}{_kept_waiting(evidence)}{unplayed}"


def _kept_waiting(evidence: RampEvidence) -> str:
    waited = evidence.kept["waited"]
    if not waited.size:
        return ""
    return (
        f"; {format_count(waited.size)} kept waiting until then, the longest for {format_duration(float(waited.max()))}"
    )


def _later(offset: Seconds) -> str:
    return f", the rest {format_duration(offset)} after its time" if offset > 0 else ""


def _link_text(link: Link) -> str:
    down, up = (format_number(bytes_per_second * 8 / 1e6) for bytes_per_second in (link.down, link.up))
    latency = format_duration(link.latency)
    return f"{format_share(link.share)} {link.name} ({down} Mbit/s down, {up} Mbit/s up, {latency})"


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
    networks = "lost packets in the networks" if scenario.network.chosen else "the networks"
    yield f"{networks} between citizens and the system, and its delivery of e-mail and SMS"
    if scenario.target.url is None:
        yield "the ministry's own system: the reference registrar stood in for it"
    if scenario.journey.think_time_scale < 1:
        yield f"citizens at their own pace: they were {1 / scenario.journey.think_time_scale:.6g} times as quick"
    if scenario.objectives.step_success < 1:
        yield f"failures rarer than {format_share(1 - scenario.objectives.step_success)} of a step"
