"""CPU of the controller that leads two hundred workers through the opening minute's rate.

    python benchmarks/controller.py [--workers 200 …] [--seconds 15] [--from here elsewhere]

The controller is the real process, pinned to one core. The workers are simulated by one process on another: each has
its own connection, Locust's heartbeats and statistics, and the beats of the real attendant with histograms in them;
only the requests are made up, sixteen an arrival. From here, they share the controller's folder and clock; from
elsewhere, as on hosts of their own, they ask for a place, are asked about their clocks, and send their evidence in
parcels, which the controller writes down. The table shows the controller's user and system time ÷ wall time between two
instants of steady load, the messages it got, and whether everything held: no worker lost, no arrival left out, as many
samples merged (and from elsewhere, written down) as were made, and less than 60 % of a core. Exit code 1 when something
did not.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from generators import cpu_of, target

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.driver.assignment import Assignment
from prakerja_load.evidence.ramp import load_ramp
from prakerja_load.journey.options import JourneyOptions

HERE = Path(__file__).resolve().parent
RATE = 80_000 / 60  # arrivals/s: the busiest minute of wave 1
MOST = 0.60  # of a core, for two hundred workers or fewer
LOOPBACK = "127.0.0.1"
ORIGINS = ("here", "elsewhere")
SETTLING = 5.0  # seconds after the epoch, before anything is measured


def task_of(url: str, workers: int, seconds: float) -> Assignment:
    """Return what is played: the rate of the opening minute for as long as is measured."""
    curve = RateCurve.constant(RATE, seconds)
    today = datetime.datetime.now(datetime.UTC).date()
    return Assignment(
        run="controller",
        name="controller",
        target_url=url,
        seed=1,
        first_person=0,
        count=round(RATE * seconds),
        rate=RATE,
        warm_up=0.0,
        hold=seconds,
        drain=5.0,
        curve=curve.stages(),
        schedule_seed=1,
        journey=JourneyOptions(seed=1, today=today, funnel="none"),
        workers=workers,
        in_flight_limit=100_000,
        patience=5.0,
    )


@contextlib.contextmanager
def process(core: int, *command: str, folder: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a Python process pinned to one core; what it says goes into the folder."""
    with (folder / f"{name}.out").open("w") as out, (folder / f"{name}.err").open("w") as err:
        started = subprocess.Popen(
            [sys.executable, *command],
            stdout=out,
            stderr=err,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        try:
            yield started
        finally:
            started.kill()
            started.wait()


def said(folder: Path, name: str, event: str, of: subprocess.Popen[str], within: float) -> dict[str, Any]:
    """Wait for a line that a process says."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        for line in (folder / f"{name}.out").read_text().splitlines():
            if line.endswith("}") and json.loads(line)["event"] == event:
                found: dict[str, Any] = json.loads(line)
                return found
        if of.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"{name} never said {event}: {(folder / f'{name}.err').read_text()[-2000:]}")


def measure(workers: int, seconds: float, origin: str) -> dict[str, Any]:
    """Lead one ramp; return the controller's CPU share, what it heard, and what it recorded."""
    available = sorted(os.sched_getaffinity(0))
    first, last = available[0], available[-1]
    with tempfile.TemporaryDirectory() as place, target(first) as url:
        folder = Path(place)
        task = task_of(url, workers, SETTLING + seconds + 2)
        (folder / "ramp.json").write_bytes(msgspec.json.encode(task))
        is_elsewhere = origin == "elsewhere"
        command = ["-m", "prakerja_load.driver.controller", place, *(["--elsewhere", LOOPBACK] if is_elsewhere else [])]
        with process(last, *command, folder=folder, name="controller") as led:
            port = said(folder, "controller", "listening", led, 20)["port"]
            crowd = [str(HERE / "simulated_workers.py"), place, str(port)]
            crowd += [str(folder / "crowd")] if is_elsewhere else []
            with process(first, *crowd, folder=folder, name="workers") as simulated:
                said(folder, "controller", "started", led, 60)
                time.sleep(SETTLING)
                began, cpu, crowded = time.perf_counter(), cpu_of({led.pid}), cpu_of({simulated.pid})
                time.sleep(seconds)
                took = time.perf_counter() - began
                cpu, crowded = cpu_of({led.pid}) - cpu, cpu_of({simulated.pid}) - crowded
                ended = said(folder, "controller", "finished", led, 60)
                led.wait(20)
                crowd_said = said(folder, "workers", "through", simulated, 20)
        record = json.loads((folder / "controller.json").read_text())
        kept = load_ramp(folder).samples.size if is_elsewhere else None
    return {
        "kept": kept,
        "share": cpu / took,
        "crowd": crowded / took,
        "ended": ended,
        "record": record,
        "count": task.count,
        "beats": crowd_said["beats"] / crowd_said["seconds"],
        "slowest_beat": crowd_said["slowest_beat"],
    }


def broken(found: dict[str, Any]) -> list[str]:
    """Return what did not hold."""
    record = found["record"]
    workers = record["workers"]
    made = sum(worker["samples"] for worker in workers)
    expectations = {
        "workers that finished": (sum(worker["state"] == "finished" for worker in workers), len(workers)),
        "arrivals issued": (record["issued"], found["count"]),
        "arrivals started": (sum(worker["started"] for worker in workers), found["count"]),
        "arrivals not started": (record["not_started"], 0),
        "messages refused": (record["foreign_messages"], 0),
        "samples merged": (record["merged_samples"], made),
    }
    if found["kept"] is not None:
        expectations["samples written down"] = (found["kept"], made)
        expectations["parcels damaged"] = (record["damaged_parcels"], 0)
    wrong = [f"{name}: {seen}, not {right}" for name, (seen, right) in expectations.items() if seen != right]
    if found["share"] >= MOST and len(workers) <= 200:
        wrong.append(f"the controller's share of a core: {found['share']:.0%}, not below {MOST:.0%}")
    return wrong


def main() -> int:
    """Print the table; return 1 when something did not hold."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workers", type=int, nargs="+", default=[200])
    options.add_argument("--seconds", type=float, default=15.0)
    options.add_argument("--from", nargs="+", choices=ORIGINS, default=list(ORIGINS), dest="origins")
    chosen = options.parse_args()
    print("| workers | controller's CPU, share of a core | beats/s | samples merged | longest wait between beats |")
    print("|---|---|---|---|---|")
    wrong = []
    for workers, origin in itertools.product(chosen.workers, chosen.origins):
        found = measure(workers, chosen.seconds, origin)
        merged, beats = found["record"]["merged_samples"], f"{found['beats']:.0f}"
        who = workers if origin == "here" else f"{workers} from {origin}"
        row = (who, f"{found['share']:.0%}", beats, merged, f"{found['slowest_beat']:.2f} s")
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        print(f"the process of the simulated workers took {found['crowd']:.0%} of its core", file=sys.stderr)
        wrong += [f"from {origin}: {what}" for what in broken(found)]
    for what in wrong:
        print(what, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
