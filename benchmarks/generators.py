"""CPU per request of our driver, Locust's FastHttpUser and HttpUser playing the same journey, side by side.

    python benchmarks/generators.py [--rounds 5] [--seconds 10]

The registrar is pinned to one core and the generator to another. A generator's cost is the user and system time of
all its processes ÷ the requests that the registrar counted, both between two instants of steady load; a round runs
every generator once, in turn, and the table shows medians over the rounds with minimum and maximum.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SCENARIO = HERE / "generators.toml"
TOKEN = "a-token-for-the-benchmark"
TICK = os.sysconf("SC_CLK_TCK")
SETTLING = 4.0  # seconds after the first request of a generator, before it is measured


def ours(url: str, reports: str) -> list[str]:
    run = [sys.executable, "-m", "prakerja_load", "run", str(SCENARIO), "--target", url]
    return [*run, "--reports", reports, "--undecidable"]


def locust(file: Path) -> Callable[[str, str], list[str]]:
    program = str(Path(sys.executable).with_name("locust"))
    return lambda url, _: [program, "-f", str(file), "--host", url, "--headless", "-u", "20", "-r", "20", "-t", "40s"]


GENERATORS: dict[str, Callable[[str, str], list[str]]] = {
    "prakerja-load": ours,
    "Locust FastHttpUser": locust(HERE / "fast_http_user.py"),
    "Locust HttpUser": locust(ROOT / "locustfiles" / "exploratory.py"),
}


@contextlib.contextmanager
def registrar(folder: str, core: int) -> Iterator[str]:
    """Yield the address of a registrar of its own, pinned to one core."""
    command = [sys.executable, "-m", "prakerja_load.registrar", "--lab", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--database", f"sqlite:{folder}/store.db"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PRAKERJA_LAB_TOKEN": TOKEN},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.wait()


def served(url: str) -> int:
    """Return how many requests the registrar has answered; looking does not count."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        text = answer.read().decode()
    steps = re.findall(r'^registrar_requests_total\{step="([^"]*)",[^}]*\} (\d+)', text, re.MULTILINE)
    return sum(int(count) for step, count in steps if step not in ("metrics", "healthz", "import", "civil"))


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


def measure(name: str, seconds: float, cores: tuple[int, int]) -> tuple[float, float]:
    """Run one generator against a fresh registrar; return (CPU µs per request, requests/s)."""
    with tempfile.TemporaryDirectory() as folder, registrar(folder, cores[0]) as url:
        process = subprocess.Popen(
            GENERATORS[name](url, f"{folder}/reports"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
            env={
                **os.environ,
                "PRAKERJA_LAB_TOKEN": TOKEN,
                "PRAKERJA_SCENARIO": str(SCENARIO),
                "PRAKERJA_TARGET": url,
            },
            preexec_fn=lambda: os.sched_setaffinity(0, {cores[1]}),
        )
        try:
            while served(url) < 50:
                if process.poll() is not None:
                    raise SystemExit(f"{name} ended before it sent anything")
                time.sleep(0.1)
            time.sleep(SETTLING)
            began, requests, cpu = time.perf_counter(), served(url), cpu_of(processes_below(process.pid))
            time.sleep(seconds)
            took = time.perf_counter() - began
            requests, cpu = served(url) - requests, cpu_of(processes_below(process.pid)) - cpu
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return cpu / requests * 1e6, requests / took


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=10.0)
    chosen = options.parse_args()
    available = sorted(os.sched_getaffinity(0))
    cores = (available[0], available[-1])
    costs: dict[str, list[float]] = {name: [] for name in GENERATORS}
    rates: dict[str, list[float]] = {name: [] for name in GENERATORS}
    for _ in range(chosen.rounds):
        for name in GENERATORS:
            cost, rate = measure(name, chosen.seconds, cores)
            costs[name].append(cost)
            rates[name].append(rate)
    base = statistics.median(costs["prakerja-load"])
    print(f"{chosen.rounds} rounds of {chosen.seconds:g} s, registrar on core {cores[0]}, generator on core {cores[1]}")
    print("| generator | CPU µs/request, median (min–max) | × ours | requests/s while measured |")
    print("|---|---|---|---|")
    for name, values in costs.items():
        middle = statistics.median(values)
        spread = f"{middle:.0f} ({min(values):.0f}–{max(values):.0f})"
        print(f"| {name} | {spread} | {middle / base:.1f} | {statistics.median(rates[name]):.0f} |")


if __name__ == "__main__":
    main()
