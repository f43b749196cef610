"""The ledger against the store: every kind of harm is counted, named and never excused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prakerja_load.evidence.ledger import Fates, LedgerState
from prakerja_load.evidence.stored import StoredExport
from prakerja_load.journey.step import key_of, mistyped_key
from prakerja_load.judgement.integrity import RULES, Expectation, Reconciled, reconcile, unverified
from prakerja_load.judgement.verdict import Integrity, Verdict

RUN = "k1r2"
KINDS = {"create-account": 2, "identity": 5, "join-wave": 13}
ACK, REJECTED, DOUBT, NOT_DONE = (
    LedgerState.ACKNOWLEDGED,
    LedgerState.REJECTED,
    LedgerState.IN_DOUBT,
    LedgerState.NOT_DONE,
)
COUNT = 6
Row = dict[str, Any]


def fields(index: int, step: int) -> Mapping[str, Any]:
    return {2: {"email": f"p{index}@example.id"}, 5: {"nik": f"{index:016d}"}, 13: {"wave": 4}}[step]


def row(index: int, kind: str = "create-account", **changed: Any) -> Row:
    step = KINDS[kind]
    return {"kind": kind, "key": key_of(RUN, index, step), **fields(index, step), **changed}


def fates(states: Mapping[tuple[int, int], LedgerState] | None = None, *, unaccounted: tuple[int, ...] = ()) -> Fates:
    """Return the fates of six arrivals whose accounts are all acknowledged, but for what is given."""
    table = np.zeros((COUNT, 14), np.uint8)
    table[:, 2] = ACK
    for place, state in (states or {}).items():
        table[place] = state
    is_unaccounted = np.zeros(COUNT, np.bool_)
    is_unaccounted[list(unaccounted)] = True
    return Fates(table, is_unaccounted)


GOOD = [row(index) for index in range(COUNT)]


def expectation(**more: Any) -> Expectation:
    return Expectation(RUN, KINDS, fields, **more)


def reconciled(
    folder: Path, rows: list[Row], known: Fates | None = None, end: Row | None = None, **more: Any
) -> Reconciled:
    path = folder / "stored.ndjson.gz"
    with gzip.open(path, "wt") as file:
        for line in [*rows, end or {"kind": "end", "rows": len(rows)}]:
            file.write(json.dumps(line) + "\n")
    return reconcile(known or fates(), StoredExport(path), expectation(**more))


def judged(folder: Path, rows: list[Row], known: Fates | None = None, **more: Any) -> Integrity:
    return reconciled(folder, rows, known, **more).integrity


def harm(integrity: Integrity) -> dict[str, int]:
    names = [rule.name for rule in RULES]
    return {name: getattr(integrity, name) for name in names if getattr(integrity, name)}


def test_a_clean_store_is_verified_in_full(tmp_path: Path) -> None:
    result = judged(tmp_path, GOOD[::-1])

    assert (result.acknowledged, result.verified, result.verdict) == (6, 6, Verdict.SUSTAINED)
    assert (harm(result), result.reasons, result.examples) == ({}, (), ())


HARM: dict[str, tuple[list[Row], Fates, dict[str, int]]] = {
    "a write is lost": (GOOD[1:], fates(), {"lost": 1}),
    "a write is stored twice": ([*GOOD, GOOD[2]], fates(), {"duplicate": 1}),
    "a write is stored three times": ([*GOOD, GOOD[2], GOOD[2]], fates(), {"duplicate": 2}),
    "a field is changed": ([*GOOD[1:], row(0, email="other@example.id")], fates(), {"corrupted": 1}),
    "a field is missing": (
        [*GOOD[1:], {"kind": "create-account", "key": key_of(RUN, 0, 2)}],
        fates(),
        {"corrupted": 1},
    ),
    "a row stands under the key of another step": (
        [*GOOD, {"kind": "identity", "key": key_of(RUN, 0, 2)}],
        fates(),
        {"corrupted": 1},
    ),
    "a refused write is stored": ([*GOOD, row(0, "identity")], fates({(0, 5): REJECTED}), {"contradicted": 1}),
    "a shed write is stored": ([*GOOD, row(0, "identity")], fates({(0, 5): NOT_DONE}), {"contradicted": 1}),
    "a write that only a refusal is right for is stored": (
        [*GOOD, row(0, "identity")],
        fates({(0, 5): LedgerState.FORBIDDEN}),
        {"contradicted": 1},
    ),
    "a mistyped try is stored": (
        [*GOOD, {"kind": "identity", "key": mistyped_key(RUN, 0, 5), "nik": "1"}],
        fates(),
        {"contradicted": 1},
    ),
    "a write that was never sent is stored": ([*GOOD, row(0, "identity")], fates(), {"unexpected": 1}),
    "a row of nobody's is stored": ([*GOOD, {"kind": "identity", "key": "x", "nik": "1"}], fates(), {"unexpected": 1}),
    "a row without a key is stored": ([*GOOD, {"kind": "identity"}], fates(), {"unexpected": 1}),
    "a row of another run is stored": (
        [*GOOD, {"kind": "identity", "key": key_of("k9r1", 0, 5)}],
        fates(),
        {"unexpected": 1},
    ),
    "a row of an arrival beyond the plan is stored": (
        [*GOOD, {"kind": "create-account", "key": key_of(RUN, COUNT, 2)}],
        fates(),
        {"unexpected": 1},
    ),
    "a row of an unknown step is stored": (
        [*GOOD, {"kind": "what", "key": key_of(RUN, 0, 9)}],
        fates(),
        {"unexpected": 1},
    ),
    "a write in doubt landed with another's data": (
        [*GOOD, row(0, "identity", nik="9" * 16)],
        fates({(0, 5): DOUBT}),
        {"corrupted": 1},
    ),
}


@pytest.mark.parametrize("name", HARM)
def test_harm_is_counted_and_never_sustained(name: str, tmp_path: Path) -> None:
    rows, known, expected = HARM[name]

    result = judged(tmp_path, rows, known)

    assert harm(result) == expected
    assert result.verdict is Verdict.NOT_SUSTAINED
    assert len(result.reasons) == 1
    assert len(result.examples) >= 1


@pytest.mark.parametrize("name", list(HARM)[:5])
def test_a_harmed_write_is_not_verified(name: str, tmp_path: Path) -> None:
    rows, known, _ = HARM[name]

    assert judged(tmp_path, rows, known).verified == 5


def test_someone_elses_number_is_a_duplicate_whatever_was_expected(tmp_path: Path) -> None:
    known = fates({(0, 5): ACK, (1, 5): ACK})

    result = reconciled(tmp_path, [*GOOD, row(0, "identity"), row(1, "identity", nik=fields(0, 5)["nik"])], known)

    assert harm(result.integrity) == {"corrupted": 1}
    shared = Expectation(RUN, KINDS, lambda index, step: {})
    again = reconcile(known, StoredExport(tmp_path / "stored.ndjson.gz"), shared).integrity
    assert harm(again) == {"duplicate": 1}
    assert "share their nik" in again.examples[0]


def test_writes_in_doubt_are_read_back(tmp_path: Path) -> None:
    known = fates({(0, 5): DOUBT, (1, 5): DOUBT, (2, 5): DOUBT})

    result = judged(tmp_path, [*GOOD, row(1, "identity")], known)

    assert (result.in_doubt, result.landed, result.not_landed, result.unverified) == (3, 1, 2, 0)
    assert result.verdict is Verdict.SUSTAINED


def test_a_write_of_a_lost_worker_may_have_been_sent_unrecorded(tmp_path: Path) -> None:
    known = fates(unaccounted=(4,))

    result = judged(tmp_path, [*GOOD, row(4, "identity")], known)

    assert (harm(result), result.in_doubt, result.landed) == ({}, 1, 1)


def test_without_an_export_nothing_is_verified() -> None:
    result = reconcile(fates({(0, 5): DOUBT}), None, expectation()).integrity

    assert (result.unverified, result.verified, result.lost, result.verdict) == (7, 0, 0, Verdict.INCONCLUSIVE)
    assert result.reasons == ("7 writes unverified: no export of what is stored",)
    assert not result.is_whole


def test_an_incomplete_export_loses_nothing_and_proves_nothing(tmp_path: Path) -> None:
    result = judged(tmp_path, GOOD[:4], end={"kind": "end", "rows": 6})

    assert (result.verified, result.unverified, result.lost, result.verdict) == (4, 2, 0, Verdict.INCONCLUSIVE)
    assert not result.is_whole
    assert judged(tmp_path, GOOD).is_whole


def test_an_incomplete_export_still_shows_harm(tmp_path: Path) -> None:
    result = judged(tmp_path, [*GOOD[:4], GOOD[0]], end={"kind": "end", "rows": 9})

    assert (harm(result), result.verdict) == ({"duplicate": 1}, Verdict.NOT_SUSTAINED)


@pytest.mark.parametrize(("counted", "quota", "oversold"), [(0, 2, 1), (5, 2, 3), (3, 3, 0), (9, None, 0)])
def test_more_joins_than_places_are_oversold(tmp_path: Path, counted: int, quota: int | None, oversold: int) -> None:
    known = fates({(index, 13): ACK for index in range(3)})
    rows = [*GOOD, *(row(index, "join-wave") for index in range(3))]
    end = {"kind": "end", "rows": len(rows), "joined": {"4": counted}, "quota": {"4": 10**9}}

    result = judged(tmp_path, rows, known, end=end, quota=quota, wave=4)

    assert result.oversold == oversold
    assert result.verdict is (Verdict.NOT_SUSTAINED if oversold else Verdict.SUSTAINED)


@pytest.mark.parametrize(
    ("quota", "may_close", "undersold"), [(3, False, 0), (4, False, 1), (9, False, 2), (9, True, 0), (None, False, 0)]
)
def test_who_is_told_that_the_wave_is_full_while_it_has_places_is_wronged(
    tmp_path: Path, quota: int | None, may_close: bool, undersold: int
) -> None:
    joined = {(index, 13): ACK for index in range(3)}
    known = fates(joined | {(index, 13): REJECTED for index in (3, 4)})
    rows = [*GOOD, *(row(index, "join-wave") for index in range(3))]
    end = {"kind": "end", "rows": len(rows), "joined": {"4": 3}}

    result = judged(tmp_path, rows, known, end=end, quota=quota, wave=4, may_close=may_close)

    assert harm(result) == ({"undersold": undersold} if undersold else {})
    assert result.verdict is (Verdict.NOT_SUSTAINED if undersold else Verdict.SUSTAINED)


def test_a_write_on_somebody_elses_account_is_corrupted(tmp_path: Path) -> None:
    def owned(index: int, step: int) -> Mapping[str, Any]:
        return {"owner": f"p{index}@example.id", **fields(index, step)}

    rows = [{**row(index), "owner": f"p{index}@example.id"} for index in range(COUNT)]
    judged(tmp_path, [{**rows[0], "owner": "p1@example.id"}, *rows[1:]])

    export = StoredExport(tmp_path / "stored.ndjson.gz")
    result = reconcile(fates(), export, Expectation(RUN, KINDS, owned)).integrity

    assert (harm(result), result.verdict) == ({"corrupted": 1}, Verdict.NOT_SUSTAINED)
    assert "owner" in result.examples[0]


def test_a_late_landing_of_an_earlier_ramp_is_no_harm_but_anything_else_of_it_is(tmp_path: Path) -> None:
    earlier = {"k1r1": fates({(0, 5): DOUBT})}
    late = {"kind": "identity", "key": key_of("k1r1", 0, 5)}
    again = {"kind": "create-account", "key": key_of("k1r1", 0, 2)}

    result = judged(tmp_path, [*GOOD, late], earlier=earlier)

    assert (harm(result), result.verdict) == ({}, Verdict.SUSTAINED)
    assert result.reasons == ("1 write that an earlier ramp had in doubt landed since",)
    assert harm(judged(tmp_path, [*GOOD, again], earlier=earlier)) == {"unexpected": 1}


def test_no_acknowledged_write_verifies_nothing(tmp_path: Path) -> None:
    nothing = Fates(np.zeros((COUNT, 1), np.uint8), np.zeros(COUNT, np.bool_))

    result = judged(tmp_path, [], nothing)

    assert (result.verdict, result.acknowledged) == (Verdict.INCONCLUSIVE, 0)


def test_a_crash_on_the_way_is_inconclusive(tmp_path: Path) -> None:
    def crash(index: int, step: int) -> Mapping[str, Any]:
        raise LookupError("no such person")

    judged(tmp_path, GOOD)
    export = StoredExport(tmp_path / "stored.ndjson.gz")

    result = reconcile(fates(), export, Expectation(RUN, KINDS, crash)).integrity

    assert result.verdict is Verdict.INCONCLUSIVE
    assert "LookupError: no such person" in result.reasons[0]


def test_examples_are_few(tmp_path: Path) -> None:
    result = judged(tmp_path, [{"kind": "identity", "key": str(number)} for number in range(50)])

    assert (result.unexpected, result.lost, len(result.examples)) == (50, 6, 8)


def test_what_was_acknowledged_and_found_is_told_by_arrival(tmp_path: Path) -> None:
    result = reconciled(tmp_path, GOOD[1:])

    assert result.is_acknowledged[:, 2].tolist() == [True] * COUNT
    assert result.is_right[:, 2].tolist() == [False, *[True] * 5]


def test_every_harm_is_a_rule() -> None:
    assert [rule.name for rule in RULES] == [
        "lost",
        "duplicate",
        "corrupted",
        "unexpected",
        "contradicted",
        "oversold",
        "undersold",
    ]
    assert {rule.kind for rule in RULES} == {"integrity"}


def test_a_ledger_that_cannot_be_read_is_inconclusive() -> None:
    assert unverified("why").verdict is Verdict.INCONCLUSIVE
    assert unverified("why").reasons == ("why",)
