"""Repeats read from their directories and laid side by side: the values of each indicator, run by run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prakerja_load.errors import EvidenceError, Problem
from prakerja_load.evidence.run_directory import (
    CAPACITY,
    RAMP,
    SCENARIO,
    VERDICT,
    RunDirectory,
    read_json,
)
from prakerja_load.judgement import comparability
from prakerja_load.judgement.comparability import Facts, NotComparableError
from prakerja_load.judgement.comparison import Indicator
from prakerja_load.judgement.judge import begun_ramps, judge_run, open_run
from prakerja_load.judgement.record import SCHEMA, verdict_json
from prakerja_load.judgement.rules import RULES
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.scenario import Scenario, load

OPEN = Verdict.INCONCLUSIVE.name
HARM = tuple(rule.name for rule in RULES if rule.kind == "integrity")


@dataclass(frozen=True)
class Repeat:
    """One run: its facts, and what verdict.json (or capacity.json) says of it."""

    facts: Facts
    created: str
    scenario: Scenario
    said: Mapping[str, Any]
    is_search: bool = False

    @property
    def ramps(self) -> list[Mapping[str, Any]]:
        """Return what is said of each ramp."""
        return list(self.said.get("ramps") or ())

    def ramp(self, number: int) -> Mapping[str, Any]:
        """Return what is said of one ramp, nothing where it was not run."""
        return next((ramp for ramp in self.ramps if ramp.get("number") == number), {})


def read(path: Path) -> Repeat:
    """Return a run, or a capacity search, from its directory; a run without a verdict is judged now.

    Raises EvidenceError when the directory holds neither, ScenarioError when its scenario cannot be read.
    """
    if (path / CAPACITY).is_file():
        return _read_search(path)
    directory = RunDirectory.open(path)
    scenario, _ = open_run(directory)
    ramps = {number: read_json(folder / RAMP) for number, folder in begun_ramps(directory).items()}
    said = _verdict(path)
    environment = {str(key): str(value) for key, value in (said.get("environment") or {}).items()}
    facts = comparability.facts(path.name, scenario, environment, ramps)
    return Repeat(facts, str(said.get("created", "")), scenario, said)


def _verdict(path: Path) -> Mapping[str, Any]:
    try:
        said = read_json(path / VERDICT)
    except EvidenceError:
        return verdict_json(judge_run(path))
    is_known = isinstance(said, dict) and said.get("schema") == SCHEMA
    return said if is_known else verdict_json(judge_run(path))


def _read_search(path: Path) -> Repeat:
    said = read_json(path / CAPACITY)
    if not isinstance(said, dict) or not isinstance(said.get("interval"), dict):
        raise EvidenceError(f"{path / CAPACITY} is not what a capacity search writes")
    asked = said.get("asked")
    asked = asked if isinstance(asked, dict) else {}
    scenario = load(path / SCENARIO, [str(override) for override in asked.get("overrides") or ()])
    environment = {str(key): str(value) for key, value in (said.get("environment") or {}).items()}
    facts = comparability.facts(path.name, scenario, environment, {})
    how = {f"search {key}": str(said.get(key)) for key in ("seed", "on_speed_alone", "stored")}
    how |= {f"search {key}": str(asked.get(key)) for key in ("precision", "hold", "begin", "highest")}
    facts = replace(facts, asked={**facts.asked, **how})
    return Repeat(facts, str(said.get("created", "")), scenario, said, is_search=True)


def indicators(base: Sequence[Repeat], new: Sequence[Repeat], tolerance: float) -> list[Indicator]:
    """Return the indicators of all ramps, or of the capacity, with the values of both sides.

    Of each ramp: the median and the p99 of the journey time, the success of journeys, and the median service time of
    each step. Raises NotComparableError when runs and capacity searches are mixed.
    """
    everything = [*base, *new]
    if len({repeat.is_search for repeat in everything}) > 1:
        kinds = "; ".join(f"{one.facts.name} is a {'search' if one.is_search else 'run'}" for one in everything)
        raise NotComparableError([Problem("kind", kinds, "all runs, or all capacity searches")])
    if everything and everything[0].is_search:
        return [_capacity(base, new, tolerance)]
    # a ramp that only some of the runs measured, or none, is no ramp to pass over in silence
    ramps = [ramp for run in reversed(everything) for ramp in run.ramps]
    known = {int(ramp["number"]): ramp for ramp in sorted(ramps, key=lambda ramp: bool(ramp.get("journey")))}
    return [
        _indicator(base, new, known[number], found, tolerance)
        for number in sorted(known)
        for found in _found(known[number])
    ]


@dataclass(frozen=True)
class _Found:
    """Where an indicator stands in what is said of a ramp."""

    name: str
    unit: str
    path: tuple[str, ...]  # keys; of a step, its number first
    step: int = 0
    is_gain: bool = False

    def of(self, ramp: Mapping[str, Any]) -> float:
        """Return its value in a run, NaN where nothing was measured."""
        place: Any = ramp
        if self.step:
            place = next((step for step in ramp.get("steps") or () if step.get("number") == self.step), None)
        for key in self.path:
            place = place.get(key) if isinstance(place, Mapping) else None
        return math.nan if place is None else float(place)


def _found(ramp: Mapping[str, Any]) -> Iterator[_Found]:
    for share in ("p50", "p99"):
        yield _Found(f"journey time, {share}", "s", ("journey", "elapsed", share, "value"))
    yield _Found("success of journeys meant to finish", "share", ("journey", "success", "value"), is_gain=True)
    for step in ramp.get("steps") or ():
        if step.get("is_gated"):
            name = f"service time of step {step['number']} {step['name']}, p50"
            yield _Found(name, "s", ("service", "p50", "value"), step=int(step["number"]))


def _indicator(
    base: Sequence[Repeat], new: Sequence[Repeat], ramp: Mapping[str, Any], found: _Found, tolerance: float
) -> Indicator:
    number = int(ramp["number"])
    sides = [tuple(found.of(repeat.ramp(number)) for repeat in side) for side in (base, new)]
    missing = "not measured in every run" if any(map(math.isnan, (*sides[0], *sides[1]))) else ""
    # a success may vary by what the scenario lets fail
    allowed = 1 - base[0].scenario.objectives.step_success if found.unit == "share" else tolerance
    return Indicator(
        part=f"ramp {number} {ramp.get('name')}",
        name=found.name,
        unit=found.unit,
        base=sides[0],
        new=sides[1],
        tolerance=allowed,
        is_gain=found.is_gain,
        against_worse=missing or _doubt(new, number, "accusing") or _doubt(base, number, "flattering"),
        against_better=missing
        or _doubt(new, number, "flattering")
        or _doubt(base, number, "accusing")
        or _unverified(base, new, number),
    )


def _doubt(side: Sequence[Repeat], number: int, kind: str) -> str:
    """Return which unsoundness of one kind the runs of a side have.

    What makes the new runs look worse, or the base better, stands against "worse"; the other way round, "better".
    """
    for repeat in side:
        findings = repeat.ramp(number).get("findings") or ()
        broken = [str(each["rule"]) for each in findings if not each["holds"] and each["kind"] == kind]
        if broken:
            return f"{repeat.facts.name} is unsound: {', '.join(broken)}"
    return ""


def _unverified(base: Sequence[Repeat], new: Sequence[Repeat], number: int) -> str:
    """Return that more of the new runs leave open what was stored, empty where no more do: speed is no gain then."""
    before, now = (
        [one.facts.name for one in side if (one.ramp(number).get("integrity") or {}).get("verdict") == OPEN]
        for side in (base, new)
    )
    if len(now) * len(base) <= len(before) * len(new):
        return ""
    return f"what is stored is not verified in {', '.join(now)}"


def _capacity(base: Sequence[Repeat], new: Sequence[Repeat], tolerance: float) -> Indicator:
    spans = [[_interval(repeat) for repeat in side] for side in (base, new)]
    every = [
        (one.facts.name, span)
        for side, of in zip((base, new), spans, strict=True)
        for one, span in zip(side, of, strict=True)
    ]
    unproven = [name for name, (passed, _) in every if math.isnan(passed)]
    endless = [name for name, (_, failed) in every if math.isnan(failed)]
    doubt = f"no rate is proven in {', '.join(unproven)}" if unproven else ""
    if endless and not doubt:
        doubt = f"no rate failed in {', '.join(endless)}, so its capacity is not known from above"
    return Indicator(
        part="capacity",
        name="arrivals/s sustained",
        unit="1/s",
        base=tuple(passed for passed, _ in spans[0]),
        new=tuple(passed for passed, _ in spans[1]),
        tolerance=tolerance,
        is_gain=True,
        against_worse=doubt,
        against_better=doubt,
        spans=(tuple(spans[0]), tuple(spans[1])),
    )


def _interval(repeat: Repeat) -> tuple[float, float]:
    interval = repeat.said["interval"]
    low, high = (interval.get(name) for name in ("passed", "failed"))
    return (math.nan if low is None else float(low), math.nan if high is None else float(high))


def harm(base: Sequence[Repeat], new: Sequence[Repeat]) -> list[str]:
    """Return what the new system lost or broke, of each kind of which the base did less in each run."""
    counts = [{name: _harm(side, name) for name in HARM} for side in (base, new)]
    return [
        f"integrity: {counts[1][name]} writes {name} in the new runs, {counts[0][name] or 'none'} in the base"
        for name in HARM
        if counts[1][name] * len(base) > counts[0][name] * len(new)
    ]


def _harm(side: Sequence[Repeat], name: str) -> int:
    if any(repeat.is_search for repeat in side):
        return 0
    return sum(int((ramp.get("integrity") or {}).get(name, 0)) for repeat in side for ramp in repeat.ramps)


def is_interleaved(base: Sequence[Repeat], new: Sequence[Repeat]) -> bool:
    """Tell whether the runs of both sides took turns, so that a drift of the machine meets both alike."""
    order = [
        is_new for _, is_new in sorted([(one.created, False) for one in base] + [(one.created, True) for one in new])
    ]
    turns = sum(before != after for before, after in itertools.pairwise(order))
    return turns >= min(len(base), len(new))
