"""What the registrar still does at three times its capacity, and how soon it is itself again.

    python benchmarks/overload.py [--rounds 3] [--times 3] [--seconds 25] [--returns 0]
        [--connection per-registrant|reuse]

The real registrar, as it comes, is pinned to one core, on a fresh store each time; our own driver on another core lets
new applicants arrive at random, each with the whole journey of sixteen requests and hardly any think time. To shed is
not free: it costs one request and, by default, one connection. Who is shed goes away, or with `--returns` comes back to
the step, so often, after Retry-After; what a registrant who goes away in the middle has cost is lost.

Its capacity is looked for first: a guess from the CPU time that a registrant costs at a moderate rate, then stairs of
rates around it, 4 % apart. The capacity is the highest stair before the first on which anybody was turned away or more
people were under way at the end than at the beginning. A round then offers the capacity, `--times` as much, and half of
it, one after another without a pause. When the generator's core cannot offer so much, the table says what it did offer.

Goodput is registrants who come to the end of their whole journey, a second; the p99 is that of the requests that were
accepted, which stand beside it. The first two seconds at capacity are left out, and the first five of the overload have
a row of their own: a queue has to stand before anybody is turned away, and those who are in by then come through.
Memory is the most that was ever resident, beyond what was resident at the end of the phase at capacity and what the
registrants since then would have added there: the store keeps their pages, up to 256 MiB. Recovery is the time after
the overload until nobody is shed any more and the p99 is at most twice that at capacity, with half of the capacity
still arriving. Ratios are medians of the rounds, memory and recovery the worst of them.

The exit code is 1 when a goal is missed, which is named, 2 where there are fewer than two cores, and 4 when the driver
could not do its work. The whole takes about five minutes.
"""

from __future__ import annotations

import argparse
import functools
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from servers.arriving import Applicants
from servers.cores import two_cores
from servers.judged import Goal, judge
from servers.phases import Phase, Seen, carried, look, recovery
from servers.pinned import LAB_TOKEN, Figures, PinnedRegistrar

from prakerja_load.arrivals.curve import RampStage
from prakerja_load.calibration.playing import Played, play
from prakerja_load.driver import guard
from prakerja_load.errors import HarnessError
from prakerja_load.trial.system import People, System
from prakerja_load.units import SECOND_NS, Nanoseconds

MODERATE, WARMING, MEASURED = 250.0, 3.0, 4.0  # registrants/s, and seconds of them for the guess
LOWEST, STEP, STAIRS, STAIR = 0.80, 1.04, 12, 4.0  # of the guess; then a factor, a number and seconds
TRIES = 4  # at guessing, when all or none of the stairs are carried
SETTLING, HOLD, ONSET, AFTER = 2.0, 8.0, 5.0, 8.0  # seconds
SCARCELY_LOST = 0.01  # of those who leave at capacity
GROWTH = 64.0  # MiB of resident memory
RECOVERED = 5.0  # seconds
MIB = 1024 * 1024


@dataclass(frozen=True)
class Where:
    """The cores, how registrants connect, and how often who is shed comes back to a step."""

    server: int
    generator: int
    connection: str
    returns: int


@dataclass(frozen=True)
class Round:
    """What one round showed at capacity and beyond; bytes and seconds."""

    at_capacity: Seen
    onset: Seen
    overloaded: Seen
    grown: int
    recovery: float
    busy: float  # the generator's highest share of its core in any second

    @property
    def goodput(self) -> float:
        """Return the goodput of the overload ÷ that at capacity."""
        return self.overloaded.goodput / self.at_capacity.goodput if self.at_capacity.goodput else 0.0

    @property
    def p99(self) -> float:
        """Return the p99 of the overload ÷ that at capacity."""
        return self.overloaded.p99 / self.at_capacity.p99


@dataclass(frozen=True)
class Arrived:
    """What the driver took down, and the most memory that the registrar ever had, in bytes."""

    played: Played
    most: int


def arrive(
    where: Where, stages: Sequence[RampStage], watch: Callable[[PinnedRegistrar, Nanoseconds], None] | None = None
) -> Arrived:
    """Let applicants arrive at a registrar with a fresh store; `watch` may look at it while they do."""
    with tempfile.TemporaryDirectory() as name:
        registrar = PinnedRegistrar(Path(name, "registrar.db"), where.server)
        try:
            load = Applicants.by(stages, where.connection, where.returns)
            system = System(registrar.url, guard.authorize(registrar.url), LAB_TOKEN)
            system.know_people(People(load.seed), 0, load.count)
            meanwhile = None if watch is None else functools.partial(watch, registrar)
            played = play(Path(name, "ramp"), load, registrar.url, frozenset({where.generator}), meanwhile)
            return Arrived(played, registrar.memory()[1])
        finally:
            registrar.end(signal.SIGKILL)


def wait_until(seconds: float, epoch: Nanoseconds) -> None:
    """Sleep until so many seconds after the epoch."""
    time.sleep(max(0.0, seconds - (time.monotonic_ns() - epoch) / SECOND_NS))


def guess(where: Where) -> float:
    """Return the rate at which a registrar would be busy all the time, by what a registrant costs at a moderate one."""
    seen: list[Figures] = []

    def watch(registrar: PinnedRegistrar, epoch: Nanoseconds) -> None:
        for seconds in (WARMING, WARMING + MEASURED):
            wait_until(seconds, epoch)
            seen.append(registrar.figures())

    arrive(where, [RampStage(WARMING + MEASURED + 0.5, MODERATE, MODERATE)], watch)
    done = seen[1] - seen[0]
    if not done.finished:
        raise HarnessError(f"nobody came through at {MODERATE:g} registrants/s")
    return done.finished / done.cpu


def climb(where: Where, rates: Sequence[float]) -> int:
    """Offer these rates one after another and return how many, from the first on, were carried whole."""
    warming = RampStage(SETTLING, rates[0], rates[0])
    arrived = arrive(where, [warming, *(RampStage(STAIR, rate, rate) for rate in rates)])
    begins = [SETTLING + number * STAIR for number in range(len(rates))]
    return carried(arrived.played.evidence.arrivals, [Phase(begin, begin + STAIR) for begin in begins])


def find_capacity(where: Where) -> float:
    """Return the highest rate at which nobody was turned away, registrants/s."""
    middle = guess(where)
    for _ in range(TRIES):
        rates = [middle * LOWEST * STEP**number for number in range(STAIRS)]
        number = climb(where, rates)
        if 0 < number < STAIRS:
            return rates[number - 1]
        middle *= STEP ** (STAIRS // 2) if number else STEP ** -(STAIRS // 2)
    raise HarnessError(f"found no rate around {middle:.0f} registrants/s that is carried below one that is not")


def measure(where: Where, capacity: float, times: float, seconds: float) -> Round:
    """Offer the capacity, so many times as much, and half of it."""
    at_capacity, beyond = SETTLING + HOLD, SETTLING + HOLD + seconds
    stages = [
        RampStage(at_capacity, capacity, capacity),
        RampStage(seconds, times * capacity, times * capacity),
        RampStage(AFTER, capacity / 2, capacity / 2),
    ]
    resident: list[int] = []

    def watch(registrar: PinnedRegistrar, epoch: Nanoseconds) -> None:
        for instant in (SETTLING, at_capacity):
            wait_until(instant, epoch)
            resident.append(registrar.memory()[0])

    arrived = arrive(where, stages, watch)
    evidence = arrived.played.evidence
    calm = look(evidence.arrivals, evidence.samples, Phase(SETTLING, at_capacity))
    since = look(evidence.arrivals, evidence.samples, Phase(at_capacity, beyond + AFTER))
    kept = (resident[1] - resident[0]) / max(calm.left - calm.lost, 1)  # of each registrant
    return Round(
        at_capacity=calm,
        onset=look(evidence.arrivals, evidence.samples, Phase(at_capacity, at_capacity + ONSET)),
        overloaded=look(evidence.arrivals, evidence.samples, Phase(at_capacity + ONSET, beyond)),
        grown=round(arrived.most - resident[1] - kept * (since.left - since.lost)),
        recovery=recovery(evidence.samples, Phase(beyond, beyond + AFTER), 2 * calm.p99),
        busy=float(arrived.played.cpu.max(initial=0.0)),
    )


def print_table(rounds: Sequence[Round], capacity: float) -> None:
    """Print the phases, medians of the rounds."""
    print(
        "| phase | × capacity, offered | registrants/s | goodput/s | accepted requests/s | p99 ms "
        "| shed: newcomers | under way | failed |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, seen in (
        ("at capacity", [one.at_capacity for one in rounds]),
        (f"its onset, {ONSET:g} s", [one.onset for one in rounds]),
        ("overload", [one.overloaded for one in rounds]),
    ):
        offered, goodput, accepted, p99 = (
            statistics.median(getattr(one, figure) for one in seen)
            for figure in ("offered", "goodput", "accepted", "p99")
        )
        shed = f"{sum(one.newcomers for one in seen)} | {sum(one.under_way for one in seen)}"
        print(
            f"| {name} | {offered / capacity:.2f} | {offered:.0f} | {goodput:.0f} | {accepted:.0f} "
            f"| {p99 * 1e3:.0f} | {shed} | {sum(one.failed for one in seen)} |"
        )
    busy = max(one.busy for one in rounds)
    print(f"the generator was busy for {busy:.0%} of a second at most; recovered in", end=" ")
    print(", ".join(f"{one.recovery:g} s" for one in rounds))


def goals_of(rounds: Sequence[Round], capacity: float, times: float) -> list[Goal]:
    """Return what is asked of the rounds."""
    offered = statistics.median(one.overloaded.offered for one in rounds) / capacity
    at = f"at {offered:.1f}× capacity"
    lost = max(one.at_capacity.lost / max(one.at_capacity.left, 1) for one in rounds)
    return [
        Goal("at capacity: share of registrants turned away", lost, SCARCELY_LOST),
        Goal("overload: offered ÷ capacity", offered, 0.95 * times, "×", is_floor=True),
        Goal(f"{at}: goodput ÷ peak", statistics.median(one.goodput for one in rounds), 0.9, is_floor=True),
        Goal(f"{at}: p99 of accepted ÷ that at capacity", statistics.median(one.p99 for one in rounds), 2, "×"),
        Goal(f"{at}: memory grown", max(one.grown for one in rounds) / MIB, GROWTH, " MiB"),
        Goal("recovery after the overload", max(one.recovery for one in rounds), RECOVERED, " s"),
        Goal(
            "requests that were neither accepted nor told to come back",
            sum(one.at_capacity.failed + one.onset.failed + one.overloaded.failed for one in rounds),
            0,
        ),
    ]


def compare(where: Where, rounds: int, times: float, seconds: float) -> list[Goal]:
    """Find the capacity, go beyond it, and print what was seen; return what is asked of that."""
    capacity = find_capacity(where)
    measured = [measure(where, capacity, times, seconds) for _ in range(rounds)]
    print(
        f"{rounds} rounds of {seconds:g} s at {times:g} × {capacity:.0f} registrants/s, connections "
        f"{where.connection}, registrar on core {where.server}, generator on core {where.generator}"
    )
    print_table(measured, capacity)
    return goals_of(measured, capacity, times)


def problems(chosen: argparse.Namespace) -> list[str]:
    """Return everything that is wrong with the command line: what was given, and what is allowed."""
    limits = (("rounds", 1), ("times", 1), ("seconds", 2 * ONSET), ("returns", 0))
    return [
        f"--{name}: got {getattr(chosen, name):g}, allowed: {least:g} or more"
        for name, least in limits
        if not getattr(chosen, name) >= least
    ]


def main() -> int:
    """Print the table; return 1 when a goal is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--times", type=float, default=3.0, help="of the capacity, to be offered")
    options.add_argument("--seconds", type=float, default=25.0, help="of the overload")
    options.add_argument("--returns", type=int, default=0, help="how often who is shed comes back to a step")
    options.add_argument("--connection", choices=("per-registrant", "reuse"), default="per-registrant")
    chosen = options.parse_args()
    if wrong := problems(chosen):
        options.error("; ".join(wrong))
    where = Where(*two_cores(), chosen.connection, chosen.returns)
    os.sched_setaffinity(0, {where.generator})
    os.environ["PRAKERJA_LAB_TOKEN"] = LAB_TOKEN  # for the driver's looks into the outbox
    try:
        return judge(compare(where, chosen.rounds, chosen.times, chosen.seconds))
    except HarnessError as failure:
        print(failure, file=sys.stderr)
        return 4


if __name__ == "__main__":
    raise SystemExit(main())
