"""Looks at the other runs of a folder: which of them asked the same of the same system, and what came of each."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

import msgspec

from prakerja_load.evidence.run_directory import RUN, VERDICT
from prakerja_load.judgement.verdict import EarlierRun, Verdict

HEAD = 16_384  # bytes of verdict.json that hold its first keys; what is said of the ramps comes after them

_VERDICT = re.compile(rb'^  "verdict": "(\w+)"', re.MULTILINE)  # two blanks deep, so it is the run's and not a ramp's


class _Begun(msgspec.Struct):
    """What run.json says of a run that this version began."""

    created: str
    question: str
    ramps: list[int]


def runs_before(reports: Path, question: str, ramps: Collection[int]) -> tuple[EarlierRun, ...]:
    """Return the judged runs of a folder that asked this question of at least one of these ramps, oldest first.

    No more of a run is read than run.json and the head of verdict.json. What is no run, has no verdict yet, cannot be
    read or was begun by a version that did not record its question is passed over.
    """
    found = []
    for folder in _folders(reports):
        begun = _begun(folder)
        if begun is None or begun.question != question or not set(begun.ramps) & set(ramps):
            continue
        if (verdict := _verdict(folder)) is not None:
            found.append(EarlierRun(folder.name, begun.created, verdict))
    return tuple(sorted(found, key=lambda run: (run.created, run.run)))


def _folders(reports: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(reports) if entry.is_dir()]
    except OSError:  # a folder that is yet to be made holds nothing
        return []


def _begun(folder: Path) -> _Begun | None:
    try:
        return msgspec.json.decode((folder / RUN).read_bytes(), type=_Begun)
    except (OSError, msgspec.DecodeError):
        return None


def _verdict(folder: Path) -> Verdict | None:
    try:
        with (folder / VERDICT).open("rb") as file:
            said = _VERDICT.search(file.read(HEAD))
    except OSError:
        return None
    return Verdict.__members__.get(said[1].decode()) if said else None
