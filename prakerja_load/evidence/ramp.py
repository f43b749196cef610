"""Everything one ramp left on disk, with what is missing or torn said aloud."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.cut import WAIT, Left, left_by
from prakerja_load.evidence.journal import DTYPES, Kind, Records, Wanted, read_segment
from prakerja_load.evidence.memory import MEMORY, read_memory
from prakerja_load.evidence.part import KEPT, Part, join, part_paths
from prakerja_load.evidence.run_directory import (
    ABORTED,
    BEGUN,
    CONTROLLER,
    RAMP,
    STORED,
    TARGET,
    read_json,
    worker_paths,
)
from prakerja_load.units import PerSecond, Seconds

Segments: TypeAlias = Mapping[Kind, Mapping[int, Records]]  # by kind and worker


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
    led: Records = field(default_factory=lambda: np.empty(0, DTYPES[Kind.VITALS]))  # vitals of the controller
    controller: Mapping[str, Any] | None = None
    target: Mapping[str, Any] | None = None
    stored: Path | None = None  # the saved export, None when there is none
    torn: tuple[str, ...] = ()  # segments whose tail was cut off
    memory: Records = field(default_factory=lambda: np.empty((0, 2), np.int64))  # of the target: ns, bytes
    aborted: str = ""  # why the scenario's abort_on ended the ramp
    aborted_at: Seconds = math.inf  # after the epoch
    missing: tuple[str, ...] = ()  # files that ought to be there and are not, or cannot be read
    # of a ramp that was cut off and resumed; its records are those of all parts (evidence.part)
    cut_at: tuple[Seconds, ...] = ()
    offsets: tuple[Seconds, ...] = ()
    carried: Mapping[str, int] = field(default_factory=dict)  # records of earlier parts, by kind
    replayed: Records = field(default_factory=lambda: np.empty(0, np.int64))  # arrivals that were begun anew
    kept: Records = field(default_factory=lambda: np.empty(0, KEPT))  # arrivals kept waiting until a part was cut off
    unheard: float = 0.0  # requests that had waited when a worker was killed, of which no record tells

    @property
    def is_closed(self) -> bool:
        """Tell whether the ramp ran to its end and was closed."""
        return self.ramp.closed

    @property
    def is_ledger_whole(self) -> bool:
        """Tell whether every worker's ledger is there, none with a torn tail."""
        return not any(name.endswith(Kind.LEDGER.file_name) for name in (*self.torn, *self.missing))


def load_ramp(path: Path, wanted: Mapping[Kind, Wanted] | None = None) -> RampEvidence:
    """Return what a ramp's folder holds, however little that is; raises EvidenceError when there is no folder.

    `wanted` says, by kind, which records to keep where not all are needed; what is torn or missing is told anyway.
    Of a ramp that was resumed the records are those of all parts; torn or missing is what the last one lacks, and
    segments that an earlier one has lost since.
    """
    found, _ = _load(path, wanted or {})
    parts = part_paths(path)
    # whatever is wanted, an earlier part is read whole: its records tell together how much of it counts
    return found if not parts else _joined(found, [_load_part(part) for part in parts], wanted or {})


def _load_part(path: Path) -> tuple[RampEvidence, list[Left]]:
    """Return what an earlier part's folder holds, and what each of its workers left unsaid."""
    found, segments = _load(path, {})
    return found, [_left(segments, worker) for worker in segments[Kind.LEDGER]]


UNWRITTEN: Seconds = 6.0
"""For which a process may have played on without a record on disk: a second in memory, and elsewhere another five until
it knows that its controller is gone."""


def _joined(
    last: RampEvidence, earlier: Sequence[tuple[RampEvidence, Sequence[Left]]], wanted: Mapping[Kind, Wanted]
) -> RampEvidence:
    whole = join([_part(*one) for one in earlier], _part(last), unwritten=math.ceil(UNWRITTEN * last.ramp.rate))
    vitals: dict[int, list[Records]] = {}
    for one in (*(part for part, _ in earlier), last):
        for worker, records in one.vitals.items():
            vitals.setdefault(worker, []).append(_chosen(records, wanted.get(Kind.VITALS)))
    return replace(
        last,
        samples=_chosen(whole.samples, wanted.get(Kind.SAMPLES)),
        arrivals=_chosen(whole.arrivals, wanted.get(Kind.ARRIVALS)),
        ledger=_chosen(whole.ledger, wanted.get(Kind.LEDGER)),
        vitals={worker: np.concatenate(records) for worker, records in vitals.items()},
        led=np.concatenate([*(part.led for part, _ in earlier), last.led]),
        cut_at=whole.cut_at,
        offsets=whole.offsets,
        carried=whole.carried,
        replayed=whole.replayed,
        kept=whole.kept,
        unheard=sum(left.unheard for _, lefts in earlier for left in lefts),
        missing=(*last.missing, *(name for one, _ in earlier for name in _lost_segments(one))),
    )


def _lost_segments(part: RampEvidence) -> list[str]:
    """Return the segments that an earlier part had when its load began and has no more; a kill explains a torn tail."""
    has_begun = (part.path / BEGUN).is_file()  # every worker's files were there by then
    return [f"{part.path.name}/{name}" for name in part.missing if has_begun and name.endswith(".seg")]


def _chosen(records: Records, choose: Wanted | None) -> Records:
    return records if choose is None else records[choose(records)]


def _part(found: RampEvidence, lefts: Sequence[Left] = ()) -> Part:
    begun = _mapping(found.path, BEGUN, [])
    wall = float(begun.get("epoch_wall", 0.0)) if begun else 0.0
    waiting = np.concatenate([np.empty(0, WAIT), *(left.waiting for left in lefts)])
    return Part(found.arrivals, found.samples, found.ledger, wall, waiting)


def _load(path: Path, keep: Mapping[Kind, Wanted]) -> tuple[RampEvidence, Segments]:
    if not path.is_dir():
        raise EvidenceError(f"{path} is no ramp's folder")
    missing: list[str] = []
    torn: list[str] = []
    ramp = _ramp_record(path, missing)
    workers = worker_paths(path)
    expected = set(workers) | set(range(ramp.workers))
    segments = {kind: _segments(path, kind, sorted(expected), missing, torn, keep.get(kind)) for kind in Kind}
    stored = path / STORED
    if not stored.is_file():
        missing.append(STORED)
    controller = _mapping(path, CONTROLLER, missing)
    aborted = _mapping(path, ABORTED, []) or {}
    found = RampEvidence(
        path=path,
        ramp=ramp,
        samples=_merged(segments[Kind.SAMPLES], Kind.SAMPLES),
        arrivals=_merged(segments[Kind.ARRIVALS], Kind.ARRIVALS),
        ledger=_merged(segments[Kind.LEDGER], Kind.LEDGER),
        vitals=segments[Kind.VITALS],
        led=_led(path, torn, missing),
        controller=controller,
        target=_mapping(path, TARGET, missing),
        stored=stored if stored.is_file() else None,
        memory=read_memory(path / MEMORY, int((controller or {}).get("epoch_ns") or 0)),
        aborted=str(aborted.get("reason", "")),
        aborted_at=float(aborted.get("elapsed", math.inf)),
        torn=tuple(torn),
        missing=tuple(missing),
    )
    return found, segments


def _led(path: Path, torn: list[str], missing: list[str]) -> Records:
    """Return the vitals that the controller wrote each second; none where it never began, or kept them elsewhere."""
    place = path / Kind.VITALS.file_name
    if not place.is_file():
        return np.empty(0, DTYPES[Kind.VITALS])
    try:
        segment = read_segment(place, Kind.VITALS)
    except EvidenceError:  # what is stored can still be judged
        missing.append(place.name)
        return np.empty(0, DTYPES[Kind.VITALS])
    if segment.is_torn:
        torn.append(place.name)
    return segment.records


def _left(segments: Segments, worker: int) -> Left:
    own = {kind: segments[kind].get(worker, np.empty(0, DTYPES[kind])) for kind in Kind}
    return left_by(own[Kind.SAMPLES], own[Kind.ARRIVALS], own[Kind.LEDGER], own[Kind.VITALS])


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


def _segments(  # noqa: PLR0917
    path: Path, kind: Kind, workers: list[int], missing: list[str], torn: list[str], wanted: Wanted | None
) -> dict[int, Records]:
    found: dict[int, Records] = {}
    for worker in workers:
        name = f"worker-{worker}/{kind.file_name}"
        try:
            segment = read_segment(path / name, kind, wanted)
        except EvidenceError:
            missing.append(name)
            continue
        found[worker] = segment.records
        if segment.is_torn:
            torn.append(name)
    return found


def _merged(segments: Mapping[int, Records], kind: Kind) -> Records:
    if len(segments) == 1:
        return next(iter(segments.values()))
    return np.concatenate([np.empty(0, DTYPES[kind]), *segments.values()])
