"""Whole runs in virtual time of a system whose service times are known: the real run, evidence and judgement of each.

All runs of one system ask the same (scenario and seed are what comparing demands to be equal); from run to run only the
system's luck differs, and how quick its machine is that day.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / "simulation"), str(TESTS / "journey")]

from fake_system import FakeSystem  # noqa: E402
from simulated_network import Network  # noqa: E402
from simulated_run import World, people  # noqa: E402
from simulated_system import SystemModel  # noqa: E402

from prakerja_load.driver.assignment import today  # noqa: E402
from prakerja_load.judgement.record import write_verdict  # noqa: E402
from prakerja_load.scenario import Scenario  # noqa: E402

SERVICE, SPREAD = 0.02, 0.15  # seconds of every step, evenly spread by so much on either side
WAY = 0.001  # seconds between a client and the system, in each direction
SERVERS = 8
DAY = 0.01  # s.d. of the logarithm of the machine's speed, run by run
SLOWED = "/api/v1/waves/current"  # what the step wave-page asks for
PLACES = 1_000_000

TEXT = """
name = "calibrated"
seed = 6
claim = "peak"
[demand]
peak_minute_share = 1.0
[[ramps]]
name = "calibrated"
registrants = 1_500                # 25 arrivals/s
prefill = 5
hold = "8s"
[journey]
name = "returning-applicant"
funnel = "none"
think_time_scale = 0.001
photo_size = 256
[load]
workers = 1
connection = "reuse"
patience = "6s"
warm_up = "1s"
drain = "30s"
[objectives]
arrivals = 20
judged = "8s"
quantile = "90%"
step_success = "85%"
journey_success = "80%"
completed_share = "80%"
"""


class CalibratedSystem(SystemModel):
    """A system each of whose steps takes a known time; `slow` is the factor on one of them."""

    def calibrate(self, speed: float, slow: float) -> None:
        self._speed, self._slow = speed, slow

    def _work(self) -> None:
        while self._free and self._queue:
            self._free -= 1
            asked = self._queue.popleft()
            seconds = SERVICE * self._speed * self._random.uniform(1 - SPREAD, 1 + SPREAD)
            seconds *= self._slow if asked.path == SLOWED else 1.0
            self._loop.call_later(seconds, self._finish, asked, self._life)


class CalibratedNetwork(Network):
    """A network whose way takes the same time always."""

    def delay(self) -> float:
        return WAY


class CalibratedWorld(World):
    """One run of it; `number` says which day it is."""

    def __init__(self, number: int, slow: float) -> None:
        super().__init__(0, (), is_curve=False)
        self.text, self._number, self._slow = TEXT, number, slow

    def _model(self, scenario: Scenario, count: int, prefilled: int, is_new: bool) -> SystemModel:
        luck = Random(f"{self._number} {self._slow} calibrated")
        applicant = people(scenario.seed).applicant
        self.quota = PLACES
        rules = FakeSystem(
            [],
            today=today(self.clock.wall()),
            prefilled=[applicant(index) for index in range(prefilled)],
            quota=self.quota,
        )
        model = CalibratedSystem(self.loop, luck, rules, (), SERVERS, SERVICE)
        model.calibrate(luck.lognormvariate(0.0, DAY), self._slow)
        self.network = CalibratedNetwork(self.loop, Random("network"), model.accept)
        return model


def record(folder: Path, number: int, slow: float = 1.0) -> Path:
    """Play, judge and leave one run directory."""
    write_verdict(CalibratedWorld(number, slow).run(folder), folder)
    return folder
