"""The saved export of what the system stores, read as a stream."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from prakerja_load.errors import EvidenceError


class StoredEnd(msgspec.Struct, frozen=True):
    """The last line of a complete export."""

    rows: int
    accounts: int = 0
    imported: int = 0
    joined: dict[str, int] = {}  # wave → joins
    before: int | None = None  # registrants stored before the position of the export, None where it is not said
    quota: dict[str, int] = {}  # wave → places, as the system believes; never the expectation


class StoredExport:
    """One export: iterate `chunks` once, then ask `end` and `fault`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.end: StoredEnd | None = None
        self.fault = ""  # why the export is not complete, empty when it is

    def chunks(self, size: int = 50_000) -> Iterator[list[dict[str, Any]]]:
        """Yield the stored rows in lists of at most `size`; a file cut off yields what is whole of it.

        Raises EvidenceError when the file cannot be opened.
        """
        try:
            rows = self._rows()
            while chunk := list(islice(rows, size)):
                self.rows += len(chunk)
                yield chunk
        except OSError as refusal:
            raise EvidenceError(f"cannot read {self.path}: {refusal.strerror or refusal}") from refusal
        if not self.fault:
            self.fault = self._fault_at_end()

    def _rows(self) -> Iterator[dict[str, Any]]:
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        try:
            with gzip.open(self.path, "rb") as file:
                for number, line in enumerate(file, 1):
                    if self.end is not None:
                        self.fault = f"line {number} follows the end line"
                        return
                    row = decode(line)
                    if row.get("kind") == "end":
                        self.end = msgspec.convert(row, StoredEnd)
                    else:
                        yield row
        except (EOFError, zlib.error, gzip.BadGzipFile) as cut:
            self.fault = f"the file is cut off: {cut}"
        except msgspec.DecodeError as mistake:
            self.fault = f"a line is not what it should be: {mistake}"

    def _fault_at_end(self) -> str:
        if self.end is None:
            return "no end line"
        if self.end.rows != self.rows:
            return f"the end line counts {self.end.rows} rows, {self.rows} came"
        return ""
