"""A whole run in virtual time: the real scenario, schedule, conductor, workers, client, evidence and judgement.

Only processes, sockets and the system under test are simulated. Everything that happens follows from one seed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar
from unittest.mock import patch

from fake_system import PASSWORD, FakeSystem
from simulated_faults import CLEAN, Fault, draw
from simulated_network import Network, Pipe
from simulated_system import SystemModel
from virtual_loop import Host, VirtualLoop

from prakerja_load import scenario as scenarios
from prakerja_load.applicants.population import Population
from prakerja_load.clock import VirtualClock
from prakerja_load.driver import guard
from prakerja_load.driver.assignment import Assignment, today
from prakerja_load.driver.assignment import load as load_assignment
from prakerja_load.driver.attendant import BEAT_EVERY, Attendant
from prakerja_load.driver.conductor import Conductor
from prakerja_load.driver.gauge import Vitals
from prakerja_load.driver.message import Order, Report, pack
from prakerja_load.driver.offer import make_offer
from prakerja_load.driver.offering import Offering
from prakerja_load.driver.wire import RequestWriter
from prakerja_load.evidence.run_directory import (
    CONTROLLER,
    ENVIRONMENT,
    RUN,
    SCENARIO,
    RunDirectory,
    worker_path,
    write_json,
)
from prakerja_load.judgement.judge import judge_run
from prakerja_load.judgement.verdict import RunJudgement
from prakerja_load.trial import ramp as trial
from prakerja_load.trial.system import System

TICK = 0.1

PREFILLED = 5  # whose numbers somebody else may give
SETTLING = 10.0  # seconds that requests on their way have to arrive before the store is exported
FIRST_NOW = 1_000_000_000_000  # a clock that starts at nought would hide who forgets the epoch


@lru_cache(maxsize=2)
def people(seed: int) -> Population:
    return Population(seed)


class StillVitals(Vitals):
    """A process in good health: what the machine that simulates is like says nothing of the simulated one."""

    def read(self) -> tuple[float, float, int]:
        return 0.2, 0.0, 50_000_000


class SimulatedSystem(System):
    """The trial's client of a system, whose system is the model: nothing goes over a network."""

    has_laboratory = True
    secrets: ClassVar[dict[str, str]] = {}

    def __init__(self, model: SystemModel) -> None:
        self.url = "http://127.0.0.1:1"
        self._model = model

    def health(self) -> dict[str, Any]:
        return {"lab": True, "password_hash": "none"}

    def memory(self) -> int | None:
        return None

    def import_people(self, *_: Any) -> None:  # type: ignore[override]
        """Everybody is in the model from the beginning."""

    know_people = set_defects = import_people  # type: ignore[assignment]

    def open_wave(self, name: str, quota: int) -> int:
        return 1

    def position(self) -> str:
        return "0"

    def export(self, position: str, path: Path) -> int:
        return self._model.export(path)


class Worker:
    """A worker's process: the real attendant and offering on a host of their own."""

    def __init__(self, world: World, number: int, task: Assignment, folder: Path) -> None:
        self.host = Host(world.loop, world.network.connect)
        self.number, self._world, self._merged = number, world, 0
        target = guard.Target("http", "127.0.0.1", 1, ("127.0.0.1",))
        offer = make_offer(task, target, worker_path(folder, number))
        offer = dataclasses.replace(
            offer,
            write=RequestWriter(target.authority, "simulated", "lab"),
            population=people(task.seed),
            in_flight_limit=task.in_flight_limit,
        )
        clock = world.clock.now_ns
        self.offering = Offering(offer, self.host, clock, StillVitals(clock))  # type: ignore[arg-type]
        self.attendant = Attendant(
            self.offering, self._send, run=task.run, worker=number, drain=task.drain, clock=clock
        )
        self.attendant.show(self._count)
        self._has_ended = False
        self.playing = self.host.create_task(self.offering.play())
        self.playing.add_done_callback(lambda _: self.host.call_soon(self._part))
        self.host.call_later(0.1 * number, self._beat)

    def _beat(self) -> None:
        if not self._has_ended:
            self.attendant.beat()
            self._world.merge(self, self._take_count())
            self.host.call_later(BEAT_EVERY, self._beat)

    def _part(self) -> None:
        self._has_ended = True
        if self.playing.cancelled():
            return
        self.playing.result()
        self.attendant.show_rest()
        self._world.merge(self, self._take_count())
        self.attendant.finish()

    def _count(self, samples: Any) -> None:
        self._merged += samples.size

    def _take_count(self) -> int:
        taken, self._merged = self._merged, 0
        return taken

    def _send(self, report: Report) -> None:
        self._world.say(self, report)


class World:
    """One simulated run; `run` plays it and returns its judgement."""

    def __init__(self, seed: int, fault: Fault | None = None) -> None:
        self.seed = seed
        draws = Random(f"{seed} shape")
        self.fault = fault if fault is not None else (CLEAN if seed % 2 == 0 else draw(draws))
        self.text = scenario_of(seed, draws, self.fault)
        self.clock = VirtualClock(FIRST_NOW)
        self.loop = VirtualLoop(self.clock)
        self.workers: list[Worker] = []
        self.merged = 0
        self._is_cut_off = False
        self._draws = draws

    def run(self, folder: Path) -> RunJudgement:
        scenario = scenarios.parse(self.text)
        plan = scenarios.plan_ramp(scenario, 1)
        directory = RunDirectory.create(folder)
        directory.file(SCENARIO).write_text(self.text)
        directory.write(ENVIRONMENT, {"machine": "simulated"})
        directory.write(RUN, {"schema": 1, "run": "s", "name": "simulated", "created": "2020-04-11", "ramps": [1]})
        is_new = scenario.journey.name == "new-applicant"
        prefilled = PREFILLED if is_new else plan.count
        self.model = self._model(scenario, plan.count, prefilled, is_new)
        self.ramp = directory.ramp_path(1, plan.registrants)
        course = trial.Course(
            scenario, plan, self.ramp, "s1r1", prefilled if is_new else 0, prefilled, PASSWORD, frozenset(),
            self.clock, lambda _: None,
        )  # fmt: skip
        try:
            with patch.object(os, "sync"):  # a simulated store leaves nothing in the page cache
                trial.drive(course, SimulatedSystem(self.model), prefilled, self._load)
        finally:
            self._close()
        return judge_run(folder)

    def _model(self, scenario: scenarios.Scenario, count: int, prefilled: int, is_new: bool) -> SystemModel:
        applicant = people(self.seed).applicant
        self.quota = scenario.registrar.wave_quota
        rules = FakeSystem(
            [applicant(prefilled + index) for index in range(count)] if is_new else [],
            today=today(self.clock.wall()),
            prefilled=[applicant(index) for index in range(prefilled)],
            quota=10**9 if self.fault.name == "oversell" else self.quota,
        )
        if is_new:  # prefilled people have joined nothing in this wave, but their numbers are in use
            rules.rows.clear()
        service = self._draws.uniform(0.005, 0.02)
        servers = self._draws.randint(4, 8)
        model = SystemModel(self.loop, Random(f"{self.seed} system"), rules, self.fault, servers, service)
        refused = self.fault.share if self.fault.name == "refuse" else 0.0
        self.network = Network(self.loop, Random(f"{self.seed} network"), model.accept, refused)
        return model

    # --- controller and workers ------------------------------------------------------------------------------------

    def _load(self, course: trial.Course, secrets: dict[str, str]) -> bool:
        self.task = load_assignment(course.folder)
        self._controller = Host(self.loop)
        self.conductor = Conductor(
            self.task.run, self.task.schedule(), self._order, self.clock.now_ns,
            workers=self.task.workers, drain=self.task.drain,
        )  # fmt: skip
        self.workers = [Worker(self, number, self.task, course.folder) for number in range(self.task.workers)]
        delay = self.network.delay
        self._to_worker = [Pipe(self.loop, delay, self._deliver(worker)) for worker in self.workers]
        self._to_controller = [Pipe(self.loop, delay, self._hear(worker)) for worker in self.workers]
        self._over = self.loop.create_future()
        self._controller.call_soon(self._tick)
        self.loop.run_until_complete(self._over)
        self.loop.run_until_complete(asyncio.sleep(SETTLING))
        write_json(course.folder / CONTROLLER, {**self.conductor.record(), "merged_samples": self.merged})
        return False

    def _tick(self) -> None:
        had_begun = self.conductor.epoch is not None
        self.conductor.tick()
        if self.conductor.epoch is not None and not had_begun:
            self._plan_faults(self.conductor.epoch / 1e9)
        if self.conductor.is_over:
            self._over.set_result(None)
        else:
            self._controller.call_later(TICK, self._tick)

    def _plan_faults(self, epoch: float) -> None:
        self.model.epoch = epoch
        victim, fault = self.workers[-1], self.fault
        deeds: dict[str, Callable[[], None]] = {
            "kill-worker": victim.host.die,
            "cut-worker-off": self._cut_off,
            "freeze-worker": lambda: victim.host.freeze(fault.seconds),
        }
        if deed := deeds.get(fault.name):
            self.loop.call_at(epoch + fault.at, deed)

    def _cut_off(self) -> None:
        self._is_cut_off = True

    def _is_heard(self, worker: Worker) -> bool:
        return not (self._is_cut_off and worker is self.workers[-1])

    def _order(self, client: str, order: Order) -> None:
        number = int(client)
        if self._is_heard(self.workers[number]):
            self._to_worker[number].put(pack(order))

    def say(self, worker: Worker, report: Report) -> None:
        if self._is_heard(worker):
            self._to_controller[worker.number].put(pack(report))

    def merge(self, worker: Worker, samples: int) -> None:
        """Take what Locust's own messages would bring of a worker's samples."""
        if self._is_heard(worker):
            self._to_controller[worker.number].put(samples)

    def _deliver(self, worker: Worker) -> Callable[[Any], None]:
        return lambda packed: worker.host.call_soon(worker.attendant.hear, packed) and None

    def _hear(self, worker: Worker) -> Callable[[Any], None]:
        def hear(said: Any) -> None:
            if isinstance(said, int):
                self.merged += said
            else:
                self._controller.call_soon(self.conductor.hear, str(worker.number), said)

        return hear

    def _close(self) -> None:
        """End what a dead worker left: its tasks, and the files that its end would have closed."""
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.wait(left))
        self.loop.close()
        for worker in self.workers:
            for writer in worker.offering.recorder._writers.values():
                if writer is not None:
                    writer._file.close()


def scenario_of(seed: int, draws: Random, fault: Fault) -> str:
    """Return a scenario small enough for two hundred of its kind, with limits that so few journeys can decide."""
    is_new = draws.random() < 0.4
    rate = draws.uniform(4, 5) if is_new else draws.uniform(9, 12)
    windows = 'every_window = "4s"\n' if draws.random() < 0.5 else ""
    has_few_places = fault.name == "oversell" or draws.random() < 0.15
    return f"""
name = "simulated"
seed = {seed}
claim = "peak"
[demand]
peak_minute_share = 1.0
[[ramps]]
name = "simulated"
registrants = {round(rate * 60)}
prefill = {PREFILLED}
hold = "8s"
[journey]
name = "{"new-applicant" if is_new else "returning-applicant"}"
funnel = "none"
think_time_scale = {draws.uniform(0.0003, 0.0006) if is_new else draws.uniform(0.001, 0.004)}
photo_size = 256
[load]
workers = {draws.choice([1, 2, 2])}
connection = "{draws.choice(["per-registrant", "reuse"]) if fault.name != "refuse" else "per-registrant"}"
warm_up = "3s"
patience = "6s"
drain = "90s"
[objectives]
quantile = "{80 if is_new else 90}%"
step_success = "85%"
journey_success = "80%"
completed_share = "80%"
arrivals = 20
judged = "8s"
{windows}[registrar]
wave_quota = {10 if has_few_places else 1_000_000}
"""
