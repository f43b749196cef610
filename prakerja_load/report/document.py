"""A finished report as a value: every sentence, cell and curve decided, nothing left to compute for a renderer."""

from __future__ import annotations

from dataclasses import dataclass, field

from prakerja_load.units import Seconds


@dataclass(frozen=True)
class Badge:
    """A verdict as a reader sees it: two languages, a tone for color and a mark for those who see none."""

    english: str
    indonesian: str
    tone: str  # "good", "open" or "bad"
    mark: str


@dataclass(frozen=True)
class Cell:
    """One cell of a table; the note (bounds, what ∞ means) stands smaller beside or below the text."""

    text: str
    note: str = ""
    tone: str = ""  # "", "good", "open", "bad" or "quiet"

    @property
    def whole(self) -> str:
        """Return text and note on one line."""
        return f"{self.text} {self.note}".strip()


@dataclass(frozen=True)
class Column:
    """One column; columns of the same group share a heading."""

    title: str
    group: str = ""
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """A table that says in one line what it shows, so that it can stay folded."""

    title: str
    summary: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_open: bool = False

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Return (group, columns it spans) from left to right; () when no column has a group."""
        if not any(column.group for column in self.columns):
            return ()
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return tuple(spans)


@dataclass(frozen=True)
class Count:
    """One of the four counts, with its distance from the one before."""

    label: str
    number: str
    meaning: str
    gap: str = ""


@dataclass(frozen=True)
class Curve:
    """One line of a chart; values are NaN where nothing was measured and inf where failures reach the quantile."""

    label: str
    values: tuple[float, ...]
    role: str  # decides color and stroke: "asked", "achieved", "finished", "median", "tail", "service", "level"


@dataclass(frozen=True)
class CurveChart:
    """One picture over the seconds of a ramp."""

    title: str
    description: str  # what the picture shows, in words, for those who do not see it
    second: tuple[float, ...]
    curves: tuple[Curve, ...]
    is_time: bool = False  # values are seconds on a logarithmic axis; otherwise counts from zero
    limit: Seconds | None = None
    judged: tuple[Seconds, Seconds] = (0.0, float("inf"))  # seconds outside are warm-up and drain


@dataclass(frozen=True)
class Bar:
    """One ramp in a picture that compares the ramps."""

    label: str
    tone: str
    length: float  # NaN: nothing measured; inf: beyond any axis
    text: str
    mark: float | None = None  # the value asked for or allowed


@dataclass(frozen=True)
class BarChart:
    """One picture that compares the ramps."""

    title: str
    description: str
    bars: tuple[Bar, ...]
    is_share: bool = False  # lengths are shares of a limit


@dataclass(frozen=True)
class Rung:
    """One ramp on the ladder that heads the report."""

    anchor: str
    registrants: str
    badge: Badge
    lines: tuple[str, ...]


@dataclass(frozen=True)
class RampSection:
    """Everything said about one ramp."""

    anchor: str
    title: str
    badge: Badge
    sentence: str
    reasons: tuple[str, ...]
    counts: tuple[Count, ...]
    gaps: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    disclosures: tuple[str, ...]
    charts: tuple[CurveChart, ...]
    tables: tuple[Table, ...]
    integrity_notes: tuple[str, ...] = ()
    integrity_examples: tuple[str, ...] = ()
    arithmetic: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything a renderer shows, in reading order."""

    title: str
    description: str
    headline: str
    headline_indonesian: str
    badge: Badge
    summary: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    ladder: tuple[Rung, ...]
    overview: tuple[BarChart, ...]
    ramps: tuple[RampSection, ...]
    not_tested: tuple[str, ...]
    environment: Table
    guide: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True)
class Dot:
    """One step on the response-throughput curve; a time is NaN where nothing was measured, inf where failures reach."""

    offered: float  # 1/s
    served: float  # 1/s, NaN where nothing was measured
    p50: Seconds
    p99: Seconds
    tone: str


@dataclass(frozen=True)
class CapacityChart:
    """The response-throughput curve, from the lowest rate up, with the ends of the interval."""

    throughput: str  # in words
    times: str  # in words
    dots: tuple[Dot, ...]
    interval: tuple[float | None, float | None]


@dataclass(frozen=True)
class CapacityPage:
    """Everything a renderer shows of a capacity search, in reading order."""

    title: str
    description: str
    headline: str
    headline_indonesian: str
    badge: Badge
    summary: tuple[str, ...]
    doubts: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    chart: CapacityChart
    tables: tuple[Table, ...]
    model: tuple[str, ...]
    disclosures: tuple[str, ...]
    not_tested: tuple[str, ...]
    environment: Table
    guide: tuple[tuple[str, str], ...]
