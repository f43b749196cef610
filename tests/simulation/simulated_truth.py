"""What must hold of every simulated run, told from the simulation's own knowledge and never from the judgement's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from simulated_faults import GENERATOR
from simulated_run import World

from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.evidence.ramp import RampEvidence, load_ramp
from prakerja_load.journey.step import key_of
from prakerja_load.judgement.verdict import ObjectiveResult, RampJudgement, RunJudgement, Verdict
from prakerja_load.units import SECOND_NS

WORDS = {"lose-write": "lost", "duplicate-write": "duplicate", "corrupt-write": "corrupted", "oversell": "oversold"}


def broken(world: World, judged: RunJudgement) -> list[str]:
    """Return every invariant that does not hold, in words."""
    (ramp,) = judged.ramps
    evidence = load_ramp(world.ramp)
    return [
        *_ledger_agrees_with_the_store(world, evidence, ramp),
        *_integrity_is_what_was_done_to_the_store(world, ramp),
        *_nobody_is_forgotten(world, evidence, ramp),
        *_verdict_fits_the_fault(world, ramp),
        *_objectives_say_what_was_seen(ramp),
        *_times_are_those_of_the_system(world, evidence),
        *(
            []
            if judged.exit_code == ramp.verdict.exit_code
            else [f"exit code {judged.exit_code} for {ramp.verdict.name}"]
        ),
    ]


def _ledger_agrees_with_the_store(world: World, evidence: RampEvidence, ramp: RampJudgement) -> Iterator[str]:
    fates: dict[str, set[int]] = defaultdict(set)
    attempts: dict[tuple[str, int], set[int]] = defaultdict(set)
    for entry in evidence.ledger:
        key = key_of(evidence.ramp.run, int(entry["index"]), int(entry["step"]))
        fates[key].add(int(entry["state"]))
        attempts[key, int(entry["attempt"])].add(int(entry["state"]))
    is_open = {key for (key, _), states in attempts.items() if states == {LedgerState.INTENT}}
    stored = Counter(row["key"] for row in world.model.rules.rows)
    landed = 0
    for key, states in fates.items():
        if LedgerState.ACKNOWLEDGED in states:
            if stored[key] != 1 and not world.model.tampered[key]:
                yield f"{key} was acknowledged and is stored {stored[key]} times"
        elif LedgerState.IN_DOUBT in states or key in is_open:
            landed += stored[key] > 0
        elif stored[key]:
            yield f"{key} was refused and is stored"
    if world.fault.name not in GENERATOR:
        for key in stored.keys() - fates.keys():
            yield f"{key} is stored and in no ledger"
        if landed != ramp.integrity.landed:
            yield f"{landed} writes in doubt have landed, the judgement says {ramp.integrity.landed}"


def _integrity_is_what_was_done_to_the_store(world: World, ramp: RampJudgement) -> Iterator[str]:
    integrity, done = ramp.integrity, len(world.model.tampered)
    expected = dict.fromkeys(("lost", "duplicate", "corrupted", "unexpected", "contradicted", "oversold"), 0)
    joins = sum(row["kind"] == "join-wave" for row in world.model.rules.rows)
    expected["oversold"] = max(0, joins - world.quota)
    if world.fault.name == "oversell":
        done = expected["oversold"]
    elif world.fault.name in WORDS:
        expected[WORDS[world.fault.name]] = done
    found = {name: getattr(integrity, name) for name in expected}
    if found != expected:
        yield f"integrity {found}, done to the store {expected}"
    if done and ramp.verdict is not Verdict.NOT_SUSTAINED:
        yield f"{done} writes were tampered with, and the verdict is {ramp.verdict.name}"
    if done and WORDS[world.fault.name] not in "; ".join(ramp.reasons):
        yield f"no reason names what is {WORDS[world.fault.name]}: {ramp.reasons}"
    if integrity.unverified:
        yield f"{integrity.unverified} writes unverified although everything was exported"


def _nobody_is_forgotten(world: World, evidence: RampEvidence, ramp: RampJudgement) -> Iterator[str]:
    counts, indices = ramp.counts, evidence.arrivals["index"].tolist()
    if len(set(indices)) != len(indices):
        yield "an arrival has two records"
    if not counts.verified <= counts.acknowledged <= counts.started <= counts.offered:
        yield f"counts in the wrong order: {counts}"
    if world.fault.name in GENERATOR:
        return
    if sorted(indices) != list(range(evidence.ramp.count)) or counts.started != counts.offered:
        yield f"{len(indices)} arrivals recorded, {counts.started} started of {counts.offered}"
    if world.fault.name == "clean" and evidence.samples.size != world.model.requests:
        yield f"{evidence.samples.size} samples of {world.model.requests} requests"


def _verdict_fits_the_fault(world: World, ramp: RampJudgement) -> Iterator[str]:
    fault, verdict, reasons = world.fault, ramp.verdict, "; ".join(ramp.reasons)
    if fault.name == "clean" and verdict is Verdict.NOT_SUSTAINED:
        yield f"a clean run is accused: {reasons}"
    if fault.name in GENERATOR and verdict is not Verdict.INCONCLUSIVE:
        yield f"{fault} is the harness's own, and the verdict is {verdict.name}: {reasons}"
    if fault.name not in (*WORDS, *GENERATOR) and not fault.is_heavy and verdict is Verdict.NOT_SUSTAINED:
        yield f"{fault} stays inside every limit and is accused: {reasons}"
    if fault.name in WORDS or not fault.is_heavy:
        return
    if verdict is Verdict.SUSTAINED or (fault.name != "stall" and verdict is not Verdict.NOT_SUSTAINED):
        yield f"{fault} leaves the verdict {verdict.name}: {reasons}"
    if not any(word in reasons for word in ("success of", "elapsed to", "backlog")):
        yield f"no reason tells of slowness or failures: {reasons}"


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


def _times_are_those_of_the_system(world: World, evidence: RampEvidence) -> Iterator[str]:
    samples = evidence.samples
    if not samples.size:
        return
    shortest = float((samples["finished"] - samples["started"]).min()) / SECOND_NS
    if world.fault.name == "slow" and shortest < world.fault.seconds:
        yield f"an answer after {shortest} s from a system that takes {world.fault.seconds} s"
    if (samples["started"] < samples["due"]).any():
        yield "a request was sent before it was due"
    is_first = samples["attempt"] == 0
    late = float((samples["started"] - samples["due"])[is_first].max(initial=0)) / SECOND_NS
    if world.fault.name not in GENERATOR and late > 0.002:
        yield f"a request was sent {late} s late by a generator that costs no time"
