"""A comparison in words: lines for the terminal and for CI, and one page of HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from prakerja_load.judgement.compared import WANTED, Compared
from prakerja_load.judgement.comparison import Change, Outcome, round_share, signed_share
from prakerja_load.report.document import Badge, Cell, Column, Table
from prakerja_load.report.guide import capital
from prakerja_load.report.html import page_environment
from prakerja_load.report.wording import NOTHING, share_text, time_text
from prakerja_load.report.write import replace_text
from prakerja_load.units import format_number, format_share

_BADGES = {
    Outcome.BETTER: Badge("BETTER", "LEBIH BAIK", "good", "✓"),
    Outcome.SAME: Badge("SAME", "SAMA", "good", "✓"),
    Outcome.CANNOT_TELL: Badge("CANNOT TELL", "BELUM TERBUKTI", "open", "?"),
    Outcome.WORSE: Badge("WORSE", "LEBIH BURUK", "bad", "✗"),
}

_GUIDE = (
    ("One run, one number", "What differs between runs of one system decides what counts as a change of the system."),
    ("Change", "New against base, with one-sided 95 % bounds: ratio of times and rates, difference of shares."),
    ("Same", "Both bounds lie within the tolerance."),
    ("Worse, better", "Beyond doubt at 5 % over all lines together (Holm); at most one comparison in twenty is wrong."),
    ("Could have seen", "The smallest change for the worse that 95 of 100 such comparisons would have found."),
)


def headline(compared: Compared) -> str:
    """Return the outcome as one sentence."""
    comparison = compared.comparison
    if comparison.outcome is Outcome.SAME:
        return f"same within {format_share(compared.tolerance)} in all of {len(comparison.changes)} indicators"
    worst = [change for change in comparison.changes if change.outcome is comparison.outcome]
    of = f"in {len(worst)} of {len(comparison.changes)} indicators"
    return f"{comparison.outcome.words} {of if worst else 'in what is stored'}"


def lines(compared: Compared) -> Iterator[str]:
    """Yield the comparison as plain lines."""
    yield f"{headline(compared)}: {compared.scenario}"
    yield f"base: {', '.join(compared.base)}"
    yield f"new: {', '.join(compared.new)}"
    yield f"comparability digest {compared.digest}"
    yield from facts_lines(compared)
    for reason in compared.comparison.reasons:
        yield f"- {reason}"
    rest = [change for change in compared.comparison.changes if change.reason not in compared.comparison.reasons]
    for change in rest:
        yield f"  {change.reason}"


def facts_lines(compared: Compared) -> Iterator[str]:
    """Yield what has to be known beside the outcome: the systems, the power, remarks."""
    yield f"said to differ: {'; '.join(compared.system) or 'nothing; the target may have changed by itself'}"
    seen = [change.seen for change in compared.comparison.changes if 0 < change.seen < math.inf]
    if seen:
        least, most = round_share(min(seen)), round_share(max(seen))
        yield f"could have seen a change of {least} in the steadiest indicator, of {most} in the least steady one"
    if compared.needed is not None:
        yield f"to see {format_share(WANTED)} in every time, run {compared.needed} of each"
    yield from compared.remarks


def table(compared: Compared) -> Table:
    """Return all changes, the worst first."""
    columns = (
        Column("Indicator"),
        Column("Base", is_number=True),
        Column("New", is_number=True),
        Column("Change", is_number=True),
        Column("Could have seen", is_number=True),
        Column("Outcome"),
    )
    rows = tuple(_row(change) for change in compared.comparison.changes)
    return Table("Changes", headline(compared), columns, rows, is_open=True)


def _row(change: Change) -> tuple[Cell, ...]:
    badge = _BADGES[change.outcome]
    indicator = change.indicator
    doubt = indicator.against_worse or indicator.against_better
    return (
        Cell(indicator.name, note=indicator.part),
        Cell(_value(change.base, indicator.unit)),
        Cell(_value(change.new, indicator.unit)),
        Cell(signed_share(change.change), note=f"[{signed_share(change.low)}, {signed_share(change.high)}]"),
        Cell(round_share(change.seen) if 0 < change.seen < math.inf else NOTHING),
        Cell(f"{badge.mark} {change.outcome.words}", note=doubt, tone=badge.tone),
    )


def _value(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return NOTHING
    if unit == "s":
        return time_text(value)
    return share_text(value) if unit == "share" else f"{format_number(value)}/s"


def page(compared: Compared) -> str:
    """Return the page; the same comparison gives the same bytes."""
    facts = [
        ("Base", ", ".join(compared.base)),
        ("New", ", ".join(compared.new)),
        ("Comparability digest", compared.digest),
    ]
    return (
        page_environment()
        .get_template("compared.html.j2")
        .render(
            title=f"{compared.scenario}: comparison",
            headline=capital(headline(compared)),
            badge_of_page=_BADGES[compared.comparison.outcome],
            reasons=compared.comparison.reasons,
            notes=tuple(facts_lines(compared)),
            facts=facts,
            changes=table(compared),
            guide=_GUIDE,
        )
    )


def write_page(compared: Compared, path: Path) -> None:
    """Write the page in one step; raises EvidenceError when it cannot be written."""
    replace_text(path, page(compared))
