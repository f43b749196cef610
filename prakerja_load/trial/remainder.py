"""What is left of a ramp that was cut off: the arrivals whose journey did not end, to be played with the same keys.

The evidence so far moves into a folder `part-1`, `part-2`, … of the ramp's. The clock of the schedule goes on where it
stood when the first of the remaining arrivals was due: the records of both parts have the schedule's times, and how
much later the rest is offered than it would have been is told as the resume offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from prakerja_load.driver.assignment import Assignment
from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.part import Part, part_paths, remaining
from prakerja_load.evidence.ramp import load_ramp
from prakerja_load.evidence.run_directory import RAMP, TARGET, read_json
from prakerja_load.units import SECOND_NS


@dataclass(frozen=True)
class Rest:
    """What is left to play of one ramp, and where its writes stand in the store."""

    task: Assignment
    wave: int
    position: str

    @property
    def count(self) -> int:
        """Return how many arrivals are left."""
        return sum(stop - start for start, stop in self.task.only or ())


def why_not(folder: Path, *, has_store: bool, is_asked_by_table: bool) -> str:
    """Return why the rest of a ramp that was cut off cannot be played, empty when it can."""
    if not has_store:
        return "the store that it filled is gone"
    if is_asked_by_table:
        return "what its target's tables held before it is not known any more"
    if not has_begun(folder):
        return "its load had not begun"
    return ""


def has_begun(folder: Path) -> bool:
    """Tell whether a ramp, or a part of it, got as far as its load."""
    return _newest(folder) is not None


def lay_aside(folder: Path) -> Rest:
    """Move the evidence of a ramp into the folder of its next part, and return what is left to play.

    Raises EvidenceError when the evidence cannot be read or moved.
    """
    newest = _newest(folder)
    if newest is None:
        raise EvidenceError(f"{folder} holds no {RAMP}")
    if newest == folder:  # else this was done before, and nothing was played since
        newest = folder / f"part-{len(part_paths(folder)) + 1}"
        _move(folder, newest)
    task, target = _read(newest)
    closed = [_closed(part) for part in part_paths(folder)]
    spans = remaining(task.count, np.concatenate(closed))
    begins_at = 0.0
    if spans:
        # as the records have it, whole nanoseconds
        begins_at = round(float(task.schedule().times(spans[0][0], spans[0][0] + 1)[0]) * SECOND_NS) / SECOND_NS
    rest = msgspec.structs.replace(task, begins_at=begins_at, only=spans)
    return Rest(rest, int(target.get("wave") or 0), str(target.get("position") or ""))


def _newest(folder: Path) -> Path | None:
    """Return the folder of the last part that got as far as its load."""
    places = [folder, *reversed(part_paths(folder))]
    return next((place for place in places if (place / RAMP).is_file() and (place / TARGET).is_file()), None)


def _move(folder: Path, part: Path) -> None:
    try:
        part.mkdir()
        for path in sorted(folder.iterdir()):
            if path not in part_paths(folder):
                path.rename(part / path.name)
    except OSError as refusal:
        raise EvidenceError(f"cannot move the evidence in {folder}: {refusal.strerror}") from refusal


def _read(part: Path) -> tuple[Assignment, dict[str, Any]]:
    try:
        return msgspec.convert(read_json(part / RAMP), Assignment), dict(read_json(part / TARGET))
    except (msgspec.ValidationError, TypeError, ValueError) as mistake:
        raise EvidenceError(f"{part} cannot be continued: {mistake}") from mistake


def _closed(part: Path) -> Any:
    found = load_ramp(part)
    return Part(found.arrivals, found.samples, found.ledger).closed
