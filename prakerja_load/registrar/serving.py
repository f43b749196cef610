"""The process: listen, say when ready, drain on SIGTERM, leave the store in order."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import signal
import socket
import sys

import uvloop

from prakerja_load.errors import HarnessError, UsageError
from prakerja_load.registrar.acceptor import Acceptor
from prakerja_load.registrar.app import App
from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.settings import Settings
from prakerja_load.registrar.site import Site
from prakerja_load.registrar.store.faults import STORE_FAULTS
from prakerja_load.units import Seconds

BACKLOG = 4096
KEEP_ALIVE: Seconds = 300  # registrants think between steps
DRAIN: Seconds = 10  # for what is under way
FAREWELL: Seconds = 0.5  # answers say "Connection: close" before idle connections are closed


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises HarnessError when the address cannot be listened on."""
    _raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    listener = _listen(settings.host, settings.port)
    registrar = _open(settings)
    await registrar.start()
    site = Site(App(registrar), read_timeout=settings.read_timeout, keep_alive=KEEP_ALIVE)
    acceptor = Acceptor(
        listener, site.connect, lambda: settings.max_connections - len(site.connections), site.make_room
    )
    tame_garbage_collection()
    try:
        stop = _stop_signal()
        acceptor.start()
        sys.stdout.write(_ready_line(listener, settings) + "\n")
        sys.stdout.flush()
        await stop.wait()
        registrar.is_draining = True
        await asyncio.sleep(FAREWELL)
        acceptor.stop()
        await site.close(DRAIN)
    finally:
        await registrar.close()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _open(settings: Settings) -> Registrar:
    try:
        return Registrar(settings)
    except STORE_FAULTS as fault:
        raise UsageError(f"--database: cannot open {settings.database}: {fault}") from fault


def tame_garbage_collection() -> None:
    """Look for cycles rarely: requests make none, and looking among thousands of open connections is dear.

    The usual thresholds took 15 % of the CPU at 3 000 connections. A threshold below the number of objects that are
    alive is crossed by every swing of it; ten thousand open connections are about 300 000 objects.
    """
    gc.collect()
    gc.freeze()  # what is there at start stays
    gc.set_threshold(1_000_000, 10, 1_000)


def _ready_line(listener: socket.socket, settings: Settings) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return json.dumps({"event": "ready", "url": f"http://{shown}:{port}", "database": str(settings.database)})


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
