"""A worker process: a Locust worker whose registrants live on a uvloop in a native thread beside it.

    python -m prakerja_load.driver.worker RAMP_DIR --worker K --master-port P
    python -m prakerja_load.driver.worker --controller HOST:PORT [--reports DIR] [--wait SECONDS]

The first form writes its evidence into the ramp's folder on this host. The second asks a controller elsewhere for its
place in whatever is run there, sends its evidence while the load runs, and keeps a copy under DIR until the controller
has all of it; it prints one JSON object a line (placed, finished, over, failed). Locust's heartbeats and messages stay
in the main thread. Ends with 0 when the controller has the final totals and the whole share was played, or when no
ramp follows, with the code of errors.py otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shutil
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

# its threads are native on purpose: nothing may be replaced by Locust's green ones
os.environ.setdefault("LOCUST_SKIP_MONKEY_PATCH", "1")

import gevent
import msgspec
from locust.exception import RPCError

from prakerja_load.driver import guard
from prakerja_load.driver.address import Address, parse_address
from prakerja_load.driver.assignment import Assignment, load
from prakerja_load.driver.attendant import BEAT_EVERY, Attendant
from prakerja_load.driver.courier import Courier
from prakerja_load.driver.feed import Feed
from prakerja_load.driver.gauge import calm_garbage
from prakerja_load.driver.link import Link, find_place
from prakerja_load.driver.message import Parcel
from prakerja_load.driver.offer import make_offer
from prakerja_load.driver.offering import Offering
from prakerja_load.driver.telling import say
from prakerja_load.errors import HarnessError, PrakerjaLoadError
from prakerja_load.evidence.run_directory import worker_path
from prakerja_load.units import Seconds

SWITCH_INTERVAL: Seconds = 0.0005
"""How long the main thread may keep the interpreter while the loop waits for it, a tenth of Python's own.

At 500 arrivals/s the 99.9th percentile of lateness was 7 ms with this, 12 to 19 ms without; the 99th is 2 ms in both.
"""

CONNECT_WITHIN: Seconds = 30.0
WAIT: Seconds = 600.0
"""How long a worker from elsewhere waits for a controller and its next ramp, unless it is told otherwise."""

_DISMISSED_WITHIN: Seconds = 10.0  # of the controller's last word
_SAY_AGAIN: Seconds = 1.0


class Worker:
    """One worker from hello to quit; `run` returns the exit code. With `is_elsewhere` the evidence is sent as well."""

    def __init__(self, folder: Path, task: Assignment, number: int, link: Link, *, is_elsewhere: bool = False) -> None:
        target = guard.authorize(task.target_url, authorized_by=task.authorized_by, authorities=task.authorities)
        offer = make_offer(task, target, folder)
        self._offering = Offering(offer)
        self._link = link
        self._courier: Courier | None = None
        if is_elsewhere:
            self._courier = Courier(
                folder, lambda *parcel: link.say(Parcel(task.run, number, *parcel)), time.perf_counter_ns
            )
        self._attendant = Attendant(
            self._offering, link.say, run=task.run, worker=number, drain=task.drain, received=self._received
        )
        feed = Feed(
            link.environment.stats, offer.journey.steps, self._offering.methods, lambda: self._attendant.wall_epoch
        )
        self._attendant.show(feed.add)
        link.listen = self._attendant.hear

    def run(self) -> int:
        """Serve the controller to the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            # Ctrl-C is the controller's to pass on; being terminated is ours alone
            gevent.signal_handler(number, self._terminate if number == signal.SIGTERM else lambda: None)
        calm_garbage()
        sys.setswitchinterval(SWITCH_INTERVAL)
        playing = gevent.get_hub().threadpool.spawn(self._offering.run)
        while not playing.ready():
            self._speak()
            playing.wait(BEAT_EVERY)
        try:
            playing.get()
        except Exception as fault:
            traceback.print_exc()
            self._offering.is_fatal = True
            self._offering.reason = f"internal error: {fault!r}"
        return self._part()

    def _speak(self) -> None:
        with contextlib.suppress(RPCError):  # a controller that cannot be reached is noticed by its silence
            self._attendant.beat()
            if self._courier is not None:
                self._courier.carry()

    def _received(self, awaited: int) -> None:
        if self._courier is not None:
            self._courier.hear(awaited)
            with contextlib.suppress(RPCError):
                self._courier.carry()

    def _part(self) -> int:
        """Send the rest, report the final totals, Locust's own first, and wait until the controller has them."""
        attendant, courier = self._attendant, self._courier
        attendant.show_rest()
        self._link.say_statistics()
        next_word = 0.0
        while not (attendant.is_dismissed or attendant.is_alone or attendant.silence > _DISMISSED_WITHIN):
            if time.monotonic() >= next_word:
                next_word = time.monotonic() + (BEAT_EVERY if courier and not courier.is_through else _SAY_AGAIN)
                self._say_last()
            gevent.sleep(0.02)
        self._link.close()
        is_whole = attendant.is_acknowledged and not self._offering.is_fatal
        return 0 if is_whole else HarnessError.exit_code

    def _say_last(self) -> None:
        if self._courier is not None and not self._courier.is_through:
            self._speak()
            return
        with contextlib.suppress(RPCError):
            self._attendant.finish(self._courier.shipped if self._courier is not None else None)

    def _terminate(self) -> None:
        self._attendant.stop("the worker was terminated")


def serve_elsewhere(controller: Address, reports: Path, wait: Seconds) -> int:
    """Play one ramp of a controller on another host and return the exit code."""
    link = Link(controller, wait)
    place = find_place(link, socket.gethostname(), wait)
    if place is None:
        say("over")
        return 0
    task = msgspec.json.decode(place.task, type=Assignment)
    _check_ports(task, place.worker)
    ramp = reports / place.run
    folder = worker_path(ramp, place.worker)
    _lay_aside(folder)
    say("placed", run=place.run, worker=place.worker, folder=str(folder))
    code = Worker(folder, task, place.worker, link, is_elsewhere=True).run()
    if code == 0:
        # the controller has it on its disk, as long as the checksums of every file say so
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):  # another worker's may be there
            ramp.rmdir()
    say("finished", run=place.run, worker=place.worker, exit_code=code, kept="" if code == 0 else str(folder))
    return code


def _lay_aside(folder: Path) -> None:
    """Keep what an earlier part of the same ramp left here apart: this part's evidence is to be its own."""
    if folder.exists():
        folder.rename(next(place for n in itertools.count(1) if not (place := Path(f"{folder}.kept-{n}")).exists()))


def _check_ports(task: Assignment, worker: int) -> None:
    # a worker here need not load it: the plan has counted this machine's ports
    from prakerja_load.driver.room import check_ports
    from prakerja_load.judgement import ports

    is_loopback = guard.resolve(task.target_url).is_loopback
    check_ports(task, worker, ports.of_this_machine(), is_loopback=is_loopback)


def main(arguments: list[str] | None = None) -> int:
    """Run the worker and return its exit code."""
    parser = argparse.ArgumentParser(prog="prakerja_load.driver.worker")
    parser.add_argument("folder", type=Path, nargs="?", help="of the ramp, on this host")
    parser.add_argument("--worker", type=int, help="this worker's number, from 0")
    parser.add_argument("--master-port", type=int, help="of the controller on this host")
    parser.add_argument("--controller", metavar="HOST:PORT", help="of a controller elsewhere")
    parser.add_argument("--reports", type=Path, default=Path("reports"))
    parser.add_argument("--wait", type=float, default=WAIT, help="seconds for a controller, and for its next ramp")
    options = parser.parse_args(arguments)
    is_here = None not in (options.folder, options.worker, options.master_port)
    if is_here == (options.controller is not None):
        parser.error("give a ramp's folder with --worker and --master-port, or --controller, not both")
    try:
        if options.controller is not None:
            return serve_elsewhere(parse_address(options.controller), options.reports, options.wait)
        task = load(options.folder)
        link = Link(Address("127.0.0.1", options.master_port), CONNECT_WITHIN)
        return Worker(worker_path(options.folder, options.worker), task, options.worker, link).run()
    except PrakerjaLoadError as error:
        sys.stderr.write(f"{error}\n")
        if options.controller is not None:
            say("failed", reason=str(error), exit_code=error.exit_code)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
