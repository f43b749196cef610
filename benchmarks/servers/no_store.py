"""The registrar's own server and validation with nothing behind them: what creating an account costs without a store.

Decodes and validates the same body, hashes the password at the same cost, answers the same JSON, and keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import socket
from typing import Any

import msgspec
import uvicorn

from prakerja_load.registrar.acceptor import Acceptor
from prakerja_load.registrar.messages import AccountCreated, NewAccount
from prakerja_load.registrar.passwords import PasswordHasher
from prakerja_load.registrar.protocol import BoundedProtocol

NUMBERS = itertools.count(1)
PASSWORDS = PasswordHasher(8, 1)
decode = msgspec.json.Decoder(NewAccount).decode
encode = msgspec.json.Encoder().encode


async def app(_scope: Any, receive: Any, send: Any) -> None:
    """Answer every request as a created account."""
    new = decode((await receive())["body"])
    await PASSWORDS.hash(new.password)
    body = encode(AccountCreated(next(NUMBERS), new.email))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    """uvicorn behind the registrar's acceptor."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._acceptor = Acceptor(listener, lambda: BoundedProtocol(config, self.server_state, self.lifespan.state))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._acceptor.start()


async def serve(port: int) -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setblocking(False)
    gc.freeze()
    gc.set_threshold(10_000, 10, 500)
    config = uvicorn.Config(
        app, http=BoundedProtocol, ws="none", lifespan="off", interface="asgi3", log_level="error", access_log=False
    )
    config.load()
    await Server(config, listener).serve(sockets=[])


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    with asyncio.Runner(loop_factory=uvicorn.Config(app, loop="uvloop").get_loop_factory()) as runner:
        runner.run(serve(options.parse_args().port))
