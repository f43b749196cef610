"""A whole run reconciled: with the export it says what the judgement says, with a table what the table holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import command
from synthetic import TEXT, Ramp, parse, run_directory

from prakerja_load.applicants.population import Population
from prakerja_load.errors import EvidenceError, ScenarioError
from prakerja_load.evidence.elsewhere import Elsewhere, read_elsewhere, write_elsewhere
from prakerja_load.evidence.ledger import Fates, LedgerState
from prakerja_load.evidence.outside import open_file
from prakerja_load.evidence.run_directory import RAMP
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement.judge import judge_run
from prakerja_load.judgement.lookup import Lookup, TableOrder
from prakerja_load.judgement.outside import recalled
from prakerja_load.judgement.reconciling import Reconciled, reconcile_run, reconcile_table
from prakerja_load.judgement.verdict import Integrity, Verdict

PEOPLE = Population(11)
TWO_RAMPS = TEXT.replace("[journey]", '[[ramps]]\nname = "700 000"\nregistrants = 700_000\n[journey]')
SECOND = parse("ramps=[{name='600 000', registrants=600000}, {name='700 000', registrants=700000}]")

STORIES: dict[str, Any] = {
    "a good system": Ramp,
    "a lost write": lambda: Ramp(rows=lambda rows: rows[1:]),
    "a duplicate": lambda: Ramp(rows=lambda rows: [*rows, rows[5]]),
    "a corrupted field": lambda: Ramp(rows=lambda rows: [rows[0] | {"wave": 8}, *rows[1:]]),
    "no export": lambda: Ramp(has_export=False),
    "half an export": lambda: Ramp(end=None),
    "a lost worker": lambda: Ramp(unrecorded=slice(7, 8), worker={"state": "lost"}),
    "a worker's unrecorded write": lambda: Ramp(unrecorded=slice(7, 8)),
    "a killed run": lambda: Ramp(unrecorded=slice(4_000, 6_500), controller=None, is_closed=False),
    "two workers": lambda: Ramp(workers=2, rows=lambda rows: rows[1:]),
    "a doubt": lambda: Ramp(state={7: LedgerState.IN_DOUBT, 9: LedgerState.IN_DOUBT}),
}


@pytest.mark.parametrize("story", STORIES)
def test_with_the_export_it_says_what_the_judgement_says(story: str, tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [STORIES[story]()])

    (found,) = reconcile_run(path)

    assert found.integrity == judge_run(path).ramps[0].integrity


@pytest.mark.parametrize("name", ["ledger", "samples", "arrivals", "vitals"])
@pytest.mark.parametrize("harm", ["torn", "missing"])
def test_with_torn_or_missing_records_too(name: str, harm: str, tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp(unrecorded=slice(7, 8))])
    segment = next((path / "ramps").iterdir()) / "worker-0" / f"{name}.seg"
    segment.write_bytes(segment.read_bytes()[:-1])
    if harm == "missing":
        segment.unlink()

    (found,) = reconcile_run(path)

    assert found.integrity == judge_run(path).ramps[0].integrity


def test_late_landings_of_an_earlier_ramp_and_ramps_not_run_are_told_as_the_judgement_tells_them(
    tmp_path: Path,
) -> None:
    late = {"kind": "join-wave", "key": "k1r1-9-3", "wave": 7}
    ramps = [
        Ramp(state={9: LedgerState.IN_DOUBT}),
        Ramp(scenario=SECOND, number=2, run="k1r2", rows=lambda rows: [*rows, late]),
    ]
    path = run_directory(tmp_path / "run", ramps, TWO_RAMPS)
    short = run_directory(tmp_path / "short", ramps[:1], TWO_RAMPS)

    assert [found.integrity for found in reconcile_run(path)] == [ramp.integrity for ramp in judge_run(path).ramps]
    assert [found.integrity.reasons for found in reconcile_run(short)][1] == ("the ramp was not run",)


def test_a_ramp_that_cannot_be_read_is_inconclusive(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp()])
    (next((path / "ramps").iterdir()) / "ramp.json").write_text("{}")

    (found,) = reconcile_run(path)

    assert found.integrity.verdict is Verdict.INCONCLUSIVE
    assert "crashed" in found.integrity.reasons[0]


def table_of(folder: Path, indices: Iterable[int], run: str = "k1r1", **changed: str) -> Path:
    """Write the joins of these arrivals as another system would keep them."""
    lines = ["mail,citizen,gelombang,request"]
    for index in indices:
        person = PEOPLE.applicant(index)
        cells = {"mail": person.email, "citizen": person.nik, "gelombang": "7", "request": f"{run}-{index}-3"} | changed
        lines.append(",".join(cells.values()))
    path = folder / "joins.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


LOOKUP = Lookup("email", {"email": "mail", "nik": "citizen", "wave": "gelombang", "key": "request"})


def looked_up(path: Path, table: Path, lookup: Lookup = LOOKUP) -> tuple[Integrity, int, int]:
    (found,), prefilled, others = reconcile_table(path, open_file(table), lookup)
    assert isinstance(found, Reconciled)
    return found.integrity, prefilled, others


def test_a_table_that_holds_every_write_verifies_the_run(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp(has_export=False)])

    result, prefilled, others = looked_up(path, table_of(tmp_path, range(6_500)))

    assert (result.acknowledged, result.verified, result.verdict) == (6_500, 6_500, Verdict.SUSTAINED)
    assert (prefilled, others) == (0, 0)


def test_what_the_table_lacks_changes_or_adds_is_found(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp(has_export=False, state={9: LedgerState.IN_DOUBT})])

    lost, _, _ = looked_up(path, table_of(tmp_path, range(1, 6_500)))
    doubt, _, _ = looked_up(path, table_of(tmp_path, [*range(9), *range(10, 6_500)]))
    added, _, others = looked_up(path, table_of(tmp_path, range(6_501)))
    changed, _, _ = looked_up(path, table_of(tmp_path, range(6_500), gelombang="8"))

    assert (lost.lost, lost.landed, lost.verdict) == (1, 1, Verdict.NOT_SUSTAINED)
    assert lost.examples == (f"{PEOPLE.applicant(0).email}: join-wave acknowledged, not stored",)
    assert (doubt.lost, doubt.not_landed, doubt.verdict) == (0, 1, Verdict.SUSTAINED)
    assert (added.unexpected, others) == (1, 1)
    assert (changed.corrupted, changed.verified) == (6_500, 0)
    assert "not what was sent: wave" in changed.examples[0]


def test_rows_of_other_people_can_be_left_unjudged(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp(has_export=False)])
    lookup = Lookup("key", {"key": "request"}, ignores_others=True)

    result, _, others = looked_up(path, table_of(tmp_path, range(6_503)), lookup)

    assert (result.unexpected, others, result.verdict) == (0, 3, Verdict.SUSTAINED)


def test_one_table_answers_for_all_ramps(tmp_path: Path) -> None:
    ramps = [Ramp(has_export=False), Ramp(scenario=SECOND, number=2, run="k1r2", has_export=False)]
    path = run_directory(tmp_path / "run", ramps, TWO_RAMPS)
    first = table_of(tmp_path, range(6_500)).read_text().splitlines()
    second = table_of(tmp_path, range(1, ramps[1].plan.count), "k1r2").read_text().splitlines()
    (tmp_path / "both.csv").write_text("\n".join([*first, *second[1:]]) + "\n")

    found, _, _ = reconcile_table(path, open_file(tmp_path / "both.csv"), Lookup("key", {"key": "request"}))

    assert [ramp.integrity.lost for ramp in found] == [0, 1]
    assert [ramp.integrity.verdict for ramp in found] == [Verdict.SUSTAINED, Verdict.NOT_SUSTAINED]


def test_fields_and_steps_that_there_are_not_are_refused_with_those_that_there_are(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp(has_export=False)])
    table = table_of(tmp_path, range(3))

    with pytest.raises(ScenarioError) as refusal:
        looked_up(path, table, Lookup("passport", {"shoe": "size"}))
    assert "--key: got passport" in str(refusal.value)
    assert "--column: got shoe" in str(refusal.value)
    assert "nik" in str(refusal.value)
    with pytest.raises(ScenarioError, match="--step: got sign-up, allowed: join-wave"):
        looked_up(path, table, Lookup("email", {"email": "mail"}, step="sign-up"))
    with pytest.raises(ScenarioError, match="column: got email, allowed: one of mail"):
        looked_up(path, table, Lookup("email", {}))


def test_a_run_without_ramps_has_nothing_to_reconcile(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [])

    with pytest.raises(EvidenceError, match="no ramp was run"):
        looked_up(path, table_of(tmp_path, []))


@pytest.mark.parametrize(
    ("order", "problems"),
    [
        (TableOrder(stored=Path("t.csv"), sql="sqlite:///t.db"), ["--stored: got a file and a query"]),
        (TableOrder(sql="sqlite:///t.db"), ["--query: got nothing"]),
        (TableOrder(query="select 1"), ["--sql: got nothing"]),
        (
            TableOrder(stored=Path("t.csv"), key="", columns=["nik", "a=b", "a=c"]),
            ["--key: got ''", "--column: got 'nik'", "--column: got a twice"],
        ),
    ],
)
def test_contradictory_options_are_refused_all_at_once(order: TableOrder, problems: list[str]) -> None:
    with pytest.raises(ScenarioError) as refusal:
        order.opened()

    assert all(problem in str(refusal.value) for problem in problems)
    assert len(refusal.value.problems) == len(problems)


def test_options_say_which_column_holds_what() -> None:
    _, lookup = TableOrder(stored=Path("t.csv"), key="nik=citizen", columns=["email = mail"]).opened()

    assert lookup.compared.names == ("nik", "email")
    assert [lookup.column(name) for name in ("nik", "email", "phone")] == ["citizen", "mail", "phone"]
    assert not TableOrder().is_asked_for


def test_a_recorded_table_counts_when_the_run_is_judged_again(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp(has_export=False)])
    before = judge_run(path).ramps[0]
    recorded = replace(LOOKUP, is_recorded=True)

    looked_up(path, table_of(tmp_path, range(6_500)), recorded)
    whole = judge_run(path).ramps[0]
    looked_up(path, table_of(tmp_path, range(3, 6_500)), recorded)
    lost = judge_run(path).ramps[0]

    assert (before.verdict, before.counts.verified) == (Verdict.INCONCLUSIVE, 0)
    assert (whole.integrity.verdict, whole.counts.verified, whole.integrity.verified) == (
        Verdict.SUSTAINED,
        6_500,
        6_500,
    )
    assert (lost.verdict, lost.counts.verified, lost.integrity.lost) == (Verdict.NOT_SUSTAINED, 6_497, 3)
    assert lost.integrity.examples[0] == f"{PEOPLE.applicant(0).email}: join-wave acknowledged, not stored"
    assert judge_run(path).ramps[0].integrity == lost.integrity
    assert [found.integrity for found in reconcile_run(path)] == [lost.integrity]


def test_a_table_is_not_kept_unless_asked_for(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp(has_export=False)])
    files = sorted(path.rglob("*"))

    looked_up(path, table_of(tmp_path, range(6_500)))

    assert sorted(path.rglob("*")) == files
    with pytest.raises(ScenarioError, match="--record: got no table"):
        TableOrder(is_recorded=True).opened()


def test_steps_that_were_not_looked_up_stay_unverified(tmp_path: Path) -> None:
    states = np.zeros((3, 6), np.uint8)
    states[:, 2], states[:, 4], states[2, 5] = LedgerState.ACKNOWLEDGED, LedgerState.ACKNOWLEDGED, LedgerState.IN_DOUBT
    fates = Fates(states, np.zeros(3, np.bool_))
    clean = {"verified": 3, "lost": 0, "unverified": 0, "reasons": [], "examples": []}
    of = {step: Elsewhere("t", step, clean, np.ones(3, np.bool_), 9 * step) for step in (2, 4, 5)}

    some, every = recalled([of[2]], fates), recalled(list(of.values()), fates)

    assert (some.integrity.unverified, some.integrity.verdict) == (4, Verdict.INCONCLUSIVE)
    assert some.integrity.reasons == ("4 writes unverified: of steps that were not looked up",)
    assert (every.integrity.acknowledged, every.integrity.verdict) == (6, Verdict.SUSTAINED)
    assert (every.is_right.sum(), every.stored_before) == (9, 45)
    harmed = Elsewhere("t", 2, clean | {"lost": 1}, np.ones(3, np.bool_))
    assert recalled([harmed], fates).integrity.verdict is Verdict.NOT_SUSTAINED
    cut = Elsewhere("t", 2, clean | {"unverified": 2}, np.ones(3, np.bool_))
    assert recalled([cut, of[4], of[5]], fates).integrity.verdict is Verdict.INCONCLUSIVE
    assert recalled([Elsewhere("t", 2, clean, np.ones(9, np.bool_))], fates).integrity.verified == 0


def test_what_was_kept_and_cannot_be_read_verifies_nothing(tmp_path: Path) -> None:
    is_right = np.arange(11) % 3 == 0
    write_elsewhere(tmp_path, Elsewhere("t", 7, {"lost": 1}, is_right))
    (kept,) = read_elsewhere(tmp_path)

    assert (kept.table, kept.step, kept.integrity, kept.is_right.tolist()) == ("t", 7, {"lost": 1}, is_right.tolist())
    (tmp_path / "elsewhere-7.bits").unlink()
    (tmp_path / "elsewhere-8.json").write_text("[]")
    assert read_elsewhere(tmp_path) == ()


def test_the_command_says_what_it_found_and_exits_by_it(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp(has_export=False)])
    columns = [part for pair in ("nik=citizen", "wave=gelombang") for part in ("--column", pair)]

    def reconcile(indices: Iterable[int], *more: str) -> Any:
        return command(
            "reconcile", path, "--stored", table_of(tmp_path, indices), "--key", "email=mail", *columns, *more
        )

    lost, unknown = reconcile(range(1, 6_500)), reconcile(range(3), "--step", "what")
    without = command("reconcile", path)

    assert (lost.code, without.code, unknown.code) == (1, 3, 2)
    assert "joins.csv: 6 499 rows, found by and compared in email (mail), nik (citizen), wave (gelombang)" in lost.out
    assert "6 499 of 6 500 acknowledged writes verified" in lost.out
    assert "1 write acknowledged and not stored (lost)" in lost.out
    assert "6 500 writes unverified: no export of what is stored" in without.out
    assert "--step: got what, allowed: join-wave" in unknown.err
    assert not (path / "verdict.json").exists()


def test_rows_in_a_database_are_found_by_a_query(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp(has_export=False)])
    with sqlite3.connect(tmp_path / "own.db") as connection:
        connection.execute("create table joins (request text, gelombang integer)")
        connection.executemany("insert into joins values (?, 7)", [(f"k1r1-{index}-3",) for index in range(6_500)])
    connection.close()

    def asked(query: str) -> Integrity:
        order = TableOrder(sql=f"sqlite:///{tmp_path}/own.db", query=query, key="key=request", columns=["wave=g"])
        (found,), _, _ = reconcile_table(path, *order.opened())
        return found.integrity

    assert asked("select request, gelombang as g from joins").verdict is Verdict.SUSTAINED
    assert asked("select request, gelombang as g from joins where rowid > 1").lost == 1
    assert asked("select request, 8 as g from joins").corrupted == 6_500
    with pytest.raises(EvidenceError, match="cannot query"):
        asked("select nothing")


FEW = ["ramps=[{name='6 000', registrants=6000}]"]  # an arrival a second


def few(folder: Path, ramp: Ramp, first_person: int = 0) -> Path:
    """Write a run of few arrivals, the first of whom is this person."""
    path = run_directory(folder / "run", [ramp], TEXT.replace("600 000", "6 000").replace("600_000", "6_000"))
    record = next((path / "ramps").iterdir()) / RAMP
    record.write_text(json.dumps(json.loads(record.read_text()) | {"first_person": first_person}))
    return path


def test_people_below_the_first_who_came_were_stored_before_and_are_told_apart_from_strangers(tmp_path: Path) -> None:
    ramp = Ramp(scenario=parse(*FEW), has_export=False)
    path, count = few(tmp_path, ramp, first_person=9), ramp.plan.count
    lookup = Lookup("email", {"email": "mail"})

    result, prefilled, others = looked_up(path, table_of(tmp_path, range(9 + count)), lookup)
    assert (result.verified, result.verdict, prefilled, others) == (count, Verdict.SUSTAINED, 9, 0)

    result, prefilled, others = looked_up(path, table_of(tmp_path, range(5, 10 + count)), lookup)
    assert (result.verified, result.unexpected, prefilled, others) == (count, 1, 4, 1)


def test_a_ramp_in_which_nobody_came_as_far_as_the_write_looked_up_has_none(tmp_path: Path) -> None:
    ramp = Ramp(scenario=parse(*FEW), has_export=False).fail(1, slice(None), Outcome.ERROR, 0.01)

    (found,), *_ = reconcile_table(few(tmp_path, ramp), open_file(table_of(tmp_path, [3])), LOOKUP)

    assert (found.number, found.name) == (1, "6 000")
    assert (found.integrity.acknowledged, found.integrity.in_doubt, found.integrity.unexpected) == (0, 0, 1)
