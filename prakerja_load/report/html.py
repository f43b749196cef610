"""Renders a report as one self-contained HTML page that needs no script and no network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prakerja_load.report.document import Report

TEMPLATES = Path(__file__).with_name("templates")
_GLUE = re.compile(
    r"(?<=\d) (?=\d{3}(?!\d)|(?:ms|s|min|h|%|arrivals|registrants|requests|journeys)(?!\w))|(?<=[✓?✗•]) "
)

_FIRM = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Figure:
    """A picture with its words, as the template places it."""

    title: str
    description: str
    svg: str
    legend: tuple[tuple[str, str, str], ...] = ()


def render(report: Report) -> str:
    """Return the whole page; the same report gives the same bytes."""
    overview, pictures = _figures(report)
    return page_environment().get_template("report.html.j2").render(report=report, overview=overview, pictures=pictures)


def page_environment() -> Environment:
    """Return the templates with the habits of every page: all text escaped, numbers kept with their units."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_keep_together,
    )


def _figures(report: Report) -> tuple[list[Figure], dict[str, list[Figure]]]:
    from prakerja_load.report import charts  # matplotlib takes a second or more to import

    overview = [
        Figure(chart.title, chart.description, charts.draw_bars(chart, f"bars{place}"))
        for place, chart in enumerate(report.overview)
    ]
    pictures = {
        ramp.anchor: [
            Figure(chart.title, chart.description, charts.draw_curves(chart, f"{ramp.anchor}-{place}"), words)
            for place, (chart, words) in enumerate((chart, charts.legend(chart)) for chart in ramp.charts)
        ]
        for ramp in report.ramps
    }
    return overview, pictures


def _keep_together(value: Any) -> Any:
    """Return text whose numbers do not break from their thousands and units; markup passes as it is."""
    if type(value) is not str:
        return value
    is_bounds = value.startswith("[")
    return value.replace(" ", _FIRM) if is_bounds else _GLUE.sub(_FIRM, value)
