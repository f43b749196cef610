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

SECONDS = 8_000  # more than two hours
PROGRAM = """
import sys, time
from pathlib import Path
from prakerja_load.driver.assignment import load
from prakerja_load.driver.controller import Controller

folder = Path(sys.argv[1])
controller = Controller(folder, load(folder), 1, 0)
controller._conductor.epoch = time.perf_counter_ns()
for _ in range(int(sys.argv[2])):
    controller._each_second()
controller._record()
"""


def test_each_second_of_a_long_load_is_recorded(tmp_path: Path, tiny_system: Callable[..., TinySystem]) -> None:
    (tmp_path / "ramp.json").write_bytes(msgspec.json.encode(make_assignment(tiny_system().url)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(SECONDS)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LOCUST_SKIP_MONKEY_PATCH": "1"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    vitals = json.loads((tmp_path / "controller.json").read_text())["vitals"]

    assert len(vitals) == SECONDS == done.stdout.count('"progress"')
    assert (np.diff([second["at"] for second in vitals]) > 0).all()
    assert {name for second in vitals for name in second} == {"at", "cpu", "loop_lag", "gc_pause", "rss"}
    assert min(second["rss"] for second in vitals) > 10_000_000
