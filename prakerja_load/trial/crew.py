"""The processes that play one ramp: a controller, and workers on this host or awaited from others."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from prakerja_load.driver.address import Address
from prakerja_load.errors import HarnessError, UsageError
from prakerja_load.evidence.progress import Progress
from prakerja_load.evidence.run_directory import ABORTED, write_json
from prakerja_load.trial.abort import Abort
from prakerja_load.trial.process import Child
from prakerja_load.units import Seconds

if TYPE_CHECKING:
    from prakerja_load.trial.ramp import Course

STARTING: Seconds = 30.0  # for the controller to listen
QUIET: Seconds = 30.0  # a controller that says nothing for so long has died
ENDING: Seconds = 10.0  # for a process to end after it has said its last


def play(course: Course, secrets: dict[str, str]) -> bool:
    """Run controller and workers to their end; return whether they were interrupted.

    However it ends, none of them runs any more afterwards: what is exported then is all there will be.
    """
    controller = _child(course, "controller", _controller(course), secrets)
    children = [controller]
    interruption = Interruption(controller)
    try:
        with interruption:
            port = str(controller.wait_for("listening", STARTING)["port"])
            for number in range(course.scenario.load.workers if course.controller is None else 0):
                place = ["--worker", str(number), "--master-port", port]
                module = ["prakerja_load.driver.worker", str(course.folder), *place]
                children.append(_child(course, f"worker-{number}", module, secrets))
            failure = _follow(course, controller)
            code = controller.join(ENDING)
            for worker in children[1:]:
                worker.join(ENDING)
    except (HarnessError, UsageError):
        if not interruption.came:  # which ends a controller that was not ready to hear of it
            raise
        return True
    finally:
        for child in children:
            child.stop(1.0)
    if code and not interruption.came:
        raise HarnessError(failure or f"the controller ended with exit code {code}{controller.last_words()}")
    return interruption.came


def _controller(course: Course) -> list[str]:
    module = ["prakerja_load.driver.controller", str(course.folder)]
    if course.controller is None:
        return module
    return [*module, "--elsewhere", course.controller.numeric, "--port", str(course.controller.port)]


def _child(course: Course, name: str, module: list[str], secrets: dict[str, str]) -> Child:
    return Child(module, course.folder / f"{name}.log", course.cores, secrets)


class Interruption:
    """Ctrl-C while a ramp runs is passed on to its controller, which drains; the run goes on to judge what there is."""

    def __init__(self, controller: Child) -> None:
        self.came = False
        self._controller = controller
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._hear)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, *_: object) -> None:
        self.came = True
        self._controller.signal(signal.SIGINT)


def _follow(course: Course, controller: Child) -> str:
    """Pass progress on until the controller says no more; return why it failed, if it did."""
    failure = ""
    abort = Abort(course.scenario.objectives.abort_on)
    while (event := controller.event(QUIET)) is not None:
        if event.get("event") == "progress":
            progress = msgspec.convert({k: v for k, v in event.items() if k != "event"}, Progress)
            course.told(progress)
            if reason := abort.see(progress):
                # the evidence says why before the load ends, which drains as after Ctrl-C
                write_json(course.folder / ABORTED, {"reason": reason, "elapsed": progress.elapsed})
                controller.signal(signal.SIGINT)
        elif event.get("event") == "failed":
            failure = str(event.get("reason", ""))
    return failure


def dismiss(controller: Address, folder: Path) -> None:
    """Tell workers from elsewhere that no ramp follows; `folder` takes the log."""
    Child(["prakerja_load.driver.farewell", str(controller)], folder / "farewell.log", frozenset()).join(STARTING)


class Recruit:
    """A worker on this host for a controller elsewhere: one process a ramp, until no ramp follows."""

    def __init__(self, controller: Address, reports: Path, wait: Seconds) -> None:
        self._arguments = ["--controller", str(controller), "--reports", str(reports), "--wait", str(wait)]
        self._log = reports / f"worker-{controller.port}.log"
        self._child: Child | None = None
        self._was_ended = False

    def serve(self) -> int:
        """Play ramp after ramp and return the exit code: of the last one, 0 when none was lost."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)
        worst = 0
        while not self._was_ended:
            self._child = Child(["prakerja_load.driver.worker", *self._arguments], self._log, frozenset())
            last, code = self._follow(self._child), self._child.join(ENDING)
            if last == "over":
                return worst
            if last != "finished":  # no controller, or none that wants this worker
                raise HarnessError(f"the worker ended with exit code {code}{self._child.last_words()}")
            worst = max(worst, code)
        return worst or HarnessError.exit_code

    def _follow(self, child: Child) -> str:
        """Pass on what the worker says until it says no more; return the name of its last word."""
        last, is_over = "", False
        while not is_over:
            is_over = child.exit_code is not None  # asked first: what it said before its end is still in the queue
            while (event := child.event(0.2 if is_over else 1.0)) is not None:
                last = str(event["event"])
                sys.stdout.write(f"{_told(event)}\n")
                sys.stdout.flush()
        return last

    def _end(self, *_: object) -> None:
        self._was_ended = True
        if self._child is not None:
            self._child.signal(signal.SIGTERM)


def _told(event: dict[str, Any]) -> str:
    match event:
        case {"event": "placed", "run": run, "worker": worker}:
            return f"worker {worker} of run {run}"
        case {"event": "finished", "run": run, "kept": str(kept)} if kept:
            return f"run {run}: the controller does not have all evidence of this worker; it is kept in {kept}"
        case {"event": "finished", "run": run}:
            return f"run {run}: played, and the controller has the evidence"
        case {"event": "over"}:
            return "no ramp follows"
    return str(event.get("reason", event["event"]))
