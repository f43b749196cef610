"""A worker's side of its evidence's way to a controller on another host: the segments on its disk, cut into parcels.

Parcels leave while the load runs, so that little is left to send at its end and a worker that is lost has lost little
with it. At most a window of them is under way; what is not acknowledged in time is sent again, from there on.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prakerja_load.evidence.journal import Kind
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

PARCEL = 64 * 1024  # bytes
WINDOW = 16  # parcels under way
AGAIN_AFTER: Seconds = 2.0  # without a word of the controller that it got on

# an arrival is never on its way before its samples, nor a fate before its intent: the sizes are read in the
# reverse of this order, in which the recorder writes
_ORDER = (Kind.LEDGER, Kind.SAMPLES, Kind.ARRIVALS, Kind.VITALS)


@dataclass(frozen=True)
class Piece:
    """Where a parcel's content lies."""

    number: int
    kind: Kind
    offset: int
    length: int


class Courier:
    """Sends what grows in `folder`; `send` takes (number, kind, content, checksum)."""

    def __init__(
        self, folder: Path, send: Callable[[int, int, bytes, int], None], clock: Callable[[], Nanoseconds]
    ) -> None:
        self._folder, self._send, self._clock = folder, send, clock
        self._waiting: deque[Piece] = deque()  # cut, not sent
        self._under_way: deque[Piece] = deque()
        self._cut = dict.fromkeys(Kind, 0)  # bytes of each file that are in pieces
        self._sums = dict.fromkeys(Kind, 0)
        self._summed = 0  # number of the first piece that is in no checksum yet
        self._next = 0
        self._heard = clock()

    @property
    def is_through(self) -> bool:
        """Tell whether everything that lies in the folder now has arrived."""
        self._look()
        return not self._waiting and not self._under_way

    @property
    def shipped(self) -> list[tuple[int, int, int]]:
        """Return (kind, bytes, CRC-32) of what was sent."""
        return [(int(kind), length, self._sums[kind]) for kind, length in self._cut.items() if length]

    def carry(self) -> None:
        """Send what the window has room for; call this often."""
        self._look()
        if self._under_way and self._clock() - self._heard > AGAIN_AFTER * SECOND_NS:
            self._waiting.extendleft(reversed(self._under_way))
            self._under_way.clear()
            self._heard = self._clock()
        while self._waiting and len(self._under_way) < WINDOW:
            if not self._under_way:
                self._heard = self._clock()
            piece = self._waiting.popleft()
            self._under_way.append(piece)
            self._post(piece)

    def hear(self, awaited: int) -> None:
        """Take the controller's word that every parcel below this number lies on its disk."""
        while self._under_way and self._under_way[0].number < awaited:
            self._under_way.popleft()
            self._heard = self._clock()
        while self._waiting and self._waiting[0].number < awaited:  # sent twice, and arrived the first time
            self._waiting.popleft()

    def _look(self) -> None:
        """Cut what the files have grown by."""
        sizes = {kind: self._size(kind) for kind in reversed(_ORDER)}
        for kind in _ORDER:
            while self._cut[kind] < sizes[kind]:
                length = min(PARCEL, sizes[kind] - self._cut[kind])
                self._waiting.append(Piece(self._next, kind, self._cut[kind], length))
                self._next += 1
                self._cut[kind] += length

    def _size(self, kind: Kind) -> int:
        try:
            return (self._folder / kind.file_name).stat().st_size
        except FileNotFoundError:
            return 0

    def _post(self, piece: Piece) -> None:
        with (self._folder / piece.kind.file_name).open("rb") as file:
            file.seek(piece.offset)
            content = file.read(piece.length)
        if piece.number == self._summed:
            self._sums[piece.kind] = zlib.crc32(content, self._sums[piece.kind])
            self._summed += 1
        self._send(piece.number, int(piece.kind), content, zlib.crc32(content))
