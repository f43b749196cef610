"""SIGINT and SIGTERM: both mean "come to an end", and neither leaves a run directory that nobody can judge."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def postponed(*, hears_a_second: bool = False) -> Iterator[None]:
    """Let signals wait until the block is over; the first then does what it would have done.

    With `hears_a_second` another signal is too much: it is raised as KeyboardInterrupt at once.
    """
    if threading.current_thread() is not threading.main_thread():  # no other runs handlers, or may set them
        yield
        return
    came: list[int] = []

    def hear(number: int, _: object) -> None:
        came.append(number)
        if hears_a_second and len(came) > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for first in came[:1]:
        os.kill(os.getpid(), first)
