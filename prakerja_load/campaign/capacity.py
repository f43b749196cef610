"""The capacity search on a real system: every step a run with its own directory and verdict, on one filled store."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Protocol

from prakerja_load.campaign.order import CapacityOrder
from prakerja_load.campaign.rate import RateOrder, RatePlan, plan_rate, rate_order, refuse_unplayable
from prakerja_load.campaign.watcher import Quiet, Watcher
from prakerja_load.clock import Clock, RealClock
from prakerja_load.errors import EvidenceError, HarnessError, PrakerjaLoadError, UsageError
from prakerja_load.evidence.run_directory import SCENARIO, write_bytes
from prakerja_load.judgement import carrying
from prakerja_load.judgement.capacity import CapacityInterval, Ending, Next, Purpose, Search, decide
from prakerja_load.judgement.capacity_record import write_capacity
from prakerja_load.judgement.carrying import Asked, CapacityJudgement
from prakerja_load.judgement.measured import MeasuredStep, measure
from prakerja_load.judgement.sentence import not_tested, smaller_store
from prakerja_load.judgement.verdict import RunJudgement
from prakerja_load.report.capacity import write_capacity_pages
from prakerja_load.report.capacity_words import summary_lines
from prakerja_load.report.live import Live
from prakerja_load.scenario import CAPACITY
from prakerja_load.trial import environment
from prakerja_load.trial.run import Order, Standing, start
from prakerja_load.units import PerSecond

CONFIRM = 2.0  # holds of a step that its confirmation lasts
HALVINGS = 2.0**10  # the lowest rate tried is the first one ÷ this
STEPS = "steps"  # folder of the run directories
INTERRUPTED = "interrupted"
OUT_OF_PEOPLE = "every synthetic person there is has been used"


class Trial(Protocol):
    """What runs one scenario once on a standing store and judges it: `trial.run.start`."""

    def __call__(self, order: Order, display: Live, clock: Clock | None, *, standing: Standing | None) -> RunJudgement:
        """Return the judgement of a run in a new directory."""


@dataclass(eq=False)
class Expedition:
    """A search under way."""

    order: CapacityOrder
    rates: RateOrder
    search: Search
    folder: Path
    created: str
    standing: Standing
    clock: Clock
    watcher: Watcher
    trial: Trial
    steps: list[MeasuredStep] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    disclosed: list[tuple[str, ...]] = field(default_factory=list)  # by step

    @property
    def stored(self) -> int | None:
        """Return how many registrants every step that passed was held on; nobody counts them on speed alone.

        A run is not sound whose system counted fewer than it was to hold ("store filled"), so a pass proves them.
        """
        return None if self.rates.is_uncounted else self.rates.store

    def judge(self, ending: str) -> CapacityJudgement:
        """Return what is proven so far, and write it down."""
        order, scenario, steps = self.order, self.rates.scenario, tuple(self.steps)
        interval = carrying.interval_of(steps)
        ramps = carrying.judge_ramps(scenario, interval, self.stored)
        verdict = carrying.verdict_of(ending, ramps, on_speed_alone=order.on_speed_alone)
        judged = CapacityJudgement(
            scenario=scenario.name,
            description=scenario.description,
            seed=scenario.seed,
            created=self.created,
            asked=Asked(order.settings, order.precision, order.hold, self.search.start, order.highest),
            precision=self.search.precision,
            on_speed_alone=order.on_speed_alone,
            stored=self.stored,
            ending=str(ending),
            verdict=verdict,
            exit_code=verdict.exit_code,
            interval=interval,
            first_failing=carrying.first_failing(steps, interval),
            limits=carrying.judge_limits(steps),
            knee=carrying.find_knee(steps),
            saturation=carrying.find_saturation(steps),
            ramps=ramps,
            registrants=carrying.judge_registrants(scenario, interval, self.stored),
            model=carrying.fit_model(steps),
            steps=steps,
            disclosures=_disclosures(self.disclosed),
            environment=self.environment,
            not_tested=not_tested(scenario),
        )
        write_capacity(judged, self.folder)
        return judged


def find(order: CapacityOrder, watcher: Watcher, clock: Clock | None = None, trial: Trial = start) -> CapacityJudgement:
    """Search for the capacity and return what is proven; leaves capacity.json, .html and .md in a new folder.

    Ctrl-C ends the search with what is proven so far. Raises UsageError before anything is sent; EvidenceError and
    HarnessError when the harness could not go on, with what was proven until then written down. A consent that ends
    later is a HarnessError: load was sent.
    """
    expedition = _prepare(order, watcher, clock or RealClock(), trial)
    watcher.message(f"writing to {expedition.folder}")
    failure: PrakerjaLoadError | None = None
    try:
        ending = _go(expedition)
    except KeyboardInterrupt:
        ending = INTERRUPTED
    except PrakerjaLoadError as error:
        if isinstance(error, UsageError) and not expedition.steps:
            raise
        failure = HarnessError(str(error)) if isinstance(error, UsageError) else error
        ending = f"the search could not go on: {error}"
    finally:
        # as large as its registrants are many; what counts was exported, step by step
        shutil.rmtree(expedition.folder / "registrar", ignore_errors=True)
    judged = expedition.judge(ending)
    page, _ = write_capacity_pages(judged, expedition.folder)
    for line in summary_lines(judged):
        watcher.message(line)
    watcher.message(f"report: {page}")
    if failure is not None:
        raise failure
    return judged


def is_over(judged: CapacityJudgement) -> bool:
    """Tell whether a search came to its end by itself."""
    return judged.ending in {str(ending) for ending in Ending}


def _prepare(order: CapacityOrder, watcher: Watcher, clock: Clock, trial: Trial) -> Expedition:
    rates = rate_order(order.scenario, order.settings, order.hold, on_speed_alone=order.on_speed_alone)
    headrooms = carrying.judge_ramps(rates.scenario, CapacityInterval(None, None, is_confirmed=False), None)
    begin = order.begin or min(ramp.rate for ramp in headrooms)
    refuse_unplayable(rates, begin)
    name = f"{clock.wall():%Y%m%dT%H%M%SZ}-{rates.scenario.name}-{rates.scenario.seed}-capacity"
    folder = order.reports / name
    try:
        (folder / STEPS).mkdir(parents=True)
    except OSError as refusal:
        raise EvidenceError(f"cannot make {folder}: {refusal.strerror}") from refusal
    write_bytes(folder / SCENARIO, order.scenario.read_bytes())
    if (brought := rates.scenario.journey.file) is not None:
        write_bytes(folder / brought.name, brought.source.encode())
    if (doctor := order.reports / environment.DOCTOR).is_file():  # what every step quotes of this machine
        write_bytes(folder / STEPS / environment.DOCTOR, doctor.read_bytes())
    return Expedition(
        order=order,
        rates=rates,
        search=Search(begin, order.precision, lowest=min(begin, order.highest) / HALVINGS, highest=order.highest),
        folder=folder,
        created=f"{clock.wall():%Y-%m-%dT%H:%M:%SZ}",
        standing=Standing(folder / "registrar"),
        clock=clock,
        watcher=watcher,
        trial=trial,
        environment=environment.describe(order.reports),
    )


def _go(expedition: Expedition) -> str:
    """Run step after step until the search is over; return how it ended."""
    while isinstance(step := decide([one.attempt for one in expedition.steps], expedition.search), Next):
        number = len(expedition.steps) + 1
        factor = CONFIRM if step.purpose is Purpose.CONFIRM else 1.0
        planned = plan_rate(expedition.rates, step.rate, number, hold_factor=factor)
        if not expedition.rates.is_returning and _first_person(expedition) + planned.ramp.count > CAPACITY:
            return OUT_OF_PEOPLE
        if step.purpose is Purpose.BISECT and not step.is_repeat and _is_known(expedition, planned.ramp.rate):
            expedition.search = replace(expedition.search, precision=_closest(expedition))
            continue
        expedition.watcher.step_begins(number, step, planned.ramp.rate, planned.ramp.hold)
        measured = _run(expedition, number, step, planned)
        expedition.steps.append(measured)
        expedition.watcher.step_measured(measured, carrying.interval_of(expedition.steps))
        if expedition.standing.was_interrupted:
            return INTERRUPTED
        expedition.judge("under way")
    return step


def _run(expedition: Expedition, number: int, step: Next, planned: RatePlan) -> MeasuredStep:
    order, standing = expedition.order, expedition.standing
    folder = expedition.folder / STEPS
    wanted = Order(order.scenario, planned.settings, reports=folder, undecidable=True)
    judged = expedition.trial(wanted, Quiet(expedition.watcher), expedition.clock, standing=standing)
    standing.next_person = _first_person(expedition) + planned.ramp.count
    (ramp,) = judged.ramps
    is_smaller = smaller_store(planned.ramp)  # of the N that the rate would be the peak of; the search tells its store
    expedition.disclosed.append(tuple(line for line in ramp.disclosures if line != is_smaller))
    name = max(path.name for path in folder.iterdir() if path.is_dir())  # names begin with the time
    measured = measure(number, step, ramp, name, on_speed_alone=order.on_speed_alone)
    is_known = step.is_repeat or step.purpose is Purpose.CONFIRM
    return replace(measured, rate=step.rate) if is_known else measured  # the same rate to the last bit


def _disclosures(steps: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return what the steps scaled down, in the order of the first that says so; how many where not all did."""
    counts = Counter(chain.from_iterable(steps))
    return tuple(
        line if count == len(steps) else f"{line} (in {count} of {len(steps)} steps)" for line, count in counts.items()
    )


def _is_known(expedition: Expedition, rate: PerSecond) -> bool:
    """Tell whether a new rate is one that was tried: rates are those of whole N, and lie no closer."""
    return any(math.isclose(step.rate, rate, rel_tol=1e-9) for step in expedition.steps)


def _closest(expedition: Expedition) -> float:
    """Return the precision of the two ends as they are."""
    interval = carrying.interval_of(expedition.steps)
    upper = min(filter(None, (interval.failed, *interval.undecided)))
    assert interval.passed is not None
    return max(expedition.search.precision, upper / interval.passed - 1)


def _first_person(expedition: Expedition) -> int:
    return max(expedition.rates.store, expedition.standing.next_person)
