"""Asks the target for its memory once a second while a ramp is played, where it offers metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from prakerja_load.evidence.memory import memory_line
from prakerja_load.units import Nanoseconds, Seconds

EVERY: Seconds = 1.0


class MemoryWatch:
    """A thread that writes down what `ask` returns; none where the first answer is None, which is no fault."""

    def __init__(
        self,
        ask: Callable[[], int | None],
        path: Path,
        *,
        every: Seconds = EVERY,
        clock: Callable[[], Nanoseconds] = time.perf_counter_ns,
    ) -> None:
        self._ask, self._path, self._every, self._clock = ask, path, every, clock
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._ask() is not None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        with self._path.open("a", encoding="utf-8", buffering=1) as file:
            while not self._ended.wait(self._every):
                rss = self._ask()
                if rss is not None:
                    file.write(memory_line(self._clock(), rss))
