"""What must hold of every simulated run, told from the simulation's own knowledge and never from the judgement's.

The truth is the rows of the simulated system, what it answered and when the answer arrived, and the virtual clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from simulated_faults import BLINDING, SYSTEM, TAMPERING, allowed
from simulated_run import World
from simulated_scenario import HOLD, WARM_UP

from prakerja_load.driver.conductor import AGAIN_AFTER, HORIZON, LOST_AFTER
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.evidence.ramp import RampEvidence, load_ramp
from prakerja_load.journey.step import Ending, key_of
from prakerja_load.judgement.verdict import ObjectiveResult, RampJudgement, RunJudgement, Verdict
from prakerja_load.units import SECOND_NS

HARM = ("lost", "duplicate", "corrupted", "oversold")
PROMPT = 0.002  # seconds: a generator that costs no time is never later than this


@dataclass(frozen=True)
class Truth:
    """What became of the writes: by the ledger's entries what was sent, by the system's rows what is stored."""

    fates: dict[str, set[int]]
    open: frozenset[str]  # keys of which an attempt has no fate
    stored: Counter[str]
    harm: dict[str, int]  # what the system did to its store


def broken(world: World, judged: RunJudgement) -> list[str]:
    """Return every invariant that does not hold, in words."""
    (ramp,) = judged.ramps
    evidence = load_ramp(world.ramp)
    truth = _truth(world, evidence)
    return [
        *_ledger_agrees_with_the_store(world, truth, ramp),
        *_ledger_says_what_was_answered(world, truth),
        *_integrity_is_what_was_done_to_the_store(world, truth, ramp),
        *_nobody_is_forgotten(world, evidence, ramp),
        *_others_take_over(world, evidence),
        *_verdict_fits_the_faults(world, truth, ramp),
        *_green_is_deserved(world, evidence, ramp),
        *_objectives_say_what_was_seen(ramp),
        *_drain_is_the_last_answer(world, evidence, ramp),
        *_times_are_those_of_the_system(world, evidence),
        *(
            []
            if judged.exit_code == ramp.verdict.exit_code
            else [f"exit code {judged.exit_code} for {ramp.verdict.name}"]
        ),
    ]


def _truth(world: World, evidence: RampEvidence) -> Truth:
    fates: dict[str, set[int]] = defaultdict(set)
    attempts: dict[tuple[str, int], set[int]] = defaultdict(set)
    for entry in evidence.ledger:
        key = key_of(evidence.ramp.run, int(entry["index"]), int(entry["step"]))
        fates[key].add(int(entry["state"]))
        attempts[key, int(entry["attempt"])].add(int(entry["state"]))
    is_open = frozenset(key for (key, _), states in attempts.items() if states == {LedgerState.INTENT})
    rows, tampered = world.model.rules.rows, world.model.tampered
    stored = Counter(row["key"] for row in rows)
    is_gone = world.has("lose-write", "restart-amnesia")
    promised = (key for key in tampered if LedgerState.ACKNOWLEDGED in fates.get(key, ()))
    harm = {
        "lost": sum(not stored[key] for key in promised) if is_gone else 0,
        "duplicate": sum(count - 1 for count in stored.values()),
        "corrupted": len(tampered) if world.has("corrupt-write") else 0,
        "oversold": max(0, sum(row["kind"] == "join-wave" for row in rows) - world.quota),
    }
    return Truth(fates, is_open, stored, harm)


def _ledger_agrees_with_the_store(world: World, truth: Truth, ramp: RampJudgement) -> Iterator[str]:
    landed, stored = 0, truth.stored
    for key, states in truth.fates.items():
        if LedgerState.ACKNOWLEDGED in states:
            if stored[key] != 1 and not world.model.tampered[key]:
                yield f"{key} was acknowledged and is stored {stored[key]} times"
        elif LedgerState.IN_DOUBT in states or key in truth.open:
            landed += stored[key] > 0
        elif stored[key]:
            yield f"{key} was refused and is stored"
    if not world.is_blind:
        for key in stored.keys() - truth.fates.keys():
            yield f"{key} is stored and in no ledger"
        if landed != ramp.integrity.landed:
            yield f"{landed} writes in doubt have landed, the judgement says {ramp.integrity.landed}"


def _ledger_says_what_was_answered(world: World, truth: Truth) -> Iterator[str]:
    """Whatever reached a client as a yes is acknowledged, and nothing else is."""
    told = {key for key, (status, _) in world.model.told.items() if status < 300 and key in truth.fates}
    noted = {key for key, states in truth.fates.items() if LedgerState.ACKNOWLEDGED in states}
    for key in noted - told:
        yield f"{key} is acknowledged in the ledger, and no such answer arrived"
    if not world.is_blind:
        for key in told - noted:
            yield f"{key} was answered with a yes that the ledger does not have"


def _integrity_is_what_was_done_to_the_store(world: World, truth: Truth, ramp: RampJudgement) -> Iterator[str]:
    expected = {**truth.harm, "unexpected": 0, "contradicted": 0}
    found = {name: getattr(ramp.integrity, name) for name in expected}
    if found != expected:
        yield f"integrity {found}, done to the store {expected}"
    for name in HARM:
        if truth.harm[name] and f"({name})" not in "; ".join(ramp.reasons):
            yield f"no reason names what is {name}: {ramp.reasons}"
    if ramp.integrity.unverified:
        yield f"{ramp.integrity.unverified} writes unverified although everything was exported"
    if ramp.integrity.undersold and not _turns_away_wrongly(world):
        yield f"{ramp.integrity.undersold} undersold by a system that turned nobody away, or whose wave is full"


def _turns_away_wrongly(world: World) -> bool:
    """Tell whether somebody was told that the wave is full, which in the end it is not."""
    model = world.model
    joined = sum(row["kind"] == "join-wave" for row in model.rules.rows)
    return joined < world.quota and any(status == 409 for status, _ in model.told.values())


def _nobody_is_forgotten(world: World, evidence: RampEvidence, ramp: RampJudgement) -> Iterator[str]:
    counts, indices = ramp.counts, evidence.arrivals["index"].tolist()
    if len(set(indices)) != len(indices):
        yield "an arrival has two records"
    if not counts.verified <= counts.acknowledged <= counts.started <= counts.offered:
        yield f"counts in the wrong order: {counts}"
    if world.is_blind:
        return
    if sorted(indices) != list(range(evidence.ramp.count)) or counts.started != counts.offered:
        yield f"{len(indices)} arrivals recorded, {counts.started} started of {counts.offered}"
    if not world.has(*SYSTEM, *TAMPERING) and evidence.samples.size != world.model.requests:
        yield f"{evidence.samples.size} samples of {world.model.requests} requests"


def _others_take_over(world: World, evidence: RampEvidence) -> Iterator[str]:
    """Where the scenario tolerates it, what a dead worker was to start long after its death is started by others."""
    death = world.fault("kill-worker")
    if death is None or len(world.workers) < 2 or not world.task.tolerate_worker_loss:
        return
    noticed = death.at + LOST_AFTER + AGAIN_AFTER + 0.2
    due = world.task.schedule().times(0, evidence.ramp.count)
    if noticed > float(due[-1]) - HORIZON - 1.0:  # by then everything is issued
        return
    wanted = set(np.flatnonzero(due > noticed).tolist())
    if left := wanted - set(evidence.arrivals["index"].tolist()):
        yield f"{len(left)} of {len(wanted)} arrivals due after {noticed:.1f} s were taken over by nobody"


def _verdict_fits_the_faults(world: World, truth: Truth, ramp: RampJudgement) -> Iterator[str]:
    verdict, reasons, is_harmed = ramp.verdict, "; ".join(ramp.reasons), any(truth.harm.values())
    faults = world.faults
    if world.has("lose-last-count") and not world.unheard:  # nothing was left to lose
        faults = tuple(fault for fault in faults if fault.name != "lose-last-count")
    right = allowed(faults, is_harmed=is_harmed)
    if _turns_away_wrongly(world):
        right |= {Verdict.NOT_SUSTAINED}
    if verdict not in right:
        words = " or ".join(one.name for one in sorted(right))
        yield f"{verdict.name} where {words} is right: {reasons}"
    is_told = any(word in reasons for word in ("success of", "elapsed to", "backlog", "drain time"))
    if verdict is Verdict.NOT_SUSTAINED and not is_harmed and not _turns_away_wrongly(world) and not is_told:
        yield f"no reason tells of slowness or failures: {reasons}"


def _green_is_deserved(world: World, evidence: RampEvidence, ramp: RampJudgement) -> Iterator[str]:
    """Only where the system's own log has enough last writes answered in time is a verdict green."""
    if ramp.verdict is not Verdict.SUSTAINED:
        return
    step = next(int(row.number) for row in ramp.steps if row.name == "join-wave")
    limit = 1.0 + 0.5 * step
    start, stop = (0.0, float("inf")) if world.is_curve else (WARM_UP, WARM_UP + HOLD)
    judged = in_time = 0
    for arrival in evidence.arrivals:
        key = key_of(evidence.ramp.run, int(arrival["index"]), step)
        due = int(arrival["intended"]) / SECOND_NS
        is_refused = arrival["ending"] == Ending.COMPLETED and key not in world.model.asked  # on an earlier step
        if is_refused or not start <= due < stop:
            continue
        judged += 1
        _, at = world.model.told.get(key, (0, float("inf")))
        in_time += at - due - int(arrival["think"]) / SECOND_NS <= limit
    share = 0.8 if "new-applicant" in world.text else 0.9
    if not judged or in_time < share * judged:
        yield f"SUSTAINED, and {in_time} of {judged} last writes were answered within {limit:g} s"


def _objectives_say_what_was_seen(ramp: RampJudgement) -> Iterator[str]:
    for objective in ramp.objectives:
        is_decided = objective.verdict is not Verdict.INCONCLUSIVE and objective.kind != "sample"
        if is_decided and objective.estimate is not None and _is_inside(objective) is not _is_green(objective):
            yield f"{objective.name}: {objective.verdict.name} of {objective.estimate} against {objective.limit}"


def _is_inside(objective: ObjectiveResult) -> bool:
    assert objective.estimate is not None
    is_most = objective.unit == "s" or objective.kind == "backlog"
    value = objective.estimate.value
    return value <= objective.limit if is_most else value >= objective.limit


def _is_green(objective: ObjectiveResult) -> bool:
    return objective.verdict is Verdict.SUSTAINED


def _drain_is_the_last_answer(world: World, evidence: RampEvidence, ramp: RampJudgement) -> Iterator[str]:
    """After a clean curve the drain lasts from the last arrival's due time to the last answer."""
    if not world.is_curve:
        return
    (drain,) = (objective for objective in ramp.objectives if objective.name.startswith("drain time"))
    if world.faults or drain.estimate is None:
        return
    last = float(world.task.schedule().times(0, evidence.ramp.count)[-1])
    true = max(0.0, world.model.last_told - last)
    if abs(drain.estimate.value - true) > PROMPT:
        yield f"a drain of {drain.estimate.value} s, and the last answer arrived {true} s after the last arrival"


def _times_are_those_of_the_system(world: World, evidence: RampEvidence) -> Iterator[str]:
    samples, slow = evidence.samples, world.fault("slow")
    if not samples.size:
        return
    answered = samples[(samples["status"] > 0) & (samples["status"] != 503)]
    shortest = float((answered["finished"] - answered["started"]).min(initial=2**62)) / SECOND_NS
    if slow is not None and not world.has("error") and shortest < slow.seconds:
        yield f"an answer after {shortest} s from a system that takes {slow.seconds} s"
    if (samples["started"] < samples["due"]).any():
        yield "a request was sent before it was due"
    is_first = samples["attempt"] == 0
    late = float((samples["started"] - samples["due"])[is_first].max(initial=0)) / SECOND_NS
    if not world.has(*BLINDING) and late > PROMPT:
        yield f"a request was sent {late} s late by a generator that costs no time"
