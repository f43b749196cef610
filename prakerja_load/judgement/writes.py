"""What a ramp wrote, and must be found stored: the fates of its writes and the fields that they carried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.evidence.elsewhere import read_elsewhere
from prakerja_load.evidence.journal import Kind, Wanted, nothing
from prakerja_load.evidence.ledger import Fates, resolve
from prakerja_load.evidence.ramp import RampEvidence, RampRecord, load_ramp
from prakerja_load.evidence.stored import StoredExport
from prakerja_load.journey.step import Journey, Registrant
from prakerja_load.judgement import integrity, outside
from prakerja_load.judgement.history import Mask
from prakerja_load.scenario import Scenario

Profiles: TypeAlias = Callable[[int], ApplicantProfile]
Registrants: TypeAlias = Callable[[int], Registrant]


def unaccounted(evidence: RampEvidence, is_recorded: Mask) -> Mask:
    """Tell which arrivals may have sent writes that no entry tells of.

    Where a ledger is cut off it may be anybody; where a worker was lost, whoever has no closing record: an arrival's
    record is never on disk before its ledger entries.
    """
    if not evidence.is_ledger_whole:
        return np.ones(is_recorded.size, np.bool_)
    is_unaccounted: Mask = np.zeros(is_recorded.size, np.bool_) if _is_whole(evidence) else ~is_recorded
    is_unaccounted[evidence.replayed[evidence.replayed < is_recorded.size]] = True
    return is_unaccounted


def _is_whole(evidence: RampEvidence) -> bool:
    return (
        evidence.controller is not None
        and not evidence.torn
        and not any(name.endswith(".seg") for name in evidence.missing)
        and all(worker.get("state") == "finished" for worker in evidence.controller.get("workers") or ())
    )


def load_fates(evidence: RampEvidence, count: int) -> Fates:
    """Return the fates of `count` arrivals' writes; the arrivals' records are read only where they are needed."""
    is_recorded = np.zeros(count, np.bool_)
    if evidence.is_ledger_whole and not _is_whole(evidence):
        wanted: dict[Kind, Wanted] = {kind: nothing for kind in Kind if kind is not Kind.ARRIVALS}
        index = load_ramp(evidence.path, wanted).arrivals["index"]
        is_recorded[index[(index >= 0) & (index < count)]] = True
    return resolve(evidence.ledger, count, unaccounted(evidence, is_recorded))


def registrants(ramp: RampRecord, profile_of: Profiles, keep: int = 64) -> Registrants:
    """Return who arrived, by arrival index; the last ones asked for are kept."""

    @lru_cache(maxsize=keep)
    def registrant(index: int) -> Registrant:
        person = ramp.first_person + index
        return Registrant(ramp.run, index, person, profile_of(person))

    return registrant


def reconcile(
    evidence: RampEvidence,
    scenario: Scenario,
    fates: Fates,
    journey: Journey,
    profile_of: Profiles,
    *,
    earlier: Mapping[str, Fates],
) -> integrity.Reconciled:
    """Return a ramp's ledger reconciled with the saved export, or with what `reconcile --record` found elsewhere."""
    ramp, steps = evidence.ramp, {step.number: step for step in journey.steps if step.is_stored}
    registrant = registrants(ramp, profile_of)
    expectation = integrity.Expectation(
        run=ramp.run,
        kinds={step.name: number for number, step in steps.items()},
        fields=lambda index, number: journey.stored(registrant(index), steps[number]),
        quota=scenario.registrar.wave_quota if ramp.wave else None,
        may_close=bool(ramp.journey.get("expects_wave_closed")),
        wave=ramp.wave,
        earlier=earlier,
    )
    if evidence.stored is None and (kept := read_elsewhere(evidence.path)):
        return outside.recalled(kept, fates)
    export = StoredExport(evidence.stored) if evidence.stored is not None else None
    return integrity.reconcile(fates, export, expectation)
