"""The tables of one ramp: objectives, steps, integrity and soundness."""

from __future__ import annotations

from collections.abc import Mapping

from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.verdict import Finding, Integrity, ObjectiveResult, RampJudgement, StepRow, Verdict
from prakerja_load.report.document import Badge, Cell, Column, Table
from prakerja_load.report.wording import NOTHING, amount_text, estimate_text, stored_text
from prakerja_load.units import format_count

_TONES = ("good", "open", "bad")
_MARKS = ("✓", "?", "✗")
_FLOORS = ("success", "sample")  # kinds whose limit is the least allowed

_MEANINGS = (
    ("acknowledged", "writes the system said it stored", False),
    ("verified", "of those, found in the store with the right content", False),
    ("lost", "acknowledged, not in the store", True),
    ("duplicate", "stored more than once", True),
    ("corrupted", "stored with another content", True),
    ("oversold", "wave places given out beyond the quota", True),
    ("unexpected", "stored, never sent by this run", False),
    ("contradicted", "refused in the answer, stored all the same", False),
    ("in_doubt", "no usable answer came (time-out, reset, 5xx)", False),
    ("landed", "of those in doubt, found in the store", False),
    ("not_landed", "of those in doubt, not in the store", False),
    ("unverified", "acknowledged or in doubt, could not be looked up", False),
)
_OF_THE_LEDGER = ("acknowledged", "in_doubt", "unverified")  # known whatever was looked up of the store


def badge_of(verdict: Verdict) -> Badge:
    """Return how a verdict is shown."""
    return Badge(verdict.name, verdict.indonesian, _TONES[verdict], _MARKS[verdict])


def verdict_cell(verdict: Verdict) -> Cell:
    """Return a verdict as a table cell."""
    return Cell(f"{_MARKS[verdict]} {verdict.name}", tone=_TONES[verdict])


def limit_text(objective: ObjectiveResult) -> str:
    """Return a limit with its direction: "≤ 8 s", "≥ 99.5 %"."""
    is_floor = objective.kind in _FLOORS or (objective.kind == "window" and objective.unit == "ratio")
    return f"{'≥' if is_floor else '≤'} {amount_text(objective.limit, objective.unit)}"


def objectives_tables(ramp: RampJudgement) -> tuple[Table, ...]:
    """Return the objectives that are not met or not shown, open, and those that are met, folded."""
    missed = [objective for objective in ramp.objectives if objective.verdict is not Verdict.SUSTAINED]
    met = [objective for objective in ramp.objectives if objective.verdict is Verdict.SUSTAINED]
    tables = []
    if missed:
        worst_first = sorted(missed, key=lambda objective: -objective.verdict)
        tables.append(_objectives_table("Objectives not met or not shown", worst_first, is_open=True))
    if met or not missed:
        tables.append(_objectives_table("Objectives met", met, is_open=False))
    return tuple(tables)


def _objectives_table(title: str, objectives: list[ObjectiveResult], *, is_open: bool) -> Table:
    columns = (
        Column("Objective"),
        Column("Limit", is_number=True),
        Column("Measured [95 % bounds]", is_number=True),
        Column("Sample", is_number=True),
        Column("Verdict"),
        Column("Reason"),
    )
    rows = tuple(_objective_row(objective) for objective in objectives)
    return Table(title, _tally(objectives), columns, rows, is_open)


def _objective_row(objective: ObjectiveResult) -> tuple[Cell, ...]:
    text, note = estimate_text(objective.estimate, objective.unit)
    return (
        Cell(objective.name),
        Cell(limit_text(objective)),
        Cell(text, note),
        _sample_cell(objective.estimate),
        verdict_cell(objective.verdict),
        Cell(objective.reason),
    )


def _sample_cell(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell(NOTHING)
    effective = amount_text(float(round(estimate.n_effective)), "") if estimate.n_effective < estimate.n else ""
    return Cell(format_count(estimate.n), f"({effective} effective)" if effective else "")


def _tally(objectives: list[ObjectiveResult]) -> str:
    if not objectives:
        return "none was judged"
    counts = [(verdict, sum(objective.verdict is verdict for objective in objectives)) for verdict in reversed(Verdict)]
    return ", ".join(f"{_MARKS[verdict]} {count} {verdict.name}" for verdict, count in counts if count)


def steps_table(ramp: RampJudgement) -> Table:
    """Return the steps with gated times, service times and the dependent response time side by side."""
    elapsed, service = "Elapsed since due (gated)", "Service time"
    columns = (
        Column("Step"),
        Column("Requests", is_number=True),
        *(Column(quantile, elapsed, is_number=True) for quantile in ("p50", "p95", "p99")),
        *(Column(quantile, service, is_number=True) for quantile in ("p50", "p95", "p99")),
        Column("p99", "Response (dependent)", is_number=True),
        Column("Success", is_number=True),
        Column("Not ok"),
    )
    rows = [_step_row(step, f"{step.number} {step.name}") for step in ramp.steps]
    if ramp.journey is not None:
        rows.append(_step_row(ramp.journey, "whole journey"))
    summary = f"{len(ramp.steps)} steps, each time with its one-sided 95 % bounds" if ramp.steps else "no data"
    return Table("Steps", summary, columns, tuple(rows))


def _step_row(step: StepRow, name: str) -> tuple[Cell, ...]:
    return (
        Cell(name, "" if step.is_gated else "(laboratory, not gated)", "" if step.is_gated else "quiet"),
        Cell(format_count(step.requests)),
        *(_time_cell(step.elapsed, quantile) for quantile in ("p50", "p95", "p99")),
        *(_time_cell(step.service, quantile) for quantile in ("p50", "p95", "p99")),
        _time_cell(step.response, "p99"),
        Cell(*estimate_text(step.success, "ratio")) if step.success is not None else Cell(NOTHING),
        Cell(_not_ok(step.outcomes)),
    )


def _time_cell(times: Mapping[str, Estimate], quantile: str) -> Cell:
    if quantile not in times:
        return Cell(NOTHING)
    return Cell(*estimate_text(times[quantile], "s"))


def _not_ok(outcomes: Mapping[str, int]) -> str:
    parts = [
        f"{name.lower().replace('_', ' ')} {format_count(count)}"
        for name, count in outcomes.items()
        if count and name.lower() != "ok"
    ]
    return " · ".join(parts) or NOTHING


def integrity_table(integrity: Integrity) -> Table:
    """Return the generator's ledger against what the system stores, in writes."""
    rows = tuple(
        (
            Cell(name.replace("_", " ")),
            Cell(_writes(integrity, name), tone="bad" if is_bad and getattr(integrity, name) else ""),
            Cell(meaning),
        )
        for name, meaning, is_bad in _MEANINGS
    )
    columns = (Column("Writes"), Column("Count", is_number=True), Column("Meaning"))
    is_clean = integrity.verdict is Verdict.SUSTAINED
    return Table("Integrity", _integrity_summary(integrity), columns, rows, is_open=not is_clean)


def integrity_lines(integrity: Integrity) -> tuple[str, ...]:
    """Return the same as plain lines: the summary, every count with its meaning, the reasons and the examples."""
    counts = (f"{_writes(integrity, name):>9} {name.replace('_', ' ')}: {meaning}" for name, meaning, _ in _MEANINGS)
    return (_integrity_summary(integrity), *counts, *integrity.reasons, *integrity.examples)


def _writes(integrity: Integrity, name: str) -> str:
    count: int = getattr(integrity, name)
    return stored_text(count, is_whole=integrity.is_whole or name in _OF_THE_LEDGER)


def _integrity_summary(integrity: Integrity) -> str:
    mark = _MARKS[integrity.verdict]
    broken = [
        f"{format_count(getattr(integrity, name))} {name}"
        for name, _, is_bad in _MEANINGS
        if is_bad and getattr(integrity, name)
    ]
    found = f"{format_count(integrity.verified)} of {format_count(integrity.acknowledged)} acknowledged writes verified"
    if not broken and integrity.verdict is Verdict.INCONCLUSIVE:
        return f"{mark} {found}, whether any is lost, duplicate, corrupted or oversold is not known"
    return f"{mark} {found}, {', '.join(broken) if broken else 'none lost, duplicate, corrupted or oversold'}"


def findings_table(findings: tuple[Finding, ...]) -> Table:
    """Return the soundness checks, broken ones first: observed, allowed and what to change."""
    broken_first = sorted(findings, key=_finding_order)
    columns = (Column("Check"), Column("Holds"), Column("Observed"), Column("Allowed"), Column("What to change"))
    return Table(
        "Soundness of the measurement",
        _findings_summary(broken_first),
        columns,
        tuple(_finding_row(finding) for finding in broken_first),
        is_open=any(_finding_order(finding) == 0 for finding in findings),
    )


def _finding_order(finding: Finding) -> int:
    if finding.holds:
        return 2
    return 1 if finding.kind == "note" else 0


def _finding_row(finding: Finding) -> tuple[Cell, ...]:
    holds = (Cell("✗ fails", tone="bad"), Cell("• noted", tone="quiet"), Cell("✓ holds", tone="good"))
    return (
        Cell(finding.rule, f"({finding.kind})"),
        holds[_finding_order(finding)],
        Cell(finding.observed or NOTHING),
        Cell(finding.allowed or NOTHING),
        Cell(finding.advice if finding.advice and not finding.holds else NOTHING),
    )


def _findings_summary(findings: list[Finding]) -> str:
    if not findings:
        return "nothing was checked"
    broken, noted = ([finding.rule for finding in findings if _finding_order(finding) == place] for place in (0, 1))
    parts = [
        f"✗ {len(findings)} checks, fails: {', '.join(broken)}" if broken else f"✓ {len(findings)} checks, none fails"
    ]
    if noted:
        parts.append(f"noted: {', '.join(noted)}")
    return "; ".join(parts)
