"""Somebody who reports to a master and is none of its workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack
import zmq


def ghost(port: int, *messages: tuple[str, Any], unreadable: Iterable[bytes] = ()) -> None:
    """Say something to the controller that none of its workers says, and something that is no message at all."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, b"ghost")
    socket.setsockopt(zmq.LINGER, 2000)
    socket.connect(f"tcp://127.0.0.1:{port}")
    for kind, content in messages:
        socket.send(msgpack.dumps((kind, content, "ghost")))
    for packed in unreadable:
        socket.send(packed)
    socket.close()
    context.term()


GHOST_STATISTICS = {
    "stats": [],
    "stats_total": {"name": "Aggregated", "method": "", "num_requests": 30, "start_time": 0.0},
    "errors": {},
    "user_classes_count": {},
    "user_count": 0,
}
