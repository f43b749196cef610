"""The process: listen, say when ready, drain on SIGTERM, leave the store in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import resource
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn

from prakerja_load.errors import HarnessError, UsageError
from prakerja_load.registrar.acceptor import Acceptor
from prakerja_load.registrar.app import App
from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.protocol import BoundedProtocol
from prakerja_load.registrar.settings import Settings
from prakerja_load.registrar.store.faults import STORE_FAULTS
from prakerja_load.units import Seconds

BACKLOG = 4096
KEEP_ALIVE: Seconds = 300  # registrants think between steps
DRAIN: Seconds = 10  # for what is under way
FAREWELL: Seconds = 0.5  # answers say "Connection: close" before idle connections are closed


class _Server(uvicorn.Server):
    """uvicorn with signals and an acceptor of our own: it would end by the signal it caught, not with status 0."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, announcement: str) -> None:
        super().__init__(config)
        self._acceptor = Acceptor(listener, self._protocol)
        self._announcement = announcement

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._acceptor.start()
        sys.stdout.write(self._announcement + "\n")
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._acceptor.stop()
        await super().shutdown(sockets)

    def _protocol(self) -> BoundedProtocol:
        return BoundedProtocol(self.config, self.server_state, self.lifespan.state)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises HarnessError when the address cannot be listened on."""
    _raise_file_limit()
    config = uvicorn.Config(
        _not_an_app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=int(KEEP_ALIVE),
        timeout_graceful_shutdown=int(DRAIN),
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(settings, config))


async def _serve(settings: Settings, config: uvicorn.Config) -> None:
    listener = _listen(settings.host, settings.port)
    registrar = _open(settings)
    await registrar.start()
    config.app = App(registrar)
    server = _Server(config, listener, _ready_line(listener, settings))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        registrar.is_draining = True
        loop.call_later(FAREWELL, setattr, server, "should_exit", True)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    _tame_garbage_collection()
    try:
        await server.serve(sockets=[])
    finally:
        await registrar.close()


def _open(settings: Settings) -> Registrar:
    try:
        return Registrar(settings)
    except STORE_FAULTS as fault:
        raise UsageError(f"--database: cannot open {settings.path}: {fault}") from fault


def _tame_garbage_collection() -> None:
    """Look for cycles rarely: the usual thresholds took 15 % of the CPU at 3 000 connections and found none."""
    gc.collect()
    gc.freeze()  # what is there at start stays
    gc.set_threshold(10_000, 10, 500)


def _ready_line(listener: socket.socket, settings: Settings) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return json.dumps({"event": "ready", "url": f"http://{shown}:{port}", "database": f"sqlite:{settings.path}"})


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise HarnessError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _not_an_app(*_: object) -> None:
    raise AssertionError("the application is set before the server starts")
