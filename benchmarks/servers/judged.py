"""Goals beside what was measured: a table, and the names of those that are missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """One figure and the limit it is held to: at most, or at least where `is_floor`."""

    name: str
    measured: float
    limit: float
    unit: str = ""
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        """Tell whether the figure is on the right side; one that is no number is not."""
        return self.measured >= self.limit if self.is_floor else self.measured <= self.limit

    @property
    def row(self) -> str:
        """Return the line of the table."""
        side, said = ("at least" if self.is_floor else "at most"), ("met" if self.is_met else "MISSED")
        return f"| {self.name} | {side} {self.limit:g}{self.unit} | {self.measured:.4g}{self.unit} | {said} |"


def judge(goals: Sequence[Goal]) -> int:
    """Print every goal and name those that are missed; return the exit code, 1 when there is one."""
    print("\n| goal | limit | measured | |\n|---|---|---|---|")
    for goal in goals:
        print(goal.row)
    missed = [goal.name for goal in goals if not goal.is_met]
    if missed:
        print(f"missed: {'; '.join(missed)}")
    return 1 if missed else 0
