"""The controller process: a Locust master without its own load, which leads the workers through one ramp.

    python -m prakerja_load.driver.controller RAMP_DIR [--port P] [--workers K] [--elsewhere HOST]

Reads RAMP_DIR/ramp.json, prints one JSON object a line (listening, started, progress each second, finished, failed)
and leaves RAMP_DIR/controller.json and, written second by second, RAMP_DIR/vitals.seg. Ends with 0 when the ramp came
to an end, however it ended, and with the code of errors.py otherwise. With --elsewhere it listens on an address of this
host for workers that do not have this folder: they are given their task, and their evidence is taken into RAMP_DIR.
SIGINT or SIGTERM stops the offering and drains; a second one cuts the drain short.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

# the controller needs none of Locust's clients, and its own calls should stay what they are
os.environ.setdefault("LOCUST_SKIP_MONKEY_PATCH", "1")

import gevent
import msgspec
from locust.env import Environment
from locust.exception import RPCError
from locust.rpc import Message
from locust.runners import MasterRunner

from prakerja_load.driver import guard
from prakerja_load.driver.archive import Archive
from prakerja_load.driver.assignment import Assignment, load
from prakerja_load.driver.build import this_build
from prakerja_load.driver.conductor import Conductor
from prakerja_load.driver.consent import watch_consent
from prakerja_load.driver.gauge import VitalLog, Vitals
from prakerja_load.driver.message import KIND, Order, pack
from prakerja_load.driver.roster import Elsewhere
from prakerja_load.driver.telling import say
from prakerja_load.driver.watch import Watch
from prakerja_load.errors import EvidenceError, HarnessError, PrakerjaLoadError
from prakerja_load.evidence.run_directory import BEGUN, CONTROLLER, write_json
from prakerja_load.journey.forecast import forecast
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

TICK: Seconds = 0.1
LOOPBACK = "127.0.0.1"
_LINGER = 1000  # milliseconds for the last messages to leave

logger = logging.getLogger(__name__)


class Master(MasterRunner):
    """A Locust master that merges statistics of workers it leads, and of no others."""

    def __init__(self, environment: Environment, host: str, port: int) -> None:
        self.led: set[str] = set()
        self.refused = 0
        super().__init__(environment, host, port)

    def client_listener(self) -> NoReturn:
        """Listen for ever: of itself Locust listens no more once somebody has said what it cannot read."""
        while True:
            try:
                super().client_listener()
            except Exception as fault:
                self.refused += 1
                logger.warning("Refused a message that cannot be read: %r", fault)

    def handle_message(self, client_id: str, msg: Message) -> None:
        """Refuse statistics that a stranger reports; Locust itself would add them up."""
        if msg.type == "stats" and client_id not in self.led:
            self.refused += bool(msg.data["stats_total"]["num_requests"])
            return
        super().handle_message(client_id, msg)


class Controller:
    """One ramp led from here; `run` returns the exit code."""

    def __init__(self, folder: Path, task: Assignment, workers: int, port: int, host: str = "") -> None:
        self._folder, self._task = folder, task
        self._archive = Archive(folder) if host else None
        self._environment = Environment()
        try:
            self._runner: Master = self._environment._create_runner(Master, host or LOOPBACK, port)
        except (RPCError, SystemExit):  # both are ways in which Locust says it
            raise HarnessError(_why_not(host, port)) from None
        self._runner.register_message(KIND, self._hear)
        self._watch = Watch(task)
        self._conductor = Conductor(
            task.run,
            task.schedule(),
            self._send,
            time.perf_counter_ns,
            workers=workers,
            drain=task.drain,
            tolerates_loss=task.tolerate_worker_loss,
            begins_at=task.begins_at,
            only=task.only,
            elsewhere=Elsewhere(msgspec.json.encode(task), this_build(), self._archive) if self._archive else None,
            listen=lambda beat: self._watch.listen(beat, time.perf_counter_ns()),
        )
        self._vitals = Vitals()
        self._vitals.watch_garbage()
        self._seconds = VitalLog(folder)
        self._looked: Nanoseconds | None = None  # at the clock, in the loop that leads
        self._lag: Nanoseconds = 0  # the worst of this second
        self._signals = 0
        self._checked = time.perf_counter_ns()

    def run(self) -> int:
        """Lead the ramp to its end and write controller.json; raises what keeps it from beginning."""
        target = self._authorize()
        guard.reach(target, authorities=self._task.authorities)
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self._interrupt)
        say("listening", port=self._runner.server.port, pid=os.getpid())
        checks = gevent.spawn(self._keep_checking, target)
        try:
            self._lead()
        finally:
            checks.kill()
            self._record()
            self._runner.server.socket.close(_LINGER)
        if self._conductor.is_failed:
            say("failed", reason=self._conductor.stopped, exit_code=HarnessError.exit_code)
            return HarnessError.exit_code
        say("finished", **self._counts())
        return 0

    def _lead(self) -> None:
        conductor, has_begun, next_second = self._conductor, False, time.perf_counter_ns()
        while not conductor.is_over:
            self._look_at_the_clock()
            conductor.tick()
            self._runner.led = {worker.client for worker in conductor.workers.values() if worker.state != "lost"}
            if conductor.epoch is not None and not has_begun:
                has_begun = True
                since = (time.perf_counter_ns() - conductor.epoch) / SECOND_NS
                write_json(self._folder / BEGUN, {"epoch_ns": conductor.epoch, "epoch_wall": time.time() - since})
                say("started", epoch_ns=conductor.epoch, workers=len(conductor.workers))
            if time.perf_counter_ns() >= next_second:
                next_second = max(next_second + SECOND_NS, time.perf_counter_ns())
                self._each_second()
            gevent.sleep(TICK)

    def _look_at_the_clock(self) -> None:
        """Notice how much later than a tick ago this is."""
        now = time.perf_counter_ns()
        if self._looked is not None:
            self._lag = max(self._lag, now - self._looked - round(TICK * SECOND_NS))
        self._looked = now

    def _each_second(self) -> None:
        """Write down this process's health once the ramp has its time, and say how far it is, gathering included."""
        cpu, pause, rss = self._vitals.read()
        lag, self._lag = self._lag / SECOND_NS, 0
        if self._conductor.epoch is not None:
            try:
                self._seconds.add(self._conductor.elapsed, cpu, lag, pause, rss)
            except EvidenceError as refusal:
                self._conductor.fail(f"the result disk refused evidence: {refusal}")
        say("progress", **msgspec.to_builtins(self._watch.look(self._conductor, time.perf_counter_ns())))

    def _hear(self, msg: Message, **_: Any) -> None:
        try:
            self._conductor.hear(msg.node_id, msg.data)
        except Exception as fault:  # Locust would only log it, and half of what was said would count
            traceback.print_exc()
            is_known = isinstance(fault, PrakerjaLoadError)
            self._conductor.fail(str(fault) if is_known else f"internal error: {fault!r}")

    def _send(self, client: str, order: Order) -> None:
        self._runner.send_message(KIND, pack(order), client_id=client)

    def _interrupt(self) -> None:
        self._signals += 1
        self._conductor.is_interrupted = True
        self._conductor.stop("interrupted", None if self._signals == 1 else 0.0)

    def _authorize(self) -> guard.Target:
        task = self._task
        planned = task.rate * forecast(task.make_journey(task.population())).requests
        return guard.authorize(
            task.target_url, authorized_by=task.authorized_by, planned=planned, authorities=task.authorities
        )

    def _keep_checking(self, target: guard.Target) -> None:
        """Ask a target that is not this machine again and again; stop at once when it no longer consents."""
        if target.is_loopback:
            return
        task = self._task
        planned = task.rate * forecast(task.make_journey(task.population())).requests

        def ask() -> None:
            guard.recheck(target, authorized_by=task.authorized_by, planned=planned, authorities=task.authorities)

        watch_consent(target, ask, lambda why: self._conductor.stop(why, 0.0))

    def _counts(self) -> dict[str, Any]:
        record = self._conductor.record()
        totals = msgspec.structs.asdict(self._conductor.totals())
        return {**totals, "not_started": record["not_started"], "stopped": record["stopped"]}

    def _record(self) -> None:
        record = self._conductor.record()
        record["foreign_messages"] += self._runner.refused
        # what Locust's own messaging brought, counted independently of the totals that the workers acknowledge
        record["merged_samples"] = self._environment.stats.total.num_requests
        record["vitals"] = self._seconds.records()
        if self._archive is not None:
            self._archive.close()
            record["damaged_parcels"] = self._archive.damaged
        write_json(self._folder / CONTROLLER, record)
        self._seconds.close()


def _why_not(host: str, port: int) -> str:
    return (
        f"cannot listen on {host}:{port}: no address of this host?"
        if host and not port
        else (f"port {port} is taken: another controller?")
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the controller and return its exit code."""
    parser = argparse.ArgumentParser(prog="prakerja_load.driver.controller")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--elsewhere", default="", metavar="HOST", help="listen there for workers on other hosts")
    parser.add_argument("--workers", type=int, help="default: as many as ramp.json says")
    options = parser.parse_args(arguments)
    try:
        task = load(options.folder)
        workers = options.workers or task.workers
        return Controller(options.folder, task, workers, options.port, options.elsewhere).run()
    except PrakerjaLoadError as error:
        say("failed", reason=str(error), exit_code=error.exit_code)
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except Exception as fault:
        traceback.print_exc()
        say("failed", reason=f"internal error: {fault!r}", exit_code=HarnessError.exit_code)
        return HarnessError.exit_code


if __name__ == "__main__":
    sys.exit(main())
