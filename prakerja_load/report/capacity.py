"""Turns a capacity search into a finished page, and the page into HTML and Markdown; no arithmetic elsewhere."""

from __future__ import annotations

import math
from pathlib import Path

from prakerja_load.judgement.carrying import CapacityJudgement
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.measured import MeasuredStep
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.report import capacity_words as words
from prakerja_load.report import guide, html, markdown
from prakerja_load.report.document import CapacityChart, CapacityPage, Cell, Column, Dot, Table
from prakerja_load.report.tables import badge_of, verdict_cell
from prakerja_load.report.wording import NOTHING, estimate_text, seed_text, withhold_identities
from prakerja_load.report.write import replace_text
from prakerja_load.units import format_count, format_duration, format_rate, format_share

_GUIDE = (
    ("Interval", "[passed, failed): the highest rate that passed, and the lowest one above it that failed."),
    ("A step", "A run of its own at one constant rate, judged like any other; its directory is named in the table."),
    ("Once more", "A rate that fails or stays undecided is repeated once before it counts; a doubt is never a pass."),
    ("Confirmed", "The lower end passed again, with other arrivals and other people, held twice as long."),
    ("Served", "Registrants a second who did what they had come for."),
    ("Knee", "Where the median journey takes more than twice what it takes at best."),
    ("Saturation", "The throughput at which it no longer follows what is offered."),
    ("Model", "A fitted law is a model. It proves nothing, and says nothing beyond twice what was measured."),
)


def write_capacity_pages(judged: CapacityJudgement, folder: Path) -> tuple[Path, Path]:
    """Write capacity.html and capacity.md and return their paths; the same judgement gives the same bytes.

    Raises EvidenceError when the folder cannot be written.
    """
    page = build(judged)
    html_path, markdown_path = folder / "capacity.html", folder / "capacity.md"
    for path, text in ((html_path, render_html(page)), (markdown_path, render_markdown(page))):
        replace_text(path, text)
    return html_path, markdown_path


def build(judged: CapacityJudgement) -> CapacityPage:
    """Return the finished page of a search."""
    judged = withhold_identities(judged)
    return CapacityPage(
        title=f"{judged.scenario}: capacity",
        description=judged.description,
        headline=words.headline(judged),
        headline_indonesian=words.headline_indonesian(judged),
        badge=badge_of(judged.verdict),
        summary=(words.sentence(judged), *words.registrants_lines(judged.registrants)),
        doubts=words.doubts(judged),
        facts=_facts(judged),
        chart=_chart(judged),
        tables=(_limits(judged), _ramps(judged), _steps(judged)),
        model=(words.model_text(judged.model),),
        disclosures=judged.disclosures,
        not_tested=judged.not_tested,
        environment=_environment(judged.environment),
        guide=_GUIDE,
    )


def render_html(page: CapacityPage) -> str:
    """Return the page as HTML that needs no script and no network."""
    from prakerja_load.report import capacity_chart  # matplotlib takes a second or more to import

    pictures = [
        html.Figure(
            "Throughput",
            page.chart.throughput,
            capacity_chart.draw_throughput(page.chart, "throughput"),
            capacity_chart.legend_throughput(),
        ),
        html.Figure(
            "Journey time",
            page.chart.times,
            capacity_chart.draw_times(page.chart, "times"),
            capacity_chart.legend_times(),
        ),
    ]
    return html.page_environment().get_template("capacity.html.j2").render(page=page, pictures=pictures)


def render_markdown(page: CapacityPage) -> str:
    """Return the page as Markdown, the pictures in words."""
    escape = markdown.escape
    blocks = [
        f"# {escape(page.headline)}",
        f"{markdown.badge_text(page.badge)} · *{escape(page.headline_indonesian)}*",
        f"`{page.title.replace('`', '')}`" + (f" — {escape(page.description)}" if page.description else ""),
        *(escape(line) for line in page.summary),
        markdown.bullets_text(page.doubts),
        markdown.pairs_text(page.facts),
        markdown.bullets_text((page.chart.throughput, page.chart.times)),
    ]
    for table in page.tables:
        blocks += markdown.folded_text(table)
    blocks += [markdown.bullets_text(page.model)]
    if page.disclosures:
        blocks.append("Scaled down or shared: " + escape("; ".join(page.disclosures)) + ".")
    blocks += ["## What was not tested", markdown.bullets_text(page.not_tested) or "Nothing is recorded."]
    blocks += ["## Environment", markdown.table_text(page.environment.columns, page.environment.rows)]
    blocks += ["## How to read this", markdown.pairs_text(page.guide)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _facts(judged: CapacityJudgement) -> tuple[tuple[str, str], ...]:
    return (
        ("Capacity", words.interval_text(judged.interval)),
        ("First to fail", judged.first_failing or "nothing failed"),
        ("Knee", words.knee_text(judged.knee)),
        ("Saturation", words.saturation_text(judged)),
        ("Search", f"{words.ending_text(judged)}; {len(judged.steps)} steps, {format_share(judged.precision)}"),
        ("Seed", seed_text(judged.seed)),
        ("Created", judged.created),
        ("Exit code", f"{judged.exit_code}: {guide.EXIT_CODES.get(judged.exit_code, 'unknown')}"),
    )


def _chart(judged: CapacityJudgement) -> CapacityChart:
    steps = sorted(judged.steps, key=lambda step: (step.rate, step.number))
    dots = tuple(
        Dot(step.rate, _value(step.served), _value(step.p50), _value(step.p99), badge_of(step.verdict).tone)
        for step in steps
    )
    return CapacityChart(
        f"Registrants served per second against arrivals offered. {words.saturation_text(judged)}.",
        f"Time of the whole journey against arrivals offered. Knee: {words.knee_text(judged.knee)}.",
        dots,
        (judged.interval.passed, judged.interval.failed),
    )


def _value(estimate: Estimate | None) -> float:
    return math.nan if estimate is None or not estimate.n else estimate.value


def _limits(judged: CapacityJudgement) -> Table:
    columns = (
        Column("Limit of the journey's p99", is_number=True),
        Column("Highest rate proven, arrivals/s", is_number=True),
    )
    rows = tuple((Cell(format_duration(one.limit)), Cell(words.limit_text(one.rate))) for one in judged.limits)
    proven = sum(one.rate is not None for one in judged.limits)
    return Table("Rate proven for each limit", f"{proven} of {len(rows)} limits", columns, rows, is_open=True)


def _ramps(judged: CapacityJudgement) -> Table:
    columns = (
        Column("Registrants", is_number=True),
        Column("Asked for", is_number=True),
        Column("Headroom"),
        Column("Verdict of the rate"),
    )
    rows = tuple(
        (
            Cell(format_count(ramp.registrants)),
            Cell(format_rate(ramp.rate)),
            Cell(words.headroom_text(ramp)),
            verdict_cell(ramp.verdict),
        )
        for ramp in judged.ramps
    )
    proven = sum(ramp.verdict is Verdict.SUSTAINED for ramp in judged.ramps)
    return Table("Headroom against each ramp", f"{proven} of {len(rows)} rates proven", columns, rows, is_open=True)


def _steps(judged: CapacityJudgement) -> Table:
    columns = (
        Column("Step", is_number=True),
        Column("Why"),
        Column("Offered/s", is_number=True),
        Column("Held", is_number=True),
        Column("Served/s", is_number=True),
        Column("p50", "Journey", is_number=True),
        Column("p95", "Journey", is_number=True),
        Column("p99", "Journey", is_number=True),
        Column("Verdict"),
        Column("What decided"),
        Column("Run"),
    )
    rows = tuple(_step_row(step) for step in judged.steps)
    return Table("Steps", f"{len(rows)} runs, in the order in which they were made", columns, rows, is_open=True)


def _step_row(step: MeasuredStep) -> tuple[Cell, ...]:
    decided = next(iter(step.failing or step.doubts or step.reasons), NOTHING)
    return (
        Cell(str(step.number)),
        Cell(words.purpose_text(step.purpose, is_repeat=step.is_repeat)),
        Cell(words.rate_text(step.rate)),
        Cell(format_duration(step.hold)),
        Cell(*estimate_text(step.served, "")),
        *(Cell(*estimate_text(times, "s")) for times in (step.p50, step.p95, step.p99)),
        verdict_cell(step.verdict),
        Cell(decided),
        Cell(step.run),
    )


def _environment(environment: dict[str, str]) -> Table:
    rows = tuple((Cell(name), Cell(text)) for name, text in environment.items())
    return Table("Environment", f"{len(rows)} facts", (Column("What"), Column("Value")), rows)
