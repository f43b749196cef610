"""A registrar of its own on one core, and what it says of its requests, its CPU time and its files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from prakerja_load.registrar.table import ROUTES

ROOT = Path(__file__).resolve().parents[2]
LAB_TOKEN = "a-token-for-the-benchmark"
STEPS = frozenset(route.step for route in ROUTES if route.is_journey)
_ANSWERS = re.compile(r'^registrar_requests_total\{step="([^"]+)",status="(\d+)"\} (\d+)', re.MULTILINE)
_CPU = re.compile(r"^process_cpu_seconds_total ([\d.e+-]+)", re.MULTILINE)


@dataclass(frozen=True)
class Figures:
    """What a registrar has done since it started; looks into the laboratory do not count as requests."""

    requests: int
    failed: int  # of them, with a status of 5xx
    finished: int  # registrants who joined the wave
    cpu: float  # seconds
    at: float  # when that was

    def __sub__(self, earlier: Figures) -> Figures:
        return Figures(
            self.requests - earlier.requests,
            self.failed - earlier.failed,
            self.finished - earlier.finished,
            self.cpu - earlier.cpu,
            self.at - earlier.at,
        )


class PinnedRegistrar:
    """`python -m prakerja_load.registrar --lab` on a SQLite file; made when its ready line has come."""

    def __init__(self, database: Path, core: int, *arguments: str) -> None:
        self.database = database
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "prakerja_load.registrar", "--lab", "--database", f"sqlite:{database}", *arguments],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PRAKERJA_LAB_TOKEN": LAB_TOKEN, "PYTHONPATH": str(ROOT)},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.seconds_to_ready = time.monotonic() - began  # Python's own start included
        if not line:
            raise SystemExit(f"the registrar on {database} did not start")
        self.url: str = json.loads(line)["url"]

    def figures(self) -> Figures:
        """Ask the registrar what it has done."""
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            said = answer.read().decode()
        cpu = _CPU.search(said)
        assert cpu is not None
        answers = [(step, int(status), int(count)) for step, status, count in _ANSWERS.findall(said) if step in STEPS]
        return Figures(
            sum(count for _, _, count in answers),
            sum(count for _, status, count in answers if status >= 500),
            sum(count for step, status, count in answers if (step, status) == ("join-wave", 201)),
            float(cpu[1]),
            time.monotonic(),
        )

    def memory(self) -> tuple[int, int]:
        """Return the bytes that are resident now, and the most that ever were."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        now, most = (re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE) for name in ("VmRSS", "VmHWM"))
        assert now is not None
        assert most is not None
        return int(now[1]) * 1024, int(most[1]) * 1024

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for it."""
        self.process.send_signal(how)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
