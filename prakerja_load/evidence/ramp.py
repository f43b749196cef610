"""Everything one ramp left on disk, with what is missing or torn said aloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import DTYPES, Kind, Records, read_segment
from prakerja_load.evidence.run_directory import CONTROLLER, RAMP, STORED, TARGET, read_json, worker_paths
from prakerja_load.units import PerSecond, Seconds


class RampRecord(msgspec.Struct, frozen=True):
    """What ramp.json says: written before the ramp starts, `closed` set at its end."""

    number: int = 0
    name: str = ""
    run: str = ""  # prefix of the idempotency keys
    registrants: int = 0
    prefill: int = 0
    first_person: int = 0
    rate: PerSecond = 0.0
    count: int = 0
    warm_up: Seconds = 0.0
    hold: Seconds = 0.0
    drain: Seconds = 0.0
    workers: int = 0
    wave: int = 0
    target_url: str = ""
    connection: str = ""
    think_time_scale: float = 1.0
    started_wall: str = ""
    schedule_digest: str = ""
    closed: bool = False
    journey: dict[str, Any] = {}


@dataclass(frozen=True)
class RampEvidence:
    """One ramp's facts, records of all workers merged; what could not be read is listed, never guessed."""

    path: Path
    ramp: RampRecord
    samples: Records
    arrivals: Records
    ledger: Records
    vitals: Mapping[int, Records] = field(default_factory=dict)  # by worker
    controller: Mapping[str, Any] | None = None
    target: Mapping[str, Any] | None = None
    stored: Path | None = None  # the saved export, None when there is none
    torn: tuple[str, ...] = ()  # segments whose tail was cut off
    missing: tuple[str, ...] = ()  # files that ought to be there and are not, or cannot be read

    @property
    def is_closed(self) -> bool:
        """Tell whether the ramp ran to its end and was closed."""
        return self.ramp.closed

    @property
    def is_ledger_whole(self) -> bool:
        """Tell whether every worker's ledger is there, none with a torn tail."""
        return not any(name.endswith(Kind.LEDGER.file_name) for name in (*self.torn, *self.missing))


def load_ramp(path: Path) -> RampEvidence:
    """Return what a ramp's folder holds, however little that is; raises EvidenceError when there is no folder."""
    if not path.is_dir():
        raise EvidenceError(f"{path} is no ramp's folder")
    missing: list[str] = []
    torn: list[str] = []
    ramp = _ramp_record(path, missing)
    workers = worker_paths(path)
    expected = set(workers) | set(range(ramp.workers))
    segments = {kind: _segments(path, kind, sorted(expected), missing, torn) for kind in Kind}
    stored = path / STORED
    if not stored.is_file():
        missing.append(STORED)
    return RampEvidence(
        path=path,
        ramp=ramp,
        samples=_merged(segments[Kind.SAMPLES], Kind.SAMPLES),
        arrivals=_merged(segments[Kind.ARRIVALS], Kind.ARRIVALS),
        ledger=_merged(segments[Kind.LEDGER], Kind.LEDGER),
        vitals=segments[Kind.VITALS],
        controller=_mapping(path, CONTROLLER, missing),
        target=_mapping(path, TARGET, missing),
        stored=stored if stored.is_file() else None,
        torn=tuple(torn),
        missing=tuple(missing),
    )


def _ramp_record(path: Path, missing: list[str]) -> RampRecord:
    try:
        return msgspec.convert(_mapping(path, RAMP, missing) or {}, RampRecord)
    except msgspec.ValidationError as mistake:
        missing.append(f"{RAMP} ({mistake})")
        return RampRecord()


def _mapping(path: Path, name: str, missing: list[str]) -> Mapping[str, Any] | None:
    try:
        value = read_json(path / name)
    except EvidenceError:
        value = None
    if isinstance(value, dict):
        return value
    missing.append(name)
    return None


def _segments(path: Path, kind: Kind, workers: list[int], missing: list[str], torn: list[str]) -> dict[int, Records]:
    found: dict[int, Records] = {}
    for worker in workers:
        name = f"worker-{worker}/{kind.file_name}"
        try:
            segment = read_segment(path / name, kind)
        except EvidenceError:
            missing.append(name)
            continue
        found[worker] = segment.records
        if segment.is_torn:
            torn.append(name)
    return found


def _merged(segments: Mapping[int, Records], kind: Kind) -> Records:
    return np.concatenate([np.empty(0, DTYPES[kind]), *segments.values()])
