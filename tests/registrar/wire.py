"""A small HTTP client over a real socket, one request at a time, that tells a clean end from a broken one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from asgi import Answer


class Wire:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> Wire:
        host, _, port = url.removeprefix("http://").rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def send(self, method: str, target: str, value: Any = None, **headers: str) -> Answer:
        """Send JSON and return the answer; raises ConnectionError or IncompleteReadError when there is none."""
        body = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        if value is not None and "content_type" not in headers:
            lines.append("Content-Type: application/json")
        lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
        return await self.send_raw("\r\n".join([*lines, "", ""]).encode() + body)

    async def send_raw(self, content: bytes) -> Answer:
        """Send bytes as they are and read one answer."""
        self._writer.write(content)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in head[1:] if line)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(head[0].split()[1]), headers, body)

    async def is_closed(self) -> bool:
        """Wait until the server closes the connection and tell whether nothing else came."""
        return await self._reader.read() == b""

    async def close(self) -> None:
        """Close the connection and let go of its socket."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
