"""A whole run: the ramps of a scenario one after another, judged, and reported."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.clock import Clock, RealClock
from prakerja_load.driver.address import Address
from prakerja_load.driver.wire import LAB_VARIABLE
from prakerja_load.errors import HarnessError, Problem, ScenarioError, UsageError
from prakerja_load.evidence.part import part_paths
from prakerja_load.evidence.progress import Progress
from prakerja_load.evidence.run_directory import ENVIRONMENT, RUN, SCENARIO, RunDirectory, write_bytes
from prakerja_load.judgement import comparability, ports, tries
from prakerja_load.judgement import plan as planning
from prakerja_load.judgement.judge import judge_run
from prakerja_load.judgement.record import plain, write_verdict
from prakerja_load.judgement.verdict import RunJudgement, Verdict
from prakerja_load.report.live import Live
from prakerja_load.report.write import write_reports
from prakerja_load.scenario import Scenario, digest, load
from prakerja_load.trial import crew, environment, ramp, remainder
from prakerja_load.trial.earlier import runs_before
from prakerja_load.trial.interruption import postponed
from prakerja_load.trial.process import hold, split_cores
from prakerja_load.trial.remainder import Rest
from prakerja_load.trial.system import System
from prakerja_load.trial.target import reached

SCHEMA = 1
STORE = "store.db"  # of the embedded registrar, in its folder


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

    scenario: Path
    settings: tuple[str, ...] = ()
    ramps: tuple[int, ...] = ()  # numbers from 1; empty: all
    reports: Path = Path("reports")
    undecidable: bool = False  # run although the plan says that no verdict can be reached
    controller: Address | None = None  # where workers from elsewhere are awaited


@dataclass(eq=False)
class Standing:
    """What stands when a run begins; runs that share it fill one store once, and never use a person twice."""

    folder: Path | None = None  # of the registrar, which each run starts anew: no queue outlives a run; None: its own
    stored: int = 0  # persons 0 … stored − 1 are in it
    next_person: int = 0  # the first whom no run has used
    was_interrupted: bool = False  # the last run ended on Ctrl-C
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)  # of prefilled people


@dataclass(frozen=True, eq=False)
class Voyage:
    """A run under way: its directory, its scenario and what it chose once."""

    directory: RunDirectory
    scenario: Scenario
    run: str
    numbers: tuple[int, ...]
    clock: Clock
    display: Live
    standing: Standing = field(default_factory=Standing)
    controller: Address | None = None
    rests: dict[int, Rest] = field(default_factory=dict)  # of ramps that were cut off, by number

    @cached_property
    def plans(self) -> dict[int, RampPlan]:
        """Return what each chosen ramp will offer, by its number."""
        ramps = (outlook.ramp for outlook in planning.plan(self.scenario).ramps)
        return {one.number: one for one in ramps if one.number in self.numbers}


def start(order: Order, display: Live, clock: Clock | None = None, *, standing: Standing | None = None) -> RunJudgement:
    """Run what was ordered in a new run directory, on a store of its own or a standing one, and return its judgement.

    Raises ScenarioError before anything is sent when the scenario is wrong or cannot reach a verdict, and
    AuthorizationError when the target did not consent. What ends a run early is judged as far as it came. A signal that
    comes before the run or while it is judged is raised as KeyboardInterrupt; its directory can be judged all the same.
    """
    clock = clock or RealClock()
    scenario = load(order.scenario, order.settings)
    numbers = _numbers(order, scenario)
    _check_reach(order.controller, scenario)
    _check_people(scenario)
    if not order.undecidable:
        made = planning.plan(_only(scenario, numbers), space=ports.of_this_machine())
        planning.refuse_undecidable(made, str(order.scenario))
    standing = standing or Standing()
    name = f"{clock.wall():%Y%m%dT%H%M%SZ}-{scenario.name}-{scenario.seed}"
    question = comparability.question(scenario)
    # a search repeats rates by rules of its own, which its page states
    before = runs_before(order.reports, question, numbers) if standing.folder is None else ()
    with postponed():  # whoever interrupts from here on finds a directory that can be judged
        directory = RunDirectory.create(order.reports / name)
        write_bytes(directory.file(SCENARIO), order.scenario.read_bytes())
        if (brought := scenario.journey.file) is not None:
            write_bytes(directory.file(brought.name), brought.source.encode())
        run = f"k{secrets.token_hex(4)}"
        directory.write(ENVIRONMENT, environment.describe(order.reports))
        directory.write(
            RUN,
            {
                "schema": SCHEMA,
                "run": run,
                "name": scenario.name,
                "seed": scenario.seed,
                "created": f"{clock.wall():%Y-%m-%dT%H:%M:%SZ}",
                "scenario_digest": digest(scenario),
                "overrides": list(order.settings),
                "ramps": list(numbers),
                "question": question,
                "earlier_runs": plain(before),
            },
        )
    with hold(directory.path):
        return _sail(Voyage(directory, scenario, run, numbers, clock, display, standing, order.controller))


def resume(
    path: Path,
    display: Live,
    clock: Clock | None = None,
    *,
    controller: Address | None = None,
    redo: bool = False,
    standing: Standing | None = None,
) -> RunJudgement:
    """Finish a run that was cut off: ramps that are over stay as they are, of one that is not the rest is played.

    With `redo`, and where the rest cannot be played, such a ramp is run anew, and with `redo` also one that was played
    in parts: its evidence is set aside, not deleted, and its people are not used again. Raises HarnessError while
    processes of the run are still alive.
    """
    directory = RunDirectory.open(path)
    said = directory.read(RUN)
    scenario = load(directory.file(SCENARIO), [str(override) for override in said["overrides"]])
    numbers = tuple(int(number) for number in said["ramps"])
    voyage = Voyage(
        directory,
        scenario,
        str(said["run"]),
        numbers,
        clock or RealClock(),
        display,
        standing or Standing(),
        controller,
    )
    _check_reach(controller, scenario)
    _check_people(scenario)
    with hold(path):
        for folder in directory.ramp_paths():
            if not ramp.is_over(folder) or (redo and part_paths(folder)):
                _take_up(voyage, folder, redo=redo)
        return _sail(voyage)


def _take_up(voyage: Voyage, folder: Path, *, redo: bool) -> None:
    """Find out what is left of a ramp that was cut off, or set it aside where it has to be run anew."""
    scenario, standing = voyage.scenario, voyage.standing
    has_store = scenario.target.url is not None or (voyage.directory.file("registrar") / STORE).exists()
    reason = "it is to be run anew" if redo else ""
    reason = reason or remainder.why_not(folder, has_store=has_store, is_asked_by_table=bool(scenario.stored))
    if reason:
        aside = folder.with_name(f"{folder.name}.cut-off-{len(list(folder.parent.glob('*.cut-off-*'))) + 1}")
        folder.rename(aside)
        voyage.display.message(f"the ramp that was cut off is kept in {aside}; {reason}")
        return
    rest = remainder.lay_aside(folder)
    voyage.rests[int(folder.name.partition("-")[0])] = rest
    standing.stored, standing.password = rest.task.journey.prefilled, rest.task.journey.returning_password
    voyage.display.message(f"{rest.count} arrivals are left of the ramp that was cut off: {folder}")


def _sail(voyage: Voyage) -> RunJudgement:
    """Run the ramps that are not closed yet, then judge and report; the directory is left judged whatever happens."""
    voyage.display.message(f"writing to {voyage.directory.path}")
    failure: HarnessError | None = None
    voyage.standing.was_interrupted = False
    try:
        _run_ramps(voyage)
    except HarnessError as error:
        failure = error
        voyage.display.message(f"the run ended early: {error}")
    except UsageError as error:
        if not any(map(remainder.has_begun, voyage.directory.ramp_paths())):
            raise
        failure = HarnessError(str(error))  # a consent that ended or does not reach: load was sent, so it is judged
        voyage.display.message(f"the run ended early: {error}")
    except KeyboardInterrupt:
        voyage.standing.was_interrupted = True
        voyage.display.message("interrupted; judging what there is")
    with postponed(hears_a_second=True):
        judged = judge_run(voyage.directory.path)
        write_verdict(judged, voyage.directory.path)
        page, _ = write_reports(judged, voyage.directory.path)
        for one in judged.ramps:
            voyage.display.message(one.sentence)
        if tried := tries.line(tries.tries_of(judged)):
            voyage.display.message(tried)
        voyage.display.message(f"report: {page}")
        if voyage.standing.was_interrupted:
            _say_how_to_go_on(voyage)
    if failure is not None:
        raise failure
    return judged


def _run_ramps(voyage: Voyage) -> None:
    cores = split_cores(sorted(os.sched_getaffinity(0)))
    system_folder = _system_folder(voyage)
    if voyage.standing.folder is None and not voyage.rests:
        shutil.rmtree(system_folder, ignore_errors=True)  # a store that a killed run left behind is not continued
    system_folder.mkdir(exist_ok=True)
    closed = {int(path.name.partition("-")[0]) for path in voyage.directory.ramp_paths()}
    todo = [number for number in voyage.numbers if number not in closed or number in voyage.rests]
    with reached(voyage.scenario, system_folder, cores[0]) as system:
        try:
            _run_todo(voyage, todo, system, cores[1])
        finally:
            if voyage.controller is not None:
                crew.dismiss(voyage.controller, voyage.directory.path)
    _clear(voyage)


def _system_folder(voyage: Voyage) -> Path:
    return voyage.standing.folder or voyage.directory.file("registrar")


def _clear(voyage: Voyage) -> None:
    """Remove the store of the embedded registrar, as large as its registrants are many; what counts was exported."""
    if voyage.standing.folder is None:
        shutil.rmtree(_system_folder(voyage), ignore_errors=True)


def _say_how_to_go_on(voyage: Voyage) -> None:
    """Say how an interrupted run is finished, and keep the store for it only where a ramp goes on with it."""
    if voyage.standing.folder is not None:  # whoever lent the store leads the run
        return
    begun = voyage.directory.ramp_paths()
    is_left = [folder for folder in begun if not ramp.is_over(folder)]
    goes_on = any(map(remainder.has_begun, is_left))
    if not goes_on or voyage.scenario.target.url is not None:
        _clear(voyage)
    if not is_left and len(begun) == len(voyage.numbers):
        return
    said = f"prakerja-load run --resume {voyage.directory.path} finishes it"
    if goes_on and voyage.scenario.claim == "peak":
        said += ", with --redo by offering the peak anew, because one in parts proves nothing"
    if (folder := _system_folder(voyage)).exists():
        said += f"; until then the store stays in {folder}"
    voyage.display.message(said)


def _run_todo(voyage: Voyage, todo: Sequence[int], system: System, cores: frozenset[int]) -> None:
    standing = voyage.standing
    for number in todo:
        course = _course(voyage, number, cores, standing.stored)
        was_interrupted = ramp.drive(course, system, standing.stored, rest=voyage.rests.get(number))
        standing.stored = course.prefilled
        _tell(voyage, course, "judging")
        (judged,) = judge_run(voyage.directory.path, only=[number]).ramps
        voyage.display.ramp_judged(judged)
        if was_interrupted:
            raise KeyboardInterrupt
        if voyage.scenario.objectives.stop_on_failure and judged.verdict is Verdict.NOT_SUSTAINED:
            voyage.display.message("stopping: a ramp was not sustained and the scenario says stop_on_failure")
            return


def _course(voyage: Voyage, number: int, cores: frozenset[int], stored: int) -> ramp.Course:
    plan = voyage.plans[number]
    folder = voyage.directory.ramp_path(number, plan.registrants)
    attempt = len(list(folder.parent.glob(f"{folder.name}.cut-off-*")))
    course = ramp.Course(
        scenario=voyage.scenario,
        plan=plan,
        folder=folder,
        run=f"{voyage.run}r{number}" + (f"x{attempt}" if attempt else ""),
        first_person=_first_person(voyage, number, attempt) if _uses_new_people(voyage.scenario) else 0,
        prefilled=max(plan.prefill, stored),
        password=voyage.standing.password,
        cores=cores,
        clock=voyage.clock,
        told=voyage.display.progress,
        controller=voyage.controller,
    )
    if (rest := voyage.rests.get(number)) is None:
        return course
    return replace(
        course, run=rest.task.run, first_person=rest.task.first_person, prefilled=rest.task.journey.prefilled
    )


def _check_reach(controller: Address | None, scenario: Scenario) -> None:
    """Refuse workers from elsewhere for a registrar that only this machine reaches; raises UsageError."""
    if controller is not None and not controller.is_loopback and scenario.target.url is None:
        raise UsageError(
            f"--controller: got {controller} without a target, allowed: --target URL that the workers reach, "
            "because the embedded registrar listens on this machine's loopback only"
        )


def _check_people(scenario: Scenario) -> None:
    """Refuse to send people to log in whom nobody can have stored; raises UsageError."""
    if scenario.target.url is not None and not _uses_new_people(scenario) and not os.environ.get(LAB_VARIABLE):
        raise UsageError(
            f"journey.name: got {scenario.journey.name} for {scenario.target.url} without {LAB_VARIABLE}, allowed: "
            "with the token of its laboratory, where the people who return are stored beforehand"
        )


def _uses_new_people(scenario: Scenario) -> bool:
    return scenario.journey.name != "returning-applicant"


def _first_person(voyage: Voyage, number: int, attempt: int) -> int:
    """Return the first person of a ramp: after all who are prefilled and all whom earlier ramps and attempts use."""
    plans = voyage.plans
    prefilled = max(plan.prefill for plan in plans.values())
    everybody = sum(plan.count for plan in plans.values())
    unused = max(prefilled, voyage.standing.next_person)
    return unused + attempt * everybody + sum(plan.count for before, plan in plans.items() if before < number)


def _tell(voyage: Voyage, course: ramp.Course, phase: str) -> None:
    voyage.display.progress(Progress(ramp=course.plan.name, phase=phase, elapsed=0.0, remaining=0.0))


def _only(scenario: Scenario, numbers: Sequence[int]) -> Scenario:
    return scenario.model_copy(update={"ramps": tuple(scenario.ramps[number - 1] for number in numbers)})


def _numbers(order: Order, scenario: Scenario) -> tuple[int, ...]:
    unknown = [number for number in order.ramps if number > len(scenario.ramps)]
    if unknown:
        allowed = f"1 to {len(scenario.ramps)}"
        raise ScenarioError(str(order.scenario), [Problem("--ramp", str(number), allowed) for number in unknown])
    return tuple(sorted(set(order.ramps))) or tuple(range(1, len(scenario.ramps) + 1))
