"""A run directory: where each fact of a run lies, and how it is put there so that a kill never leaves half a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from prakerja_load.errors import EvidenceError

SCENARIO = "scenario.toml"  # verbatim
RUN = "run.json"
ENVIRONMENT = "environment.json"
VERDICT = "verdict.json"
CAPACITY = "capacity.json"  # of a capacity search, beside the run directories of its steps
RAMP = "ramp.json"
BEGUN = "begun.json"  # when the schedule's time 0 is; written before the first arrival
CONTROLLER = "controller.json"
TARGET = "target.json"
STORED = "stored.ndjson.gz"
ABORTED = "aborted.json"  # why the scenario's abort_on ended the ramp; there only where it did

_RAMP_NAME = re.compile(r"(\d{2,})-(\d+)")
_WORKER_NAME = re.compile(r"worker-(\d+)")


@dataclass(frozen=True)
class RunDirectory:
    """One run's folder; `create` makes it, `open` finds it again."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunDirectory:
        """Make a new run directory; raises EvidenceError when the path is taken or cannot be made."""
        try:
            path.mkdir(parents=True)
            (path / "ramps").mkdir()
        except FileExistsError as taken:
            raise EvidenceError(f"{path} exists; a run directory is never written over") from taken
        except OSError as refusal:
            raise EvidenceError(f"cannot make {path}: {refusal.strerror}") from refusal
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Return an existing run directory; raises EvidenceError when the path is none."""
        if not (path / SCENARIO).is_file() and not (path / RUN).is_file():
            raise EvidenceError(f"{path} is no run directory: it holds neither {SCENARIO} nor {RUN}")
        return cls(path)

    def file(self, name: str) -> Path:
        """Return the path of a file of the run itself."""
        return self.path / name

    def read(self, name: str) -> Any:
        """Return a JSON file of the run itself; raises EvidenceError when it is missing or malformed."""
        return read_json(self.path / name)

    def write(self, name: str, value: Any) -> None:
        """Write a JSON file of the run itself, whole or not at all."""
        write_json(self.path / name, value)

    def ramp_path(self, number: int, registrants: int) -> Path:
        """Return the folder of one ramp: ramps/01-200000."""
        return self.path / "ramps" / f"{number:02d}-{registrants}"

    def ramp_paths(self) -> tuple[Path, ...]:
        """Return the folders of all ramps that were begun, in the order of their numbers."""
        ramps = self.path / "ramps"
        if not ramps.is_dir():
            return ()
        found = [(int(match[1]), path) for path in ramps.iterdir() if (match := _RAMP_NAME.fullmatch(path.name))]
        return tuple(path for _, path in sorted(found))


def worker_path(ramp: Path, worker: int) -> Path:
    """Return the folder of one worker inside a ramp's folder."""
    return ramp / f"worker-{worker}"


def worker_paths(ramp: Path) -> Mapping[int, Path]:
    """Return the folders of all workers of a ramp by number, in order."""
    found = {int(match[1]): path for path in ramp.iterdir() if (match := _WORKER_NAME.fullmatch(path.name))}
    return dict(sorted(found.items()))


def read_json(path: Path) -> Any:
    """Return the value of a JSON file; raises EvidenceError when it is missing or malformed."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as refusal:
        raise EvidenceError(f"cannot read {path}: {refusal.strerror}") from refusal
    except msgspec.DecodeError as mistake:
        raise EvidenceError(f"{path} is not JSON: {mistake}") from mistake


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside its place, synced, then renamed; raises EvidenceError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as refusal:
        beside.unlink(missing_ok=True)
        raise EvidenceError(f"cannot write {path}: {refusal.strerror}") from refusal


def _sync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
