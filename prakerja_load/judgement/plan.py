"""What a scenario asks of the system, known before the first request, and whether it can reach a verdict at all."""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prakerja_load.arrivals import demand as demands
from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.errors import Problem, ScenarioError
from prakerja_load.judgement import ports
from prakerja_load.judgement.ports import PortNeed, PortSpace
from prakerja_load.scenario import CAPACITY, Link, Scenario, plan_ramp
from prakerja_load.units import (
    PerSecond,
    Seconds,
    format_count,
    format_duration,
    format_number,
    format_rate,
    format_share,
    format_size,
)

if TYPE_CHECKING:
    from prakerja_load.applicants.profile import ApplicantProfile

ALPHA = 0.05  # of every one-sided bound, shared among the looks (method.md §4)
WINDOW: Seconds = 60.0  # curves are judged window by window
SERVICE: Seconds = 0.05  # [A] a request on a system that carries the load
PREFILL: PerSecond = 25_000.0  # [A] registrants a second into the store
STARTING: Seconds = 5.0  # [A] processes started, ledger reconciled, per ramp
SAMPLE_SIZE, LEDGER_SIZE, ARRIVAL_SIZE = 53, 21, 43  # bytes of a record, as `evidence.sample` lays it out
REQUEST_SIZE, ANSWER_SIZE = 500, 400  # [A] bytes of a small one on the wire, photos aside
STORED_SIZE = 1_024  # [A] bytes the system keeps per registrant, photos aside


@dataclass(frozen=True)
class JourneyFigures:
    """What one arrival brings on average, on a system that answers everything right the first time."""

    requests: float  # to the system under test
    lab_requests: float  # looks into the laboratory's outbox
    writes: float  # that must be found in what the system stores
    photos: float
    finishing: float  # share of arrivals meant to reach the last step
    think_time: Seconds  # mean, as scaled
    longest: Seconds  # 99 of 100 planned journeys think no longer, as scaled
    steps: int  # gated steps of the whole journey
    on_network: Seconds = 0.0  # mean time that registrants' networks add to a journey
    on_slowest: Seconds = 0.0  # what the slowest of them adds to a whole one

    @property
    def mean_seconds(self) -> Seconds:
        """Return the mean journey time."""
        return self.think_time + SERVICE * self.requests + self.on_network

    @property
    def p99_seconds(self) -> Seconds:
        """Return the journey time that 99 of 100 do not exceed."""
        return self.longest + SERVICE * self.steps + self.on_slowest


@dataclass(frozen=True)
class SampleNeed:
    """How much of something an objective will have, and how much it needs to be decided."""

    objective: str
    what: str
    expected: float
    needed: float
    why: str

    @property
    def is_enough(self) -> bool:
        """Tell whether the sample will do, two standard deviations of its count on the safe side."""
        return self.expected >= self.wanted

    @property
    def wanted(self) -> float:
        """Return x with x − 2√x = needed: so many must be expected for `needed` to come."""
        return self.needed if self.what == "s" else (1 + math.sqrt(1 + self.needed)) ** 2


@dataclass(frozen=True)
class RampOutlook:
    """One ramp: what it offers, what it costs, what it can decide."""

    ramp: RampPlan
    arithmetic: tuple[str, ...]
    requests: float
    request_rate: PerSecond  # at the highest arrival rate
    in_flight: float  # at the highest arrival rate: λ·T
    ports: PortNeed | None  # None: connections outlive registrants
    needs: tuple[SampleNeed, ...]
    disk: float  # bytes of evidence
    duration: Seconds
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Plan:
    """A whole scenario before its first request."""

    scenario: Scenario
    figures: JourneyFigures
    ramps: tuple[RampOutlook, ...]
    problems: tuple[Problem, ...]

    @property
    def duration(self) -> Seconds:
        """Return how long the run will take."""
        return sum(outlook.duration for outlook in self.ramps)

    @property
    def disk(self) -> float:
        """Return the bytes that evidence and store will take."""
        figures, arrivals = self.figures, sum(outlook.ramp.count for outlook in self.ramps)
        registrants = max(outlook.ramp.prefill for outlook in self.ramps) + arrivals
        photos = arrivals * figures.photos * self.scenario.journey.photo_size
        return sum(outlook.disk for outlook in self.ramps) + registrants * STORED_SIZE + photos


def plan(scenario: Scenario, figures: JourneyFigures | None = None, space: PortSpace = ports.LINUX) -> Plan:
    """Return the plan of a scenario; `figures` are those of its journey unless given, `space` the generator's ports."""
    figures = figures or journey_figures(scenario)
    outlooks: list[RampOutlook] = []
    held = 0
    for number in range(1, len(scenario.ramps) + 1):
        ramp = plan_ramp(scenario, number, figures.mean_seconds)
        outlooks.append(_outlook(scenario, ramp, figures, max(0, ramp.prefill - held), space))
        held = max(held, ramp.prefill)
    problems = [problem for outlook in outlooks for problem in outlook.problems]
    problems += _load_problems(scenario, figures, [outlook.ramp for outlook in outlooks])
    return Plan(scenario, figures, tuple(outlooks), tuple(problems))


def refuse_undecidable(made: Plan, source: str) -> None:
    """Raise ScenarioError with the arithmetic and what to change, if any ramp cannot reach a verdict."""
    if made.problems:
        raise ScenarioError(source, made.problems)


def journey_figures(scenario: Scenario) -> JourneyFigures:
    """Return the figures of the scenario's journey; its options are all those that cost or time depends on."""
    from prakerja_load.journey.forecast import forecast
    from prakerja_load.journey.journeys import make_journey
    from prakerja_load.journey.options import JourneyOptions

    choice = scenario.journey
    options = JourneyOptions(
        seed=scenario.seed,
        today=datetime.date(2020, 4, 11),  # who is under age is a share, so the day does not matter
        name=choice.name,
        funnel=choice.funnel,
        think_time_scale=choice.think_time_scale,
        photo_size=choice.photo_size,
        returning_password=scenario.name,  # any will do
        file=choice.file.name if choice.file else "",
        source=choice.file.source if choice.file else "",
        prefilled=max(plan_ramp(scenario, number, 1.0).prefill for number in range(1, len(scenario.ramps) + 1)),
        **choice.behavior.model_dump(),
    )
    journey = make_journey(options, _nobody)
    expected = forecast(journey)
    reach = {step.name: expected.reach[step.number] for step in journey.steps if step.is_gated}
    photos = reach.get("ktp-photo", 0.0) + reach.get("selfie", 0.0)
    links = scenario.network.chosen
    size, asked, whole = choice.photo_size, expected.requests + expected.lab_requests, len(journey.steps)
    return JourneyFigures(
        requests=expected.requests,
        lab_requests=expected.lab_requests,
        writes=sum(reach[step.name] for step in journey.steps if step.is_stored),
        photos=photos,
        finishing=min(reach.values()),
        think_time=expected.think_time,
        longest=expected.whole_think_time,
        steps=len(reach),
        on_network=sum(link.share * link_seconds(link, asked, photos * size) for link in links),
        on_slowest=max((link_seconds(link, whole, 2.0 * size * bool(photos)) for link in links), default=0.0),
    )


def link_seconds(link: Link, requests: float, uploaded: float) -> Seconds:
    """Return what a registrant's network adds to a journey: a round trip each, one to connect, and the bytes."""
    each = link.latency + REQUEST_SIZE / link.up + ANSWER_SIZE / link.down
    return link.latency + requests * each + uploaded / link.up


def lines(made: Plan) -> list[str]:
    """Return the plan in words, a line each."""
    scenario, figures = made.scenario, made.figures
    journey = scenario.journey
    funnel = f", funnel {journey.funnel}" if journey.name == "new-applicant" else ""
    text = [
        f"{scenario.name}: claim {scenario.claim}, {len(made.ramps)} ramp{'s'[: len(made.ramps) > 1]}, "
        f"seed {scenario.seed}",
        f"journey {journey.name}{funnel}: {figures.requests:.3g} requests an arrival, "
        f"{format_share(figures.finishing)} meant to finish",
        f"think times × {journey.think_time_scale:.6g}: {format_duration(figures.think_time)} an arrival on average, "
        f"99 of 100 whole journeys within {format_duration(figures.longest)}",
        _looks_line(scenario.objectives.looks),
    ]
    for outlook in made.ramps:
        text += ["", *_ramp_lines(scenario, figures, outlook)]
    text += ["", f"in all about {format_duration(made.duration)} and {format_size(made.disk)} of disk"]
    if made.problems:
        text.append(f"{len(made.problems)} reason{'s'[: len(made.problems) > 1]} why no verdict can be reached")
    return text


def _looks_line(looks: int) -> str:
    """Return what `objectives.looks` promises: nothing is repeated by itself."""
    often = "once" if looks == 1 else f"up to {looks} times"
    share = format_share(ALPHA / looks)
    return f"meant to be run {often} before you decide (objectives.looks): every bound errs in at most {share} of runs"


def quantile_need(quantile: float, alpha: float = ALPHA) -> int:
    """Return the fewest samples whose largest bounds a quantile from above: qⁿ ≤ α, so n ≥ ln α / ln q; p99: 299."""
    return math.ceil(math.log(alpha) / math.log(quantile))


def ratio_need(ratio: float, alpha: float = ALPHA) -> int:
    """Return the fewest successes without a failure that prove a ratio: 3/(1 − ratio) at 95 %; 99.9 %: 3 000."""
    factor = 3.0 if alpha >= ALPHA else -math.log(alpha)
    return math.ceil(round(factor / (1 - ratio), 6))


def _nobody(_: int) -> ApplicantProfile:
    raise LookupError("a plan needs no one's particulars")


def _outlook(
    scenario: Scenario, ramp: RampPlan, figures: JourneyFigures, to_prefill: int, space: PortSpace
) -> RampOutlook:
    wanted = ports.need(scenario, ramp.curve, figures.mean_seconds, space)
    requests = ramp.count * figures.requests
    needs = tuple(_needs(scenario, ramp, figures))
    samples = (figures.requests + figures.lab_requests) * SAMPLE_SIZE
    record = samples + 2 * figures.writes * LEDGER_SIZE + ARRIVAL_SIZE
    offering = ramp.warm_up + ramp.hold
    return RampOutlook(
        ramp=ramp,
        arithmetic=tuple(demands.arithmetic(scenario.demand, ramp.registrants, figures.mean_seconds)),
        requests=requests,
        request_rate=ramp.rate * figures.requests,
        in_flight=ramp.rate * figures.mean_seconds,
        ports=wanted,
        needs=needs,
        disk=ramp.count * record,
        duration=to_prefill / PREFILL + STARTING + offering + min(figures.p99_seconds, scenario.load.drain),
        problems=(
            *_ramp_problems(ramp, needs, scenario, figures),
            *([] if wanted is None or wanted.is_enough else [ports.problem(wanted, ramp.number)]),
        ),
    )


def _needs(scenario: Scenario, ramp: RampPlan, figures: JourneyFigures) -> Iterator[SampleNeed]:
    """Yield what every objective needs of this ramp's judged window."""
    limits = scenario.objectives
    alpha = ALPHA / limits.looks
    finishing = ramp.judged * figures.finishing
    name = f"p{100 * limits.quantile:.6g}"
    bound = quantile_need(limits.quantile, alpha)
    why = f"the upper bound of {name} needs {format_count(bound)}"
    yield SampleNeed("judged window", "s", ramp.hold, limits.judged, "objectives.judged")
    yield SampleNeed("arrivals judged", "arrivals", ramp.judged, limits.arrivals, "objectives.arrivals")
    yield SampleNeed(f"elapsed to the last step, {name}", "journeys", finishing, bound, why)
    for objective, key, ratio in (
        ("success of every step", "step_success", limits.step_success),
        ("success of journeys meant to finish", "journey_success", limits.journey_success),
    ):
        need = ratio_need(ratio, alpha)
        proof = f"{format_share(ratio)} needs {format_count(need)} without a failure; objectives.{key}"
        yield SampleNeed(objective, "journeys", finishing, need, proof)
    if ramp.claim == "peak" and limits.completed_share < 1:  # a curve is asked for its drain time instead
        need = ratio_need(limits.completed_share, alpha)
        proof = f"{format_share(limits.completed_share)} completed needs {format_count(need)} without one left waiting"
        yield SampleNeed("backlog growth", "arrivals", ramp.judged, need, f"{proof}; objectives.completed_share")
    if limits.every_window is not None:
        inside = ramp.rate * limits.every_window * figures.finishing
        yield SampleNeed(f"every {format_duration(limits.every_window)}, {name}", "journeys", inside, bound, why)


def _ramp_problems(
    ramp: RampPlan, needs: tuple[SampleNeed, ...], scenario: Scenario, figures: JourneyFigures
) -> Iterator[Problem]:
    """Yield why this ramp cannot be decided; the worst of the short samples stands for all that a longer hold mends."""
    if ramp.claim == "peak" and scenario.target.url is None and ramp.prefill < ramp.registrants:
        allowed = f"at least {format_count(ramp.registrants)}"
        why = "claim peak speaks of a store that holds all registrants"
        yield Problem(f"ramps.{ramp.number}.prefill", format_count(ramp.prefill), allowed, why)
    short = [need for need in needs if not need.is_enough]
    windows = [need for need in short if need.objective.startswith("every ")]
    rest = [need for need in short if need not in windows]
    if rest:
        yield _short(ramp, max(rest, key=lambda need: need.wanted / max(need.expected, 1e-9)), scenario)
    for need in windows:
        given = f"{_amount(need.expected, need)} in a window at {format_rate(ramp.rate)}"
        length = (scenario.objectives.every_window or 0) * need.wanted / max(need.expected, 1e-9)
        allowed = f"windows of at least {math.ceil(length)} s in ramp {ramp.number}"
        yield Problem("objectives.every_window", given, allowed, need.why)
    limit = scenario.load.in_flight_limit * scenario.load.workers
    in_flight = ramp.rate * figures.mean_seconds
    if in_flight > limit:
        given = f"{format_count(limit)} for all workers"
        allowed = (
            f"at least {format_count(in_flight)} in ramp {ramp.number}: "
            f"{format_rate(ramp.rate)} × {format_duration(figures.mean_seconds)} a journey"
        )
        yield Problem("load.in_flight_limit", given, allowed, "arrivals beyond it are dropped, which forbids SUSTAINED")


def _short(ramp: RampPlan, need: SampleNeed, scenario: Scenario) -> Problem:
    """Return the key that must change for a sample to suffice, and to what."""
    times = need.wanted / max(need.expected, 1e-9)
    is_window = need.what == "s"
    given = f"{format_number(ramp.hold)} s"
    given += "" if is_window else f": {_amount(need.expected, need)} for {need.objective}"
    enough = "" if is_window else f", for {_amount(need.wanted, need)} on average"
    if ramp.claim == "peak":
        return Problem(
            f"ramps.{ramp.number}.hold", given, f"at least {math.ceil(ramp.hold * times)} s{enough}", need.why
        )
    if is_window:
        return Problem("demand.compression", given, f"at most {scenario.demand.compression / times:.4g}", need.why)
    least = format_count(math.ceil(ramp.registrants * times))
    return Problem(f"ramps.{ramp.number}.registrants", given, f"at least {least}{enough}", need.why)


def _load_problems(scenario: Scenario, figures: JourneyFigures, ramps: list[RampPlan]) -> Iterator[Problem]:
    """Yield what is wrong for the run as a whole: its limit that nothing proves, its cuts and its people."""
    if scenario.claim == "peak" and scenario.objectives.completed_share >= 1:
        why = "no number of arrivals proves that none is ever left waiting"
        yield Problem("objectives.completed_share", "100 %", "less than 100 %, such as 99 %", why)
    journey = f"99 of 100 journeys are over after {format_duration(figures.p99_seconds)}"
    least = f"at least {math.ceil(figures.p99_seconds * 10) / 10:g} s"
    if scenario.claim == "peak" and scenario.load.warm_up < figures.p99_seconds:
        yield Problem("load.warm_up", format_duration(scenario.load.warm_up), least, journey)
    if scenario.load.drain < figures.p99_seconds:
        yield Problem("load.drain", format_duration(scenario.load.drain), least, journey)
    if scenario.journey.name == "returning-applicant":
        for ramp in ramps:
            if ramp.prefill < ramp.count:
                allowed = f"at least {format_count(ramp.count)}, one for each arrival"
                yield Problem(f"ramps.{ramp.number}.prefill", format_count(ramp.prefill), allowed, "they return")
        return
    people = max(ramp.prefill for ramp in ramps) + sum(ramp.count for ramp in ramps)
    if people > CAPACITY:
        given = f"{format_count(people)} people, prefilled and arriving"
        yield Problem("ramps", given, f"at most {format_count(CAPACITY)}", "nobody is used twice in a run")


def _ramp_lines(scenario: Scenario, figures: JourneyFigures, outlook: RampOutlook) -> Iterator[str]:
    ramp = outlook.ramp
    yield f"ramp {ramp.number}: {ramp.name}"
    yield from (f"  {line}" for line in outlook.arithmetic)
    warm_up = f"{format_duration(ramp.warm_up)} warm-up, then " if ramp.warm_up else ""
    judged = f"{format_duration(ramp.hold)} judged ({format_count(ramp.judged)} arrivals)"
    yield f"  store prefilled to {format_count(ramp.prefill)}; {format_count(ramp.count)} arrivals: {warm_up}{judged}"
    if ramp.claim != "peak":
        yield f"  {_window_line(ramp, scenario, figures)}"
    yield f"  {format_count(outlook.requests)} requests, {format_rate(outlook.request_rate, 'requests')} at the peak"
    limit = scenario.load.in_flight_limit * scenario.load.workers
    yield (
        f"  in flight: {format_number(ramp.rate)}/s × {format_duration(figures.mean_seconds)} = "
        f"{format_count(outlook.in_flight)} registrants, limit {format_count(limit)}"
    )
    if outlook.ports is not None:
        yield f"  {outlook.ports.line()}"
    for need in outlook.needs:
        comparison = "enough" if need.is_enough else f"NOT ENOUGH, {_amount(need.wanted, need)} must be expected"
        yield f"  {need.objective}: {_amount(need.expected, need)}, needed {_amount(need.needed, need)}: {comparison}"
    yield f"  about {format_duration(outlook.duration)} and {format_size(outlook.disk)} of evidence"


def _window_line(ramp: RampPlan, scenario: Scenario, figures: JourneyFigures) -> str:
    """Return how many windows of a curve are large enough for a bound of their own."""
    count = max(1, int(ramp.hold // WINDOW))
    edges = ramp.curve.cumulative([min(WINDOW * number, ramp.hold) for number in range(count + 1)])
    inside = [float(after - before) * figures.finishing for before, after in itertools.pairwise(edges)]
    bound = quantile_need(scenario.objectives.quantile, ALPHA / scenario.objectives.looks)
    enough = sum(number >= bound for number in inside)
    return (
        f"{count} windows of {WINDOW:g} s, the quietest with {format_count(min(inside))} journeys meant to finish; "
        f"{enough} have the {bound} that a bound of their own needs"
    )


def _amount(number: float, need: SampleNeed) -> str:
    return format_duration(number) if need.what == "s" else f"{format_count(number)} {need.what}"
