"""The known lengths, each played once: a queue whose path is replayed, a stall with its closed form, a null target."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prakerja_load.calibration import closed_loop, replay, theory
from prakerja_load.calibration.playing import Array, Offered, Played, play
from prakerja_load.calibration.replay import Stall
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.target import serving
from prakerja_load.units import SECOND_NS, Seconds


@dataclass(frozen=True)
class Cores:
    """Where target and generator run; the same core for both where there is only one."""

    target: frozenset[int]
    generator: frozenset[int]


@dataclass(frozen=True)
class KnownQueue:
    """A target of `slots` slots with a service law, under a load."""

    law: ServiceLaw
    slots: int
    load: Offered
    has_queue: bool = True

    @property
    def options(self) -> list[str]:
        """Return the calibrated server's options."""
        said = ["--service", self.law.kind, "--mean", repr(self.law.mean), "--seed", str(self.law.seed)]
        return [*said, "--slots", str(self.slots), *([] if self.has_queue else ["--no-queue"])]


@dataclass(frozen=True)
class QueueTrial:
    """A known queue, and what the instrument took down of it."""

    queue: KnownQueue
    played: Played

    @property
    def path(self) -> Array:
        """Return the gated time of every arrival by replay of schedule and service law alone, shape (n,)."""
        due = nanoseconds(self.played.intended)
        ends = replay.departures(due, self.queue.law.array(due.size), self.queue.slots)
        return (ends - due) / SECOND_NS

    @property
    def stamped(self) -> Array:
        """Return the gated time of every arrival by the target's stamps: answer sent − intended, shape (n,)."""
        _, stamps = self.played.by_index
        return self.played.after_epoch(stamps["sent"]) - self.played.intended

    @property
    def overhead(self) -> Array:
        """Return client's service time − server's time of every request, both by the same clock."""
        samples, stamps = self.played.by_index
        extra: Array = (samples["finished"] - samples["started"] - (stamps["sent"] - stamps["arrival"])) / SECOND_NS
        return extra


def known_queue(folder: Path, queue: KnownQueue, cores: Cores) -> QueueTrial:
    """Play a load against a known queue."""
    with serving(folder / "target", cores.target, *queue.options) as target:
        played = play(folder / "ramp", queue.load, target.url, cores.generator)
        return QueueTrial(queue, replace(played, stamps=target.stop()))


@dataclass(frozen=True)
class KnownStall:
    """A constant load on a quick target that stands still once, and a closed loop beside it on a target of its own."""

    load: Offered
    at: Seconds
    length: Seconds
    mean: Seconds = 0.001  # service time of the one slot
    users: int = 10  # of the closed loop

    @property
    def utilization(self) -> float:
        """Return r = λ/μ_s."""
        return self.load.rate * self.mean


@dataclass(frozen=True)
class StallTrial:
    """A known stall: what the instrument took down, and what a closed loop saw of one as long."""

    known: KnownStall
    played: Played
    stall: Stall
    closed: Array  # service times in seconds

    @property
    def length(self) -> Seconds:
        """Return how long the target really stood still."""
        return (self.stall.end - self.stall.begin) / SECOND_NS

    def truth(self, share: float) -> Seconds:
        """Return the quantile of the closed form, for the stall as long as it was."""
        return theory.stall_quantile(share, self.length, self.known.load.duration, self.known.utilization)

    def measured(self, share: float) -> Seconds:
        """Return the gated quantile by the estimator that verdicts use."""
        return self.played.quantiles(share)[share].value

    def unseen(self, share: float) -> Seconds:
        """Return what the closed loop reports for the same quantile."""
        return float(np.quantile(self.closed, share, method="inverted_cdf"))


def known_stall(folder: Path, known: KnownStall, cores: Cores) -> StallTrial:
    """Play a constant load against a target that is stopped by SIGSTOP, a closed loop against another at the time."""
    options = ("--service", "constant", "--mean", repr(known.mean), "--slots", "1")
    stalls: list[Stall] = []
    with (
        serving(folder / "target", cores.target, *options) as target,
        serving(folder / "closed", cores.target, *options) as beside,
        ThreadPoolExecutor(2) as pool,
    ):

        def meanwhile(epoch: int) -> None:
            _sleep_until(epoch)
            loop = pool.submit(closed_loop.service_times, beside.url, known.load.rate, known.load.duration, known.users)
            _sleep_until(epoch + round(known.at * SECOND_NS))
            other = pool.submit(beside.freeze, known.length)
            stalls.append(target.freeze(known.length))
            other.result()
            closed.append(loop.result())

        closed: list[Array] = []
        played = play(folder / "ramp", known.load, target.url, cores.generator, meanwhile)
    return StallTrial(known, played, stalls[0], closed[0])


def null_target(folder: Path, load: Offered, cores: Cores) -> Played:
    """Play a load against a target that answers everything at once."""
    with serving(folder / "target", cores.target, "--null") as target:
        return play(folder / "ramp", load, target.url, cores.generator)


def nanoseconds(seconds: Array) -> NDArray[np.int64]:
    """Return seconds as whole nanoseconds."""
    return np.rint(seconds * SECOND_NS).astype(np.int64)


def worst_gap(ours: Array, truth: Array, shares: Sequence[float], least: Seconds, relative: float) -> tuple[float, str]:
    """Return (the largest |ours − truth| ÷ max(least, relative·truth) over the quantiles, all of them in words)."""
    worst, words = 0.0, []
    for share in shares:
        mine, right = (float(np.quantile(side, share, method="inverted_cdf")) for side in (ours, truth))
        worst = max(worst, abs(mine - right) / max(least, relative * right))
        words.append(f"p{100 * share:g} {1000 * mine:.1f} ms for {1000 * right:.1f} ms")
    return worst, ", ".join(words)


def _sleep_until(instant: int) -> None:
    """Wait for an instant in ns of CLOCK_MONOTONIC."""
    time.sleep(max(0.0, (instant - time.monotonic_ns()) / SECOND_NS))
