"""What the registrar's sources must not hold: SQL made of values, weak hashes, evaluated text, people in addresses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import prakerja_load.registrar
from prakerja_load.registrar.table import ROUTES

FOLDER = Path(prakerja_load.registrar.__file__).parent
SOURCES = sorted(FOLDER.rglob("*.py"))
SQL = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|BEGIN|COPY|SET|WITH)\b")
ONLY_STRUCTURE = re.compile(r"^\s*(PRAGMA|DROP INDEX|BEGIN IMMEDIATE|CREATE|COPY|SET)\b")  # takes no parameters
SEES_PEOPLE = {"effects.py", "lookups.py", "waves.py", "civil_registry.py", "endpoints.py", "lab.py", "service.py"}
SEES_PEOPLE |= {"identity_queue.py", "pending.py"}
WEAK = {"md5", "sha1", "new"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
UNSAFE = {"pickle", "marshal", "shelve", "subprocess", "xml", "yaml", "random"}


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            yield path, node


def text_of(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def composed(node: ast.AST) -> str:
    """Return the SQL that an expression composes out of parts, empty when it is none."""
    match node:
        case ast.JoinedStr():
            text = text_of(node)
            return text if "{}" in text and SQL.match(text) else ""
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add() | ast.Mod()):
            return text if SQL.match(text) else ""
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format" | "join")):
            return text if SQL.match(text) else ""
    return ""


def test_the_search_finds_composed_statements() -> None:
    for bad in ('f"SELECT {x} FROM t"', '"DELETE FROM t WHERE a = " + a', '"UPDATE t SET a = %s" % a'):
        assert composed(ast.parse(bad, mode="eval").body), bad
    assert composed(ast.parse('"INSERT INTO {}".format(t)', mode="eval").body)
    assert not composed(ast.parse('"SELECT 1 FROM t WHERE a = ?"', mode="eval").body)


def test_sql_is_parameterised_wherever_a_persons_values_pass() -> None:
    found = [(path.name, composed(node)) for path, node in nodes() if composed(node)]
    assert [statement for name, statement in found if name in SEES_PEOPLE and not ONLY_STRUCTURE.match(statement)] == []
    inserted = [statement for _, statement in found if not ONLY_STRUCTURE.match(statement)]
    for statement in inserted:  # names of columns or tables may be composed, values may not
        assert not re.search(r"(=|<|>|LIKE|IN)\s*\(?\s*'?\{\}|VALUES\s*\(?\s*'?\{\}'", statement), statement


def test_no_weak_hash_no_evaluated_text_no_unsafe_format() -> None:
    found = []
    for path, node in nodes():
        match node:
            case ast.Attribute(value=ast.Name(id="hashlib"), attr=attr) if attr in WEAK:
                found.append((path.name, attr))
            case ast.Call(func=ast.Name(id=name)) if name in RUNS_TEXT:
                found.append((path.name, name))
            case ast.Import(names=names):
                found += [(path.name, item.name) for item in names if item.name.partition(".")[0] in UNSAFE]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in UNSAFE:
                found.append((path.name, module))
    assert [item for item in found if item != ("defects.py", "random")] == []  # a defect is no secret


def test_codes_tokens_and_the_laboratorys_token_are_compared_in_constant_time() -> None:
    users = {path.name for path, node in nodes() if isinstance(node, ast.Attribute) and node.attr == "compare_digest"}
    assert {"app.py", "rules.py", "tokens.py"} <= users


def test_no_address_takes_a_person() -> None:
    """Addresses end up in logs: only the number of a wave stands in one, and the laboratory's outbox takes a query."""
    assert {route.path.partition("{")[2].partition("}")[0] for route in ROUTES if "{" in route.path} <= {"wave"}


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_no_header_of_a_proxy_is_read(name: str) -> None:
    assert [path.name for path in SOURCES if name in path.read_text().lower().replace("_", "-")] == []
