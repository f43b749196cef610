"""From a ramp's evidence to its judgement: every rule asked, every part put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.arrivals import demand as demands
from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.evidence.ledger import Fates, resolve
from prakerja_load.evidence.ramp import RampEvidence
from prakerja_load.evidence.stored import StoredExport
from prakerja_load.journey.step import Journey, Registrant
from prakerja_load.judgement import counts, integrity, table
from prakerja_load.judgement.backlog import growth
from prakerja_load.judgement.case import Case, open_case, p99
from prakerja_load.judgement.history import Mask
from prakerja_load.judgement.objective import judge_objectives
from prakerja_load.judgement.plan import journey_figures
from prakerja_load.judgement.sentence import disclosures, sentence
from prakerja_load.judgement.soundness import judge_soundness
from prakerja_load.judgement.verdict import Counts, RampJudgement, Verdict, combine
from prakerja_load.scenario import Scenario
from prakerja_load.units import Seconds

Profiles: TypeAlias = Callable[[int], ApplicantProfile]


def judge_ramp(
    evidence: RampEvidence,
    scenario: Scenario,
    plan: RampPlan,
    journey: Journey,
    profile_of: Profiles,
    *,
    earlier: Mapping[str, Fates] | None = None,
) -> RampJudgement:
    """Return what a ramp's evidence proves; `earlier` holds the fates of earlier ramps of this run by key prefix.

    Whatever crashes inside a rule leaves that rule undecided; whatever crashes outside is raised.
    """
    case = open_case(evidence, scenario, plan, journey.steps)
    fates = resolve(evidence.ledger, plan.count, _is_unaccounted(case))
    reconciled = _reconcile(case, fates, journey, profile_of, earlier or {})
    findings, objectives = judge_soundness(case), judge_objectives(case)
    verdict, reasons = combine(findings, objectives, reconciled.integrity)
    late = table.lateness(case.history, case.judged)
    told = _arithmetic(scenario, plan)
    disclosed = disclosures(scenario, evidence.ramp.target_url, evidence.target)
    return RampJudgement(
        number=plan.number,
        name=plan.name,
        registrants=plan.registrants,
        claim=plan.claim,
        rate=plan.rate,
        hold=plan.hold,
        verdict=verdict,
        sentence=sentence(verdict, scenario, plan, told, disclosed),
        reasons=reasons,
        counts=counts.count(case, fates, reconciled),
        integrity=reconciled.integrity,
        findings=findings,
        objectives=objectives,
        steps=table.step_rows(case),
        journey=table.journey_row(case),
        backlog=None if case.is_curve else growth(case),
        offered_rate=float(np.count_nonzero(case.judged)) / case.window.length,
        request_rate=float(np.count_nonzero(case.judged_requests)) / case.window.length,
        lateness_p50=float(np.median(late)) if late.size else 0.0,
        lateness_p99=p99(late),
        arithmetic=told,
        disclosures=disclosed,
        series=table.series(case),
        throughput=table.throughput(case),
        warm_up=plan.warm_up,
    )


def _is_unaccounted(case: Case) -> Mask:
    """Tell which arrivals may have sent writes that no entry tells of.

    Where a ledger is cut off it may be anybody; where a worker was lost, whoever has no closing record: an arrival's
    record is never on disk before its ledger entries.
    """
    evidence = case.evidence
    if not evidence.is_ledger_whole:
        return np.ones(case.plan.count, np.bool_)
    is_whole = (
        evidence.controller is not None
        and not evidence.torn
        and not any(name.endswith(".seg") for name in evidence.missing)
        and all(worker.get("state") == "finished" for worker in case.workers)
    )
    return np.zeros(case.plan.count, np.bool_) if is_whole else ~case.history.is_recorded


def _reconcile(
    case: Case, fates: Fates, journey: Journey, profile_of: Profiles, earlier: Mapping[str, Fates]
) -> integrity.Reconciled:
    ramp, steps = case.evidence.ramp, {step.number: step for step in journey.steps if step.is_stored}

    @lru_cache(maxsize=64)
    def registrant(index: int) -> Registrant:
        person = ramp.first_person + index
        return Registrant(ramp.run, index, person, profile_of(person))

    expectation = integrity.Expectation(
        run=ramp.run,
        kinds={step.name: number for number, step in steps.items()},
        fields=lambda index, number: journey.stored(registrant(index), steps[number]),
        quota=case.scenario.registrar.wave_quota if case.scenario.target.url is None else None,
        wave=ramp.wave,
        earlier=earlier,
    )
    export = StoredExport(case.evidence.stored) if case.evidence.stored is not None else None
    return integrity.reconcile(fates, export, expectation)


def _arithmetic(scenario: Scenario, plan: RampPlan) -> tuple[str, ...]:
    return tuple(demands.arithmetic(scenario.demand, plan.registrants, journey_seconds(scenario)))


def journey_seconds(scenario: Scenario) -> Seconds | None:
    """Return the mean journey time where the demand is stated as people present, which needs it."""
    return journey_figures(scenario).mean_seconds if scenario.demand.in_system is not None else None


def undecided(scenario: Scenario, plan: RampPlan, reason: str) -> RampJudgement:
    """Return the judgement of a ramp of which nothing can be said but why."""
    told = _arithmetic(scenario, plan)
    nothing = integrity.unverified(reason)
    return RampJudgement(
        number=plan.number,
        name=plan.name,
        registrants=plan.registrants,
        claim=plan.claim,
        rate=plan.rate,
        hold=plan.hold,
        verdict=Verdict.INCONCLUSIVE,
        sentence=sentence(Verdict.INCONCLUSIVE, scenario, plan, told, disclosures(scenario, "", None)),
        reasons=(reason,),
        counts=Counts(plan.count, 0, 0, 0, (reason,)),
        integrity=nothing,
        arithmetic=told,
        warm_up=plan.warm_up,
    )
