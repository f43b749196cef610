"""A search as it is watched: lines for a pipe, a curve that grows for a terminal."""

from __future__ import annotations

import io
import math

import example_capacity

from prakerja_load.evidence.progress import Progress
from prakerja_load.judgement.capacity import Next
from prakerja_load.judgement.carrying import interval_of
from prakerja_load.report.capacity_live import PlainSearch, TerminalSearch, bar, curve_rows, open_search, step_line

STEPS = example_capacity.steps()


def play(display: PlainSearch | TerminalSearch) -> None:
    with display:
        for number, step in enumerate(STEPS, 1):
            display.step_begins(number, Next(step.rate, step.purpose, step.is_repeat), step.rate, step.hold)
            display.progress(Progress(ramp=f"{step.rate}", phase="holding", elapsed=1.0, remaining=59.0))
            display.step_measured(step, interval_of(STEPS[:number]))


def test_a_pipe_gets_a_line_before_and_after_every_step() -> None:
    stream = io.StringIO()
    play(PlainSearch(stream))
    lines = stream.getvalue().splitlines()

    assert "step 1, widening: 150 arrivals/s held for 60 s" in lines
    assert "step 5, widening once more: 1 200 arrivals/s held for 60 s" in lines
    assert lines[-1] == "so far: [626.6, 654.3) arrivals/s"
    assert sum(line.startswith("so far: ") for line in lines) == len(STEPS)


def test_a_step_is_told_with_what_decided_it() -> None:
    assert step_line(STEPS[0]) == ("✓ step 1: 150 arrivals/s SUSTAINED · served 150/s · journey p50 123 ms, p99 198 ms")
    assert "limit 8 s" in step_line(STEPS[5])
    assert "the generator did not keep up" in step_line(STEPS[7])
    assert "p99 ∞" in step_line(STEPS[3])


def test_the_curve_grows_from_the_lowest_rate_up() -> None:
    rows = curve_rows(STEPS)

    assert [float(row[0].replace(" ", "")) for row in rows] == sorted(float(row[0].replace(" ", "")) for row in rows)
    assert len(rows) == len(STEPS)
    assert len(rows[0][1]) < len(rows[-1][1])


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(1.0, 10) == "█" * 10
    assert bar(0.5, 10) == "█" * 5
    assert bar(0.0, 10) == ""
    assert bar(math.nan, 10) == ""
    assert len(bar(0.999, 10)) == 10
    assert len(bar(5.0, 10)) == 10


def test_a_terminal_shows_the_curve_with_what_is_proven_so_far() -> None:
    stream = io.StringIO()
    play(TerminalSearch(stream, width=100))
    text = stream.getvalue()

    assert "served/s" in text
    assert "█" in text
    assert "so far: [626.6, 654.3) arrivals/s" in text


def test_the_stream_decides_the_display() -> None:
    assert isinstance(open_search(io.StringIO(), is_terminal=False), PlainSearch)
    assert isinstance(open_search(io.StringIO(), is_terminal=True), TerminalSearch)
