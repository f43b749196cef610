"""A ramp's controller and workers as real processes."""

from __future__ import annotations

import datetime
import json
import os
import queue
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.driver.assignment import Assignment
from prakerja_load.journey.options import JourneyOptions

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN, KEY = "t", "key"


def make_assignment(url: str, **changes: Any) -> Assignment:
    """Return an assignment of 40 new applicants in a quarter of a second, who stop for no time worth mentioning."""
    curve = changes.pop("curve", RateCurve.constant(160, 0.25))
    journey = JourneyOptions(
        seed=1,
        today=datetime.date(2020, 8, 1),
        funnel="none",
        think_time_scale=changes.pop("think_time_scale", 1e-5),
        photo_size=256,
    )
    fields: dict[str, Any] = {
        "run": "k1r1",
        "name": "first",
        "target_url": url,
        "seed": 1,
        "first_person": 0,
        "count": 40,
        "rate": curve.peak_rate,
        "warm_up": 0.0,
        "hold": curve.duration,
        "drain": 5.0,
        "curve": curve.stages(),
        "schedule_seed": 7,
        "journey": journey,
        "workers": 2,
        "in_flight_limit": 1000,
        "patience": 5.0,
    }
    return Assignment(**{**fields, **changes})


class Process:
    """A Python module as a process; `event` waits for one of the JSON lines it prints."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PRAKERJA_LAB_TOKEN": TOKEN, "PRAKERJA_PROJECT_KEY": KEY, **environment},
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            self._errors.extend(stream)

    @property
    def pid(self) -> int:
        return self._process.pid

    def event(self, wanted: Callable[[dict[str, Any]], bool], timeout: float = 20.0) -> dict[str, Any]:
        """Return the first JSON line that is wanted."""
        end = time.monotonic() + timeout
        while True:
            line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            assert line is not None, f"ended with {self.join()}: {self.errors}"
            said = json.loads(line)
            if wanted(said):
                assert isinstance(said, dict)
                return said

    def named(self, name: str, timeout: float = 20.0) -> dict[str, Any]:
        return self.event(lambda said: said["event"] == name, timeout)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def join(self, timeout: float = 20.0) -> int:
        code = self._process.wait(timeout)
        for thread in self._threads:
            thread.join(5)
        return code

    @property
    def errors(self) -> str:
        return "".join(self._errors)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.join()


class Launcher:
    """Starts processes, and ends whatever is left of them."""

    def __init__(self) -> None:
        self.started: list[Process] = []

    def __call__(self, *arguments: str, **environment: str) -> Process:
        self.started.append(Process(["-m", *arguments], environment))
        return self.started[-1]

    def foreign(self, module: str, *arguments: str, **environment: str) -> Process:
        """Start a module to which this machine is not its own."""
        patch = "from prakerja_load.driver import guard; guard.is_loopback = lambda address: False"
        return self.patched(patch, module, *arguments, **environment)

    def patched(self, patch: str, module: str, *arguments: str, **environment: str) -> Process:
        """Start a module in a process in which a line of Python was executed before."""
        program = textwrap.dedent(f"""
            import sys
            {patch}
            from {module} import main
            sys.exit(main(list({arguments!r})))
        """)
        self.started.append(Process(["-c", program], environment))
        return self.started[-1]

    def close(self) -> None:
        for process in self.started:
            process.end()


class Ramp:
    """A ramp's folder with its controller and workers as processes."""

    def __init__(self, folder: Path, task: Assignment, start: Callable[..., Process]) -> None:
        self.folder, self.task, self._start = folder, task, start
        folder.mkdir()
        (folder / "ramp.json").write_bytes(msgspec.json.encode(task))
        self.controller = start("prakerja_load.driver.controller", str(folder))
        self.port = 0

    def listen(self) -> Ramp:
        self.port = self.controller.named("listening")["port"]
        return self

    def man(self) -> list[Process]:
        """Start all workers and wait until the ramp has begun."""
        self.listen()
        workers = [self.worker(number) for number in range(self.task.workers)]
        self.controller.named("started")
        return workers

    def worker(self, number: int) -> Process:
        where = (str(self.folder), "--worker", str(number), "--master-port", str(self.port))
        return self._start("prakerja_load.driver.worker", *where)

    @property
    def record(self) -> dict[str, Any]:
        found = json.loads((self.folder / "controller.json").read_text())
        assert isinstance(found, dict)
        return found
