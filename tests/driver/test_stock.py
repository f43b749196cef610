"""What leads the load under the stock command is asked for what the scenario says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from ramp_rig import ROOT, make_assignment
from tiny_system import TinySystem

from prakerja_load.arrivals.curve import RateCurve

PROGRAM = """
import json, sys
import gevent, msgspec
from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver.message import Final, Hello, Totals, pack
from prakerja_load.driver.stock import Lead

task = msgspec.json.decode(open(sys.argv[1], "rb").read(), type=Assignment)
lead = Lead(task, 2, lambda client, order: None, lambda: None)
conductor = lead.conductor
for number in (0, 1):
    conductor.hear(f"c{number}", pack(Hello(task.run, number, 1)))
conductor.tick()
conductor.tick()  # leases what is due in the first second
conductor.hear("c0", pack(Final(task.run, 0, Totals(), [], [], "the worker was terminated")))
taken_over = conductor.record()["taken_over"]
conductor.hear("c1", pack(Final(task.run, 1, Totals(), [], [])))
lead.halt(0.0)
sys.stdout.write(json.dumps([taken_over, lead.exit_code]))
"""


def ran(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LOCUST_SKIP_MONKEY_PATCH": "1"},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("tolerates", [True, False])
def test_a_worker_that_is_lost_hands_its_share_over_where_the_scenario_tolerates_that(
    tmp_path: Path, tiny_system: Callable[..., TinySystem], *, tolerates: bool
) -> None:
    url = tiny_system().url
    task = make_assignment(url, curve=RateCurve.constant(40, 60.0), count=2400, tolerate_worker_loss=tolerates)
    (tmp_path / "task.json").write_bytes(msgspec.json.encode(task))
    done = ran(PROGRAM, tmp_path / "task.json")

    assert done.returncode == 0, done.stderr
    taken_over, code = json.loads(done.stdout)
    assert (taken_over > 0) is tolerates
    assert code == 3  # Locust itself ends with 0
    assert "Worker 0 was lost: the worker was terminated" in done.stderr


NOBODY = """
import sys
import msgspec
from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver import conductor, stock

conductor.GATHERING = 0.0
task = msgspec.json.decode(open(sys.argv[1], "rb").read(), type=Assignment)
lead = stock.Lead(task, 2, lambda client, order: None, lambda: None)
lead._leading.join(10)
sys.stdout.write(str(lead.exit_code))
"""


def test_workers_that_do_not_come_are_a_failure_of_the_harness(
    tmp_path: Path, tiny_system: Callable[..., TinySystem]
) -> None:
    (tmp_path / "task.json").write_bytes(msgspec.json.encode(make_assignment(tiny_system().url)))
    done = ran(NOBODY, tmp_path / "task.json")

    assert (done.returncode, done.stdout) == (0, "4"), done.stderr
    assert "The load ended early: 0 of 2 workers came" in done.stderr


STOPPED = """
import sys
from types import SimpleNamespace
from locust.argument_parser import get_parser
from locust.env import Environment
from prakerja_load.driver.user import RegistrantUser, Stock

class Somebody(RegistrantUser):
    pass

environment = Environment(user_classes=[Somebody], parsed_options=get_parser().parse_args(sys.argv[2:]))
environment.create_local_runner()
stock = Stock(environment)
stock._lead = SimpleNamespace(halt=lambda drain: None, exit_code=int(sys.argv[1]))
environment.events.test_stopping.fire(environment=environment)
sys.stdout.write(repr(environment.process_exit_code))
"""


@pytest.mark.parametrize(
    ("code", "options", "told"),
    [
        ("3", (), "3"),
        ("3", ("--exit-code-on-error", "5"), "3"),
        ("3", ("--exit-code-on-error", "0"), "None"),  # Locust's own way to say 0
        ("4", ("--exit-code-on-error", "0"), "None"),
    ],
)
def test_a_load_that_went_wrong_ends_with_its_code_unless_it_is_to_end_with_none(
    code: str, options: tuple[str, ...], told: str
) -> None:
    """What starts a failed process again would offer the load a second time: it is told so by an explicit 0."""
    done = ran(STOPPED, code, *options)

    assert (done.returncode, done.stdout) == (0, told), done.stderr


OTHER = """
import sys
import msgspec
from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver.stock import packed_assignment, unpack_assignment
from prakerja_load.errors import HarnessError

task = msgspec.json.decode(open(sys.argv[1], "rb").read(), type=Assignment)
packed = packed_assignment(task, 1)
assert unpack_assignment(packed) == (task, 1)
for other in ({**packed, "build": "0.0.1+0"}, {name: packed[name] for name in ("worker", "task")}):
    try:
        unpack_assignment(other)
    except HarnessError as error:
        print(error)
"""


def test_a_worker_plays_nothing_for_a_master_of_another_build(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_bytes(msgspec.json.encode(make_assignment("http://127.0.0.1:1")))
    done = ran(OTHER, tmp_path / "task.json")

    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("the master plays build 0.0.1+0 of prakerja-load, this worker ")
    assert second.startswith("the master plays build unknown of prakerja-load")
