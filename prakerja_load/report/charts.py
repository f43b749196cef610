"""Draws the pictures of a report with matplotlib, as small SVG texts that are the same for the same numbers."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, MultipleLocator, NullFormatter

from prakerja_load.report.document import Bar, BarChart, Curve, CurveChart
from prakerja_load.report.svg import slim
from prakerja_load.units import Seconds, format_count, format_duration

INK, FAINT, SHADE, QUIET = "#333a40", "#d5dade", "#eceff1", "#6b757e"
TONES = {"good": "#00795c", "open": "#b87503", "bad": "#c4460a"}
"""Colors of the verdicts, apart for color-blind readers; a mark (✓ ? ✗) always repeats them."""

STROKES: dict[str, dict[str, Any]] = {
    "asked": {"color": "#b9c2c9", "linewidth": 3.2},
    "achieved": {"color": "#0a5d99", "linewidth": 1.1},
    "finished": {"color": "#c77700", "linewidth": 1.1},
    "median": {"color": "#56a0d8", "linewidth": 1.1},
    "tail": {"color": "#0a5d99", "linewidth": 1.7},
    "service": {"color": "#c77700", "linewidth": 1.2, "linestyle": (0, (3, 1.5))},
    "level": {"color": "#0a5d99", "linewidth": 1.3},
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",  # the text is seen on a machine without fonts
    "svg.hashsalt": "prakerja-load",
    "font.family": "DejaVu Sans",
    "font.size": 8.8,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "ytick.minor.size": 0,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
}
AXIS_END = 1.6
"""Where a bar axis of shares ends, in limits: what lies beyond is said in words, not drawn to scale."""


def legend(chart: CurveChart) -> tuple[tuple[str, str, str], ...]:
    """Return (label, color, "line", "dashes" or "triangle") of everything the picture draws."""
    drawn = [
        (curve.label, STROKES[curve.role]["color"], "dashes" if "linestyle" in STROKES[curve.role] else "line")
        for curve in chart.curves
        if any(math.isfinite(value) for value in curve.values)
    ]
    if _unfinished(chart):
        drawn.append(("p99 is ∞: failures reach it", TONES["bad"], "triangle"))
    return tuple(drawn)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of the reports, whatever the user has configured."""
    with mpl.rc_context():
        mpl.rcdefaults()  # a matplotlibrc of the user must not change a report
        mpl.rcParams.update(STYLE)
        yield


def draw_curves(chart: CurveChart, key: str) -> str:
    """Return a curve chart as an SVG element; `key` makes its ids unique on a page."""
    with style():
        figure = Figure(figsize=(4.0, 2.2), layout="constrained")
        axes = figure.add_subplot()
        for curve in chart.curves:
            _draw_curve(axes, chart, curve)
        _frame_seconds(axes, chart)
        if chart.is_time:
            _scale_times(axes, chart)
        else:
            _scale_counts(axes, chart)
        return svg_of(figure, key)


def _draw_curve(axes: Axes, chart: CurveChart, curve: Curve) -> None:
    length = min(len(chart.second), len(curve.values))
    lowest = sys.float_info.min if chart.is_time else -math.inf  # a logarithm has no place for zero
    drawn = [value if math.isfinite(value) and value >= lowest else math.nan for value in curve.values[:length]]
    axes.plot(chart.second[:length], drawn, solid_capstyle="round", **STROKES[curve.role])


def _frame_seconds(axes: Axes, chart: CurveChart) -> None:
    start, stop = chart.judged
    end = max(chart.second, default=0.0) or 1.0
    for left, right, name in ((0.0, min(start, end), "warm-up"), (stop, end, "drain")):
        if right > left:
            axes.axvspan(left, right, color=SHADE, linewidth=0, zorder=0)
        if right - left > 0.16 * end:  # else its name would not fit
            place = ((left + right) / 2, 0.03)
            axes.annotate(name, place, xycoords=("data", "axes fraction"), ha="center", color=QUIET, fontsize=7.5)
    axes.set_xlim(0, end)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{format_count(value)} s"))
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def _finite(chart: CurveChart) -> list[float]:
    return [value for curve in chart.curves for value in curve.values if math.isfinite(value)]


def _scale_counts(axes: Axes, chart: CurveChart) -> None:
    axes.set_ylim(0, max(_finite(chart), default=1.0) * 1.12 or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))


def _scale_times(axes: Axes, chart: CurveChart) -> None:
    seen = [value for value in _finite(chart) if value > 0]
    if chart.limit:
        seen.append(chart.limit)
    axes.set_yscale("log")
    axes.set_ylim(min(seen, default=0.01) / 2, max(seen, default=1.0) * 2.5)
    axes.yaxis.set_major_locator(LogLocator(10))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _decade(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    if chart.limit:
        _draw_limit(axes, chart.limit)
    where = _unfinished(chart)
    axes.plot(where, [axes.get_ylim()[1] / 1.3] * len(where), "^", color=TONES["bad"], markersize=3.5)


def _decade(seconds: Seconds) -> str:
    return f"{format_count(seconds)} s" if seconds >= 1 else format_duration(seconds)


def _draw_limit(axes: Axes, limit: Seconds) -> None:
    axes.axhline(limit, color=INK, linewidth=0.9, linestyle=(0, (5, 3)))
    place = (0.02, limit)
    text = f"limit {format_duration(limit)}"
    axes.annotate(text, place, xycoords=("axes fraction", "data"), xytext=(0, 2), textcoords="offset points")


def _unfinished(chart: CurveChart) -> list[float]:
    tails = [curve for curve in chart.curves if curve.role == "tail"]
    values = tails[0].values if tails else ()
    return [second for second, value in zip(chart.second, values, strict=False) if value == math.inf]


def draw_bars(chart: BarChart, key: str) -> str:
    """Return a chart that compares ramps as an SVG element; `key` makes its ids unique on a page."""
    with style():
        figure = Figure(figsize=(4.6, 0.45 + 0.4 * len(chart.bars)), layout="constrained")
        axes = figure.add_subplot()
        end = _bars_end(chart)
        for place, bar in enumerate(chart.bars):
            _draw_bar(axes, place, bar, end)
        axes.set_xlim(0, end * 1.3)
        axes.set_ylim(len(chart.bars) - 0.45, -0.55)
        _label_bars(axes, chart)
        return svg_of(figure, key)


def _bars_end(chart: BarChart) -> float:
    if chart.is_share:
        return AXIS_END
    lengths = [bar.length for bar in chart.bars] + [bar.mark for bar in chart.bars if bar.mark is not None]
    return max((length for length in lengths if math.isfinite(length)), default=1.0) or 1.0


def _draw_bar(axes: Axes, place: int, bar: Bar, end: float) -> None:
    color = TONES.get(bar.tone, INK)
    drawn = 0.0 if math.isnan(bar.length) else min(bar.length, end)
    axes.barh(place, drawn, height=0.52, color=color, linewidth=0)
    is_beyond = bar.length > end
    if is_beyond:
        axes.plot([end * 1.012], [place], ">", color=color, markersize=9, markeredgewidth=0)
    marks = [] if bar.mark is None else [bar.mark]
    axes.vlines(marks, place - 0.36, place + 0.36, color=INK, linewidth=1.8)
    beside = max([drawn, *(mark for mark in marks if mark - drawn < 0.35 * end)])
    offset = (10 if is_beyond else 5, 0)
    axes.annotate(bar.text, (beside, place), xytext=offset, textcoords="offset points", va="center", color=INK)


def _label_bars(axes: Axes, chart: BarChart) -> None:
    axes.set_yticks(range(len(chart.bars)), [bar.label for bar in chart.bars])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if chart.is_share:
        axes.xaxis.set_major_locator(MultipleLocator(0.5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{format_count(value)}/s"))


def svg_of(figure: Figure, key: str) -> str:
    """Return a figure as an SVG element; `key` makes its ids unique on a page."""
    FigureCanvasSVG(figure)
    target = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(target, format="svg", transparent=True, metadata=nothing)
    return slim(target.getvalue(), key)
