"""One ramp from a filled store to an exported one: prefill, load, export; every stage on disk before the next."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.clock import Clock
from prakerja_load.driver import assignment
from prakerja_load.driver.assignment import Assignment
from prakerja_load.errors import EvidenceError, HarnessError
from prakerja_load.evidence.progress import Progress
from prakerja_load.evidence.run_directory import RAMP, STORED, TARGET, read_json, write_json
from prakerja_load.scenario import Scenario
from prakerja_load.trial.process import Child
from prakerja_load.trial.system import People, System
from prakerja_load.units import Seconds

STARTING: Seconds = 30.0  # for the controller to listen
QUIET: Seconds = 30.0  # a controller that says nothing for so long has died
ENDING: Seconds = 10.0  # for a process to end after it has said its last
Told = Callable[[Progress], None]


@dataclass(frozen=True)
class Course:
    """One ramp about to be run: what it offers, where its evidence goes, whose turn it is."""

    scenario: Scenario
    plan: RampPlan
    folder: Path
    run: str  # prefix of the idempotency keys of this ramp
    first_person: int
    prefilled: int  # persons 0 … prefilled−1 are complete registrants once the store is filled
    password: str  # of every prefilled person
    cores: frozenset[int]  # of the generator
    clock: Clock
    told: Told

    @property
    def people(self) -> People:
        """Return the population of the run."""
        return People(self.scenario.seed, self.scenario.applicants.dialable_phones)

    def tell(self, phase: str, note: str = "", remaining: Seconds = 0.0) -> None:
        """Tell whoever watches what happens beside the load itself."""
        self.told(Progress(ramp=self.plan.name, phase=phase, elapsed=0.0, remaining=remaining, note=note))


def is_closed(folder: Path) -> bool:
    """Tell whether a ramp's folder holds a ramp that ran to its end."""
    try:
        said = read_json(folder / RAMP)
    except EvidenceError:
        return False
    return isinstance(said, dict) and said.get("closed") is True


def drive(course: Course, system: System, stored: int) -> bool:
    """Run one ramp on `system`, which holds the persons below `stored`; return whether it was interrupted.

    Leaves ramp.json, target.json, the workers' segments, controller.json and the export in the ramp's folder. Raises
    HarnessError when the harness could not do its work; what was written until then stays.
    """
    course.folder.mkdir(parents=True, exist_ok=True)
    wave, position = _prepare(course, system, stored)
    task = _assignment(course, system, wave)
    _write_ramp(course, task, wave, is_closed=False)
    try:
        was_interrupted = _load(course, system.secrets)
    finally:
        if system.has_laboratory:
            course.tell("reconciling")
            _export(course, system, position)
    _write_ramp(course, task, wave, is_closed=True)
    return was_interrupted


def _prepare(course: Course, system: System, stored: int) -> tuple[int, str]:
    """Fill the store, open the wave and mark the position; return (wave, position), (0, "") without a laboratory."""
    if not system.has_laboratory:
        write_json(course.folder / TARGET, {"health": system.health(), "position": None, "wave": 0})
        return 0, ""
    plan = course.plan
    wanted = course.prefilled
    course.tell("prefilling", f"{stored} of {wanted} stored")
    if stored < wanted:
        system.import_people(
            course.people,
            stored,
            wanted,
            course.password,
            lambda done: course.tell("prefilling", f"{stored + done} of {wanted} stored"),
        )
    if course.scenario.journey.name == "new-applicant":
        system.know_people(course.people, course.first_person, course.first_person + plan.count)
    wave = system.open_wave(plan.name, course.scenario.registrar.wave_quota)
    position = system.position()
    system.set_defects([dict(defect) for defect in course.scenario.registrar.defects])
    write_json(course.folder / TARGET, {"health": system.health(), "position": position, "wave": wave})
    return wave, position


def _assignment(course: Course, system: System, wave: int) -> Assignment:
    scenario, plan, load = course.scenario, course.plan, course.scenario.load
    return Assignment(
        run=course.run,
        name=plan.name,
        target_url=system.url,
        authorized_by=scenario.target.authorized_by or "",
        contact=scenario.target.contact or "",
        seed=scenario.seed,
        dialable_phones=scenario.applicants.dialable_phones,
        first_person=course.first_person,
        count=plan.count,
        rate=plan.rate,
        warm_up=plan.warm_up,
        hold=plan.hold,
        drain=load.drain,
        curve=plan.curve.stages(),
        schedule_seed=plan.seed,
        process=plan.process,
        journey=journey_options(course, wave),
        workers=load.workers,
        connection=load.connection,
        in_flight_limit=load.in_flight_limit,
        patience=load.patience,
        tolerate_worker_loss=load.tolerate_worker_loss,
    )


def journey_options(course: Course, wave: int) -> Any:
    """Return what the journeys of this ramp are told."""
    from prakerja_load.journey.options import JourneyOptions

    choice = course.scenario.journey
    return JourneyOptions(
        seed=course.scenario.seed,
        today=assignment.today(course.clock.wall()),
        name=choice.name,
        funnel=choice.funnel,
        think_time_scale=choice.think_time_scale,
        photo_size=choice.photo_size,
        prefilled=course.prefilled,
        wave=wave,
        expects_quota_full=course.scenario.registrar.wave_quota < course.plan.count,
        returning_password=course.password,
        **choice.behavior.model_dump(),
    )


def _write_ramp(course: Course, task: Assignment, wave: int, *, is_closed: bool) -> None:
    said: dict[str, Any] = msgspec.to_builtins(task)
    write_json(
        course.folder / RAMP,
        {
            **said,
            "number": course.plan.number,
            "registrants": course.plan.registrants,
            "prefill": course.plan.prefill,
            "wave": wave,
            "think_time_scale": course.scenario.journey.think_time_scale,
            "started_wall": course.clock.wall().isoformat(timespec="seconds"),
            "schedule_digest": course.plan.schedule().digest(),
            "closed": is_closed,
        },
    )


def _load(course: Course, secrets: dict[str, str]) -> bool:
    """Run controller and workers to their end; return whether they were interrupted.

    However it ends, none of them runs any more afterwards: what is exported then is all there will be.
    """
    controller = _child(course, "controller", ["prakerja_load.driver.controller", str(course.folder)], secrets)
    children = [controller]
    interruption = Interruption(controller)
    try:
        with interruption:
            port = str(controller.wait_for("listening", STARTING)["port"])
            for number in range(course.scenario.load.workers):
                place = ["--worker", str(number), "--master-port", port]
                module = ["prakerja_load.driver.worker", str(course.folder), *place]
                children.append(_child(course, f"worker-{number}", module, secrets))
            failure = _follow(course, controller)
            code = controller.join(ENDING)
            for worker in children[1:]:
                worker.join(ENDING)
    finally:
        for child in children:
            child.stop(1.0)
    if code:
        raise HarnessError(failure or f"the controller ended with exit code {code}{controller.last_words()}")
    return interruption.came


def _child(course: Course, name: str, module: list[str], secrets: dict[str, str]) -> Child:
    return Child(module, course.folder / f"{name}.log", course.cores, secrets)


class Interruption:
    """Ctrl-C while a ramp runs is passed on to its controller, which drains; the run goes on to judge what there is."""

    def __init__(self, controller: Child) -> None:
        self.came = False
        self._controller = controller
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._hear)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, *_: object) -> None:
        self.came = True
        self._controller.signal(signal.SIGINT)


def _follow(course: Course, controller: Child) -> str:
    """Pass progress on until the controller says no more; return why it failed, if it did."""
    failure = ""
    while (event := controller.event(QUIET)) is not None:
        if event.get("event") == "progress":
            course.told(msgspec.convert({k: v for k, v in event.items() if k != "event"}, Progress))
        elif event.get("event") == "failed":
            failure = str(event.get("reason", ""))
    return failure


def _export(course: Course, system: System, position: str) -> None:
    try:
        system.export(position, course.folder / STORED)
    except HarnessError as error:
        # judgement calls writes that cannot be looked up unverified; the reason is kept beside the evidence
        (course.folder / "export.log").write_text(f"{error}\n")
