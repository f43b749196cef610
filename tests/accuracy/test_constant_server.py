"""A1, A8, A14, A17: a target that always takes the same time, other tools beside us, a delay put in between."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from prakerja_load.calibration.playing import Offered, play
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.target import serving
from prakerja_load.calibration.trials import Cores, KnownQueue, known_queue, null_target

pytestmark = pytest.mark.slow


def test_a_constant_target_shows_its_constant(tmp_path: Path, cores: Cores) -> None:
    """A1: 100 ms shows as +0…+2 ms at p50, +0…+5 ms at p99, never less."""
    trial = known_queue(tmp_path, KnownQueue(ServiceLaw("constant", 0.1), 100, Offered(100, 15)), cores)

    p50, p99 = np.quantile(trial.played.service, [0.5, 0.99])

    assert trial.played.service.min() >= 0.1
    assert p50 <= 0.102
    assert p99 <= 0.105


def test_requests_leave_on_time_while_the_generator_is_not_busy(tmp_path: Path, cores: Cores) -> None:
    """A8: lateness p99 ≤ 5 ms and p99.9 ≤ 20 ms at no more than 60 % of a core."""
    played = null_target(tmp_path, Offered(1_000, 20), cores)

    p99, p999 = np.quantile(played.lateness, [0.99, 0.999])

    assert played.cpu[1:].max() <= 0.6
    assert p99 <= 0.005
    assert p999 <= 0.020


class Wrk:
    """What wrk (closed loop, a fixed number of connections) says of a target."""

    def __init__(self, url: str, connections: int, cores: Cores) -> None:
        tool = ["wrk", "-t1", f"-c{connections}", "-d10s", "--latency", f"{url}/serve"]
        pinned = ["taskset", "-c", ",".join(map(str, cores.generator)), *tool]
        said = subprocess.run(pinned, capture_output=True, text=True, check=True).stdout
        median = re.search(r"50%\s+([\d.]+)ms", said)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
        assert median is not None, said
        assert rate is not None, said
        self.median, self.throughput = float(median[1]) / 1000, float(rate[1])


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk (Debian package wrk) is not installed")
def test_wrk_sees_the_same_target(tmp_path: Path, cores: Cores) -> None:
    """A14: throughput ±3 % where the target is full, p50 ±1 ms where it is not."""
    options = ("--service", "constant", "--mean", "0.02", "--slots", "8")  # 400 requests/s
    with serving(tmp_path / "target", cores.target, *options) as target:
        full = play(tmp_path / "full", Offered(440, 10, "uniform"), target.url, cores.generator)
        calm = play(tmp_path / "calm", Offered(150, 10, "uniform"), target.url, cores.generator)
        wrk_full, wrk_calm = Wrk(target.url, 16, cores), Wrk(target.url, 4, cores)
    finished = full.history.seconds("finished")
    throughput = np.count_nonzero((finished >= 2) & (finished < 10)) / 8

    assert throughput == pytest.approx(wrk_full.throughput, rel=0.03)
    assert float(np.median(calm.service)) == pytest.approx(wrk_calm.median, abs=0.001)


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> Iterator[object]:
    """Return what starts a proxy that delays every answer by 50 ms before a target."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str) -> str:
        program = [sys.executable, str(Path(__file__).with_name("delay_proxy.py")), url.rpartition(":")[2], "0.05"]
        started.append(subprocess.Popen(program, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        return f"http://127.0.0.1:{json.loads(started[-1].stdout.readline())['port']}"

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=10)


def test_a_delay_in_between_shows_as_what_it_is(tmp_path: Path, cores: Cores, proxy: object) -> None:
    """A17: +50 ± 2 ms at p50."""
    load = Offered(100, 10)
    with serving(tmp_path / "target", cores.target, "--service", "constant", "--mean", "0.02") as target:
        straight = play(tmp_path / "straight", load, target.url, cores.generator)
        delayed = play(tmp_path / "delayed", load, proxy(target.url), cores.generator)  # type: ignore[operator]

    shift = np.median(delayed.elapsed) - np.median(straight.elapsed)

    assert float(shift) == pytest.approx(0.050, abs=0.002)
