"""What goes wrong in a simulated run, drawn from its seed, and what the harness must say of it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

TAMPERING = ("lose-write", "duplicate-write", "corrupt-write", "oversell")
ANSWERS = ("reset", "lose-answer", "silence", "error", "error-after-store", "truncate", "garble", "refuse")
TIMES = ("slow", "stall")
GENERATOR = ("kill-worker", "cut-worker-off", "freeze-worker")


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
        return " ".join([self.name, *(f"{name}={value:.3g}" for name, value in words.items() if value)])


CLEAN = Fault("clean")


def draw(random: Random) -> Fault:
    """Return one fault of any kind, heavy or light."""
    name = random.choice((*TAMPERING, *ANSWERS, *TIMES, *GENERATOR, "shed", "mute"))
    is_heavy = random.random() < 0.5
    at = random.uniform(4.0, 7.0)
    if name in TAMPERING:
        return Fault(name, share=random.uniform(0.002, 0.05), is_heavy=True)
    if name in ("shed", "refuse"):  # those who are shed come back, and a connection is refused once
        share = random.uniform(0.7, 0.85) if is_heavy else random.uniform(0.001, 0.01)
        return Fault(name, share=share, is_heavy=is_heavy)
    if name in ANSWERS:
        return Fault(
            name, share=random.uniform(0.3, 0.6) if is_heavy else random.uniform(0.001, 0.01), is_heavy=is_heavy
        )
    if name == "slow":
        return Fault(
            name, seconds=random.uniform(4.0, 4.5) if is_heavy else random.uniform(0.01, 0.1), is_heavy=is_heavy
        )
    if name == "stall":
        return Fault(
            name, seconds=random.uniform(3.5, 4.5) if is_heavy else random.uniform(0.05, 0.3), at=at, is_heavy=is_heavy
        )
    if name == "freeze-worker":
        return Fault(name, seconds=random.uniform(1.5, 6.0), at=at)
    return Fault(name, at=at, is_heavy=name == "mute")
