"""A worker process: a Locust worker whose registrants live on a uvloop in a native thread beside it.

    python -m prakerja_load.driver.worker RAMP_DIR --worker K --master-port P

Locust's heartbeats and messages stay in the main thread. Ends with 0 when the controller has its final totals and the
whole share was played, with the code of errors.py otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

# its threads are native on purpose: nothing may be replaced by Locust's green ones
os.environ.setdefault("LOCUST_SKIP_MONKEY_PATCH", "1")

import gevent
from locust.env import Environment
from locust.exception import RPCError
from locust.rpc import Message
from locust.runners import WorkerRunner

from prakerja_load.driver import guard
from prakerja_load.driver.assignment import Assignment, load
from prakerja_load.driver.attendant import BEAT_EVERY, Attendant
from prakerja_load.driver.feed import Feed
from prakerja_load.driver.gauge import calm_garbage
from prakerja_load.driver.message import KIND, Report, pack
from prakerja_load.driver.offer import make_offer
from prakerja_load.driver.offering import Offering
from prakerja_load.errors import HarnessError, PrakerjaLoadError
from prakerja_load.evidence.run_directory import worker_path
from prakerja_load.units import Seconds

SWITCH_INTERVAL: Seconds = 0.0005
"""How long the main thread may keep the interpreter while the loop waits for it, a tenth of Python's own.

At 500 arrivals/s the 99.9th percentile of lateness was 7 ms with this, 12 to 19 ms without; the 99th is 2 ms in both.
"""

_CONNECT_WITHIN: Seconds = 30.0
_DISMISSED_WITHIN: Seconds = 10.0
_LINGER = 1000  # milliseconds for the last messages to leave


class Worker:
    """One worker from hello to quit; `run` returns the exit code."""

    def __init__(self, folder: Path, task: Assignment, number: int, host: str, port: int) -> None:
        target = guard.authorize(task.target_url, authorized_by=task.authorized_by, ca_file=task.ca_file)
        offer = make_offer(task, target, worker_path(folder, number))
        self._offering = Offering(offer)
        self._environment = Environment()
        self._runner = self._connect(host, port)
        self._attendant = Attendant(self._offering, self._send, run=task.run, worker=number, drain=task.drain)
        feed = Feed(
            self._environment.stats, offer.journey.steps, self._offering.methods, lambda: self._attendant.wall_epoch
        )
        self._attendant.show(feed.add)
        self._runner.register_message(KIND, self._hear)

    def run(self) -> int:
        """Serve the controller to the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            # Ctrl-C is the controller's to pass on; being terminated is ours alone
            gevent.signal_handler(number, self._terminate if number == signal.SIGTERM else lambda: None)
        calm_garbage()
        sys.setswitchinterval(SWITCH_INTERVAL)
        playing = gevent.get_hub().threadpool.spawn(self._offering.run)
        while not playing.ready():
            with contextlib.suppress(RPCError):  # a controller that cannot be reached is noticed by its silence
                self._attendant.beat()
            playing.wait(BEAT_EVERY)
        try:
            playing.get()
        except Exception as fault:
            traceback.print_exc()
            self._offering.is_fatal = True
            self._offering.reason = f"internal error: {fault!r}"
        return self._part()

    def _part(self) -> int:
        """Report the final totals, Locust's own first, and wait until the controller has them."""
        self._attendant.show_rest()
        self._runner._send_stats()
        self._attendant.finish()
        with gevent.Timeout(_DISMISSED_WITHIN, False):
            while not (self._attendant.is_dismissed or self._attendant.is_alone):
                gevent.sleep(0.02)
        self._runner.client.socket.close(_LINGER)
        is_whole = self._attendant.is_dismissed and not self._offering.is_fatal
        return 0 if is_whole else HarnessError.exit_code

    def _connect(self, host: str, port: int) -> WorkerRunner:
        try:
            with gevent.Timeout(_CONNECT_WITHIN):
                return self._environment.create_worker_runner(host, port)
        except gevent.Timeout:
            raise HarnessError(f"no controller at {host}:{port} within {_CONNECT_WITHIN:g} s") from None

    def _hear(self, msg: Message, **_: Any) -> None:
        self._attendant.hear(msg.data)

    def _send(self, report: Report) -> None:
        self._runner.send_message(KIND, pack(report))

    def _terminate(self) -> None:
        self._attendant.stop("the worker was terminated")


def main(arguments: list[str] | None = None) -> int:
    """Run the worker and return its exit code."""
    parser = argparse.ArgumentParser(prog="prakerja_load.driver.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--worker", type=int, required=True, help="this worker's number, from 0")
    parser.add_argument("--master-host", default="127.0.0.1")
    parser.add_argument("--master-port", type=int, required=True)
    options = parser.parse_args(arguments)
    try:
        task = load(options.folder)
        return Worker(options.folder, task, options.worker, options.master_host, options.master_port).run()
    except PrakerjaLoadError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
