"""Processes of ours as children: started pinned, watched through their JSON lines, never left behind."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from prakerja_load.errors import HarnessError, UsageError
from prakerja_load.trial.interruption import postponed
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


LOCK = ".lock"
NOTICED: Seconds = 20.0
"""How long the processes of a killed run may take to notice it and to end, a drain of the registrar included."""
_REAPED: Seconds = 5.0  # for a process whose output has ended to end as well
_held: set[int] = set()  # descriptors that every child keeps open


@contextlib.contextmanager
def hold(run: Path) -> Iterator[None]:
    """Hold a run directory together with the processes started meanwhile: nobody resumes a run while any of them lives.

    Raises HarnessError when others hold it for longer than a killed run takes to end.
    """
    descriptor = os.open(run / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + NOTICED
        while not _lock(descriptor):
            if time.monotonic() > end:
                raise HarnessError(f"{run} is still being run: processes of it are alive")
            time.sleep(0.1)
        _held.add(descriptor)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
        self._has_ended = threading.Event()  # its output, that is
        # an exception that a signal raises while Python forks is lost, and leaves locks of its own held for ever
        with errors.open("ab") as log, postponed():
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=tuple(_held),
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
        """Return the event called `name`.

        Raises HarnessError when the process fails, dies or stays silent before; UsageError when it says that what was
        asked of it is wrong.
        """
        event = self.event(timeout)
        while event is not None and event.get("event") not in {name, "failed"}:
            event = self.event(timeout)
        if event is None:
            raise HarnessError(f"{self.name} {self._state(timeout)} before it was {name}{self.last_words()}")
        if event["event"] == "failed":
            is_wrong = event.get("exit_code") == UsageError.exit_code
            raise (UsageError if is_wrong else HarnessError)(str(event.get("reason", "")))
        return event

    def _state(self, timeout: Seconds) -> str:
        """Return in words why nothing more comes: an output that has ended ends before its process is seen to."""
        if self._has_ended.is_set():
            return f"ended with exit code {self.join(_REAPED)}"
        return f"said nothing for {timeout:g} s"

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
        with stream:
            for line in stream:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        self._events.put(event)
        self._has_ended.set()
        self._events.put(None)


def _prepare(cores: frozenset[int]) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        # the kernel ends the child when its parent dies, however it dies
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if cores:
            os.sched_setaffinity(0, cores)

    return prepare
