"""Shows a capacity search while it lasts: the response-throughput curve on a terminal, a line a step elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from prakerja_load.judgement.capacity import CapacityInterval, Next
from prakerja_load.judgement.measured import MeasuredStep
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.report.capacity_words import interval_text, purpose_text
from prakerja_load.report.live import PlainLines, TerminalDisplay
from prakerja_load.report.tables import badge_of
from prakerja_load.report.wording import NOTHING, time_text
from prakerja_load.units import PerSecond, Seconds, format_duration, format_number, format_rate

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR = 24
"""Characters of the longest bar of the curve."""

_EIGHTHS = " ▏▎▍▌▋▊▉"


def begin_line(number: int, step: Next, rate: PerSecond, hold: Seconds) -> str:
    """Return what is tried next as one line."""
    why = purpose_text(step.purpose, is_repeat=step.is_repeat)
    return f"step {number}, {why}: {format_rate(rate)} held for {format_duration(hold)}"


def step_line(step: MeasuredStep) -> str:
    """Return what a step showed as one line."""
    badge = badge_of(step.verdict)
    parts = [f"{badge.mark} step {step.number}: {format_rate(step.rate)} {badge.english}"]
    if step.served is not None and step.served.n:
        parts.append(f"served {format_number(step.served.value)}/s")
    if step.p50 is not None and step.p99 is not None:
        parts.append(f"journey p50 {time_text(step.p50.value)}, p99 {time_text(step.p99.value)}")
    if step.verdict is not Verdict.SUSTAINED:
        parts.append("the generator did not keep up" if step.is_generator_bound else next(iter(step.reasons), ""))
    return " · ".join(filter(None, parts))


def curve_rows(steps: Sequence[MeasuredStep]) -> list[tuple[str, str, str, str, str, str]]:
    """Return the curve as rows (offered, bar of the served, served, p50, p99, mark) from the lowest rate up."""
    known = [step for step in steps if step.served is not None and step.served.n]
    most = max((step.rate for step in known), default=1.0)
    rows = []
    for step in sorted(known, key=lambda one: (one.rate, one.number)):
        assert step.served is not None
        rows.append(
            (
                format_number(step.rate),
                bar(step.served.value / most),
                format_number(step.served.value),
                time_text(step.p50.value) if step.p50 else NOTHING,
                time_text(step.p99.value) if step.p99 else NOTHING,
                badge_of(step.verdict).mark,
            )
        )
    return rows


def bar(share: float, width: int = BAR) -> str:
    """Return a bar of blocks for a share of the whole width, to an eighth of a character."""
    eighths = round(max(0.0, min(1.0, share if math.isfinite(share) else 0.0)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


class PlainSearch(PlainLines):
    """A line for every step and every ten seconds: for files, pipes and CI."""

    def step_begins(self, number: int, step: Next, rate: PerSecond, hold: Seconds) -> None:
        """Say what is tried next."""
        self.message(begin_line(number, step, rate, hold))

    def step_measured(self, step: MeasuredStep, interval: CapacityInterval) -> None:
        """Say what a step showed, and what all steps prove so far."""
        self.message(step_line(step))
        self.message(f"so far: {interval_text(interval)}")


class TerminalSearch(TerminalDisplay):
    """A panel that redraws itself, with the response-throughput curve of all steps so far."""

    def __init__(self, stream: TextIO, width: int | None = None) -> None:
        super().__init__(stream, width)
        self._steps: list[MeasuredStep] = []
        self._so_far = ""

    def step_begins(self, number: int, step: Next, rate: PerSecond, hold: Seconds) -> None:
        """Print what is tried next above the panel."""
        self.message(begin_line(number, step, rate, hold))

    def step_measured(self, step: MeasuredStep, interval: CapacityInterval) -> None:
        """Print what a step showed above the panel and add it to the curve inside."""
        self._steps.append(step)
        self._so_far = interval_text(interval)
        self.message(step_line(step))
        self._redraw()

    def _extra(self) -> list[RenderableType]:
        from rich.table import Table
        from rich.text import Text

        if not self._steps:
            return []
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for title, side in (("offered/s", "right"), ("", "left"), ("served/s", "right"), ("p50", "right")):
            table.add_column(title, justify="right" if side == "right" else "left", no_wrap=True)
        table.add_column("p99", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        for row in curve_rows(self._steps):
            table.add_row(*row)
        return [table, Text(f"so far: {self._so_far}", style="bold")]


def open_search(stream: TextIO, is_terminal: bool) -> PlainSearch | TerminalSearch:
    """Return the display that suits; rich is loaded only for a terminal."""
    return TerminalSearch(stream) if is_terminal else PlainSearch(stream)
