"""A request as it comes in: its head, and its body whole or in pieces."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prakerja_load.registrar.protocol import Connection


class ClientGoneError(Exception):
    """The client closed its connection before its request was complete."""


class Request:
    """Filled by its connection; read by the endpoint that serves it."""

    __slots__ = (
        "_connection",
        "_is_continued",
        "_news",
        "_pieces",
        "_size",
        "headers",
        "is_collected",
        "is_discarded",
        "is_gone",
        "is_old",
        "is_whole",
        "keeps_alive",
        "method",
        "path",
        "query",
    )

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection
        self.method = ""
        self.path = ""
        self.query = b""
        self.headers: dict[bytes, bytes] = {}
        self.is_old = False  # HTTP/1.0
        self.keeps_alive = True
        self.is_collected = True  # it is taken up when it is whole
        self.is_whole = False
        self.is_gone = False  # its client is
        self.is_discarded = False  # it was answered before its body was at its end
        self._is_continued = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._news: asyncio.Event | None = None

    @property
    def peer(self) -> str:
        """Return the address of the client, empty where there is no socket."""
        return "" if self._connection is None else self._connection.peer

    async def read(self) -> bytes:
        """Return what has come of the body since the last call, b"" at its end; raises ClientGoneError."""
        while not self._pieces:
            if self.is_gone:
                raise ClientGoneError
            if self.is_whole:
                return b""
            await self._wait()
        piece = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if self._connection is not None:
            self._connection.resume_reading()
        return piece

    async def until_gone(self) -> None:
        """Wait until the client closes its connection; what it sends meanwhile is thrown away."""
        while not self.is_gone:
            self._pieces.clear()
            await self._wait()

    async def _wait(self) -> None:
        if self._connection is not None:
            if b"expect" in self.headers and not self._is_continued:
                self._is_continued = True
                self._connection.send_continue()
            self._connection.resume_reading()
        self._news = asyncio.Event()
        await self._news.wait()

    def add(self, piece: bytes) -> int:
        """Take a piece of the body and return how many bytes nobody has read yet."""
        if self.is_discarded:
            return 0
        self._pieces.append(piece)
        self._size += len(piece)
        self._tell()
        return self._size

    def complete(self) -> None:
        """Note that the body is at its end."""
        self.is_whole = True
        self._tell()

    def lose(self) -> None:
        """Note that the client is gone."""
        self.is_gone = True
        self._tell()

    def discard(self) -> None:
        """Throw away what is left of the body: the request has been answered."""
        self.is_discarded = True
        self._pieces.clear()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None
