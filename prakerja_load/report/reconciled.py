"""A reconciliation in words, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prakerja_load.judgement.lookup import TableOrder
from prakerja_load.judgement.outside import together
from prakerja_load.judgement.reconciling import Reconciled, reconcile_run, reconcile_table
from prakerja_load.judgement.verdict import Verdict, worst
from prakerja_load.report.tables import integrity_lines
from prakerja_load.units import format_count


def reconciled(run: Path, order: TableOrder) -> tuple[list[str], Verdict]:
    """Return what is said of a run reconciled with its export or with an outside table, and the verdict on it.

    Raises ScenarioError and EvidenceError as `reconcile_run` and `reconcile_table` do.
    """
    if order.is_asked_for or order.is_recorded:
        return _with_table(run, order)
    ramps = list(reconcile_run(run))
    return list(_ramp_lines(ramps)), worst(ramp.integrity.verdict for ramp in ramps)


def _with_table(run: Path, order: TableOrder) -> tuple[list[str], Verdict]:
    table, lookup = order.opened()
    ramps, prefilled, others = reconcile_table(run, table, lookup)
    fields = ", ".join(f"{name} ({lookup.column(name)})" for name in lookup.compared.names)
    lines = [f"{table.name}: {format_count(table.rows)} rows, found by and compared in {fields}"]
    if prefilled:
        lines.append(f"{format_count(prefilled)} rows of people who were stored before the run")
    if others:
        judged = "not judged" if lookup.ignores_others else "unexpected"
        lines.append(f"{format_count(others)} rows of nobody in this run: {judged}")
    lines += _ramp_lines(ramps)
    total = together([ramp.integrity for ramp in ramps])
    if len(ramps) > 1:
        lines += ["all ramps", *(f"  {line}" for line in integrity_lines(total))]
    return lines, total.verdict


def _ramp_lines(ramps: list[Reconciled]) -> Iterator[str]:
    for ramp in ramps:
        yield f"ramp {ramp.number}: {ramp.name}"
        yield from (f"  {line}" for line in integrity_lines(ramp.integrity))
