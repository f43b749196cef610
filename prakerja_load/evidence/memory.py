"""The target's memory as the target tells it, once a second: lines of JSON, `{"at": ns, "rss": bytes}`.

`at` is the instant of the answer by the monotonic clock of the controller's host, on which the ramp's epoch lies too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prakerja_load.units import Nanoseconds

MEMORY = "target-memory.ndjson"


def memory_line(at: Nanoseconds, rss: int) -> str:
    """Return one line of the file."""
    return json.dumps({"at": at, "rss": rss}) + "\n"


def read_memory(path: Path, epoch: Nanoseconds) -> NDArray[np.int64]:
    """Return (ns after the epoch, bytes), shape (n, 2), in order; none where there is no file, a torn end left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = np.array(list(_samples(lines)), np.int64).reshape(-1, 2)
    found[:, 0] -= epoch
    return found[np.argsort(found[:, 0], kind="stable")]


def _samples(lines: list[str]) -> Iterator[tuple[int, int]]:
    for line in lines:
        try:
            said = json.loads(line)
            yield int(said["at"]), int(said["rss"])
        except (ValueError, KeyError, TypeError):
            continue
