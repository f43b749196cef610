"""Shows a run while it lasts: a display that redraws itself on a terminal, plain lines everywhere else."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from prakerja_load.evidence.progress import Progress
from prakerja_load.judgement.verdict import RampJudgement
from prakerja_load.report.tables import badge_of
from prakerja_load.units import PerSecond, Seconds, format_count, format_duration, format_number, format_rate

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

EVERY: Seconds = 10.0
"""Plain lines come this far apart; a change of phase is told at once."""

REMEMBERED = 40
"""Seconds of p99 that the little curve shows."""

_BLOCKS = "▁▂▃▄▅▆▇█"
_LOADED = {"warming-up", "holding", "draining"}  # phases in which requests are under way
_COLORS = {"good": "green", "open": "yellow", "bad": "red"}


class Live(Protocol):
    """Whoever watches a run; used as a context manager, fed once a second, never in the way of the run."""

    def progress(self, p: Progress) -> None:
        """Show one second of a ramp."""

    def message(self, text: str) -> None:
        """Say one thing that should stay readable."""

    def ramp_judged(self, ramp: RampJudgement) -> None:
        """Say what became of a ramp."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the stream as it was found."""


def suits_terminal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Tell whether a redrawing display suits: a terminal that can, in UTF-8, no NO_COLOR, no CI."""
    if environment.get("NO_COLOR") or environment.get("CI") or environment.get("TERM") == "dumb":
        return False
    return stream.isatty() and "utf" in (stream.encoding or "").lower()


def open_display(stream: TextIO, is_terminal: bool) -> Live:
    """Return the display that suits; rich is loaded only for a terminal."""
    return TerminalDisplay(stream) if is_terminal else PlainLines(stream)


def progress_line(p: Progress) -> str:
    """Return one second of a ramp as one line."""
    parts = [
        f"{p.ramp}: {p.phase.replace('-', ' ')}",
        f"{clock_text(p.elapsed)} in, {clock_text(p.remaining)} left",
    ]
    if p.offered:
        parts += [
            f"offered {format_rate(p.offered_rate)}, finished {format_rate(p.finished_rate, 'registrants')}",
            f"{format_rate(p.request_rate, 'requests')}",
            f"p50 {format_duration(p.p50)}, p99 {format_duration(p.p99)}",
            f"in flight {format_count(p.in_flight)}",
            f"errors {format_count(p.errors)}, dropped {format_count(p.dropped)}",
            f"late p99 {format_duration(p.lateness_p99)}",
        ]
    parts += [_workers(p)] if p.lost_workers else []
    parts += [p.note] if p.note else []
    return " · ".join(parts)


def verdict_line(ramp: RampJudgement) -> str:
    """Return what became of a ramp as one line."""
    badge = badge_of(ramp.verdict)
    return f"{badge.mark} {format_count(ramp.registrants)}: {badge.english} · {badge.indonesian}. {_why(ramp)}".rstrip()


def _why(ramp: RampJudgement) -> str:
    return ramp.reasons[0] if ramp.reasons else ramp.sentence


def clock_text(seconds: Seconds) -> str:
    """Return a stretch of time as 0:42 or 1:02:03, ?:?? when it is not known."""
    if not math.isfinite(seconds):
        return "?:??"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def sparkline(values: Iterable[float]) -> str:
    """Return values as a row of blocks on a logarithmic scale, "!" where failures reach the quantile."""
    shown = list(values)
    logs = [math.log(value) for value in shown if 0 < value < math.inf]
    low, span = (min(logs), max(math.log(10), max(logs) - min(logs))) if logs else (0.0, 1.0)  # a decade at least
    return "".join(_block(value, low, span) for value in shown)


def _block(value: float, low: float, span: float) -> str:
    if value == math.inf:
        return "!"
    if not value > 0:
        return " "
    return _BLOCKS[min(len(_BLOCKS) - 1, int((math.log(value) - low) / span * len(_BLOCKS)))]


def _workers(p: Progress) -> str:
    lost = f", {p.lost_workers} lost" if p.lost_workers else ""
    return f"{p.workers} worker{'s' if p.workers != 1 else ''}{lost}"


class PlainLines:
    """One line every ten seconds of a ramp and at every change of phase: for files, pipes and CI."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_open = True
        self._told: tuple[str, str, Seconds] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._told = None

    def progress(self, p: Progress) -> None:
        """Write a line when ten seconds of the ramp have passed or its phase has changed."""
        if self._told is not None and self._told[:2] == (p.ramp, p.phase) and abs(p.elapsed - self._told[2]) < EVERY:
            return
        self._told = (p.ramp, p.phase, p.elapsed)
        self._say(progress_line(p))

    def message(self, text: str) -> None:
        """Write the text as one line."""
        self._say(text)

    def ramp_judged(self, ramp: RampJudgement) -> None:
        """Write the verdict as one line."""
        self._say(verdict_line(ramp))

    def _say(self, line: str) -> None:
        if not self._is_open:
            return
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more (a closed pipe): no reason to lose the run
            self._is_open = False


class TerminalDisplay:
    """A panel that redraws itself in place; messages and verdicts stay above it."""

    def __init__(self, stream: TextIO, width: int | None = None) -> None:
        from rich.live import Live as Redrawn

        self._console = _console(stream, width)
        self._redrawn = Redrawn(console=self._console, auto_refresh=False, transient=True)
        self._is_open = True
        self._tail: deque[float] = deque(maxlen=REMEMBERED)
        self._judged: list[RampJudgement] = []
        self._latest: Progress | None = None

    def __enter__(self) -> Self:
        self._show(self._redrawn.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show(self._redrawn.stop)

    def progress(self, p: Progress) -> None:
        """Redraw the panel for this second."""
        if self._latest is not None and self._latest.ramp != p.ramp:
            self._tail.clear()
        self._latest = p
        if p.phase in _LOADED:
            self._tail.append(p.p99)
        self._redraw()

    def message(self, text: str) -> None:
        """Print the text above the panel."""
        self._show(lambda: self._console.print(text, markup=False))

    def ramp_judged(self, ramp: RampJudgement) -> None:
        """Print the verdict above the panel and keep it in the ladder inside."""
        self._judged.append(ramp)
        color = _COLORS[badge_of(ramp.verdict).tone]
        self._show(lambda: self._console.print(verdict_line(ramp), markup=False, style=color))
        self._redraw()

    def _redraw(self) -> None:
        latest = self._latest
        if latest is not None:
            self._show(lambda: self._redrawn.update(self._panel(latest), refresh=True))

    def _show(self, draw: Callable[[], object]) -> None:
        if not self._is_open:
            return
        try:
            draw()
        except OSError:  # the terminal has gone: no reason to lose the run
            self._is_open = False

    def _panel(self, p: Progress) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        parts: list[RenderableType] = [self._bar(p), self._figures(p)]
        if any(self._tail):
            parts.append(Text.assemble(("p99 trend  ", "dim"), (sparkline(self._tail), "cyan")))
        if p.note:
            parts.append(Text(p.note, style="yellow"))
        if self._judged:
            parts.append(self._ladder())
        parts += self._extra()
        title = Text(f"{p.ramp} · {p.phase.replace('-', ' ')}", style="bold")
        return Panel(Group(*parts), title=title, title_align="left", border_style="dim", padding=(0, 1))

    def _extra(self) -> list[RenderableType]:
        """Return what a display of many runs shows besides; nothing here."""
        return []

    def _bar(self, p: Progress) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        row = Table.grid(expand=True, padding=(0, 1))
        row.add_column(ratio=1)
        row.add_column(justify="right", no_wrap=True)
        is_known = math.isfinite(p.remaining)
        total = p.elapsed + max(0.0, p.remaining) if is_known else 0.0
        bar = ProgressBar(total=total or 1.0, completed=p.elapsed if is_known else 0.0, complete_style="cyan")
        row.add_row(bar, f"{clock_text(p.elapsed)} · {clock_text(p.remaining)} left")
        return row

    def _figures(self, p: Progress) -> Table:
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        for _ in range(3):
            grid.add_column(style="dim", no_wrap=True)
            grid.add_column(no_wrap=True)
        errors, dropped = _alarm(p.errors), _alarm(p.dropped)
        grid.add_row("offered", _per_second(p.offered_rate), "p50", format_duration(p.p50), "errors", errors)
        grid.add_row("finished", _per_second(p.finished_rate), "p99", format_duration(p.p99), "dropped", dropped)
        late, flying = format_duration(p.lateness_p99), format_count(p.in_flight)
        grid.add_row("requests", _per_second(p.request_rate), "late p99", late, "in flight", flying)
        lost = _alarm(p.lost_workers)
        grid.add_row("workers", format_count(p.workers), "", "", "workers lost", lost)
        return grid

    def _ladder(self) -> RenderableType:
        from rich.text import Text

        text = Text()
        for ramp in self._judged:
            badge = badge_of(ramp.verdict)
            text.append(f"{badge.mark} {format_count(ramp.registrants)} {badge.english}  ", style=_COLORS[badge.tone])
        return text


def _console(stream: TextIO, width: int | None) -> Console:
    from rich.console import Console

    class Patient(Console):
        """Rich would end the process when the terminal goes away; this one lets the caller decide."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Patient(file=stream, force_terminal=True, width=width, highlight=False)


def _per_second(rate: PerSecond) -> str:
    return f"{format_number(rate)}/s"


def _alarm(count: int) -> Text:
    from rich.text import Text

    return Text(format_count(count), style="bold red" if count else "")
