"""From a TOML file and its overrides to a scenario, or to everything that is wrong with it at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prakerja_load.errors import Problem, ScenarioError
from prakerja_load.scenario.objection import CHECKS, shown, syntax_problem, validate
from prakerja_load.scenario.values import Scenario


def load(path: Path | str, overrides: Sequence[str] = ()) -> Scenario:
    """Return the scenario of a TOML file; `overrides` are "a.b=value", "ramps.1.hold=30s" for the first ramp.

    Raises ScenarioError with every problem: key, what was given, what is allowed, the nearest known key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem("file", str(path), "a readable TOML file in UTF-8", str(error))
        raise ScenarioError(str(path), [problem]) from None
    return parse(text, str(path), overrides, Path(path).parent)


def parse(text: str, source: str = "scenario", overrides: Sequence[str] = (), folder: Path | None = None) -> Scenario:
    """Return the scenario of a TOML text; as `load`, with `source` standing in the error.

    `folder` is where a journey's file is looked for; without one there is none.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(source, [syntax_problem(text, str(error))]) from None
    problems = [problem for override in overrides for problem in _override(raw, override)]
    scenario, structural = validate(raw, folder)
    problems += structural
    broken = {problem.key.partition(".")[0] for problem in structural}
    if scenario is None:  # the sound sections are still checked against each other
        sound = {section: value for section, value in raw.items() if section not in broken}
        scenario, _ = validate({"name": "unnamed", "ramps": [{"name": "unnamed", "registrants": 1}], **sound}, folder)
    if scenario is not None:
        problems += [p for check, sections in CHECKS if not broken & sections for p in check(scenario)]
    if problems or scenario is None:
        raise ScenarioError(source, problems)
    return scenario


def _override(raw: dict[str, Any], override: str) -> Iterator[Problem]:
    """Put one "a.b=value" into the tables; yield a problem when it has no place there."""
    key, equals, text = (part.strip() for part in override.partition("="))
    *path, last = key.split(".")
    if not equals or not last or not all(path):
        yield Problem(shown(key), "no key=value", "key=value, such as load.workers=2 or ramps.1.hold=30s")
        return
    place: Any = raw
    for part in path:
        place = _inside(place, part)
    if isinstance(place, dict):
        place[last] = _scalar(text)
    else:
        yield Problem(key, "a key that is not in a table", "such as load.workers or ramps.1.hold, counted from 1")


def _inside(place: Any, part: str) -> Any:
    """Return the table or list under a part of a key, None when there is none; missing tables are made."""
    if isinstance(place, list):
        return place[int(part) - 1] if part.isdecimal() and 0 < int(part) <= len(place) else None
    return place.setdefault(part, {}) if isinstance(place, dict) else None


def _scalar(text: str) -> Any:
    """Return a TOML value if the text is one, else the text itself."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = parsed["value"]
    return value if len(parsed) == 1 and isinstance(value, str | int | float | list | dict) else text
