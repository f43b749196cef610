"""Processes of ours as children: started pinned, watched through their JSON lines, never left behind."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from prakerja_load.errors import HarnessError
from prakerja_load.units import Seconds

_PR_SET_PDEATHSIG = 1


def split_cores(cores: Sequence[int]) -> tuple[frozenset[int], frozenset[int]]:
    """Return (cores of the system under test, cores of the generator); one core is shared by both.

    The generator gets the second half, so that neither steals time from the other (method.md §3, co-location).
    """
    ordered = sorted(cores)
    if len(ordered) < 2:
        return frozenset(ordered), frozenset(ordered)
    half = len(ordered) // 2
    return frozenset(ordered[:half]), frozenset(ordered[half:])


class Child:
    """A Python module of this package running as a process of its own.

    Its standard output carries one JSON object a line; its standard error goes to a file that is quoted when it dies.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        errors: Path,
        cores: frozenset[int],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = arguments[0]
        self._errors = errors
        errors.parent.mkdir(parents=True, exist_ok=True)
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        with errors.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environment or {})},
                preexec_fn=_prepare(cores),  # noqa: PLW1509 (runs before any thread of ours exists in the child)
                start_new_session=True,  # Ctrl-C reaches us alone; we pass on what it means
            )
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.poll()

    def event(self, timeout: Seconds) -> dict[str, Any] | None:
        """Return the next JSON line, or None when none came in time or the output has ended."""
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return None

    def wait_for(self, name: str, timeout: Seconds) -> dict[str, Any]:
        """Return the event called `name`; raise HarnessError when the process dies or stays silent."""
        event = self.event(timeout)
        while event is not None and event.get("event") != name:
            event = self.event(timeout)
        if event is None:
            code = self.exit_code
            state = f"ended with exit code {code}" if code is not None else f"said nothing for {timeout:g} s"
            raise HarnessError(f"{self.name} {state} before it was {name}{self.last_words()}")
        return event

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if the process still runs."""
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def stop(self, grace: Seconds = 15.0) -> int:
        """Ask the process to end, insist after `grace` seconds, and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.join(grace)

    def join(self, timeout: Seconds) -> int:
        """Wait for the process to end by itself, kill it after `timeout` seconds, and return its exit code."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def last_words(self, lines: int = 6) -> str:
        """Return the end of its standard error, for a message."""
        text = self._errors.read_text(errors="replace") if self._errors.exists() else ""
        tail = [line for line in text.splitlines() if line.strip()][-lines:]
        return ":\n    " + "\n    ".join(tail) if tail else ""

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    self._events.put(event)
        self._events.put(None)


def _prepare(cores: frozenset[int]) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        # the kernel ends the child when its parent dies, however it dies
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if cores:
            os.sched_setaffinity(0, cores)

    return prepare
