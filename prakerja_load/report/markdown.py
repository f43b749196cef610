"""Renders a report as Markdown, short enough for a CI step summary."""

from __future__ import annotations

import re

from prakerja_load.report.document import Badge, Cell, Column, RampSection, Report, Table

LIMIT = 60_000
"""Most bytes of a rendering; beyond it the long tables of the ramps are left to the HTML report."""

_SPECIAL = re.compile(r"([\\`*|]|\](?=\())")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def render(report: Report) -> str:
    """Return the report as Markdown of at most `LIMIT` bytes, charts left out.

    When all tables do not fit, ramps give up theirs one by one, those that were carried first; each says so.
    """
    good_first = sorted(report.ramps, key=lambda ramp: ramp.badge.tone != "good")
    for without in range(len(good_first) + 1):
        text = _page(report, {ramp.anchor for ramp in good_first[:without]})
        if len(text.encode()) <= LIMIT:
            return text
    return text.encode()[: LIMIT - 100].decode(errors="ignore") + "\n\n… cut here; report.html has the rest.\n"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    flat = " ".join(text.split())
    for character, entity in _HTML.items():
        flat = flat.replace(character, entity)
    return _SPECIAL.sub(r"\\\1", flat)


def _page(report: Report, without: set[str]) -> str:
    blocks = [
        f"# {escape(report.headline)}",
        f"{badge_text(report.badge)} · *{escape(report.headline_indonesian)}*",
        f"`{report.title.replace('`', '')}`" + (f" — {escape(report.description)}" if report.description else ""),
        *(escape(line) for line in report.summary),
        _ladder(report),
        pairs_text(report.facts),
    ]
    for ramp in report.ramps:
        blocks += _ramp(ramp, has_tables=ramp.anchor not in without)
    blocks += ["## What was not tested", bullets_text(report.not_tested) or "Nothing is recorded."]
    blocks += ["## Environment", table_text(report.environment.columns, report.environment.rows)]
    blocks += ["## How to read this", pairs_text(report.guide)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def badge_text(badge: Badge) -> str:
    """Return a verdict in bold, in both languages."""
    return f"**{badge.mark} {badge.english} · {badge.indonesian}**"


def _ladder(report: Report) -> str:
    columns = (Column("Registrants", is_number=True), Column("Verdict"), Column("Measured"))
    rows = tuple(
        (
            Cell(rung.registrants),
            Cell(f"{rung.badge.mark} {rung.badge.english} · {rung.badge.indonesian}"),
            Cell("; ".join(rung.lines)),
        )
        for rung in report.ladder
    )
    return table_text(columns, rows) if rows else ""


def _ramp(ramp: RampSection, *, has_tables: bool) -> list[str]:
    counts = ", ".join(_count(count.label, count.number, count.gap) for count in ramp.counts)
    blocks = [
        f"## {escape(ramp.title)}",
        f"{badge_text(ramp.badge)} {escape(ramp.sentence)}",
        bullets_text(ramp.reasons),
        f"Registrants: {counts}.",
        bullets_text(ramp.gaps),
        pairs_text(ramp.facts),
        pairs_text(tuple((chart.title, chart.description) for chart in ramp.charts)),
        "Scaled down or shared: " + escape("; ".join(ramp.disclosures)) + "." if ramp.disclosures else "",
    ]
    for table in ramp.tables:
        blocks += (
            folded_text(table) if has_tables else [f"**{table.title}**: {escape(table.summary)} (see report.html)"]
        )
    blocks += [bullets_text(ramp.integrity_notes + ramp.integrity_examples)]
    if ramp.arithmetic:
        blocks += ["Arithmetic:", bullets_text(ramp.arithmetic)]
    return blocks


def _count(label: str, number: str, gap: str) -> str:
    return f"{label} **{number}**" + (f" ({gap})" if gap else "")


def folded_text(table: Table) -> list[str]:
    """Return a table under its summary, folded unless it is to be open."""
    if not table.rows:
        return [f"**{table.title}**: {escape(table.summary)}"]
    start = "<details open>" if table.is_open else "<details>"
    summary = f"{start}<summary><b>{table.title}</b>: {escape(table.summary)}</summary>"
    return [summary, table_text(table.columns, table.rows), "</details>"]


def table_text(columns: tuple[Column, ...], rows: tuple[tuple[Cell, ...], ...]) -> str:
    """Return a table of pipes."""
    heads = [escape(f"{column.group} {column.title}".strip()) for column in columns]
    rules = ["--:" if column.is_number else "---" for column in columns]
    lines = [heads, rules, *([escape(cell.whole) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets_text(texts: tuple[str, ...]) -> str:
    """Return texts as a list."""
    return "\n".join(f"- {escape(text)}" for text in texts)


def pairs_text(pairs: tuple[tuple[str, str], ...]) -> str:
    """Return labels and texts as a list."""
    return "\n".join(f"- **{escape(label)}**: {escape(text)}" for label, text in pairs)
