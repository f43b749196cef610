"""A calibrated server as a child: started on its cores, made to stand still, ended, its stamps read."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from prakerja_load.calibration.replay import Stall
from prakerja_load.calibration.stamps import load_stamps
from prakerja_load.errors import HarnessError
from prakerja_load.evidence.journal import Records
from prakerja_load.trial.process import Child
from prakerja_load.units import Seconds

STARTING: Seconds = 30.0  # for a process of ours to say that it is ready
ENDING: Seconds = 15.0
SERVER = "prakerja_load.calibration.server"
STAMPS = "stamps.bin"


class KnownTarget:
    """A calibrated server that runs; `child` is its process."""

    def __init__(self, child: Child, url: str, stamps: Path) -> None:
        self.child, self.url, self._stamps = child, url, stamps

    def freeze(self, length: Seconds) -> Stall:
        """Let the process stand still (SIGSTOP) for about this long; return the interval in ns of CLOCK_MONOTONIC."""
        begin = time.monotonic_ns()
        self.child.signal(signal.SIGSTOP)
        try:
            time.sleep(length)
        finally:
            self.child.signal(signal.SIGCONT)
        return Stall(begin, time.monotonic_ns())

    def stop(self) -> Records | None:
        """End it and return its stamps, None where it keeps none."""
        if (code := self.child.stop(ENDING)) != 0:
            raise HarnessError(f"the calibrated server ended with exit code {code}{self.child.last_words()}")
        return load_stamps(self._stamps) if self._stamps.exists() else None


@contextlib.contextmanager
def serving(folder: Path, cores: frozenset[int], *options: str) -> Iterator[KnownTarget]:
    """Yield a calibrated server with these options of its command line; raises HarnessError when it does not start."""
    folder.mkdir(parents=True, exist_ok=True)
    stamps = folder / STAMPS
    child = Child([SERVER, "--stamps", str(stamps), *options], folder / "server.log", cores)
    try:
        yield KnownTarget(child, str(child.wait_for("ready", STARTING)["url"]), stamps)
    finally:
        child.stop(1.0)
