"""What one arrival costs on average, known before the first request: for the plan of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from prakerja_load.journey.own import OwnJourney
from prakerja_load.journey.pauses import REFRESH, Wait
from prakerja_load.journey.walk import Move, Walk
from prakerja_load.units import Seconds


class Forecast(msgspec.Struct, frozen=True):
    """Expectations per arrival on a system that answers everything right the first time."""

    requests: float  # to the system under test
    lab_requests: float  # looks into the laboratory's outbox
    think_time: Seconds  # mean planned think time
    longest_think_time: Seconds  # nobody plans for more
    whole_think_time: Seconds  # 99 of 100 whole journeys plan for no more
    reach: dict[int, float]  # step number → share of arrivals that mean to reach it


def forecast(journey: Walk | OwnJourney) -> Forecast:
    """Return the expectations of a journey; exact, not sampled.

    A whole journey's think time is a sum of independent pauses, so 99 of 100 stay below mean + 2.33·σ, with σ² the sum
    of (longest − shortest)² / 12; of all arrivals, most of whom stop earlier, more do.
    """
    return _of_own(journey) if isinstance(journey, OwnJourney) else _of_walk(journey)


def _of_walk(journey: Walk) -> Forecast:
    options, habits = journey.options, journey.habits
    shares = [(move, _share(journey, move)) for move in journey.moves]
    repeats = options.double_click + options.refresh  # everybody has a write and a page to repeat
    pauses = sum(share * move.wait.mean for move, share in shares) + options.refresh * REFRESH.mean
    longest = sum(move.wait.longest for move, share in shares if share > 0)
    longest += REFRESH.longest if options.refresh else 0.0
    return Forecast(
        requests=sum(share for move, share in shares if move.step.is_gated) + repeats,
        lab_requests=sum(share for move, share in shares if not move.step.is_gated),
        think_time=pauses * options.think_time_scale,
        longest_think_time=longest * options.think_time_scale,
        whole_think_time=_whole(move.wait for move in journey.moves if not move.is_typo) * options.think_time_scale,
        reach={step.number: habits.reach(step.number) for step in journey.steps if step.is_gated},
    )


def _of_own(journey: OwnJourney) -> Forecast:
    scale, waits = journey.options.think_time_scale, [Wait(*wait) for wait in journey.waits.values()]
    gated = [step.number for step in journey.steps if step.is_gated]
    return Forecast(
        requests=len(gated) + journey.redirects,
        lab_requests=len(journey.steps) - len(gated),
        think_time=sum(wait.mean for wait in waits) * scale,
        longest_think_time=sum(wait.longest for wait in waits) * scale,
        whole_think_time=_whole(waits) * scale,
        reach=dict.fromkeys(gated, 1.0),
    )


def _whole(waits: Iterable[Wait]) -> Seconds:
    waits = tuple(waits)
    spread = math.sqrt(sum((wait.longest - wait.shortest) ** 2 / 12 for wait in waits))
    return sum(wait.mean for wait in waits) + 2.33 * spread


def _share(journey: Walk, move: Move) -> float:
    """Return the share of arrivals that make a move."""
    if move.is_typo:
        return journey.habits.mistyping
    return journey.habits.reach(move.serves)
