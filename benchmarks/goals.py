"""What a generator may cost beside the others, and whether what was measured keeps to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OURS = "prakerja-load"
REQUESTS = 16  # of a whole journey: fourteen steps and two looks into the outbox


@dataclass(frozen=True)
class Goal:
    """Our CPU per request is at most `share` of another generator's."""

    other: str
    share: float
    plays_journeys: bool = True

    @property
    def text(self) -> str:
        """Return the share as people say it: 1/15, or 2×."""
        return _share(self.share)


GOALS = (
    Goal("Locust FastHttpUser", 1 / 15),
    Goal("Locust HttpUser", 1 / 45),
    Goal("k6", 1 / 6),
    Goal("wrk, one POST with Lua", 2.0, plays_journeys=False),
)


@dataclass(frozen=True)
class Found:
    """One goal beside what was measured; costs are CPU µs per request, None where a generator was not measured."""

    goal: Goal
    ours: float | None
    other: float | None

    @property
    def is_met(self) -> bool:
        """Tell whether both were measured and ours is low enough."""
        return self.ours is not None and self.other is not None and self.ours <= self.goal.share * self.other

    @property
    def row(self) -> str:
        """Return the line of the table."""
        goal = self.goal
        if self.ours is None or self.other is None:
            return f"| {goal.other} | {goal.text} | – | – | not measured |"
        theirs = f" against {journeys(self.other):.0f}" if goal.plays_journeys else ""
        measured, said = _share(self.ours / self.other), "met" if self.is_met else "missed"
        return f"| {goal.other} | {goal.text} | {measured} | {journeys(self.ours):.0f}{theirs} | {said} |"


HEAD = "| our CPU per request beside | goal, at most | measured | journeys per core-second | |\n|---|---|---|---|---|"


def compare(costs: Mapping[str, float]) -> list[Found]:
    """Set every goal beside the costs, by generator, that were measured."""
    return [Found(goal, costs.get(OURS), costs.get(goal.other)) for goal in GOALS]


def journeys(cost: float) -> float:
    """Return how many whole journeys one second of a core makes at a cost per request in µs."""
    return 1e6 / cost / REQUESTS


def _share(value: float) -> str:
    if value >= 1:
        return f"{value:.1f}×".replace(".0×", "×")
    return f"1/{1 / value:.1f}".removesuffix(".0")
