"""What the calibrated server wrote down of each request, as records on CLOCK_MONOTONIC."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import Records

STAMP = np.dtype(
    [
        ("index", "<i8"),
        ("arrival", "<i8"),  # when the server had read it
        ("start", "<i8"),  # when a slot took it; −1: refused, no slot was free
        ("end", "<i8"),  # when its service was over
        ("sent", "<i8"),  # when its answer was handed to the kernel; −1: it was not
    ]
)
"""One request, nanoseconds of CLOCK_MONOTONIC, which all processes of one Linux host share."""


def load_stamps(path: Path) -> Records:
    """Return the stamps in the order of arrival, shape (n,); raises EvidenceError when they cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as refusal:
        raise EvidenceError(f"cannot read {path}: {refusal.strerror}") from refusal
    if len(content) % STAMP.itemsize:
        raise EvidenceError(f"{path} is cut off")
    return np.frombuffer(content, STAMP)
