"""A closed loop, as most load tools are: a few users who wait for each answer before they ask again.

Kept to show what it hides, never to measure with: while the target stands still each user sends one request and waits,
so a stall that hundreds of registrants would have met is seen by as many as there are users.
"""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from prakerja_load.errors import HarnessError
from prakerja_load.units import PerSecond, Seconds

Array = NDArray[np.float64]
_PATIENCE: Seconds = 60.0
_ASK = b"GET /serve HTTP/1.1\r\nHost: calibration\r\n\r\n"


def service_times(url: str, rate: PerSecond, duration: Seconds, users: int) -> Array:
    """Return the service times (s) that `users` users see who together ask `rate` times a second, if they can.

    Each paces itself as Locust's `constant_throughput` does: the next request is due one interval after the last one
    began, at once when that has passed, and what could not be sent in the meantime is forgotten. Raises HarnessError
    when the target does not answer.
    """
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    interval, end = users / rate, time.perf_counter() + duration
    begins = [time.perf_counter() + number / rate for number in range(users)]
    with ThreadPoolExecutor(users) as pool:
        seen = pool.map(lambda begin: _user(address, begin, interval, end), begins)
        return np.array([taken for one in seen for taken in one])


def _user(address: tuple[str, int], due: Seconds, interval: Seconds, end: Seconds) -> list[Seconds]:
    taken = []
    try:
        with socket.create_connection(address, _PATIENCE) as connection:
            while due < end:
                time.sleep(max(0.0, due - time.perf_counter()))
                began = time.perf_counter()
                connection.sendall(_ASK)
                _read_answer(connection)
                taken.append(time.perf_counter() - began)
                due = max(time.perf_counter(), began + interval)
    except OSError as error:
        raise HarnessError(f"the closed loop lost its target: {error}") from error
    return taken


def _read_answer(connection: socket.socket) -> None:
    data = b""
    while True:
        part = connection.recv(65_536)
        if not part:
            raise HarnessError("the closed loop lost its target")
        data += part
        head, mark, body = data.partition(b"\r\n\r\n")
        if mark and len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
