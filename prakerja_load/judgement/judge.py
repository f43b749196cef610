"""From a run directory to a judgement: reads only the directory, and says the same whenever it is asked again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from prakerja_load.applicants.population import Population
from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.ledger import Fates, resolve
from prakerja_load.evidence.ramp import load_ramp
from prakerja_load.evidence.run_directory import ENVIRONMENT, RUN, SCENARIO, RunDirectory
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.judgement import tries
from prakerja_load.judgement.ramp import journey_seconds, judge_ramp, undecided
from prakerja_load.judgement.rule import crash_text
from prakerja_load.judgement.sentence import not_tested
from prakerja_load.judgement.verdict import RampJudgement, RunJudgement, Verdict, exit_code, worst
from prakerja_load.scenario import Scenario, load, plan_ramp


def judge_run(path: Path, only: Collection[int] | None = None) -> RunJudgement:
    """Return the judgement of a run directory, however early the run ended; `only` names the ramps wanted, from 1.

    A ramp that was ordered and never begun, and one whose judging crashes, is INCONCLUSIVE. Raises EvidenceError when
    the path is no run directory and ScenarioError when its scenario cannot be read.
    """
    directory = RunDirectory.open(path)
    run = _mapping(directory, RUN)
    scenario, ordered = open_run(directory)
    ramps = with_headroom(tuple(_judge_ramps(directory, scenario, ordered, ordered if only is None else only)))
    verdicts = [ramp.verdict for ramp in ramps]
    return RunJudgement(
        scenario=scenario.name,
        description=scenario.description,
        run=str(run.get("run", "")),
        seed=scenario.seed,
        created=str(run.get("created", "")),
        verdict=worst(verdicts),
        exit_code=exit_code(verdicts),
        ramps=ramps,
        environment={str(key): str(value) for key, value in _mapping(directory, ENVIRONMENT).items()},
        not_tested=not_tested(scenario),
        earlier_runs=tries.parse(run.get("earlier_runs")),
        looks=scenario.objectives.looks,
    )


def open_run(directory: RunDirectory) -> tuple[Scenario, list[int]]:
    """Return the scenario of a run and the numbers of the ramps that were ordered; raises ScenarioError."""
    run = _mapping(directory, RUN)
    scenario = load(directory.file(SCENARIO), [str(override) for override in run.get("overrides") or ()])
    return scenario, [int(number) for number in run.get("ramps") or range(1, len(scenario.ramps) + 1)]


def begun_ramps(directory: RunDirectory) -> dict[int, Path]:
    """Return the folders of the ramps that were begun, by number."""
    return {int(path.name.partition("-")[0]): path for path in directory.ramp_paths()}


def _mapping(directory: RunDirectory, name: str) -> Mapping[str, Any]:
    try:
        value = directory.read(name)
    except EvidenceError:
        return {}
    return value if isinstance(value, dict) else {}


def _judge_ramps(
    directory: RunDirectory, scenario: Scenario, ordered: Collection[int], wanted: Collection[int]
) -> Iterator[RampJudgement]:
    """Yield the wanted ramps in order; of the others only the ledger is read, for writes of theirs that landed late."""
    population = Population(scenario.seed, scenario.applicants.dialable_phones)
    begun = begun_ramps(directory)
    seconds = journey_seconds(scenario)
    earlier: dict[str, Fates] = {}
    for number in ordered:
        plan = plan_ramp(scenario, number, seconds)
        if number in wanted and number not in begun:
            yield undecided(scenario, plan, "the ramp was not run")
        elif number in wanted:
            yield _judge_one(begun[number], scenario, plan, population, earlier)
        if number in begun and number < max(wanted, default=0):
            earlier |= _fates(begun[number], plan)


def _judge_one(
    path: Path, scenario: Scenario, plan: RampPlan, population: Population, earlier: Mapping[str, Fates]
) -> RampJudgement:
    try:
        evidence = load_ramp(path)
        journey = make_journey(msgspec.convert(evidence.ramp.journey, JourneyOptions), population.applicant)
        return judge_ramp(evidence, scenario, plan, journey, population.applicant, earlier=earlier)
    except Exception as crash:
        return undecided(scenario, plan, crash_text(crash))


def _fates(path: Path, plan: RampPlan) -> dict[str, Fates]:
    """Return the fates of a ramp's writes by the prefix of its keys; nothing where its ledger cannot be resolved."""
    try:
        evidence = load_ramp(path)
        is_unaccounted = np.full(plan.count, not evidence.is_ledger_whole)
        return {evidence.ramp.run: resolve(evidence.ledger, plan.count, is_unaccounted)}
    except EvidenceError:
        return {}


def with_headroom(ramps: tuple[RampJudgement, ...]) -> tuple[RampJudgement, ...]:
    """Return the ramps with "at least" headroom: the highest rate proven on a store at least as full, ÷ λ_peak − 1.

    How full is what the system counted before each ramp. Where it gave no count, as much as nothing was proven, and
    the ramp asks for a store of its N.
    """
    proven = [(ramp.stored_before or 0, ramp.rate) for ramp in ramps if _is_proven(ramp)]

    def headroom(ramp: RampJudgement) -> float | None:
        if not _is_proven(ramp):
            return None
        asked = ramp.registrants if ramp.stored_before is None else min(ramp.registrants, ramp.stored_before)
        return max((ramp.rate, *(rate for held, rate in proven if held >= asked))) / ramp.rate - 1

    return tuple(replace(ramp, headroom=headroom(ramp)) for ramp in ramps)


def _is_proven(ramp: RampJudgement) -> bool:
    """Tell whether a ramp proves its rate; a curve has no rate that it holds."""
    return ramp.verdict is Verdict.SUSTAINED and ramp.claim == "peak"
