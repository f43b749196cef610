from __future__ import annotations

import dataclasses
import math

import example_run
import pytest

from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.verdict import Finding, Integrity, ObjectiveResult, RampJudgement, StepRow, Verdict
from prakerja_load.report import tables
from prakerja_load.report.document import Table


@pytest.fixture(scope="module")
def failed() -> RampJudgement:
    return example_run.run().ramps[3]


def objective(kind: str, unit: str, limit: float = 8.0) -> ObjectiveResult:
    return ObjectiveResult("x", kind, limit, unit, None, Verdict.INCONCLUSIVE, "")


@pytest.mark.parametrize(
    ("kind", "unit", "limit", "text"),
    [
        ("timing", "s", 8.0, "≤ 8 s"),
        ("backlog", "ratio", 0.01, "≤ 1 %"),
        ("success", "ratio", 0.995, "≥ 99.5 %"),
        ("sample", "arrivals", 5000.0, "≥ 5 000 arrivals"),
        ("window", "s", 2.5, "≤ 2.5 s"),
        ("window", "ratio", 0.995, "≥ 99.5 %"),
        ("timing", "", math.nan, "≤ –"),
    ],
)
def test_a_limit_shows_its_direction(kind: str, unit: str, limit: float, text: str) -> None:
    assert tables.limit_text(objective(kind, unit, limit)) == text


def test_objectives_that_are_missed_stand_open_and_the_others_folded(failed: RampJudgement) -> None:
    missed, met = tables.objectives_tables(failed)

    assert (missed.is_open, met.is_open) == (True, False)
    assert len(missed.rows) + len(met.rows) == len(failed.objectives)
    assert {row[4].text for row in missed.rows} == {"✗ NOT_SUSTAINED"}
    assert {row[4].text for row in met.rows} == {"✓ SUSTAINED"}


def test_the_worst_of_the_missed_objectives_comes_first() -> None:
    results = tuple(
        dataclasses.replace(objective("timing", "s"), name=verdict.name, verdict=verdict)
        for verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_SUSTAINED)
    )
    (missed,) = tables.objectives_tables(dataclasses.replace(example_run.empty_ramp(), objectives=results))

    assert [row[0].text for row in missed.rows] == ["NOT_SUSTAINED", "INCONCLUSIVE"]


def test_a_ramp_without_objectives_says_so() -> None:
    (table,) = tables.objectives_tables(dataclasses.replace(example_run.empty_ramp(), objectives=()))

    assert (table.rows, table.summary) == ((), "none was judged")


def test_the_sample_shows_how_much_it_is_worth(failed: RampJudgement) -> None:
    _, met = tables.objectives_tables(failed)

    assert met.rows[0][3].whole == "26 800 (16 080 effective)"


def test_gated_and_service_times_stand_side_by_side(failed: RampJudgement) -> None:
    table = tables.steps_table(failed)
    groups = [column.group for column in table.columns]

    assert table.groups == (
        ("", 2),
        ("Elapsed since due (gated)", 3),
        ("Service time", 3),
        ("Response (dependent)", 1),
        ("", 2),
    )
    assert groups.index("Service time") == groups.index("Elapsed since due (gated)") + 3


def test_every_row_of_every_table_fills_every_column(failed: RampJudgement) -> None:
    all_tables: tuple[Table, ...] = (
        *tables.objectives_tables(failed),
        tables.steps_table(failed),
        tables.integrity_table(failed.integrity),
        tables.findings_table(failed.findings),
    )

    assert all(len(row) == len(table.columns) for table in all_tables for row in table.rows)


def test_the_whole_journey_is_the_last_row(failed: RampJudgement) -> None:
    last = tables.steps_table(failed).rows[-1]

    assert (last[0].text, last[1].text) == ("whole journey", "26 800")
    assert last[4].whole == "∞ (failures reach this quantile)"


def test_a_look_into_the_outbox_is_marked_as_not_gated(failed: RampJudgement) -> None:
    row = next(row for row in tables.steps_table(failed).rows if row[0].text == "15 read-email")

    assert row[0].note == "(laboratory, not gated)"
    assert row[2].text == "–"


def test_what_was_not_ok_is_named_and_counted() -> None:
    outcomes = {"OK": 90, "REJECTED": 7, "TIMEOUT": 0, "IN_FLIGHT": 3}
    row = StepRow(1, "wave-page", True, 100, outcomes, {}, {}, {}, None)
    table = tables.steps_table(dataclasses.replace(example_run.empty_ramp(), steps=(row,)))

    assert table.rows[0][-1].text == "rejected 7 · in flight 3"


def test_a_lost_write_is_red_and_opens_the_table(failed: RampJudgement) -> None:
    table = tables.integrity_table(failed.integrity)
    lost = next(row for row in table.rows if row[0].text == "lost")

    assert (lost[1].text, lost[1].tone) == ("3", "bad")
    assert table.is_open
    assert table.summary == "✗ 241 197 of 241 200 acknowledged writes verified, 3 lost"


def test_a_clean_ledger_stays_folded_and_says_so() -> None:
    table = tables.integrity_table(example_run.integrity(100))

    assert not table.is_open
    assert table.summary == ("✓ 100 of 100 acknowledged writes verified, none lost, duplicate, corrupted or oversold")
    assert all(row[1].tone == "" for row in table.rows)


def test_what_nobody_looked_up_is_not_said_to_be_whole() -> None:
    asked_nobody = Integrity(100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 0, Verdict.INCONCLUSIVE, is_whole=False)

    assert tables.integrity_table(asked_nobody).summary == (
        "? 0 of 100 acknowledged writes verified, whether any is lost, duplicate, corrupted or oversold is not known"
    )


def test_what_was_not_looked_through_is_not_counted_as_none() -> None:
    asked_nobody = Integrity(100, 0, 0, 0, 0, 0, 0, 2, 0, 0, 102, 0, Verdict.INCONCLUSIVE, is_whole=False)
    cut_off = dataclasses.replace(asked_nobody, verified=60, duplicate=1, landed=2, unverified=40)
    known = {"acknowledged": "100", "in doubt": "2"}

    def shown(integrity: Integrity) -> dict[str, str]:
        return {name.text: count.text for name, count, _ in tables.integrity_table(integrity).rows}

    nothing = dict.fromkeys(shown(asked_nobody), "not known") | known | {"unverified": "102"}
    assert shown(asked_nobody) == nothing
    least = {"verified": "at least 60", "duplicate": "at least 1", "landed": "at least 2"}
    assert shown(cut_off) == nothing | least | {"unverified": "40"}
    assert "not known lost: acknowledged, not in the store" in tables.integrity_lines(asked_nobody)
    assert shown(dataclasses.replace(asked_nobody, is_whole=True))["lost"] == "0"


def test_a_broken_check_comes_first_with_what_to_change() -> None:
    table = tables.findings_table(example_run.findings(lateness_holds=False))

    assert [cell.text for cell in table.rows[0]] == [
        "lateness",
        "✗ fails",
        "p99 212 ms",
        "p99 ≤ 150 ms",
        "use more workers, or a machine for the generator alone",
    ]
    assert table.is_open
    assert table.summary == "✗ 6 checks, fails: lateness; noted: warm-up long enough"


def test_a_note_is_neither_a_failure_nor_hidden() -> None:
    table = tables.findings_table(example_run.findings())

    assert not table.is_open
    assert table.rows[0][1].text == "• noted"
    assert table.summary == "✓ 6 checks, none fails; noted: warm-up long enough"


def test_no_checks_is_not_all_checks_hold() -> None:
    assert tables.findings_table(()).summary == "nothing was checked"


def test_advice_is_kept_for_checks_that_fail() -> None:
    row = tables.findings_table((Finding("r", "accusing", True, "1", "2", "change it"),)).rows[0]

    assert row[4].text == "–"


def test_an_estimate_in_a_cell_carries_its_bounds() -> None:
    estimate = Estimate(0.5, 0.4, 0.6, 10, 10.0)
    row = StepRow(1, "a", True, 10, {}, {"p99": estimate}, {}, {}, None)
    table = tables.steps_table(dataclasses.replace(example_run.empty_ramp(), steps=(row,)))

    assert table.rows[0][4].whole == "500 ms [400, 600 ms]"
