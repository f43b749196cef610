"""Worlds near one limit, of which the truth is known from how they are made and never from what came of them.

Near the limit of success, a share of 0.5 % to 1 % of the journeys is doomed where 0.75 % are allowed. Near the limit of
the backlog, arrivals come at 90 % to 110 % of the rate at which as much of them is left waiting as is allowed.
"""

from __future__ import annotations

from random import Random

from fake_system import FakeSystem
from simulated_run import World
from simulated_system import Asked, SystemModel, broken_answer

FAILING = 0.0075
"""Limit of the share of journeys that fail."""

WAITING = 0.20
"""Limit of the share of arrivals that are left waiting."""

REQUESTS = 4  # of a journey in which nobody clicks twice or reads a page again
RATE, WARM_UP, HOLD = 40.0, 6.0, 10.0  # 400 arrivals judged; none of 400 bounds a share at 3/400, just the limit


def left_waiting(load: float) -> float:
    """Return the share of arrivals that a first-come-first-served system of `REQUESTS` rounds leaves waiting for good.

    `load` is what is asked ÷ what it can do. Where the queue grows, so does the wait, by g a second, and what leaves a
    round does so at x = 1/(1 + g) of the rate at which it came. The servers are never idle, so the rounds they finish,
    λ·(x + x² + … + xᵏ), are k·λ ÷ load; and xᵏ of the arrivals leave the last one.
    """
    if load <= 1:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        x = (low + high) / 2
        low, high = (low, x) if sum(x**number for number in range(1, REQUESTS + 1)) * load > REQUESTS else (x, high)
    return 1.0 - low**REQUESTS


def load_that_leaves(share: float) -> float:
    """Return the load at which this share of the arrivals is left waiting."""
    x = (1.0 - share) ** (1 / REQUESTS)
    return REQUESTS / sum(x**number for number in range(1, REQUESTS + 1))


class DoomingSystem(SystemModel):
    """A system that fails some writes, and them for ever: which ones follows from their keys alone."""

    def doom(self, seed: int, share: float) -> None:
        """Let this share of the keys be doomed."""
        self._seed, self._share = seed, share

    def is_doomed(self, key: str) -> bool:
        return Random(f"{self._seed} {key}").random() < self._share

    def take(self, asked: Asked) -> None:
        if asked.key and self.is_doomed(asked.key):
            self.asked.add(asked.key)
            self._send(asked, broken_answer(500))
        else:
            super().take(asked)


class NearLimit(World):
    """A world without faults but for the share of doomed journeys, and with as much load as it is told."""

    def __init__(self, seed: int, *, doomed: float = 0.0, load: float = 0.5) -> None:
        super().__init__(seed, (), is_curve=False)
        self.doomed, self.load = doomed, load
        self.text = f"""
name = "near-its-limit"
seed = {seed}
claim = "peak"
[demand]
peak_minute_share = 1.0
[[ramps]]
name = "near"
registrants = {round(RATE * 60)}
prefill = 5
hold = "{HOLD:g}s"
[journey]
name = "returning-applicant"
funnel = "none"
think_time_scale = 0.001
photo_size = 256
[journey.behavior]
double_click = 0.0
refresh = 0.0
[load]
workers = 2
connection = "per-registrant"
patience = "60s"
warm_up = "{WARM_UP:g}s"
drain = "90s"
[objectives]
arrivals = 300
judged = "{HOLD:g}s"
elapsed_base = "60s"
quantile = "80%"
step_success = "90%"
journey_success = {1 - FAILING}
completed_share = {1 - WAITING}
"""

    @property
    def is_beyond(self) -> bool:
        """Tell whether the truth is beyond a limit."""
        return self.doomed > FAILING or left_waiting(self.load) > WAITING

    def system_of(self, rules: FakeSystem, servers: int, service: float) -> SystemModel:
        """Return a system that is as fast as its load says, whatever was drawn."""
        service = self.load * servers / (RATE * REQUESTS)
        system = DoomingSystem(self.loop, Random(f"{self.seed} system"), rules, self.faults, servers, service)
        system.doom(self.seed, self.doomed)
        return system
