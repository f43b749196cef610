"""The registrar's own server and validation with nothing behind them: what creating an account costs without a store.

Decodes and validates the same body, hashes the password at the same cost, answers the same JSON, and keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import socket

import msgspec
import uvloop

from prakerja_load.registrar.acceptor import Acceptor
from prakerja_load.registrar.messages import AccountCreated, NewAccount
from prakerja_load.registrar.passwords import PasswordHasher
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.request import Request
from prakerja_load.registrar.serving import tame_garbage_collection
from prakerja_load.registrar.site import Site

decode = msgspec.json.Decoder(NewAccount).decode
encode = msgspec.json.Encoder().encode


class StorelessApp:
    """Answers every request as a created account."""

    is_draining = False

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._passwords = PasswordHasher(8, 1)

    def turned_away(self, _request: Request) -> None:
        """Turn nobody away."""

    async def answer(self, request: Request) -> Reply:
        """Return the reply that the registrar would give."""
        new = decode(await request.read())
        await self._passwords.hash(new.password)
        return Reply(201, encode(AccountCreated(next(self._numbers), new.email)))

    def refused(self, refusal: RefusalError) -> Reply:
        """Return the reply to what is not a request."""
        return Reply(refusal.status, refusal.body())

    def head(self, reply: Reply, date: bytes, *, closes: bool, is_chunked: bool = False) -> bytes:
        """Return status line and headers."""
        start = b"HTTP/1.1 %d Created\r\ncontent-type: application/json\r\n" % reply.status
        assert not is_chunked
        ending = b"connection: close\r\n\r\n" if closes else b"\r\n"
        return b"%b%bcontent-length: %d\r\n%b" % (start, date, len(reply.body), ending)


async def serve(port: int) -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setblocking(False)
    Acceptor(listener, Site(StorelessApp(), read_timeout=20, keep_alive=300).connect).start()
    tame_garbage_collection()
    await asyncio.Event().wait()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.parse_args().port))
