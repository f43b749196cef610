"""What one arrival costs on average, known before the first request: for the plan of a run."""

from __future__ import annotations

import msgspec

from prakerja_load.journey.pauses import REFRESH
from prakerja_load.journey.walk import Move, Walk
from prakerja_load.units import Seconds


class Forecast(msgspec.Struct, frozen=True):
    """Expectations per arrival on a system that answers everything right the first time."""

    requests: float  # to the system under test
    lab_requests: float  # looks into the laboratory's outbox
    think_time: Seconds  # mean planned think time
    longest_think_time: Seconds  # nobody plans for more
    reach: dict[int, float]  # step number → share of arrivals that mean to reach it


def forecast(journey: Walk) -> Forecast:
    """Return the expectations of a journey; exact, not sampled."""
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
        reach={step.number: habits.reach(step.number) for step in journey.steps if step.is_gated},
    )


def _share(journey: Walk, move: Move) -> float:
    """Return the share of arrivals that make a move."""
    if move.is_typo:
        return journey.habits.mistyping
    return journey.habits.reach(move.serves)
