"""A run that is told to end, by whatever signal and at whatever stage, leaves a directory that can be judged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from command import SCENARIOS, begin, command, end, read_until, the_run, verdict_of

from prakerja_load.trial.interruption import SIGNALS, postponed


def wait_for(number: signal.Signals, done: list[int], second: signal.Signals | None = None) -> None:
    """Be told to end in the middle of a block that lets signals wait."""
    with postponed(hears_a_second=second is not None):
        os.kill(os.getpid(), number)
        if second is not None:
            os.kill(os.getpid(), second)
        done.append(1)


def test_a_signal_waits_until_the_block_is_over_and_is_then_what_it_was() -> None:
    done: list[int] = []

    with pytest.raises(KeyboardInterrupt):
        wait_for(signal.SIGINT, done)

    assert done == [1]


@pytest.mark.parametrize("number", SIGNALS)
def test_whoever_heard_signals_before_hears_what_came_meanwhile(number: signal.Signals) -> None:
    heard: list[int] = []
    done: list[int] = []
    before = signal.signal(number, lambda said, _: heard.append(said))
    try:
        wait_for(number, done)
    finally:
        signal.signal(number, before)

    assert (heard, done) == ([number], [1])


def test_a_second_signal_does_not_wait_where_it_is_heard() -> None:
    done: list[int] = []

    with pytest.raises(KeyboardInterrupt):
        wait_for(signal.SIGTERM, done, signal.SIGINT)

    assert done == []


def test_in_other_threads_there_is_nothing_to_wait_for() -> None:
    done: list[int] = []

    def work() -> None:
        with postponed():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert done == [1]


FORKING = """
import os, signal, sys
from pathlib import Path
from prakerja_load.trial.process import Child

signal.signal(signal.SIGTERM, signal.default_int_handler)
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))
try:
    Child(["this"], Path(sys.argv[1]) / "child.log", frozenset())
except KeyboardInterrupt:
    sys.exit(3)
"""


def test_a_signal_that_comes_while_a_process_is_started_is_not_lost(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FORKING, str(tmp_path)], capture_output=True, timeout=30, check=False)

    assert (done.returncode, done.stderr) == (3, b"")


MANY = ("--set", "ramps.1.registrants=2000000", "--set", "demand.peak_minute_share=0.0018")


@pytest.mark.parametrize(
    ("stage", "number", "more"),
    [
        ("writing to", signal.SIGTERM, ("--exit-zero",)),  # which forgives a verdict, not a run that was not completed
        ("prefilling", signal.SIGTERM, MANY),
        ("prefilling", signal.SIGINT, MANY),
        pytest.param("starting", signal.SIGTERM, (), marks=pytest.mark.slow),
        pytest.param("holding", signal.SIGTERM, (), marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_told_to_end_is_undecided_and_judged(
    stage: str, number: signal.Signals, more: tuple[str, ...], tmp_path: Path
) -> None:
    process = begin("run", SCENARIOS / "smoke.toml", "--reports", tmp_path, *more)
    try:
        read_until(process, stage)
        process.send_signal(number)
        out = process.communicate(timeout=120)[0]
    finally:
        end(process)
    run = the_run(tmp_path)

    assert process.returncode == 3, out
    assert command("judge", run).code == 3
    assert verdict_of(run)["verdict"] == "INCONCLUSIVE"
    assert "Traceback" not in out
