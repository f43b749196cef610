"""Accepts connections in bursts: libuv takes one per turn of the loop, too few when turns are long.

A loop that is busy for 10 ms a turn would let in 100 newcomers a second, whatever the rate at which they come.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from prakerja_load.units import Seconds

BURST = 256  # connections taken in one turn
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE: Seconds = 0.1  # before it is tried again when the process has no file, or no room, left


class Acceptor:
    """Turns what comes to a listening socket into connections of a protocol, while there is `room` for one more."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        room: Callable[[], int] = lambda: BURST,
        make_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._room = room
        self._make_room = make_room  # or none would come in while others keep silent
        self._opening: set[asyncio.Task[object]] = set()
        self._is_stopped = False

    def start(self) -> None:
        """Begin to accept."""
        if not self._is_stopped:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def stop(self) -> None:
        """Accept no more and close the listening socket."""
        self._is_stopped = True
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()

    def _accept(self) -> None:
        room = self._room() - len(self._opening)
        if room <= 0:  # newcomers wait in the kernel's queue, and then outside
            self._make_room()
            self._rest()
            return
        for _ in range(min(BURST, room)):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_FILES:
                    raise
                self._rest()
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._open(connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _rest(self) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._loop.call_later(_PAUSE, self.start)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # the client has gone already
            connection.close()
