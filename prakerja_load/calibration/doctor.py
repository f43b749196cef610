"""The doctor: every known length played once on this machine, its limits stated, the result kept for later runs.

Takes less than two minutes: the searching for the generator's ceiling ends when its time is up.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from prakerja_load.calibration import ceiling, machine
from prakerja_load.calibration.diagnosis import SCHEMA, Diagnosis, Limits, Reading, conclusion, fit, labels, line
from prakerja_load.calibration.playing import Offered
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.trials import (
    Cores,
    KnownQueue,
    KnownStall,
    StallTrial,
    known_queue,
    known_stall,
    null_target,
    worst_gap,
)
from prakerja_load.clock import Clock, RealClock
from prakerja_load.errors import HarnessError
from prakerja_load.evidence.run_directory import write_json
from prakerja_load.judgement.plan import Plan, plan
from prakerja_load.scenario import load
from prakerja_load.trial import environment
from prakerja_load.trial.process import split_cores
from prakerja_load.units import PerSecond, Seconds, format_duration, format_number, format_share

SEARCHING: Seconds = 30.0  # for the ceiling; the last trial may overrun it
TRIAL: Seconds = 4.0
PATIENCE: Seconds = 5.0  # with a target that answers at once; a trial that takes longer has told enough
QUEUE = KnownQueue(ServiceLaw("exponential", 0.02, 1), 8, Offered(200, 12))
STALL = KnownStall(Offered(200, 12, "uniform"), at=3, length=2)
CALM = 0.005  # seconds of lateness p99 that no objective notices (accuracy A8)
MOST_STOLEN = 0.05
_SHOWN = (0.5, 0.95, 0.99)
_QUIETER = "Stop what else runs here, or take a machine with a core for the target and one for the generator"

Told = Callable[[str], None]


@dataclass
class Examination:
    """One visit: readings as they come, and the figures that limits are made of."""

    folder: Path
    cores: Cores
    arrivals_rate: float = 0.0
    lateness_p99: Seconds = float("inf")
    quantile_error: Seconds = float("inf")
    trials: list[ceiling.Trial] = field(default_factory=list)

    def readings(self) -> Iterator[Reading]:
        """Yield every reading as soon as it is there."""
        yield from self._clock()
        yield from self._timers()
        yield from self._generator()
        yield from self._queue()
        yield from self._stall()

    def _clock(self) -> Iterator[Reading]:
        clock = machine.read_clock()
        observed = f"{clock.source}, steps of {clock.step} ns, {clock.cost} ns a reading, {clock.backward} backward"
        is_met = clock.step <= 1_000 and clock.cost <= 1_000 and not clock.backward and clock.is_shared
        told = observed if clock.is_shared else f"{observed}, another process reads another one"
        yield Reading(
            "clock",
            told,
            "steps and cost ≤ 1 µs, never backward, one for all processes",
            is_met,
            "Choose the clock source tsc or the one of your hypervisor",
        )

    def _timers(self) -> Iterator[Reading]:
        p50, p99 = np.quantile(machine.timer_lateness(), [0.5, 0.99]).tolist()
        observed = f"woken p50 {format_duration(p50)}, p99 {format_duration(p99)} late"
        yield Reading("timer", observed, f"p99 ≤ {format_duration(CALM)}", p99 <= CALM, _QUIETER)
        share, longest = machine.stolen()
        observed = f"{format_share(share)} taken by others, longest pause {format_duration(longest)}"
        allowed = f"≤ {format_share(MOST_STOLEN)}"
        yield Reading("processor", observed, allowed, share <= MOST_STOLEN, _QUIETER)

    def _generator(self) -> Iterator[Reading]:
        """Offer more and more to a target that answers at once."""
        end = time.monotonic() + SEARCHING
        while time.monotonic() < end and (rate := ceiling.next_rate(self.trials)) is not None:
            self.trials.append(self._offer(rate))
        self.arrivals_rate = best = ceiling.ceiling(self.trials)
        tried = ", ".join(
            f"{format_number(one.rate)}/s at {format_share(round(one.cpu, 3))} CPU, {format_duration(one.lateness_p99)}"
            for one in sorted(self.trials, key=lambda one: one.rate)
        )
        observed = f"{format_number(best)} arrivals/s (lateness p99 at {tried})"
        allowed = f"≥ {format_number(ceiling.FIRST)} arrivals/s at ≤ 80 % CPU, lateness p99 ≤ 10 ms"
        yield Reading("generator ceiling", observed, allowed, best >= ceiling.FIRST, _QUIETER)

    def _offer(self, rate: PerSecond) -> ceiling.Trial:
        """Return what one rate cost; a generator that breaks down under it is one that was offered too much."""
        folder, offered = self.folder / f"null-{len(self.trials)}", Offered(rate, TRIAL, patience=PATIENCE)
        try:
            played = null_target(folder, offered, self.cores)
        except HarnessError:
            return ceiling.Trial(rate, cpu=1.0, lateness_p99=float("inf"), failures=round(rate * TRIAL))
        late = float(np.quantile(played.lateness, 0.99)) if played.lateness.size else float("inf")
        busy = played.cpu[2:-1] if played.cpu.size > 4 else played.cpu  # the first seconds are before the epoch
        cpu = float(busy.mean()) if busy.size else 1.0
        return ceiling.Trial(rate, cpu, late, int(np.isinf(played.elapsed).sum()))

    def _queue(self) -> Iterator[Reading]:
        trial = known_queue(self.folder / "queue", QUEUE, self.cores)
        p99 = float(np.quantile(trial.played.lateness, 0.99))
        self.lateness_p99 = p99
        observed = f"p99 {format_duration(p99)} at {QUEUE.load.rate:g} arrivals/s"
        yield Reading("lateness", observed, f"p99 ≤ {format_duration(CALM)}", p99 <= CALM, _QUIETER)
        gap, words = worst_gap(trial.played.elapsed, trial.path, _SHOWN, 0.002, 0.02)
        ours, truth = (np.quantile(side, _SHOWN, method="inverted_cdf") for side in (trial.played.elapsed, trial.path))
        self.quantile_error = float(np.abs(ours - truth).max()) if gap > 1 else 0.0
        yield Reading("known queue", words, "the replayed path ± max(2 ms, 2 %)", gap <= 1, _QUIETER)

    def _stall(self) -> Iterator[Reading]:
        trial = known_stall(self.folder / "stall", STALL, self.cores)
        errors = [abs(trial.measured(share) - trial.truth(share)) for share in (0.95, 0.99)]
        is_met = all(
            error <= 0.050 + 0.01 * trial.truth(share) for error, share in zip(errors, (0.95, 0.99), strict=True)
        )
        yield Reading("known stall", _stall_words(trial), "the closed form ± (50 ms + 1 %)", is_met, _QUIETER)


def _stall_words(trial: StallTrial) -> str:
    seen = ", ".join(
        f"p{100 * share:g} {format_duration(trial.measured(share))} for {format_duration(trial.truth(share))}"
        for share in (0.95, 0.99)
    )
    hidden = format_duration(trial.unseen(0.99))
    return f"{seen} after {format_duration(trial.length)} of standstill (a closed loop reports a p99 of {hidden})"


def asked_of(scenario: Path) -> Plan:
    """Return what a scenario will ask of this machine; raises ScenarioError when it is wrong."""
    return plan(load(scenario))


def examine(told: Told, asked: Plan | None = None, clock: Clock | None = None) -> Diagnosis:
    """Play every known length, telling each reading as a line, and return what was found; of `asked` what it refuses.

    Raises HarnessError when a process of the harness itself does not come to its end.
    """
    clock = clock or RealClock()
    created = f"{clock.wall():%Y-%m-%dT%H:%M:%SZ}"
    cores = Cores(*split_cores(sorted(os.sched_getaffinity(0))))
    with tempfile.TemporaryDirectory(prefix="prakerja-load-doctor-") as folder:
        visit = Examination(Path(folder), cores)
        found: list[Reading] = []
        for reading in visit.readings():
            told(line(reading))
            found.append(reading)
    limits = Limits(visit.arrivals_rate, visit.lateness_p99, visit.quantile_error)
    ramps = fit(asked, limits, len(cores.generator)) if asked is not None else ()
    for reading in ramps:
        told(line(reading))
    diagnosis = Diagnosis(created, environment.identity(), tuple(found), limits, ramps)
    for said in conclusion(diagnosis):
        told(said)
    return diagnosis


def keep(diagnosis: Diagnosis, reports: Path) -> Path:
    """Write doctor.json beside the run directories, where later runs find it; return its path."""
    reports.mkdir(parents=True, exist_ok=True)
    path = reports / environment.DOCTOR
    write_json(path, record(diagnosis))
    return path


def record(diagnosis: Diagnosis) -> dict[str, object]:
    """Return the content of doctor.json; `labels` is what the environment of a run quotes."""
    plain: dict[str, object] = msgspec.to_builtins(diagnosis)
    said = {"is_sound": diagnosis.is_sound, "tightest_objective": diagnosis.limits.tightest_objective}
    return {"schema": SCHEMA, **plain, **said, "labels": labels(diagnosis)}
