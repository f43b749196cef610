"""From a run directory to its integrity alone: reads ledgers, never samples, so that millions of writes fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from prakerja_load.applicants.population import FIELDS, Population
from prakerja_load.errors import EvidenceError, Problem, ScenarioError
from prakerja_load.evidence.elsewhere import Elsewhere, write_elsewhere
from prakerja_load.evidence.journal import Kind, Wanted, nothing
from prakerja_load.evidence.ledger import NEVER, Fates
from prakerja_load.evidence.outside import Cells, OutsideTable, as_text
from prakerja_load.evidence.part import part_paths
from prakerja_load.evidence.ramp import RampEvidence, load_ramp
from prakerja_load.evidence.run_directory import RunDirectory
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.step import Journey, Step, key_of
from prakerja_load.judgement import integrity, judge, outside
from prakerja_load.judgement.lookup import Lookup
from prakerja_load.judgement.ramp import journey_seconds
from prakerja_load.judgement.record import plain
from prakerja_load.judgement.rule import crash_text
from prakerja_load.judgement.verdict import Integrity
from prakerja_load.judgement.writes import load_fates, reconcile, registrants
from prakerja_load.scenario import Scenario, plan_ramp

_LEDGER_ONLY: Mapping[Kind, Wanted] = {kind: nothing for kind in Kind if kind is not Kind.LEDGER}
_CHUNK = 4_096  # people made at once

KEY = "key"
"""The field that holds a write's idempotency key."""


@dataclass(frozen=True)
class Reconciled:
    """The integrity of one ramp."""

    number: int
    name: str
    integrity: Integrity


@dataclass(frozen=True, eq=False)
class _Ramp:
    """One ramp's ledger, resolved."""

    number: int
    name: str
    evidence: RampEvidence
    fates: Fates
    journey: Journey


@dataclass(frozen=True, eq=False)
class _Run:
    scenario: Scenario
    population: Population
    ordered: list[int]
    ramp: Callable[[int], _Ramp | None]  # by number; None where it was not begun

    def name(self, number: int) -> str:
        return self.scenario.ramps[number - 1].name


def reconcile_run(path: Path) -> Iterator[Reconciled]:
    """Yield each ramp of a run reconciled with the saved export of what the system stores.

    Raises EvidenceError when the path is no run directory and ScenarioError when its scenario cannot be read.
    """
    run = _open(path)
    earlier: dict[str, Fates] = {}
    for number in run.ordered:
        try:
            ramp = run.ramp(number)
            if ramp is None:
                found = integrity.unverified("the ramp was not run")
            else:
                evidence, profile_of = ramp.evidence, run.population.applicant
                found = reconcile(
                    evidence, run.scenario, ramp.fates, ramp.journey, profile_of, earlier=earlier
                ).integrity
                earlier[evidence.ramp.run] = ramp.fates
        except Exception as crash:
            found = integrity.unverified(crash_text(crash))
        yield Reconciled(number, run.name(number), found)


def _open(path: Path) -> _Run:
    directory = RunDirectory.open(path)
    scenario, ordered = judge.open_run(directory)
    population = Population(scenario.seed, scenario.applicants.dialable_phones)
    begun = judge.begun_ramps(directory)
    seconds = journey_seconds(scenario)

    def ramp(number: int) -> _Ramp | None:
        if number not in begun:
            return None
        plan = plan_ramp(scenario, number, seconds)
        # of a ramp that was resumed, samples and arrivals tell what was begun before the cut
        evidence = load_ramp(begun[number], None if part_paths(begun[number]) else _LEDGER_ONLY)
        journey = make_journey(msgspec.convert(evidence.ramp.journey, JourneyOptions), population.applicant)
        fates = load_fates(evidence, plan.count)
        return _Ramp(number, plan.name, replace(evidence, ledger=evidence.ledger[:0].copy()), fates, journey)

    return _Run(scenario, population, ordered, ramp)


def reconcile_table(path: Path, table: OutsideTable, lookup: Lookup) -> tuple[list[Reconciled], int, int]:
    """Return each ramp of a run reconciled with an outside table, and its rows of earlier and of other people.

    With `is_recorded` the result is kept with the ramps, so that `judge` counts it where there is no export. Raises
    ScenarioError for a field, step or column that there is not, EvidenceError for what cannot be read.
    """
    run = _open(path)
    ramps = [ramp for number in run.ordered if (ramp := run.ramp(number)) is not None]
    if not ramps:
        raise EvidenceError(f"{path}: no ramp was run, so there is nothing to reconcile")
    writes = [_writes(ramp, run.population, lookup) for ramp in ramps]
    match = outside.Match(writes, lookup.compared, _others(ramps, run.population, lookup.key))
    for chunk in table.chunks([lookup.column(name) for name in lookup.compared.names]):
        match.meet(chunk)
    others = match.strangers
    if lookup.ignores_others:
        match.strangers = 0
    results = [
        Reconciled(ramp.number, ramp.name, match.result(position, table.fault)) for position, ramp in enumerate(ramps)
    ]
    if lookup.is_recorded:
        for position, (ramp, found) in enumerate(zip(ramps, results, strict=True)):
            step = _step(ramp.journey, lookup.step).number
            said = plain(found.integrity)
            kept = Elsewhere(table.name, step, said, match.right_of(position), match.prefilled or None)
            write_elsewhere(ramp.evidence.path, kept)
    return results, match.prefilled, others


def _writes(ramp: _Ramp, population: Population, lookup: Lookup) -> outside.Writes:
    step = _step(ramp.journey, lookup.step)
    registrant = registrants(ramp.evidence.ramp, population.applicant)
    run = ramp.evidence.ramp.run

    def record(index: int) -> outside.Record:
        who = registrant(index)
        written = ramp.journey.stored(who, step)
        fields: dict[str, Any] = {name: getattr(who.profile, name) for name in FIELDS}
        return {
            name: as_text(value) for name, value in (fields | written | {KEY: key_of(run, index, step.number)}).items()
        }

    _refuse_unknown(record(0), lookup)
    states = ramp.fates.states
    column = states[:, step.number] if step.number < states.shape[1] else np.full(ramp.fates.count, NEVER, np.uint8)
    return outside.Writes(ramp.number, step.name, column.copy(), ramp.fates.is_unaccounted, record)


def _step(journey: Journey, name: str | None) -> Step:
    stored = [step for step in journey.steps if step.is_stored]
    found = [step for step in stored if name in {None, step.name}]
    if not found:
        allowed = ", ".join(step.name for step in stored) or "none: this journey stores nothing"
        raise ScenarioError("reconcile", [Problem("--step", name or "none", allowed)])
    return found[0]


def _refuse_unknown(record: outside.Record, lookup: Lookup) -> None:
    asked = {"--key": [lookup.key], "--column": list(lookup.columns)}
    problems = [
        Problem(option, name, f"one of {', '.join(sorted(record))}")
        for option, names in asked.items()
        for name in names
        if name not in record
    ]
    if problems:
        raise ScenarioError("reconcile", problems)


def _others(ramps: list[_Ramp], population: Population, key: str) -> Iterator[Cells]:
    """Yield the keys of the people below the first who was used: they were stored before the run."""
    first = min(ramp.evidence.ramp.first_person for ramp in ramps)
    if key in FIELDS:
        for start in range(0, first, _CHUNK):
            yield list(population.columns(start, min(first, start + _CHUNK), [key])[key])
