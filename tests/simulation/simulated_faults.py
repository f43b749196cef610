"""What goes wrong in a simulated run, drawn from its seed, and what the harness may say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from prakerja_load.judgement.verdict import Verdict

TAMPERING = ("lose-write", "duplicate-write", "corrupt-write", "oversell", "restart-amnesia")
FAILING = ("reset", "cut", "lose-answer", "error", "error-after-store", "truncate", "garble", "refuse", "shed")
"""Answers that no slow generator can be the cause of."""
SILENT = ("silence", "mute")
TIMES = ("slow", "stall")
OUTAGES = ("restart",)
BRIEF = ("stall", "restart")  # one event in a hold: a few independent answers, perhaps too few for a bound
RACES = ("hang-up",)  # never heavy: it depends on who is quicker
SYSTEM = (*FAILING, *SILENT, *TIMES, *OUTAGES, *RACES)

CALM_LINK = ("slow-link", "lose-last-word")  # what the harness puts up with
BLINDING = ("kill-worker", "cut-worker-off", "freeze-worker", "lose-last-words")  # takes evidence or arrivals along
FORGETFUL = ("lose-last-count",)  # flattering, though everything is on disk
ACCUSING = ("busy-generator",)
GENERATOR = (*CALM_LINK, *BLINDING, *FORGETFUL, *ACCUSING)

PER_REGISTRANT = ("refuse",)  # a connection is refused once, so everybody needs one of their own
SPARSE = ("oversell", "restart-amnesia")  # they decide themselves how many places the wave has


@dataclass(frozen=True)
class Fault:
    """One fault; `share` of requests, `seconds` of length, `at` seconds after the epoch where these matter."""

    name: str
    share: float = 0.0
    seconds: float = 0.0
    at: float = 0.0
    is_heavy: bool = False  # beyond every limit of the scenario

    def __str__(self) -> str:
        words = {"share": self.share, "seconds": self.seconds, "at": self.at}
        told = " ".join([self.name, *(f"{name}={value:.3g}" for name, value in words.items() if value)])
        return f"{told} (heavy)" if self.is_heavy and self.name not in TAMPERING else told


Faults = tuple[Fault, ...]


def draw(random: Random, *, is_curve: bool) -> Faults:
    """Return one fault or two of system, generator and store; store and generator have no more than one each."""
    if random.random() < 0.5:
        return (_draw(random, (*TAMPERING, *SYSTEM, *GENERATOR), is_curve=is_curve),)
    pools = (
        (ACCUSING, SYSTEM),
        ((*BLINDING, *FORGETFUL, *CALM_LINK), SYSTEM),
        (TAMPERING, (*SYSTEM, *GENERATOR)),
        (SYSTEM, SYSTEM),
    )
    first, second = (_draw(random, pool, is_curve=is_curve) for pool in random.choice(pools))
    return (first,) if first.name == second.name else (first, second)


def _draw(random: Random, names: Iterable[str], *, is_curve: bool) -> Fault:
    """Return one of these faults, heavy or light; along a curve, which is longer, what has a length is longer too."""
    name = random.choice(tuple(names))
    is_heavy = random.random() < 0.5
    at = random.uniform(20.0, 40.0) if is_curve else random.uniform(4.0, 7.0)
    if name in TAMPERING:
        if name == "restart-amnesia":
            return Fault(name, seconds=random.uniform(0.05, 0.3), at=at, is_heavy=True)
        return Fault(name, share=random.uniform(0.01, 0.05), at=at, is_heavy=True)
    if name in RACES:
        return Fault(name, share=random.uniform(0.001, 0.01))
    if name in ("shed", "refuse"):  # those who are shed come back, and a connection is refused once
        share = random.uniform(0.7, 0.85) if is_heavy else random.uniform(0.001, 0.01)
        return Fault(name, share=share, is_heavy=is_heavy)
    if name in FAILING or name == "silence":
        # of fewer than twenty requests a journey; forty journeys must not come to the limit of 20 % by chance
        share = random.uniform(0.3, 0.6) if is_heavy else random.uniform(0.001, 0.005)
        return Fault(name, share=share, is_heavy=is_heavy)
    if name in GENERATOR or name == "mute":
        return Fault(name, seconds=_length(random, name, is_curve=is_curve), at=at, is_heavy=name == "mute")
    light, heavy = _LENGTHS[name]
    shortest, longest = (heavy if is_heavy else light)(is_curve)
    return Fault(name, seconds=random.uniform(shortest, longest), at=0.0 if name == "slow" else at, is_heavy=is_heavy)


_Range = Callable[[bool], tuple[float, float]]
_LENGTHS: dict[str, tuple[_Range, _Range]] = {
    "slow": (lambda _: (0.01, 0.1), lambda _: (4.0, 4.5)),
    "stall": (lambda _: (0.05, 0.3), lambda is_curve: (20.0, 24.0) if is_curve else (3.5, 4.5)),
    "restart": (lambda _: (0.02, 0.1), lambda is_curve: (20.0, 24.0) if is_curve else (3.5, 4.5)),
}


def _length(random: Random, name: str, *, is_curve: bool) -> float:
    if name == "freeze-worker":  # along a curve, only what stops a worker is sure to be seen
        return random.uniform(3.6 if is_curve else 1.5, 6.0)
    return random.uniform(0.1, 0.8) if name == "slow-link" else 0.0


def allowed(faults: Faults, *, is_harmed: bool) -> set[Verdict]:
    """Return the verdicts that are right, by method.md: of a store that was harmed only one is."""
    red, unsure, green = Verdict.NOT_SUSTAINED, Verdict.INCONCLUSIVE, Verdict.SUSTAINED
    if is_harmed:
        return {red}
    names = {fault.name for fault in faults}
    heavy = {fault.name for fault in faults if fault.is_heavy and fault.name not in TAMPERING}
    if names & {*BLINDING}:
        return {red, unsure} if heavy else {unsure}
    if names & {*ACCUSING}:
        if heavy & {*FAILING}:
            return {red}
        return {red, unsure} if heavy & {*OUTAGES} else {unsure}
    if heavy:
        return {red, unsure} if heavy <= {*BRIEF} else {red}
    return {unsure} if names & {*FORGETFUL} else {unsure, green}
