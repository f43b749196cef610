"""Every rule of a verdict in one list, for whoever asks what is checked, how strictly, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prakerja_load.judgement import integrity, objective, soundness
from prakerja_load.judgement.rule import Rule

RULES: tuple[Rule[Any, Any], ...] = (*soundness.RULES, *objective.RULES, *integrity.RULES)
"""The rules in the order in which they are asked; a name stands for one rule."""

EFFECTS = {
    "flattering": "could make the system look better than it is: where it does not hold, nothing is SUSTAINED",
    "accusing": "could make the system look worse than it is: where it does not hold, no time is judged",
    "note": "is shown, and decides nothing",
    "sample": "how much has to be seen before anything is SUSTAINED",
    "timing": "judged on the bounds of its estimate, not on the estimate",
    "success": "judged on its bounds; of a starved generator only what it cannot have caused stands",
    "backlog": "judged on its bounds",
    "window": "judged window by window on its bounds",
    "resource": "judged on its bounds where the scenario gives a limit",
    "integrity": "excused by nothing: once found, the ramp is NOT_SUSTAINED whatever its speed",
}
"""What a rule of each kind does to a verdict."""


def rules_json() -> list[dict[str, str]]:
    """Return the list as plain values: name, kind, effect, threshold, reason, advice."""
    return [
        {
            "name": rule.name,
            "kind": rule.kind,
            "effect": EFFECTS[rule.kind],
            "threshold": rule.threshold,
            "reason": rule.reason,
            "advice": rule.advice,
        }
        for rule in RULES
    ]


def lines() -> Iterator[str]:
    """Yield the list as text: a heading for each kind, then a line for what is allowed and one for why."""
    for kind, effect in EFFECTS.items():
        of_kind = [rule for rule in RULES if rule.kind == kind]
        if of_kind:
            yield f"{kind}: {effect}"
        for rule in of_kind:
            yield f"  {rule.name}: {rule.threshold}"
            yield f"    because {rule.reason}"
