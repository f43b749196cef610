"""Draws the response-throughput curve of a capacity search: what was offered, served, and how long it took."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from prakerja_load.report.charts import FAINT, INK, SHADE, STROKES, TONES, style, svg_of
from prakerja_load.report.document import CapacityChart
from prakerja_load.units import format_count, format_duration

MARKERS = {"good": "o", "open": "s", "bad": "X"}


def draw_throughput(chart: CapacityChart, key: str) -> str:
    """Return served against offered as an SVG element: on the gray line throughput follows what is offered."""
    with style():
        figure = Figure(figsize=(4.6, 2.7), layout="constrained")
        axes = figure.add_subplot()
        end = max((dot.offered for dot in chart.dots), default=1.0) * 1.06
        axes.plot([0, end], [0, end], **STROKES["asked"])
        known = [dot for dot in chart.dots if math.isfinite(dot.served)]
        axes.plot([dot.offered for dot in known], [dot.served for dot in known], **STROKES["finished"])
        for dot in known:
            axes.plot([dot.offered], [dot.served], MARKERS[dot.tone], color=TONES[dot.tone], markersize=5)
        _frame(axes, chart, end)
        axes.set_ylim(0, end)
        axes.set_ylabel("served/s")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
        return svg_of(figure, key)


def draw_times(chart: CapacityChart, key: str) -> str:
    """Return the journey's p50 and p99 against what was offered as an SVG element; a triangle stands for ∞."""
    with style():
        figure = Figure(figsize=(4.6, 2.7), layout="constrained")
        axes = figure.add_subplot()
        end = max((dot.offered for dot in chart.dots), default=1.0) * 1.06
        seen = [value for dot in chart.dots for value in (dot.p50, dot.p99) if 0 < value < math.inf]
        low, high = min(seen, default=0.01) / 1.6, max(seen, default=1.0) * 2.2
        for name, role in (("p50", "median"), ("p99", "tail")):
            finite = [(dot.offered, getattr(dot, name)) for dot in chart.dots if 0 < getattr(dot, name) < math.inf]
            axes.plot([x for x, _ in finite], [y for _, y in finite], marker="o", markersize=3, **STROKES[role])
        lost = [dot.offered for dot in chart.dots if dot.p99 == math.inf]
        axes.plot(lost, [high / 1.25] * len(lost), "^", color=TONES["bad"], markersize=4.5)
        _frame(axes, chart, end)
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(LogLocator(10))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_duration(value)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        return svg_of(figure, key)


def _frame(axes: object, chart: CapacityChart, end: float) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    passed, failed = chart.interval
    if passed is not None and failed is not None:
        axes.axvspan(passed, failed, color=SHADE, linewidth=0, zorder=0)
    for rate in filter(None, chart.interval):
        axes.axvline(rate, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlim(0, end)
    axes.set_xlabel("offered arrivals/s")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def legend_throughput() -> tuple[tuple[str, str, str], ...]:
    """Return what the lines of the throughput picture mean."""
    return (
        ("offered", STROKES["asked"]["color"], "line"),
        ("served", STROKES["finished"]["color"], "line"),
        ("passed ●", TONES["good"], "line"),
        ("undecided ■", TONES["open"], "line"),
        ("failed ✖", TONES["bad"], "line"),
    )


def legend_times() -> tuple[tuple[str, str, str], ...]:
    """Return what the lines of the picture of times mean."""
    return (
        ("journey p50", STROKES["median"]["color"], "line"),
        ("journey p99", STROKES["tail"]["color"], "line"),
        ("p99 is ∞: failures reach it", TONES["bad"], "triangle"),
    )
