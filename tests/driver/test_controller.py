"""The controller's record of itself, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from ramp_rig import ROOT, make_assignment
from tiny_system import TinySystem

from prakerja_load.evidence.journal import Kind, read_segment

SECONDS = 8_000  # more than two hours
LEAD = """
import resource, sys, time
from pathlib import Path
from prakerja_load.driver.assignment import load
from prakerja_load.driver.controller import Controller

folder = Path(sys.argv[1])
controller = Controller(folder, load(folder), 1, 0)
controller._conductor.epoch = time.perf_counter_ns()
"""
RECORD = """
for _ in range(int(sys.argv[2])):
    controller._each_second()
controller._record()
"""
FILL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
while not controller._conductor.stopped:
    controller._each_second()
print(controller._conductor.is_failed, controller._conductor.stopped)
"""

CONFUSE = """
from locust.rpc import Message
from prakerja_load.driver.message import KIND, Beat, Hello, Totals, pack

controller._conductor.epoch = None
run = controller._task.run
for report in (Hello(run, 0, 1), Beat(run, 0, Totals(), [(0, 16)], None)):
    controller._hear(Message(KIND, pack(report), "worker"))
print(controller._conductor.is_failed, controller._conductor.stopped)
"""


def led(program: str, folder: Path, system: TinySystem) -> str:
    """Run a program with a controller in a process of its own and return what it printed."""
    (folder / "ramp.json").write_bytes(msgspec.json.encode(make_assignment(system.url)))
    done = subprocess.run(
        [sys.executable, "-c", LEAD + program, str(folder), str(SECONDS)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LOCUST_SKIP_MONKEY_PATCH": "1"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_second_of_a_long_load_is_recorded(tmp_path: Path, tiny_system: Callable[..., TinySystem]) -> None:
    said = led(RECORD, tmp_path, tiny_system())
    vitals = json.loads((tmp_path / "controller.json").read_text())["vitals"]

    assert len(vitals) == SECONDS == said.count('"progress"')
    assert (np.diff([second["at"] for second in vitals]) > 0).all()
    assert {name for second in vitals for name in second} == {"at", "cpu", "loop_lag", "gc_pause", "rss"}
    assert min(second["rss"] for second in vitals) > 10_000_000


def test_a_disk_that_refuses_a_second_ends_the_load(tmp_path: Path, tiny_system: Callable[..., TinySystem]) -> None:
    *_, last = led(FILL, tmp_path, tiny_system()).splitlines()
    kept = read_segment(tmp_path / "vitals.seg", Kind.VITALS)

    assert last.startswith("True the result disk refused evidence: cannot write ")
    assert (kept.frames, kept.is_torn) == (12, False)  # of 77 bytes each, in a thousand


def test_a_worker_that_ends_a_lease_it_never_had_ends_the_run(
    tmp_path: Path, tiny_system: Callable[..., TinySystem]
) -> None:
    *_, last = led(CONFUSE, tmp_path, tiny_system()).splitlines()

    assert last == "True internal error: KeyError((0, 16))"
