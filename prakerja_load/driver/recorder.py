"""Samples, arrivals, ledger entries and vitals of one worker: packed as they happen, written a few times a second."""

from __future__ import annotations

import contextlib
import struct
from collections import deque
from pathlib import Path

import numpy as np

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import DTYPES, Kind, Records, SegmentWriter
from prakerja_load.units import Seconds

FLUSH_EVERY: Seconds = 0.25

# the records of evidence.sample, in its order
_SAMPLE = struct.Struct("<qBBBHqqqqq").pack
_ARRIVAL = struct.Struct("<qqqqqBBB").pack
_LEDGER = struct.Struct("<qBBBHq").pack
_VITAL = struct.Struct("<qdddddqq").pack


class Recorder:
    """Takes down what happens; `flush` appends it to the segments of `directory`, or only counts it without one.

    A record costs half a microsecond; a flush is one write a kind, into the page cache. Arrivals whose records a
    killed process had not flushed are unaccounted for, which the ranges of its leases show.
    """

    def __init__(self, directory: Path | None, is_fed: bool = True) -> None:
        self.counts = dict.fromkeys(Kind, 0)
        self.batches: deque[Records] | None = deque() if is_fed else None
        """The samples of every flush, for whoever shows them live; taken from the left."""
        self._pending = {kind: bytearray() for kind in Kind}
        self._samples, self._arrivals = self._pending[Kind.SAMPLES], self._pending[Kind.ARRIVALS]
        self._ledger, self._vitals = self._pending[Kind.LEDGER], self._pending[Kind.VITALS]
        # a fate is never on disk before the intent it belongs to, nor an arrival before its samples
        order = (Kind.LEDGER, Kind.SAMPLES, Kind.ARRIVALS, Kind.VITALS)
        self._writers = {kind: SegmentWriter(directory / kind.file_name, kind) if directory else None for kind in order}

    def sample(self, *fields: int) -> None:
        """Take down one request: the fields of evidence.sample.SAMPLE in their order."""
        self._samples.extend(_SAMPLE(*fields))

    def arrival(self, *fields: int) -> None:
        """Take down how one arrival ended: the fields of evidence.sample.ARRIVAL in their order."""
        self._arrivals.extend(_ARRIVAL(*fields))

    def ledger(self, *fields: int) -> None:
        """Take down the intent of one write, or its fate: the fields of evidence.sample.LEDGER in their order."""
        self._ledger.extend(_LEDGER(*fields))

    def vital(self, *fields: float) -> None:
        """Take down one second of this process's health: the fields of evidence.sample.VITAL in their order."""
        self._vitals.extend(_VITAL(*fields))

    def flush(self) -> None:
        """Write what was taken down; raises EvidenceError when the disk refuses it."""
        for kind, writer in self._writers.items():
            pending = self._pending[kind]
            if not pending:
                continue
            records = np.frombuffer(bytes(pending), DTYPES[kind])
            if writer is not None:
                writer.append(records)
            pending.clear()
            self.counts[kind] += records.size
            if kind == Kind.SAMPLES and self.batches is not None:
                self.batches.append(records)

    def close(self) -> None:
        """Write what is left and force it onto the disk; raises EvidenceError when the disk refuses it."""
        try:
            with contextlib.ExitStack() as closing:
                for writer in self._writers.values():
                    if writer is not None:
                        closing.callback(writer.close)
                self.flush()
        except OSError as refusal:  # only syncing shows that some disks are full
            raise EvidenceError(f"cannot sync the evidence: {refusal.strerror}") from refusal
