"""What a ramp expects to find stored: by whom, under which keys, and in a wave of how many places."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from synthetic import Ramp

from prakerja_load.evidence.elsewhere import Elsewhere, write_elsewhere
from prakerja_load.evidence.ledger import Fates, LedgerState
from prakerja_load.evidence.ramp import RampRecord
from prakerja_load.journey.step import Registrant, Step, key_of
from prakerja_load.judgement.integrity import is_unasked
from prakerja_load.judgement.verdict import Integrity, Verdict
from prakerja_load.judgement.writes import load_fates, reconcile, registrants

LOGIN, JOIN = Step(1, "log-in"), Step(3, "join-wave", is_stored=True)
ACK, REJECTED, DOUBT = LedgerState.ACKNOWLEDGED, LedgerState.REJECTED, LedgerState.IN_DOUBT


def profile_of(person: int) -> Any:
    return f"profile of {person}"


class Walk:
    """A journey that joins a wave and remembers who was asked about."""

    steps = (LOGIN, JOIN)

    def __init__(self) -> None:
        self.asked: list[Registrant] = []

    def stored(self, registrant: Registrant, step: Step) -> dict[str, Any]:
        self.asked.append(registrant)
        return {"owner": registrant.profile, "step": step.number}


def row(index: int, run: str = "k1r2") -> dict[str, Any]:
    return {"kind": "join-wave", "key": key_of(run, index, 3), "owner": f"profile of {100 + index}", "step": 3}


def fates(*states: LedgerState) -> Fates:
    table = np.zeros((len(states), 4), np.uint8)
    table[:, 3] = states
    return Fates(table, np.zeros(len(states), np.bool_))


def reconciled(
    folder: Path,
    rows: list[dict[str, Any]] | None,
    known: Fates,
    *,
    quota: int | None = None,
    joined: int = 0,
    journey: dict[str, Any] | None = None,
    earlier: dict[str, Fates] | None = None,
    walk: Walk | None = None,
) -> Integrity:
    stored = None
    if rows is not None:
        stored = folder / "stored.ndjson.gz"
        end = {"kind": "end", "rows": len(rows), "joined": {"7": joined}}
        with gzip.open(stored, "wt") as file:
            file.writelines(json.dumps(line) + "\n" for line in [*rows, end])
    ramp = RampRecord(run="k1r2", wave=7, first_person=100, journey=journey or {})
    evidence: Any = SimpleNamespace(ramp=ramp, stored=stored, path=folder)
    scenario: Any = SimpleNamespace(registrar=SimpleNamespace(wave_quota=quota))
    made: Any = walk or Walk()
    return reconcile(evidence, scenario, known, made, profile_of, earlier=earlier or {}).integrity


def test_the_fields_expected_are_those_of_the_person_who_came_at_that_place(tmp_path: Path) -> None:
    walk = Walk()

    found = reconciled(tmp_path, [row(0), row(1)], fates(ACK, ACK), walk=walk)

    assert (found.verdict, found.verified) == (Verdict.SUSTAINED, 2)
    assert walk.asked == [
        Registrant("k1r2", 0, 100, profile_of(100)),
        Registrant("k1r2", 1, 101, profile_of(101)),
    ]


def test_a_row_on_another_persons_account_is_corrupted(tmp_path: Path) -> None:
    found = reconciled(tmp_path, [row(0), {**row(1), "owner": "profile of 100"}], fates(ACK, ACK))

    assert (found.verdict, found.corrupted) == (Verdict.NOT_SUSTAINED, 1)


def test_without_an_export_everything_stays_unverified(tmp_path: Path) -> None:
    found = reconciled(tmp_path, None, fates(ACK, ACK))

    assert (found.verdict, found.unverified, found.lost) == (Verdict.INCONCLUSIVE, 2, 0)
    assert is_unasked(found)


def test_what_an_earlier_ramp_had_in_doubt_may_land_now(tmp_path: Path) -> None:
    rows = [row(0), row(4, "k1r1")]

    assert reconciled(tmp_path, rows, fates(ACK)).unexpected == 1
    found = reconciled(tmp_path, rows, fates(ACK), earlier={"k1r1": fates(*[DOUBT] * 5)})
    assert (found.unexpected, found.verdict) == (0, Verdict.SUSTAINED)


@pytest.mark.parametrize(
    ("quota", "joined", "journey", "undersold"),
    [
        (4, 4, {}, 0),
        (5, 4, {}, 1),
        (9, 4, {}, 2),
        (9, 2, {}, 2),
        (9, 4, {"expects_wave_closed": True}, 0),
        (9, 4, {"expects_wave_closed": False}, 2),
        (None, 4, {}, 0),
    ],
)
def test_who_is_turned_away_is_wronged_where_the_system_itself_counts_places_left(
    quota: int | None, joined: int, journey: dict[str, Any], undersold: int, tmp_path: Path
) -> None:
    """Two joined in this ramp and two were turned away; the system may count joins of earlier ramps as well."""
    known = fates(ACK, ACK, REJECTED, REJECTED)

    found = reconciled(tmp_path, [row(0), row(1)], known, quota=quota, joined=joined, journey=journey)

    assert found.undersold == undersold
    assert found.oversold == 0


@pytest.mark.parametrize(("joined", "oversold"), [(0, 0), (2, 0), (3, 1), (7, 5)])
def test_the_larger_of_what_is_exported_and_what_is_counted_must_fit_the_wave(
    joined: int, oversold: int, tmp_path: Path
) -> None:
    found = reconciled(tmp_path, [row(0), row(1)], fates(ACK, ACK), quota=2, joined=joined)

    assert found.oversold == oversold
    assert found.verdict is (Verdict.NOT_SUSTAINED if oversold else Verdict.SUSTAINED)


def test_the_last_people_asked_for_are_kept() -> None:
    drawn: list[int] = []

    def draw(person: int) -> Any:
        drawn.append(person)
        return profile_of(person)

    registrant = registrants(RampRecord(run="k1r2", first_person=100), draw, keep=2)
    asked = [registrant(index) for index in (0, 1, 0, 2, 0, 1)]

    assert [(one.run, one.index, one.person) for one in asked[:2]] == [("k1r2", 0, 100), ("k1r2", 1, 101)]
    assert drawn == [100, 101, 102, 101]


@pytest.mark.parametrize(("state", "unaccounted"), [("lost", [7]), ("finished", [])])
def test_of_a_lost_worker_only_who_has_no_record_may_have_written_without_a_trace(
    state: str, unaccounted: list[int], tmp_path: Path
) -> None:
    ramp = Ramp(unrecorded=slice(7, 8), worker={"state": state})

    fates = load_fates(ramp.evidence(tmp_path), ramp.plan.count)

    assert np.flatnonzero(fates.is_unaccounted).tolist() == unaccounted
    assert fates.total(ACK) == ramp.plan.count - 1


def test_what_was_found_in_another_table_counts_where_there_is_no_export_and_only_there(tmp_path: Path) -> None:
    said = {"verified": 2, "unverified": 0, "reasons": [], "examples": []}
    write_elsewhere(tmp_path, Elsewhere("people.csv", 3, said, np.ones(2, np.bool_)))

    by_table, by_export = (reconciled(tmp_path, rows, fates(ACK, ACK)) for rows in (None, [row(0)]))

    assert (by_table.verdict, by_table.verified, by_table.lost) == (Verdict.SUSTAINED, 2, 0)
    assert (by_export.verdict, by_export.verified, by_export.lost) == (Verdict.NOT_SUSTAINED, 1, 1)
