"""What was found of a ramp's writes in somebody else's table, kept beside the ramp because that table is not.

`elsewhere-STEP.json` holds the counts, `elsewhere-STEP.bits` one bit an arrival: its write was found, once, as sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.run_directory import read_json, write_bytes, write_json

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """The writes of one step looked up in one table."""

    table: str  # as it may be shown
    step: int
    integrity: Mapping[str, Any]  # the counts, and `reasons` and `examples` in words
    is_right: NDArray[np.bool_]  # by arrival
    stored_before: int | None = None  # rows of people who were stored before the run, None where none was found


def write_elsewhere(folder: Path, found: Elsewhere) -> None:
    """Keep a result in a ramp's folder, in place of an earlier one of the same step; raises EvidenceError."""
    write_bytes(folder / f"elsewhere-{found.step}.bits", np.packbits(found.is_right).tobytes())
    said: dict[str, Any] = {
        "schema": SCHEMA,
        "table": found.table,
        "step": found.step,
        "count": int(found.is_right.size),
    }
    said["stored_before"] = found.stored_before
    write_json(folder / f"elsewhere-{found.step}.json", {**said, "integrity": dict(found.integrity)})


def read_elsewhere(folder: Path) -> tuple[Elsewhere, ...]:
    """Return what was kept, by step; what cannot be read is left out, so that its writes stay unverified."""
    found = []
    for path in sorted(folder.glob("elsewhere-*.json")):
        try:
            said = read_json(path)
            bits = np.frombuffer(path.with_suffix(".bits").read_bytes(), np.uint8)
            is_right = np.unpackbits(bits, count=int(said["count"])).astype(np.bool_)
            before = said.get("stored_before")
            found.append(Elsewhere(str(said["table"]), int(said["step"]), dict(said["integrity"]), is_right, before))
        except (EvidenceError, OSError, KeyError, TypeError, ValueError):
            continue
    return tuple(sorted(found, key=lambda one: one.step))
