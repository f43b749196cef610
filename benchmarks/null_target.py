"""A target that answers every step of a new applicant's journey at once, stores nothing, and counts what it answered.

    python benchmarks/null_target.py

Prints {"event": "ready", "url": …}; GET /count tells how many requests were answered.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import uvloop

ACCOUNT = 5
SIZE = 4096  # of a photo
DONE = dict.fromkeys(("email_confirmed", "nik_checked", "profile_complete", "phone_confirmed", "test_passed"), True)
QUESTIONS = [{"number": number, "text": "?", "choices": list("abcd")} for number in range(1, 19)]


def answer(status: int, value: Any) -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def photo(kind: str) -> bytes:
    return answer(201, {"account": ACCOUNT, "photo": kind, "size": SIZE, "sha256": "a" * 64})


FIXED = {
    b"GET /api/v1/waves/current": answer(200, {"wave": 1, "is_open": True}),
    b"GET /lab/outbox": answer(200, {"code": "123456"}),
    b"POST /lab/civil": answer(200, {"known": 0}),
    b"POST /api/v1/email-confirmations": answer(200, {"account": ACCOUNT, "email_confirmed": True}),
    b"POST /api/v1/sessions": answer(201, {"token": "a" * 43, "expires_in": 86400, "account": ACCOUNT}),
    b"POST /api/v1/identity": answer(201, {"account": ACCOUNT, "nik_checked": True}),
    b"PUT /api/v1/profile": answer(200, {"account": ACCOUNT}),
    b"PUT /api/v1/photos/ktp": photo("ktp"),
    b"PUT /api/v1/photos/selfie": photo("selfie"),
    b"POST /api/v1/phone-confirmations": answer(200, {"account": ACCOUNT, "phone_confirmed": True}),
    b"GET /api/v1/test": answer(200, {"test": 1, "minutes": 15, "questions": QUESTIONS}),
    b"POST /api/v1/test-answers": answer(201, {"account": ACCOUNT, "passed": True, "score": 18}),
    b"POST /api/v1/waves/1/joins": answer(201, {"wave": 1, "account": ACCOUNT}),
    b"GET /api/v1/status": answer(200, {"account": ACCOUNT, **DONE, "photos": ["ktp", "selfie"], "joined": [1]}),
}
ECHOES = {
    b"POST /api/v1/accounts": lambda sent: (201, {"account": ACCOUNT, "email": sent["email"]}),
    b"POST /api/v1/phone-codes": lambda sent: (202, {"account": ACCOUNT, "phone": sent["phone"], "expires_in": 900}),
}


class Exchange(asyncio.Protocol):
    """One connection; heads and bodies are taken apart with no more care than our own generators need."""

    count = 0

    def connection_made(self, transport: Any) -> None:
        self._transport, self._heard = transport, b""

    def data_received(self, data: bytes) -> None:
        heard = self._heard + data if self._heard else data
        head, end, body = heard.partition(b"\r\n\r\n")
        _, _, after = head.lower().partition(b"content-length:")
        length = int(after.split(b"\r\n", 1)[0]) if after else 0
        if not end or len(body) < length:
            self._heard = heard
            return
        self._heard = b""
        name = head.split(b" HTTP/", 1)[0].partition(b"?")[0]
        if name == b"GET /count":
            self._transport.write(answer(200, Exchange.count))
            return
        Exchange.count += 1
        if name in ECHOES:
            self._transport.write(answer(*ECHOES[name](json.loads(body))))
        else:
            self._transport.write(FIXED.get(name) or answer(404, {}))


async def main() -> None:
    """Serve on a free port of loopback until killed."""
    server = await asyncio.get_running_loop().create_server(Exchange, "127.0.0.1", 0, backlog=4096)
    print(json.dumps({"event": "ready", "url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
