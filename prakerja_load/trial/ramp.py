"""One ramp from a filled store to an exported one: prefill, load, export; every stage on disk before the next."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.clock import Clock
from prakerja_load.driver import assignment
from prakerja_load.driver.address import Address
from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver.tls import read_authorities
from prakerja_load.errors import EvidenceError, HarnessError
from prakerja_load.evidence.memory import MEMORY
from prakerja_load.evidence.progress import Progress
from prakerja_load.evidence.run_directory import ABORTED, CONTROLLER, RAMP, STORED, TARGET, read_json, write_json
from prakerja_load.journey.step import Registrant
from prakerja_load.judgement import ports
from prakerja_load.judgement.plan import journey_figures
from prakerja_load.scenario import Scenario
from prakerja_load.trial import crew
from prakerja_load.trial.memory import MemoryWatch
from prakerja_load.trial.remainder import Rest
from prakerja_load.trial.system import People, System
from prakerja_load.trial.tables import Tables
from prakerja_load.units import Seconds

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
    controller: Address | None = None  # where workers from elsewhere are awaited; None: they are started on this host

    @property
    def people(self) -> People:
        """Return the population of the run."""
        return People(self.scenario.seed, self.scenario.applicants.dialable_phones)

    def tell(self, phase: str, note: str = "", remaining: Seconds = 0.0) -> None:
        """Tell whoever watches what happens beside the load itself."""
        self.told(Progress(ramp=self.plan.name, phase=phase, elapsed=0.0, remaining=remaining, note=note))


Loading: TypeAlias = Callable[[Course, dict[str, str]], bool]
"""What plays a ramp that is written down, given the secrets of the target; returns whether it was interrupted."""


def is_over(folder: Path) -> bool:
    """Tell whether nothing of a ramp is left to play: it ran to its end, which nobody but its scenario cut short."""
    try:
        said, led = read_json(folder / RAMP), read_json(folder / CONTROLLER)
    except EvidenceError:
        return False
    if not isinstance(said, dict) or not isinstance(led, dict) or said.get("closed") is not True:
        return False
    return not led.get("interrupted") or (folder / ABORTED).is_file()


def drive(course: Course, system: System, stored: int, load: Loading | None = None, rest: Rest | None = None) -> bool:
    """Run one ramp on `system`, which holds the persons below `stored`; return whether it was interrupted.

    With `rest` only what is left of it is played, and the system holds all that the part before has stored.
    `load` plays the ramp: by controller and workers in processes of their own, unless something else is given. Leaves
    ramp.json, target.json, the workers' segments, controller.json and the export in the ramp's folder. Raises
    HarnessError when the harness could not do its work; what was written until then stays.
    """
    course.folder.mkdir(parents=True, exist_ok=True)
    if rest is None:
        wave, position = _prepare(course, system, stored)
        task = _assignment(course, system, wave)
    else:
        wave, position = _prepare_rest(course, system, rest)
        task = msgspec.structs.replace(rest.task, target_url=system.url)
    _write_ramp(course, task, wave, is_closed=False)
    export = _exporter(course, system, position, task)
    try:
        with MemoryWatch(system.memory, course.folder / MEMORY):
            was_interrupted = (load or crew.play)(course, system.secrets)
    finally:
        if export is not None:
            course.tell("reconciling")
            _export(course, export)
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
    os.sync()  # what the filling left in the page cache would otherwise be written back while the ramp is measured
    system.set_defects([dict(defect) for defect in course.scenario.registrar.defects])
    write_json(course.folder / TARGET, {"health": system.health(), "position": position, "wave": wave})
    return wave, position


def _prepare_rest(course: Course, system: System, rest: Rest) -> tuple[int, str]:
    """Make a system that may have been started anew what it was for the part before; return (wave, position)."""
    if system.has_laboratory:
        if course.scenario.journey.name == "new-applicant":
            system.know_people(course.people, course.first_person, course.first_person + course.plan.count)
        system.set_defects([dict(defect) for defect in course.scenario.registrar.defects])
    said = {"health": system.health(), "position": rest.position or None, "wave": rest.wave}
    write_json(course.folder / TARGET, said)
    return rest.wave, rest.position


def _assignment(course: Course, system: System, wave: int) -> Assignment:
    scenario, plan, load = course.scenario, course.plan, course.scenario.load
    mean_seconds = journey_figures(scenario).mean_seconds
    sources = ports.sources(scenario, plan.curve, mean_seconds, ports.of_this_machine())
    return Assignment(
        run=course.run,
        name=plan.name,
        target_url=system.url,
        authorized_by=scenario.target.authorized_by or "",
        contact=scenario.target.contact or "",
        authorities=read_authorities(scenario.target.ca) if scenario.target.ca else "",
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
        journey=journey_options(course, wave, system.url),
        workers=load.workers,
        connection=load.connection,
        source_addresses=list(sources),
        accepts_gzip=load.accepts_gzip,
        network=[(link.share, link.down, link.up, link.latency) for link in scenario.network.chosen],
        in_flight_limit=load.in_flight_limit,
        patience=load.patience,
        tolerate_worker_loss=load.tolerate_worker_loss,
    )


def journey_options(course: Course, wave: int, origin: str = "") -> Any:
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
        file=choice.file.name if choice.file else "",
        source=choice.file.source if choice.file else "",
        origin=origin,
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


def _exporter(course: Course, system: System, position: str, task: Assignment) -> Callable[[Path], int] | None:
    """Return what saves the rows that this ramp stores, None where nobody can tell; tables are asked now for before."""
    if system.has_laboratory:
        return lambda path: system.export(position, path)
    if not course.scenario.stored:
        return None
    people = task.population()
    journey = task.make_journey(people)

    def registrant(index: int) -> Registrant:
        person = task.first_person + index
        return Registrant(task.run, index, person, people.applicant(person))

    try:
        return Tables(course.scenario.stored, journey.steps, journey.stored, registrant, task.count).export
    except EvidenceError as refusal:
        raise HarnessError(str(refusal)) from refusal


def _export(course: Course, export: Callable[[Path], int]) -> None:
    try:
        export(course.folder / STORED)
    except HarnessError as error:
        # judgement calls writes that cannot be looked up unverified; the reason is kept beside the evidence
        (course.folder / "export.log").write_text(f"{error}\n")
