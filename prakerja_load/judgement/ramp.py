"""From a ramp's evidence to its judgement: every rule asked, every part put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from prakerja_load.arrivals import demand as demands
from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.evidence.ledger import Fates, resolve
from prakerja_load.evidence.ramp import RampEvidence
from prakerja_load.journey.step import Journey
from prakerja_load.judgement import counts, integrity, table, writes
from prakerja_load.judgement.backlog import growth, owed
from prakerja_load.judgement.case import open_case, p99
from prakerja_load.judgement.objective import judge_objectives, kept_limits
from prakerja_load.judgement.plan import journey_figures
from prakerja_load.judgement.sentence import disclosures, resumed, sentence, smaller_store
from prakerja_load.judgement.soundness import judge_soundness
from prakerja_load.judgement.verdict import Counts, RampJudgement, Verdict, combine
from prakerja_load.judgement.writes import Profiles
from prakerja_load.scenario import Scenario
from prakerja_load.units import Seconds


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
    fates = resolve(evidence.ledger, plan.count, writes.unaccounted(evidence, case.history.is_recorded))
    reconciled = writes.reconcile(evidence, scenario, fates, journey, profile_of, earlier=earlier or {})
    case = replace(case, stored_before=reconciled.stored_before)
    findings, objectives = judge_soundness(case), judge_objectives(case)
    verdict, reasons = combine(findings, objectives, reconciled.integrity)
    late = table.lateness(case.history, case.judged)
    told = _arithmetic(scenario, plan)
    disclosed = disclosures(scenario, evidence.ramp.target_url, evidence.target)
    disclosed += tuple(filter(None, [smaller_store(plan), resumed(evidence)]))
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
        p99_kept=kept_limits(case),
        owed=0.0 if case.is_curve else owed(case),
        stored_before=case.stored_before,
    )


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
