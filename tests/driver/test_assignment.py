"""What a scenario says of networks and answers is what every worker is told, by `run` and by the stock command."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from ramp_rig import ROOT
from stock_rig import SCENARIO

from prakerja_load import scenario
from prakerja_load.driver.assignment import Assignment
from prakerja_load.trial import ramp

URL = "http://127.0.0.1:1"
SHAPED = SCENARIO.format(registrants=2000, hold="1s") + 'accepts_gzip = true\n[network]\nprofile = "indonesia-2020"\n'
PLAIN = SCENARIO.format(registrants=2000, hold="1s")
INDONESIA = [(0.70, 1_500_000, 750_000, 0.05), (0.25, 250_000, 87_500, 0.15), (0.05, 50_000, 25_000, 0.4)]
PROGRAM = """
import sys, msgspec
from prakerja_load.driver.stock import assign
sys.stdout.buffer.write(msgspec.json.encode(assign(sys.argv[1], 1)))
"""


def of_a_run(text: str) -> Assignment:
    """Return what `run` writes down for its workers."""
    read = scenario.parse(text)
    course = SimpleNamespace(
        scenario=read,
        plan=scenario.plan_ramp(read, 1),
        run="k1r1",
        first_person=0,
        prefilled=0,
        password="",
        clock=SimpleNamespace(wall=lambda: datetime.datetime.now(datetime.UTC)),
    )
    return ramp._assignment(cast("Any", course), cast("Any", SimpleNamespace(url=URL)), 1)


@pytest.mark.parametrize(("text", "asked"), [(SHAPED, (INDONESIA, True)), (PLAIN, ([], False))])
def test_a_run_hands_networks_and_packing_on(text: str, asked: tuple[Any, bool]) -> None:
    task = of_a_run(text)
    read_back = msgspec.json.decode(msgspec.json.encode(task), type=Assignment)  # as a worker reads it

    assert (task.network, task.accepts_gzip) == asked == (read_back.network, read_back.accepts_gzip)


def test_the_stock_command_hands_the_same_on(tmp_path: Path) -> None:
    (tmp_path / "shaped.toml").write_text(SHAPED)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, URL],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "LOCUST_SKIP_MONKEY_PATCH": "1", "PRAKERJA_SCENARIO": str(tmp_path / "shaped.toml")},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    task = msgspec.json.decode(done.stdout, type=Assignment)

    assert (task.network, task.accepts_gzip) == (INDONESIA, True)
