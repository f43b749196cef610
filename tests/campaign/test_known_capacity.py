"""A11 and A12: real searches, real processes, against a server whose capacity is known to the last digit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, command, environment

from prakerja_load.calibration import theory

SCENARIO = Path(__file__).parent / "known-queue.toml"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]


@contextmanager
def queue(law: str, slots: int, capacity: float) -> Iterator[str]:
    """Serve `capacity` a second at most, from this many slots; yield the address."""
    arguments = ["--service", law, "--mean", repr(slots / capacity), "--slots", str(slots)]
    process = subprocess.Popen(
        [sys.executable, "-m", "prakerja_load.calibration.server", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.communicate(timeout=30)


def search(url: str, reports: Path, *options: str) -> dict[str, Any]:
    said = command(
        "capacity", SCENARIO, "--target", url, "--speed-alone", "--reports", reports, *options, timeout=1_700
    )
    (folder,) = reports.iterdir()
    found = json.loads((folder / "capacity.json").read_text())
    assert isinstance(found, dict)
    assert found["ending"] == "found", said.out + said.err
    return found


@pytest.mark.parametrize(("slots", "capacity"), [(1, 50.0), (4, 200.0), (8, 800.0)])
def test_the_capacity_of_a_constant_server_lies_in_the_interval(slots: int, capacity: float, tmp_path: Path) -> None:
    with queue("constant", slots, capacity) as url:
        found = search(url, tmp_path, "--precision", "3%", "--begin", f"{0.475 * capacity:g}/s")

    interval = found["interval"]
    assert interval["is_confirmed"]
    assert 0.95 * capacity <= interval["passed"] <= 1.02 * capacity
    assert 0.95 * capacity <= interval["failed"] <= 1.05 * capacity
    assert found["saturation"]["value"] == pytest.approx(capacity, rel=0.05)
    # the second rate tried is 0.95 of the capacity, where such a queue is as quick as when it is empty
    assert 0.949 * capacity <= found["knee"]["flat_to"] <= 1.02 * capacity
    assert 0.95 * capacity <= found["knee"]["bent_from"] <= 1.05 * capacity
    assert interval["above_a_fail"] == []


@pytest.mark.parametrize(("slots", "capacity"), [(1, 50.0), (4, 200.0), (8, 800.0)])
def test_the_knee_of_an_exponential_server_is_found(slots: int, capacity: float, tmp_path: Path) -> None:
    """Near its capacity such a queue forgets so slowly that a short hold stays undecided: the interval is wide."""
    poisson = ("--set", "demand.process=poisson")
    with queue("exponential", slots, capacity) as url:
        found = search(url, tmp_path, *poisson, "--precision", "10%", "--begin", f"{0.6 * capacity:g}/s")

    interval = found["interval"]
    assert interval["passed"] <= 1.02 * capacity
    assert interval["failed"] >= 0.95 * capacity
    assert found["saturation"]["value"] == pytest.approx(capacity, rel=0.05)


def test_the_rate_that_keeps_a_limit_is_that_of_the_formula(tmp_path: Path) -> None:
    """A12: the largest λ with p95 ≤ S within ±7 %; the interval's ends stand on either side of it."""
    slots, capacity, limit = 4, 200.0, 0.12
    exact = _largest_rate(slots, capacity, limit)
    settings = ("--set", "demand.process=poisson", "--set", f"objectives.elapsed_base={limit}")
    settings += ("--set", "objectives.elapsed_per_step=0s", "--hold", "30s")
    with queue("exponential", slots, capacity) as url:
        found = search(url, tmp_path, *settings, "--precision", "7%", "--begin", f"{0.5 * exact:g}/s")

    interval = found["interval"]
    assert interval["passed"] <= 1.07 * exact
    assert interval["failed"] >= 0.93 * exact


def _largest_rate(slots: int, capacity: float, limit: float) -> float:
    low, high = 0.0, capacity * 0.999
    for _ in range(60):
        rate = (low + high) / 2
        low, high = (
            (rate, high) if theory.MMC(rate, capacity / slots, slots).response_quantile(0.95) <= limit else (low, rate)
        )
    return low
