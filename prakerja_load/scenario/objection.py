"""What is wrong with a scenario, in words: key path, what was given, what is allowed, the nearest known key."""

from __future__ import annotations

import difflib
import functools
import ipaddress
import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from prakerja_load import units
from prakerja_load.arrivals import demand as demands
from prakerja_load.errors import Problem
from prakerja_load.scenario.laboratory import registrar_problems
from prakerja_load.scenario.values import JOURNEYS, JourneyChoice, Scenario


def is_prakerja_host(host: str) -> bool:
    """Tell whether a host belongs to the real system, which this tool never puts under load."""
    try:
        name = host.encode("idna").decode()
    except UnicodeError:
        name = host
    return f".{name.lower().rstrip('.')}".endswith(".prakerja.go.id")


def _ramp_problems(scenario: Scenario) -> Iterator[Problem]:
    names: set[str] = set()
    for number, ramp in enumerate(scenario.ramps, 1):
        most = max(earlier.registrants for earlier in scenario.ramps[:number])
        if ramp.name in names:
            yield Problem(f"ramps.{number}.name", shown(ramp.name), "a name that no earlier ramp has")
        if ramp.registrants < most:
            allowed = f"at least {units.format_count(most)}, as an earlier ramp asks for"
            yield Problem(f"ramps.{number}.registrants", str(ramp.registrants), allowed, "N counts cumulatively")
        if scenario.claim != "peak" and "hold" in ramp.model_fields_set:
            hint = "the whole curve is judged; its length is window / compression"
            yield Problem(f"ramps.{number}.hold", f"{ramp.hold:g} s", f"nothing for claim {scenario.claim}", hint)
        names.add(ramp.name)


def _target_problems(scenario: Scenario) -> Iterator[Problem]:
    url = scenario.target.url
    if url is None:
        return
    found = _ADDRESS.fullmatch(url)
    if not found or int(found[2] or 0) > 65_535:
        given = "an address with a name or password in it" if "@" in url else shown(url)
        yield Problem("target.url", given, "http://host:port or https://host", _SECRETS if "@" in url else "")
    elif is_prakerja_host(host := found[1].strip("[]")):
        yield Problem("target.url", shown(url), "any system but *.prakerja.go.id", "this tool never puts load on it")
    elif (found[3] or "").strip("/"):
        hint = "the paths of a journey begin at /; a system beneath a path needs a host name of its own"
        yield Problem("target.url", shown(url), "http://host:port or https://host, without a path", hint)
    elif not _LOOPBACK.fullmatch(host) and not (scenario.target.authorized_by or "").strip():
        yield Problem("target.authorized_by", "nothing", f"the name of who allowed load on {host}")
    if scenario.applicants.dialable_phones:
        allowed = "false unless the embedded registrar is the target"
        yield Problem("applicants.dialable_phones", "true", allowed, "a code might be sent to a real subscriber")


def _journey_problems(scenario: Scenario) -> Iterator[Problem]:
    choice, behavior = scenario.journey, scenario.journey.behavior
    if choice.file is None and choice.name not in JOURNEYS:
        allowed = f"one of {', '.join(JOURNEYS)}, or with journey.file one of its own"
        yield Problem("journey.name", shown(choice.name), allowed, _nearest(choice.name, JOURNEYS))
    elif choice.file is not None:
        try:
            _steps_of(choice)
        except ValueError as mistake:
            yield Problem("journey.file", shown(choice.file.name), "a file with the journey", str(mistake))
    if behavior.under_age + behavior.someone_elses_nik > 1:
        given = f"{behavior.someone_elses_nik:g} beside under_age {behavior.under_age:g}"
        yield Problem("journey.behavior.someone_elses_nik", given, "shares that add up to at most 1")


def _stored_problems(scenario: Scenario) -> Iterator[Problem]:
    tables, choice = scenario.stored, scenario.journey
    if tables and (choice.file is None or scenario.target.url is None):
        yield Problem(
            "stored", "a table", "nothing without journey.file and target.url", "the registrar exports itself"
        )
        return
    try:
        names = [name for name, is_stored in _steps_of(choice) if is_stored] if tables else []
    except ValueError:  # said already
        return
    for number, table in enumerate(tables, 1):
        if not _DATABASE.fullmatch(table.sql):
            given = "an address with a password in it" if "@" in table.sql else shown(table.sql)
            allowed = "sqlite:///file.db or postgresql://user@host/database"
            yield Problem(f"stored.{number}.sql", given, allowed, "PGPASSWORD may hold the password")
        if table.step not in names or table.step in [before.step for before in tables[: number - 1]]:
            allowed = f"one of {', '.join(names)}, each once"
            yield Problem(f"stored.{number}.step", shown(table.step), allowed, _nearest(table.step, names))
    without = sorted(set(names) - {table.step for table in tables})
    if tables and without:
        yield Problem("stored", f"no table for {', '.join(without)}", "one for each step that is stored, or none")


def _steps_of(choice: JourneyChoice) -> list[tuple[str, bool]]:
    """Return (name, whether it is a write) of each step of the journey in a file; ValueError says what is wrong."""
    from prakerja_load.journey.own import load_journey

    assert choice.file is not None
    kind = load_journey(choice.file.source, choice.file.name, choice.name)
    return [(step.name, step.is_stored) for step in kind.steps]


def _load_problems(scenario: Scenario) -> Iterator[Problem]:
    for number, address in enumerate(scenario.load.source_addresses, 1):
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield Problem(f"load.source_addresses.{number}", shown(address), "a numeric address of this machine")


def _network_problems(scenario: Scenario) -> Iterator[Problem]:
    network = scenario.network
    if network.links and network.profile != "none":
        yield Problem("network.links", f"links beside profile {network.profile}", "either of the two")
    total = sum(link.share for link in network.links)
    if network.links and abs(total - 1) > 1e-6:
        yield Problem("network.links", f"shares that add up to {total:g}", "shares that add up to 1")
    if network.chosen and scenario.load.connection == "reuse":
        allowed = '"per-registrant" where registrants have networks of their own'
        yield Problem(
            "load.connection", '"reuse"', allowed, "a connection shared by two would have both their networks"
        )


_ADDRESS = re.compile(r"https?://(\[[0-9a-f:.]+\]|[^/@:?#%\[\]\s]+)(?::([1-9]\d{0,4}))?(/[^?#\s]*)?", re.IGNORECASE)
_DATABASE = re.compile(r"sqlite:///[^?#]+|postgres(ql)?://([^/@:?#]+@)?[^/@?#]+/[^/?#]+")
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1", re.IGNORECASE)
_SECRETS = "secrets come from the environment, never from a scenario"
CHECKS: tuple[tuple[Callable[[Scenario], Iterable[Problem]], set[str]], ...] = (
    (lambda scenario: demands.contradictions(scenario.demand, scenario.claim), {"claim", "demand"}),
    (_ramp_problems, {"claim", "ramps"}),
    (_journey_problems, {"journey"}),
    (_target_problems, {"target", "applicants"}),
    (_load_problems, {"load"}),
    (_network_problems, {"network", "load"}),
    (lambda scenario: registrar_problems(scenario.registrar), {"registrar"}),
    (_stored_problems, {"journey", "target", "stored"}),
)


def syntax_problem(text: str, message: str) -> Problem:
    found = re.search(r"\(at line (\d+), column \d+\)", message)
    lines = text.splitlines()
    number = int(found[1]) if found else len(lines)
    given = shown(lines[number - 1].strip()) if 0 < number <= len(lines) else "the end of the file"
    return Problem(f"line {number}", given, "TOML", message)


def validate(raw: dict[str, Any], folder: Path | None) -> tuple[Scenario | None, list[Problem]]:
    try:
        return Scenario.model_validate(raw, context={"folder": folder}), []
    except ValidationError as error:
        found = error.errors(include_url=False)
        # a list whose entries are wrong is also called too short
        return None, [_problem(raw, e["type"], e["loc"]) for e in found if e["type"] != "too_short" or not e["input"]]


def _problem(raw: dict[str, Any], kind: str, place: tuple[int | str, ...]) -> Problem:
    """Return one finding of the models in words; what was given under an unknown key is never shown."""
    key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in place)
    section, field = _find(place)
    if kind == "extra_forbidden":
        known = list(section.model_fields)
        hint = _SECRETS if _SECRET.search(str(place[-1])) else _nearest(str(place[-1]), known)
        return Problem(key, "an unknown key", f"one of {', '.join(known)}", hint)
    if kind == "missing":
        return Problem(key, "nothing", _allowed(field))
    given: Any = functools.reduce(operator.getitem, place, cast(Any, raw))
    return Problem(key, shown(given), _allowed(field), _nearest(str(given), [*map(str, get_args(field.annotation))]))


def _find(place: tuple[int | str, ...]) -> tuple[type[BaseModel], FieldInfo]:
    """Return the section that a place of the file belongs to, and the field it names (or its section's)."""
    section: type[BaseModel] = Scenario
    field = FieldInfo(annotation=Scenario)
    for part in place:
        section = _section(field.annotation) or section
        field = section.model_fields.get(part, field) if isinstance(part, str) else field
    return section, field


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside an annotation such as Curve | None or tuple[Ramp, ...]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section, get_args(annotation))), None)


def _allowed(field: FieldInfo) -> str:
    """Return what a field takes, in words: its type's, and its bounds."""
    limits = [(word, getattr(mark, name, None)) for mark in field.metadata for name, word in _BOUNDS.items()]
    bounds = [f"{word} {units.format_number(limit)}" for word, limit in limits if limit is not None]
    return ", ".join([field.description or _kind(field.annotation), *bounds])


def _kind(annotation: Any) -> str:
    """Return an annotation in words; of `X | None`, X in words."""
    if section := _section(annotation):
        return f"a table with {', '.join(section.model_fields)}"
    parts = (annotation, *get_args(annotation))
    marks = (mark for part in parts for mark in getattr(part, "__metadata__", ()) if isinstance(mark, FieldInfo))
    words = [mark.description for mark in marks] + [_WORDS[part] for part in parts if part in _WORDS]
    return words[0] or "" if words else f"one of {', '.join(map(str, get_args(annotation)))}"


_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
_WORDS: dict[Any, str] = {str: "text in quotes", bool: "true or false"}
_SECRET = re.compile("passw|secret|token|api_?key", re.IGNORECASE)


def _nearest(given: str, known: Sequence[str]) -> str:
    return "".join(f"did you mean {match}?" for match in difflib.get_close_matches(given, known, n=1))


def shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return json.dumps(value, ensure_ascii=False, default=str)
