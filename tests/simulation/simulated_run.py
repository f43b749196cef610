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
from simulated_faults import BLINDING, Fault, Faults, draw
from simulated_network import Network, Pipe
from simulated_scenario import PREFILLED, scenario_of
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
from prakerja_load.driver.message import Final, Order, Report, pack
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
from prakerja_load.units import SECOND_NS

TICK = 0.1

SAY_AGAIN, DISMISSED_WITHIN = 1.0, 10.0  # a worker's last word, as driver.worker says it
SETTLING = 10.0  # seconds that requests on their way have to arrive before the store is exported
FIRST_NOW = 1_000_000_000_000  # a clock that starts at nought would hide who forgets the epoch


@lru_cache(maxsize=2)
def people(seed: int) -> Population:
    return Population(seed)


class StillVitals(Vitals):
    """A process as healthy as it is told: what the machine that simulates is like says nothing of the simulated one."""

    def __init__(self, clock: Callable[[], int], cpu: float) -> None:
        super().__init__(clock)
        self._busy = cpu

    def read(self) -> tuple[float, float, int]:
        return self._busy, 0.0, 50_000_000


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
        vitals = StillVitals(clock, world.cpu_of(number))
        self.offering = Offering(offer, self.host, clock, vitals)  # type: ignore[arg-type]
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
        self._world.merge(self, self._take_count(), is_last=True)
        self._say_last()

    def _say_last(self) -> None:
        """Say the last word until it is heard, as a worker's process does."""
        attendant = self.attendant
        if not (attendant.is_dismissed or attendant.is_alone or attendant.silence > DISMISSED_WITHIN):
            attendant.finish()
            self.host.call_later(SAY_AGAIN, self._say_last)

    def _count(self, samples: Any) -> None:
        self._merged += samples.size

    def _take_count(self) -> int:
        taken, self._merged = self._merged, 0
        return taken

    def _send(self, report: Report) -> None:
        self._world.say(self, report)


class World:
    """One simulated run; `run` plays it and returns its judgement.

    Even seeds are clean and odd ones have faults, unless they are given; one in six plays a curve.
    """

    def __init__(self, seed: int, faults: Faults | None = None, *, is_curve: bool | None = None) -> None:
        self.seed = seed
        draws = Random(f"{seed} shape")
        drawn = draws.random() < 1 / 6
        self.is_curve = drawn if is_curve is None else is_curve
        self.faults = (() if seed % 2 == 0 else draw(draws, is_curve=self.is_curve)) if faults is None else faults
        self.text = scenario_of(seed, draws, self.faults, is_curve=self.is_curve)
        self.clock = VirtualClock(FIRST_NOW)
        self.loop = VirtualLoop(self.clock)
        self.workers: list[Worker] = []
        self.vitals: list[dict[str, float]] = []  # the controller's
        self.merged = self.unheard = 0  # samples of the workers' statistics that came, and that were lost on their way
        self._is_cut_off = False
        self._link_delay = 0.0  # on top of the network's, to and from the last worker
        self._last_words = 0
        self._draws = draws

    def has(self, *names: str) -> bool:
        """Tell whether one of these faults is among the run's."""
        return any(fault.name in names for fault in self.faults)

    @property
    def is_blind(self) -> bool:
        """Tell whether evidence or arrivals were lost with a worker."""
        return self.has(*BLINDING)

    def fault(self, name: str) -> Fault | None:
        """Return the fault of this name."""
        return next((fault for fault in self.faults if fault.name == name), None)

    def cpu_of(self, worker: int) -> float:
        """Return how busy the core of a worker is."""
        return 0.93 if self.has("busy-generator") and worker == 0 else 0.2

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
            quota=10**9 if self.has("oversell") else self.quota,
        )
        if is_new:  # prefilled people have joined nothing in this wave, but their numbers are in use
            rules.rows.clear()
        service = self._draws.uniform(0.005, 0.02)
        servers = self._draws.randint(4, 8)
        model = self.system_of(rules, servers, service)
        refuse = self.fault("refuse")
        self.network = Network(self.loop, Random(f"{self.seed} network"), model.accept, refuse.share if refuse else 0.0)
        self.network.is_down = lambda: model.is_down
        return model

    def system_of(self, rules: FakeSystem, servers: int, service: float) -> SystemModel:
        """Return the system under test behind its queue."""
        return SystemModel(self.loop, Random(f"{self.seed} system"), rules, self.faults, servers, service)

    # --- controller and workers ------------------------------------------------------------------------------------

    def _load(self, course: trial.Course, secrets: dict[str, str]) -> bool:
        self.task = load_assignment(course.folder)
        self._controller = Host(self.loop)
        self.conductor = Conductor(
            self.task.run, self.task.schedule(), self._order, self.clock.now_ns,
            workers=self.task.workers, drain=self.task.drain, tolerates_loss=self.task.tolerate_worker_loss,
        )  # fmt: skip
        self.workers = [Worker(self, number, self.task, course.folder) for number in range(self.task.workers)]
        pipes = [(self._delay_of(worker), worker) for worker in self.workers]
        self._to_worker = [Pipe(self.loop, delay, self._deliver(worker)) for delay, worker in pipes]
        self._to_controller = [Pipe(self.loop, delay, self._hear(worker)) for delay, worker in pipes]
        self._over = self.loop.create_future()
        self._controller.call_soon(self._tick)
        self.loop.run_until_complete(self._over)
        self.loop.run_until_complete(asyncio.sleep(SETTLING))
        record = {**self.conductor.record(), "merged_samples": self.merged, "vitals": self.vitals}
        write_json(course.folder / CONTROLLER, record)
        return False

    def _tick(self) -> None:
        had_begun = self.conductor.epoch is not None
        self.conductor.tick()
        if self.conductor.epoch is not None and not had_begun:
            self._plan_faults(self.conductor.epoch / 1e9)
        if self.conductor.epoch is not None and self.conductor.elapsed >= (len(self.vitals) + 1) * SECOND_NS:
            self.vitals.append({"at": self.conductor.elapsed, "cpu": 0.1, "loop_lag": 0.0, "gc_pause": 0.0})
        if self.conductor.is_over:
            self._over.set_result(None)
        else:
            self._controller.call_later(TICK, self._tick)

    def _plan_faults(self, epoch: float) -> None:
        self.model.begin(epoch)
        for fault in self.faults:
            if deed := self._deed(fault):
                self.loop.call_at(epoch + fault.at, deed)

    def _deed(self, fault: Fault) -> Callable[[], None] | None:
        """Return what a fault of the generator does when its time comes; the last worker is its victim."""
        host = self.workers[-1].host
        deeds: dict[str, Callable[[], None]] = {
            "kill-worker": host.die,
            "freeze-worker": lambda: host.freeze(fault.seconds),
            "cut-worker-off": self._cut_off,
            "slow-link": lambda: self._slow_down(fault.seconds),
        }
        return deeds.get(fault.name)

    def _cut_off(self) -> None:
        self._is_cut_off = True

    def _slow_down(self, seconds: float) -> None:
        self._link_delay = seconds

    def _delay_of(self, worker: Worker) -> Callable[[], float]:
        return lambda: self.network.delay() + self._link_delay * (worker is self.workers[-1])

    def _is_heard(self, worker: Worker) -> bool:
        return not (self._is_cut_off and worker is self.workers[-1])

    def _order(self, client: str, order: Order) -> None:
        number = int(client)
        if self._is_heard(self.workers[number]):
            self._to_worker[number].put(pack(order))

    def say(self, worker: Worker, report: Report) -> None:
        if self._is_heard(worker) and not self._is_lost_word(worker, report):
            self._to_controller[worker.number].put(pack(report))

    def _is_lost_word(self, worker: Worker, report: Report) -> bool:
        """Tell whether a last word of the victim gets lost: the first one, or each that it says."""
        if not isinstance(report, Final) or worker is not self.workers[-1]:
            return False
        self._last_words += 1
        return self.has("lose-last-words") or (self.has("lose-last-word") and self._last_words == 1)

    def merge(self, worker: Worker, samples: int, *, is_last: bool = False) -> None:
        """Take what Locust's own messages would bring of a worker's samples."""
        is_lost = is_last and self.has("lose-last-count") and worker is self.workers[-1]
        if self._is_heard(worker) and not is_lost:
            self._to_controller[worker.number].put(samples)
        else:
            self.unheard += samples

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
