"""Whoever watches a search, and what of a single run they are shown."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from prakerja_load.evidence.progress import Progress
from prakerja_load.judgement.capacity import CapacityInterval, Next
from prakerja_load.judgement.measured import MeasuredStep
from prakerja_load.judgement.verdict import RampJudgement
from prakerja_load.units import PerSecond, Seconds


class Watcher(Protocol):
    """Whoever watches a search while it lasts."""

    def progress(self, p: Progress) -> None:
        """Show one second of a step."""

    def message(self, text: str) -> None:
        """Say one thing that should stay readable."""

    def step_begins(self, number: int, step: Next, rate: PerSecond, hold: Seconds) -> None:
        """Say what is tried next."""

    def step_measured(self, step: MeasuredStep, interval: CapacityInterval) -> None:
        """Say what a step showed, and what all steps prove so far."""


class Quiet:
    """A display for the run of one step: its seconds are shown, its words are the search's to say."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the watcher to the search."""

    def progress(self, p: Progress) -> None:
        """Pass one second of the step on."""
        self._watcher.progress(p)

    def message(self, text: str) -> None:
        """Say nothing: every run directory holds its own report."""

    def ramp_judged(self, ramp: RampJudgement) -> None:
        """Say nothing: the search says what the step means."""
