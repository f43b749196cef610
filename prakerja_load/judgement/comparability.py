"""May these runs be compared? What they ask, how, and on what they ran must be the same; the system may differ."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prakerja_load.errors import Problem, UsageError
from prakerja_load.scenario import Scenario

ENVIRONMENT = ("machine", "processor", "cores", "memory", "clock source")
"""What makes a class of environments."""

_VERSION = "version of "
_NOT_ASKED = frozenset({"seed", "today", "wave", "prefilled", "returning_password", "origin"})  # of a journey's options
_SYSTEM = {"target", "registrar"}
_ANOTHER_TRY = re.compile(r"\.ramps\.\d+\.(draw|name)|\.load\.(workers|tolerate_worker_loss)|\.objectives\.looks")
_LONG = 60


@dataclass(frozen=True)
class Facts:
    """What is said of one run: what must be equal, and what the system under test was."""

    name: str
    asked: Mapping[str, str]  # dotted key → value
    system: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Return 32 hexadecimal digits that two runs share if and only if they may be compared."""
        text = json.dumps(self.asked, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def facts(
    name: str, scenario: Scenario, environment: Mapping[str, str], ramps: Mapping[int, Mapping[str, Any]]
) -> Facts:
    """Return the facts of a run; `ramps` holds what ramp.json says, by number.

    The wave's quota is asked, not the system's: it decides which answers are right. Which of the possible schedules a
    ramp plays (`draw`) may differ from repeat to repeat.
    """
    content = scenario.model_dump(mode="json", exclude={"name", "description"})
    flat = dict(_flat("scenario", {key: value for key, value in content.items() if key not in _SYSTEM}))
    asked = {key: value for key, value in flat.items() if not re.fullmatch(r"scenario\.ramps\.\d+\.draw", key)}
    asked["scenario.registrar.wave_quota"] = str(scenario.registrar.wave_quota)
    system = dict(_flat("", {key: content[key] for key in sorted(_SYSTEM)}))
    for number, ramp in ramps.items():
        asked[f"ramp {number}"] = "was run"
        options = {key: value for key, value in (ramp.get("journey") or {}).items() if key not in _NOT_ASKED}
        asked |= _flat(f"ramp {number} journey", options)
    asked |= {f"environment {label}": environment.get(label, "unknown") for label in ENVIRONMENT}
    asked["environment python"] = ".".join(environment.get("python", "unknown").split(".")[:2])
    asked |= {label: text for label, text in environment.items() if label.startswith(_VERSION)}
    return Facts(name, asked, {key.lstrip("."): value for key, value in system.items()})


def question(scenario: Scenario) -> str:
    """Return 32 hexadecimal digits that two runs share if the later is another try: the same asked of the same system.

    Who draws another seed, sends from more workers or renames a scenario tries once more, so these count for nothing
    here; nor do the looks that are declared. Without a URL the system is the embedded registrar, as it is set up.
    """
    content = scenario.model_dump(mode="json", exclude={"name", "description", "seed", *_SYSTEM})
    asked = {key: value for key, value in _flat("", content) if not _ANOTHER_TRY.fullmatch(key)}
    url = scenario.target.url
    system = {"url": url} if url is not None else scenario.registrar.model_dump(mode="json")
    asked |= _flat("system", system)
    asked["wave_quota"] = str(scenario.registrar.wave_quota)
    return Facts("", asked, {}).digest


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, value as text); lists count from 1."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}", inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value, 1):
            yield from _flat(f"{prefix}.{number}", inner)
    else:
        yield prefix, json.dumps(value, ensure_ascii=False, default=str)


def differences(runs: Sequence[Facts], despite: Sequence[str] = ()) -> list[Problem]:
    """Return, by key, what is not the same in all runs; keys that begin with one of `despite` are let pass."""
    found = []
    for key in sorted({key for run in runs for key in run.asked}):
        values = {run.name: run.asked.get(key, "nothing") for run in runs}
        if len(set(values.values())) > 1 and not any(key.startswith(allowed) for allowed in despite):
            found.append(Problem(key, _told(values), "the same in every run"))
    return found


def _told(values: Mapping[str, str]) -> str:
    by_value: dict[str, list[str]] = {}
    for name, value in values.items():
        by_value.setdefault(value, []).append(name)
    return "; ".join(f"{_short(value)} in {', '.join(names)}" for value, names in by_value.items())


def _short(value: str) -> str:
    if len(value) <= _LONG:
        return value
    return f"{value[:20]}… ({hashlib.blake2b(value.encode(), digest_size=4).hexdigest()})"


class NotComparableError(UsageError):
    """Runs that cannot be compared, with everything in which they differ."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = [f"not comparable: {count} difference{'s' if count != 1 else ''}"]
        lines += [f"  {number}. {problem}" for number, problem in enumerate(self.problems, 1)]
        super().__init__("\n".join(lines))


def refuse(base: Sequence[Facts], new: Sequence[Facts], despite: Sequence[str] = ()) -> None:
    """Raise NotComparableError unless every run asks the same, and each side is of one system."""
    problems = differences([*base, *new], despite)
    for side in (base, new):
        systems = [Facts(run.name, run.system, {}) for run in side]
        problems += differences(systems, despite)
    if problems:
        raise NotComparableError(problems)


def changed_system(base: Facts, new: Facts) -> list[str]:
    """Return in what the two systems are said to differ."""
    keys = sorted({*base.system, *new.system})
    pairs = {key: (base.system.get(key, "nothing"), new.system.get(key, "nothing")) for key in keys}
    return [f"{key}: {_short(before)} → {_short(after)}" for key, (before, after) in pairs.items() if before != after]
