"""One calibration run: the real controller and workers play the one-step journey against a known target."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.arrivals.schedule import ArrivalProcess
from prakerja_load.calibration.target import STARTING
from prakerja_load.driver.assignment import Assignment
from prakerja_load.errors import HarnessError
from prakerja_load.evidence.journal import Records
from prakerja_load.evidence.ramp import RampEvidence, load_ramp
from prakerja_load.evidence.run_directory import RAMP, write_json
from prakerja_load.journey.one_step import OneStep
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.judgement.estimate import Estimate, quantiles
from prakerja_load.judgement.history import History, lay_out
from prakerja_load.trial.process import Child
from prakerja_load.units import SECOND_NS, Nanoseconds, PerSecond, Seconds

QUIET: Seconds = 30.0  # a controller that says nothing for so long has died
ENDING: Seconds = 15.0
_NOBODY = datetime.date(2020, 8, 1)  # the date of the journey, which has no person in it

Array = NDArray[np.float64]
Meanwhile = Callable[[Nanoseconds], None]
"""What is done while a load runs; gets the instant (ns of CLOCK_MONOTONIC) of time 0."""


@dataclass(frozen=True)
class Offered:
    """A load on a known target: `rate` arrivals per second for `duration`, each asking once."""

    rate: PerSecond
    duration: Seconds
    process: ArrivalProcess = "poisson"
    seed: int = 7
    workers: int = 1
    connection: str = "reuse"
    patience: Seconds = 30.0

    @property
    def count(self) -> int:
        """Return how many arrivals there are, exactly."""
        return max(1, round(self.rate * self.duration))

    def assignment(self, url: str) -> Assignment:
        """Return what controller and workers are told."""
        return Assignment(
            run="k1r1",
            name="calibration",
            target_url=url,
            seed=self.seed,
            first_person=0,
            count=self.count,
            rate=self.rate,
            warm_up=0.0,
            hold=self.duration,
            drain=self.patience,
            curve=RateCurve.constant(self.rate, self.duration).stages(),
            schedule_seed=self.seed,
            process=self.process,
            journey=JourneyOptions(seed=self.seed, today=_NOBODY, name=OneStep.name),
            workers=self.workers,
            connection=self.connection,
            in_flight_limit=100_000,
            patience=self.patience,
        )


@dataclass(frozen=True)
class Played:
    """What the instrument took down of one calibration run; times are seconds after the epoch unless said otherwise."""

    evidence: RampEvidence
    intended: Array  # by the schedule, of every arrival
    epoch: Nanoseconds  # of CLOCK_MONOTONIC
    stamps: Records | None = None  # the target's own, None where it keeps none

    @cached_property
    def history(self) -> History:
        """Return the run laid out as judgement does it."""
        return lay_out(self.intended, self.evidence.arrivals, self.evidence.samples)

    @cached_property
    def elapsed(self) -> Array:
        """Return the gated time of every arrival, finished − intended, +inf for who failed, shape (n,)."""
        return self.history.elapsed_to(1, np.ones(self.intended.size, np.bool_)).seconds

    @cached_property
    def service(self) -> Array:
        """Return finished − started of every request, in the order of arrival."""
        return self.history.seconds("finished") - self.history.seconds("started")

    @cached_property
    def lateness(self) -> Array:
        """Return started − intended of every arrival that was started."""
        arrivals = self.history.arrivals[self.history.is_started]
        late: Array = (arrivals["started"] - arrivals["intended"]) / SECOND_NS
        return late

    @property
    def cpu(self) -> Array:
        """Return the CPU share of the busiest worker, second by second."""
        shares = [vitals["cpu"] for vitals in self.evidence.vitals.values() if vitals.size]
        length = min((share.size for share in shares), default=0)
        return np.max([share[:length] for share in shares], axis=0) if length else np.empty(0)

    def quantiles(self, *shares: float) -> dict[float, Estimate]:
        """Return quantiles of the gated time by the estimator that verdicts use."""
        return quantiles(self.elapsed, shares)

    @cached_property
    def by_index(self) -> tuple[Records, Records]:
        """Return (samples, stamps) of the requests that the target answered, side by side in the order of arrival."""
        if self.stamps is None:
            raise HarnessError("this target keeps no stamps")
        stamps = self.stamps[np.argsort(self.stamps["index"], kind="stable")]
        return self.history.samples, stamps

    def after_epoch(self, instants: NDArray[np.int64]) -> Array:
        """Return instants of CLOCK_MONOTONIC as seconds after the epoch."""
        seconds: Array = (instants - self.epoch) / SECOND_NS
        return seconds


def play(folder: Path, load: Offered, url: str, cores: frozenset[int], meanwhile: Meanwhile | None = None) -> Played:
    """Play a load to its end and return what was taken down.

    Raises HarnessError when a process of ours did not come to its end, or the load stopped before its last arrival.
    """
    folder.mkdir(parents=True, exist_ok=True)
    task = load.assignment(url)
    write_json(folder / RAMP, msgspec.to_builtins(task))
    record = _lead(folder, load.workers, cores, meanwhile)
    if record["stopped"] or record["not_started"]:
        why = record["stopped"] or f"{record['not_started']} arrivals were not started"
        raise HarnessError(f"the calibration load ended early: {why}")
    schedule = task.schedule()
    return Played(
        evidence=load_ramp(folder),
        intended=np.rint(schedule.times(0, task.count) * SECOND_NS) / SECOND_NS,
        epoch=int(record["epoch_ns"]),
    )


def _lead(folder: Path, workers: int, cores: frozenset[int], meanwhile: Meanwhile | None) -> dict[str, Any]:
    """Run controller and workers to their end; return the controller's record."""
    controller = Child(["prakerja_load.driver.controller", str(folder)], folder / "controller.log", cores)
    children = [controller]
    try:
        port = str(controller.wait_for("listening", STARTING)["port"])
        for number in range(workers):
            arguments = ["prakerja_load.driver.worker", str(folder), "--worker", str(number), "--master-port", port]
            children.append(Child(arguments, folder / f"worker-{number}.log", cores))
        started = controller.wait_for("started", STARTING)
        if meanwhile is not None:
            meanwhile(int(started["epoch_ns"]))
        _follow(controller)
        codes = [child.join(ENDING) for child in children]
    finally:
        for child in children:
            child.stop(1.0)
    if any(codes):
        raise HarnessError(f"the generator ended with exit codes {codes}{_last_words(children)}")
    record = load_ramp(folder).controller
    if record is None:
        raise HarnessError("the controller left no record")
    return dict(record)


def _follow(controller: Child) -> None:
    while controller.event(QUIET) is not None:
        pass


def _last_words(children: Sequence[Child]) -> str:
    return "".join(child.last_words() for child in children)
