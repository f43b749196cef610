from __future__ import annotations

import io
import math
import os
import re
from typing import TextIO

import example_run
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.evidence.progress import Progress
from prakerja_load.report import live

SECOND = Progress(
    ramp="600000",
    phase="holding",
    elapsed=42.0,
    remaining=38.0,
    offered=5600,
    started=5600,
    finished=5500,
    in_flight=812,
    offered_rate=134.2,
    finished_rate=131.0,
    request_rate=1876.4,
    p50=0.012,
    p99=0.25,
    lateness_p99=0.0008,
    workers=1,
)


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def at(elapsed: float, **changes: object) -> Progress:
    return msgspec.structs.replace(SECOND, elapsed=elapsed, **changes)


def plain(*seconds: Progress) -> list[str]:
    stream = io.StringIO()
    with live.open_display(stream, is_terminal=False) as display:
        for second in seconds:
            display.progress(second)
    return stream.getvalue().splitlines()


def drawn(*seconds: Progress) -> str:
    stream = Terminal()
    display = live.TerminalDisplay(stream, width=100)
    with display:
        for second in seconds:
            display.progress(second)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


@pytest.mark.parametrize(
    ("environment", "suits"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"CI": "true"}, False), ({"TERM": "dumb"}, False), ({"CI": ""}, True)],
)
def test_a_terminal_redraws_unless_asked_not_to(environment: dict[str, str], suits: bool) -> None:
    assert live.suits_terminal(Terminal(), environment) is suits


@pytest.mark.parametrize("stream", [io.StringIO(), io.TextIOWrapper(io.BytesIO(), encoding="ascii")])
def test_a_file_never_redraws(stream: TextIO) -> None:
    assert not live.suits_terminal(stream, {})


def test_a_plain_line_tells_all_there_is() -> None:
    assert live.progress_line(SECOND) == (
        "600000: holding · 0:42 in, 0:38 left · offered 134 arrivals/s, finished 131 registrants/s · 1 876 requests/s"
        " · p50 12 ms, p99 250 ms · in flight 812 · errors 0, dropped 0 · late p99 0.8 ms"
    )


def test_a_phase_without_load_shows_no_rates() -> None:
    line = live.progress_line(Progress(ramp="200000", phase="prefilling", elapsed=3.0, remaining=math.inf, note="40 %"))

    assert line == "200000: prefilling · 0:03 in, ?:?? left · 40 %"


def test_a_lost_worker_is_told_in_every_line() -> None:
    assert "2 workers, 1 lost" in live.progress_line(at(42.0, workers=2, lost_workers=1))


def test_plain_lines_come_every_ten_seconds() -> None:
    lines = plain(*(at(float(second)) for second in range(31)))

    assert [line.split(" · ")[1].split(" in")[0] for line in lines] == ["0:00", "0:10", "0:20", "0:30"]


def test_a_change_of_phase_or_ramp_is_told_at_once() -> None:
    lines = plain(at(1.0, phase="warming-up"), at(2.0), at(3.0), at(3.5, phase="draining"), at(0.5, ramp="2000000"))

    assert [line.split(" · ")[0] for line in lines] == [
        "600000: warming up",
        "600000: holding",
        "600000: draining",
        "2000000: holding",
    ]


def test_a_clock_that_starts_again_is_told() -> None:
    assert len(plain(at(50.0), at(0.0))) == 2


def test_plain_lines_hold_no_control_characters() -> None:
    assert all(line.isprintable() for line in plain(at(1.0, errors=3, lost_workers=1)))


def test_messages_and_verdicts_are_lines_of_their_own() -> None:
    stream = io.StringIO()
    with live.open_display(stream, is_terminal=False) as display:
        display.message("starting the registrar")
        display.ramp_judged(example_run.run().ramps[3])

    assert stream.getvalue().splitlines() == [
        "starting the registrar",
        "✗ 2 000 000: NOT_SUSTAINED · TIDAK LAYAK. 3 acknowledged writes are not in the store",
    ]


def test_a_verdict_without_a_reason_falls_back_to_its_sentence() -> None:
    ramp = example_run.empty_ramp()

    assert live.verdict_line(ramp) == "? 200 000: INCONCLUSIVE · BELUM TERBUKTI. no data"


def test_a_reader_who_leaves_does_not_end_the_run() -> None:
    stream = Broken()
    with live.open_display(stream, is_terminal=False) as display:
        display.message("nobody reads this")
        display.progress(SECOND)

    assert stream.getvalue() == ""


def test_a_terminal_that_goes_away_does_not_end_the_run() -> None:
    stream = Broken()
    with live.TerminalDisplay(stream, width=80) as display:
        display.progress(SECOND)
        display.message("nobody reads this")

    assert stream.getvalue() == ""


def test_a_stream_that_cannot_spell_gets_a_question_mark() -> None:
    bytes_written = io.BytesIO()
    stream = io.TextIOWrapper(bytes_written, encoding="ascii")
    with live.open_display(stream, is_terminal=False) as display:
        display.message("✓ done")

    assert bytes_written.getvalue() == b"? done" + os.linesep.encode()


def test_the_display_shows_rates_times_and_trouble() -> None:
    shown = drawn(at(42.0, errors=3, dropped=7))

    for words in ("600000 · holding", "0:42 · 0:38 left", "134/s", "1 876/s", "250 ms", "0.8 ms", "812"):
        assert words in shown
    assert re.search(r"errors\s+3\b", shown)
    assert re.search(r"dropped\s+7\b", shown)


def test_the_display_draws_the_trend_of_p99_and_forgets_it_with_the_ramp() -> None:
    shown = drawn(at(1.0, p99=0.01), at(2.0, p99=0.1), at(3.0, p99=1.0), at(0.0, ramp="2000000", p99=0.5))
    trends = re.findall(r"p99 trend  (\S+)", shown)

    assert trends[2] == "▁▅█"
    assert trends[-1] == "▁"


def test_the_display_keeps_the_verdicts_so_far() -> None:
    stream = Terminal()
    display = live.TerminalDisplay(stream, width=120)
    with display:
        display.ramp_judged(example_run.run().ramps[0])
        display.progress(SECOND)
        display.ramp_judged(example_run.run().ramps[2])
    last = stream.getvalue().rsplit("trend", 1)[1]

    assert "✓ 200 000 SUSTAINED" in last
    assert "? 600 000 INCONCLUSIVE" in last


def test_a_message_is_shown_as_it_is() -> None:
    stream = Terminal()
    display = live.TerminalDisplay(stream, width=120)
    with display:
        display.progress(SECOND)
        display.message("[bold]ready[/bold]")

    assert "[bold]ready[/bold]" in stream.getvalue()


def test_the_display_leaves_the_cursor_as_it_was() -> None:
    stream = Terminal()
    with live.open_display(stream, is_terminal=True) as display:
        display.progress(SECOND)

    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


def test_an_unknown_end_draws_no_progress() -> None:
    assert "?:?? left" in drawn(at(5.0, remaining=math.inf))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0:00"), (59.6, "1:00"), (3723.0, "1:02:03"), (-1.0, "0:00"), (math.nan, "?:??")]
)
def test_a_stretch_of_time_reads_like_a_clock(seconds: float, text: str) -> None:
    assert live.clock_text(seconds) == text


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(min_value=0) | st.just(math.nan), max_size=60))
def test_a_sparkline_has_a_character_for_every_value(values: list[float]) -> None:
    line = live.sparkline(values)

    assert len(line) == len(values)
    assert [character == "!" for character in line] == [value == math.inf for value in values]


def test_small_changes_do_not_look_large() -> None:
    assert live.sparkline([0.100, 0.101, 0.102]) == "▁▁▁"
