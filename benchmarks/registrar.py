"""CPU per created account: the registrar, the usual way (FastAPI + SQLAlchemy), and its own server with no store.

    python benchmarks/registrar.py [--rounds 5] [--seconds 10] [--connections 64] [--only accounts|journeys|light]
    python benchmarks/registrar.py --postgresql

Needs `wrk` (Debian: apt-get install wrk). The server is pinned to one core and wrk to another; a round runs every
server once, in turn, on a fresh store. Cost is the user and system time of the server's processes ÷ the accounts that
wrk saw created. The usual way answers next to nothing at 64 connections, so it gets the 8 it is best at.

A second table tells what a request of the whole journey costs the registrar: `servers/journey.toml`, played by
prakerja-load on the other core to a store of its own, at `--arrivals` a second. CPU time and requests are the
registrar's own counts between two instants of steady load; looks into the laboratory's outbox are part of the cost and
not of the requests.

A third lets accounts be made at random instants, `--light` a second, and times each from the instant it was due to its
durable answer; beside it stand how many writes a commit held and how long one took. A second row shows the same at
`--crowded` a second, where groups form. Quantiles are of the times of all rounds together.

The exit code is 1 when a goal is missed, which is named: an account costs at most 1/15 of the usual way's CPU and twice
that of the server without a store, a core-second carries 8 000 requests of the whole journey, the p99 of light load is
at most 10 ms, and nothing failed, the usual way included. A server that creates no account at all ends the program.
What is not said otherwise is the median of the rounds. The whole takes about eight minutes, and needs two cores.

With --postgresql, which has no goals: one and two registrars on one database of a PostgreSQL started for it (Debian:
postgresql), fsync on, a wrk for each registrar. Nothing is pinned, since four kinds of processes share the cores; the
cost is told apart.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generators import ROOT, cpu_of, processes_below
from servers import light_load
from servers.cores import two_cores
from servers.judged import Goal, judge
from servers.pinned import LAB_TOKEN, Figures, PinnedRegistrar
from servers.processes import end, end_all, free_port, said_by, start, wait_for, wrk

from prakerja_load.registrar.store.writer import LINGER, LONGEST_LINGER

HERE = Path(__file__).resolve().parent
JOURNEY = HERE / "servers" / "journey.toml"
USUAL_WAY = ("fastapi==0.121.*", "sqlalchemy==2.0.*", "uvicorn[standard]", "argon2-cffi")
OURS, USUAL, STORELESS = "registrar", "FastAPI + SQLAlchemy", "registrar's server, no store"
FEW_CONNECTIONS = 8
SETTLING = 4.0  # seconds from the first who join until it is measured


@dataclass(frozen=True)
class Result:
    """What one server did in one round; times in seconds."""

    used: float  # CPU
    created: int
    rate: float  # created accounts/s
    p99: float
    failed: int

    @property
    def cost(self) -> float:
        """Return the CPU of one created account, +inf when there was none."""
        return self.used / self.created if self.created else math.inf


def commands(folder: Path, python: Path, port: int) -> dict[str, list[str]]:
    """Return the command of each server on a store of its own."""
    store = tempfile.mkdtemp(dir=folder)
    ours = [sys.executable, "-m", "prakerja_load.registrar", "--lab", "--port", str(port)]
    return {
        OURS: [*ours, "--database", f"sqlite:{store}/registrar.db"],
        USUAL: [
            str(python), str(HERE / "servers" / "usual_way.py"), "--port", str(port), "--database", f"{store}/usual.db",
        ],
        STORELESS: [
            sys.executable, str(HERE / "servers" / "no_store.py"), "--port", str(port),
        ],
    }  # fmt: skip


def environment(folder: Path) -> Path:
    """Return the python of a throw-away environment that holds what the usual way needs."""
    uv, place = ROOT / ".tools" / "bin" / "uv", folder / "usual"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
    python = place / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *USUAL_WAY], check=True)
    return python


def measure(command: list[str], port: int, seconds: int, connections: int, cores: tuple[int, int]) -> Result:
    """Run one server under wrk."""
    server = start(command, {cores[0]})
    try:
        wait_for(port, server)
        used = cpu_of(processes_below(server.pid))
        load = wrk(port, seconds, connections, {cores[1]})
        created, failed, rate, p99 = said_by(load)
        used = cpu_of(processes_below(server.pid)) - used
    finally:
        end(server)
    return Result(used, created, rate, p99, failed)


def compare_accounts(rounds: int, seconds: int, connections: int, cores: tuple[int, int]) -> list[Goal]:
    """Print what creating an account costs each server; return what is asked of that."""
    results: dict[str, list[Result]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = environment(folder)
        for _ in range(rounds):
            for server in commands(folder, python, 0):
                port = free_port()
                clients = FEW_CONNECTIONS if server == USUAL else connections
                command = commands(folder, python, port)[server]
                results.setdefault(server, []).append(measure(command, port, seconds, clients, cores))
                _refuse_idle(server, results[server][-1])
    ours = statistics.median(result.cost for result in results[OURS])
    print(f"{rounds} rounds of {seconds} s, server on core {cores[0]}, wrk on core {cores[1]}")
    print("| server | CPU µs/account, median (min–max) | × ours | accounts/s | p99 ms | failed |")
    print("|---|---|---|---|---|---|")
    for server, measured in results.items():
        costs = [result.cost * 1e6 for result in measured]
        middle = statistics.median(costs)
        print(
            f"| {server} | {middle:.0f} ({min(costs):.0f}–{max(costs):.0f}) | {middle / 1e6 / ours:.2f} "
            f"| {statistics.median(result.rate for result in measured):.0f} "
            f"| {statistics.median(result.p99 for result in measured) * 1e3:.1f} "
            f"| {sum(result.failed for result in measured)} |"
        )
    cost = {server: statistics.median(result.cost for result in measured) for server, measured in results.items()}
    return [
        Goal("account: CPU of the usual way ÷ ours", cost[USUAL] / ours, 15, "×", is_floor=True),
        Goal("account: our CPU ÷ that of the server without a store", ours / cost[STORELESS], 2, "×"),
        Goal("account: requests that failed", sum(one.failed for found in results.values() for one in found), 0),
    ]


def measure_together(cluster: Any, processes: int, seconds: int, connections: int) -> tuple[Result, float]:
    """Run registrars on one new database; return what they did together, and PostgreSQL's CPU an account."""
    every_core = os.sched_getaffinity(0)
    url = cluster.new_database()
    ports = [free_port() for _ in range(processes)]
    command = [sys.executable, "-m", "prakerja_load.registrar", "--rate-limits", "off", "--database", url, "--port"]
    servers = [start([*command, str(port)], every_core) for port in ports]
    try:
        for port, server in zip(ports, servers, strict=True):
            wait_for(port, server)
        database = int((cluster.data / "postmaster.pid").read_text().split()[0])
        before = _used_by(*(server.pid for server in servers)), _used_by(database)
        loads = [wrk(port, seconds, connections // processes, every_core, who) for who, port in enumerate(ports)]
        said = [said_by(load) for load in loads]
        used = _used_by(*(server.pid for server in servers)) - before[0], _used_by(database) - before[1]
    finally:
        for server in servers:
            end(server)
    created = sum(one[0] for one in said)
    result = Result(
        used[0], created, sum(one[2] for one in said), max(one[3] for one in said), sum(one[1] for one in said)
    )
    _refuse_idle(f"the {processes} registrars on PostgreSQL", result)
    return result, used[1] / created


def compare_processes(rounds: int, seconds: int, connections: int) -> None:
    """Print what one and two registrars do on one PostgreSQL database."""
    sys.path.insert(0, str(ROOT / "tests" / "registrar" / "contract"))
    from cluster import Cluster, programs

    found = programs()
    if found is None:
        raise SystemExit("needs PostgreSQL's programs: apt-get install postgresql")
    cluster = Cluster(found)
    try:
        results: dict[int, list[tuple[Result, float]]] = {1: [], 2: []}
        for _ in range(rounds):
            for processes, measured in results.items():
                measured.append(measure_together(cluster, processes, seconds, connections))
    finally:
        cluster.remove()
    print(f"{rounds} rounds of {seconds} s, registrars, PostgreSQL and wrk on {len(os.sched_getaffinity(0))} cores")
    print("| registrars | accounts/s, median (min–max) | CPU µs/account | of PostgreSQL | p99 ms | failed |")
    print("|---|---|---|---|---|---|")
    for processes, measured in results.items():
        rates = [result.rate for result, _ in measured]
        print(
            f"| {processes} | {statistics.median(rates):.0f} ({min(rates):.0f}–{max(rates):.0f}) "
            f"| {statistics.median(result.cost for result, _ in measured) * 1e6:.0f} "
            f"| {statistics.median(theirs for _, theirs in measured) * 1e6:.0f} "
            f"| {statistics.median(result.p99 for result, _ in measured) * 1e3:.1f} "
            f"| {sum(result.failed for result, _ in measured)} |"
        )


def measure_journeys(seconds: int, arrivals: int, cores: tuple[int, int]) -> Figures:
    """Let new applicants arrive at a registrar with a fresh store; return what it did in so many seconds of it."""
    with tempfile.TemporaryDirectory() as name:
        registrar = PinnedRegistrar(Path(name, "registrar.db"), cores[0])
        hold = seconds + round(SETTLING) + 10
        command = [sys.executable, "-m", "prakerja_load", "run", str(JOURNEY), "--target", registrar.url]
        settings = [f"ramps.1.registrants={arrivals * 60}", f"ramps.1.hold={hold}s"]
        options = [part for setting in settings for part in ("--set", setting)]
        with Path(name, "log").open("w") as log:
            generator = subprocess.Popen(
                [*command, *options, "--reports", f"{name}/reports", "--undecidable"],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "PRAKERJA_LAB_TOKEN": LAB_TOKEN},
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {cores[1]}),
            )
        try:
            _until_somebody_joins(registrar, generator, Path(name, "log"))
            time.sleep(SETTLING)
            before = registrar.figures()
            time.sleep(seconds)
            return registrar.figures() - before
        finally:
            end_all(generator)
            registrar.end(signal.SIGKILL)


def compare_journeys(rounds: int, seconds: int, arrivals: int, cores: tuple[int, int]) -> list[Goal]:
    """Print what a request of the whole journey costs; return what is asked of that."""
    measured = [measure_journeys(seconds, arrivals, cores) for _ in range(rounds)]
    costs = [one.cpu / one.requests * 1e6 for one in measured]
    print(
        f"{rounds} rounds of {seconds} s, {arrivals} arrivals/s, registrar on core {cores[0]}, generator on {cores[1]}"
    )
    print("| whole journey | CPU µs/request, median (min–max) | requests per core-second | requests/s | busy | 5xx |")
    print("|---|---|---|---|---|---|")
    print(
        f"| registrar | {statistics.median(costs):.0f} ({min(costs):.0f}–{max(costs):.0f}) "
        f"| {1e6 / statistics.median(costs):.0f} "
        f"| {statistics.median(one.requests / one.at for one in measured):.0f} "
        f"| {statistics.median(one.cpu / one.at for one in measured):.0%} "
        f"| {sum(one.failed for one in measured)} |"
    )
    return [
        Goal("journey: requests per core-second", 1e6 / statistics.median(costs), 8_000, is_floor=True),
        Goal("journey: requests that failed", sum(one.failed for one in measured), 0),
    ]


def measure_light(seconds: int, rate: float, seed: int, cores: tuple[int, int]) -> light_load.Light:
    """Let accounts be made now and then at a registrar with a fresh store."""
    with tempfile.TemporaryDirectory() as name:
        registrar = PinnedRegistrar(Path(name, "registrar.db"), cores[0])
        every_core = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {cores[1]})
        try:
            return light_load.measure(registrar.url, seconds, rate, seed)
        finally:
            os.sched_setaffinity(0, every_core)
            registrar.end(signal.SIGKILL)


def compare_light(rounds: int, seconds: int, rates: tuple[float, float], cores: tuple[int, int]) -> list[Goal]:
    """Print how long a durable account takes when little is asked, and when groups form; return what is asked of it."""
    light, crowded = ([measure_light(seconds, rate, seed, cores) for seed in range(rounds)] for rate in rates)
    print(
        f"{rounds} rounds of {seconds} s, accounts at random; a group waits {LINGER * 1e3:g} ms for company after a "
        f"crowded one, {LONGEST_LINGER * 1e3:g} ms after a packed one"
    )
    print(light_load.HEAD)
    for rate, measured in zip(rates, (light, crowded), strict=True):
        print(light_load.row(f"{rate:g} accounts/s", measured))
    return [Goal("light load: p99 of a durable account", light_load.quantile(light, 0.99) * 1e3, 10, " ms")]


def _refuse_idle(server: str, result: Result) -> None:
    """End the program when a server created nothing: no cost of an account follows from that, and no comparison."""
    if not result.created:
        raise SystemExit(f"{server}: created no account; {result.failed} requests failed")


def _until_somebody_joins(registrar: PinnedRegistrar, generator: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while registrar.figures().finished < 50:
        if generator.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"nobody joins: {log.read_text()[-2000:]}")
        time.sleep(0.1)


def _used_by(*pids: int) -> float:
    return sum(cpu_of(processes_below(pid)) for pid in pids)


def main() -> int:
    """Print the tables; return 1 when a goal is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--connections", type=int, default=64)
    options.add_argument("--arrivals", type=int, default=600, help="new applicants a second, for the whole journey")
    options.add_argument("--light", type=float, default=40, help="accounts a second, for the light load")
    options.add_argument("--crowded", type=float, default=1_000, help="accounts a second, where groups form")
    options.add_argument("--only", choices=("accounts", "journeys", "light"), help="one of the three tables")
    options.add_argument("--postgresql", action="store_true", help="one and two registrars on PostgreSQL instead")
    chosen = options.parse_args()
    if (chosen.postgresql or chosen.only in (None, "accounts")) and shutil.which("wrk") is None:
        raise SystemExit("needs wrk: apt-get install wrk")
    if chosen.postgresql:
        compare_processes(chosen.rounds, chosen.seconds, chosen.connections)
        return 0
    cores = two_cores()
    rounds, seconds, goals = chosen.rounds, chosen.seconds, list[Goal]()
    if chosen.only in (None, "accounts"):
        goals += compare_accounts(rounds, seconds, chosen.connections, cores)
    if chosen.only in (None, "journeys"):
        goals += compare_journeys(rounds, seconds, chosen.arrivals, cores)
    if chosen.only in (None, "light"):
        goals += compare_light(rounds, seconds, (chosen.light, chosen.crowded), cores)
    return judge(goals)


if __name__ == "__main__":
    raise SystemExit(main())
