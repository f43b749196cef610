"""A tiny system under test that answers every step of a new applicant's journey."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import threading
from typing import Any

QUESTIONS = [{"number": number, "text": "?", "choices": list("abcd")} for number in range(1, 19)]
ANSWERS: dict[str, tuple[int, Any]] = {
    "GET /api/v1/waves/current": (200, {"wave": 1, "is_open": True}),
    "POST /api/v1/accounts": (201, {"account": 5, "email": "x@example.com"}),
    "GET /lab/outbox": (200, {"code": "123456"}),
    "POST /lab/civil": (200, {"known": 1}),
    "POST /api/v1/email-confirmations": (200, {"account": 5, "email_confirmed": True}),
    "POST /api/v1/sessions": (201, {"token": "a" * 43, "expires_in": 86400, "account": 5}),
    "POST /api/v1/identity": (201, {"account": 5, "nik_checked": True}),
    "PUT /api/v1/profile": (200, {"account": 5}),
    "PUT /api/v1/photos/ktp": (201, {"photo": "ktp", "size": 256, "sha256": "a" * 64}),
    "PUT /api/v1/photos/selfie": (201, {"photo": "selfie", "size": 256, "sha256": "a" * 64}),
    "POST /api/v1/phone-codes": (202, {"phone": "08", "expires_in": 900}),
    "POST /api/v1/phone-confirmations": (200, {"account": 5, "phone_confirmed": True}),
    "GET /api/v1/test": (200, {"test": 1, "minutes": 15, "questions": QUESTIONS}),
    "POST /api/v1/test-answers": (201, {"account": 5, "passed": True, "score": 18}),
    "POST /api/v1/waves/1/joins": (201, {"wave": 1, "account": 5}),
    "GET /api/v1/status": (
        200,
        {
            "account": 5,
            "email_confirmed": True,
            "nik_checked": True,
            "profile_complete": True,
            "phone_confirmed": True,
            "test_passed": True,
            "photos": ["ktp", "selfie"],
            "joined": [1],
        },
    ),
}


ECHOED = {"POST /api/v1/accounts": "email", "POST /api/v1/phone-codes": "phone"}
PHOTOS = ("PUT /api/v1/photos/ktp", "PUT /api/v1/photos/selfie")


class TinySystem:
    """Answers every step of a new applicant's journey in a thread of its own, and counts what it answered."""

    def __init__(self, delay: float, tls: ssl.SSLContext | None = None) -> None:
        self.delay, self.tls = delay, tls
        self.consent: dict[str, Any] | None = None  # its authorisation file
        self.served = self.accepted = 0
        self.packed = 0  # answers to requests that take them packed
        self.connections: set[Spoken] = set()
        self.url = ""
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(5)

    def _run(self, ready: threading.Event) -> None:
        async def open_() -> asyncio.Server:
            server = await self._loop.create_server(lambda: Spoken(self), "127.0.0.1", 0, backlog=1000, ssl=self.tls)
            origin = "https://localhost" if self.tls else "http://127.0.0.1"
            self.url = f"{origin}:{server.sockets[0].getsockname()[1]}"
            ready.set()
            return server

        async def shut(server: asyncio.Server) -> None:
            server.close()
            while self.connections:
                for spoken in list(self.connections):
                    spoken.transport.abort()
                await asyncio.sleep(0)

        server = self._loop.run_until_complete(open_())
        self._loop.run_forever()
        self._loop.run_until_complete(shut(server))
        self._loop.close()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


class Spoken(asyncio.Protocol):
    def __init__(self, system: TinySystem) -> None:
        self.system = system
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.system.accepted += 1
        self.system.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.system.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            if len(rest) < length:
                return
            body, self.buffer = rest[:length], rest[length:]
            method, path = head.split(b" ", 2)[:2]
            name = f"{method.decode()} {path.decode().partition('?')[0]}"
            takes_gzip = any(line.startswith(b"accept-encoding:") and b"gzip" in line for line in lines)
            asyncio.get_running_loop().call_later(self.system.delay, self.answer, name, body, takes_gzip)

    def answer(self, name: str, asked: bytes, takes_gzip: bool) -> None:
        status, value = ANSWERS.get(name, (404, {"type": "/problems/not-found"}))
        if (echo := ECHOED.get(name)) is not None:
            value = {**value, echo: json.loads(asked).get(echo, value[echo])}
        elif name in PHOTOS:
            value = {**value, "size": len(asked)}
        if name == "GET /.well-known/prakerja-load.json" and self.system.consent is not None:
            status, value = 200, self.system.consent
        body, coding = json.dumps(value).encode(), b""
        if takes_gzip:
            body, coding = gzip.compress(body), b"content-encoding: gzip\r\n"
        if not self.transport.is_closing():
            head = b"HTTP/1.1 %d -\r\n%scontent-length: %d\r\n\r\n" % (status, coding, len(body))
            self.transport.write(head + body)
            self.system.served += 1
            self.system.packed += takes_gzip
