"""What the registrar's sources must not hold: SQL made of values, weak hashes, evaluated text, people in addresses."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
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
SECRETS = {"code", "sent", "mac", "_mac", "token", "lab_token", "_lab_token", "password", "ticket", "credentials"}
CRYPTOGRAPHY = {"hashlib", "hmac", "secrets", "argon2", "ssl", "cryptography"}
SENDERS = {"http", "requests", "httpx", "aiohttp", "urllib3", "smtplib", "ftplib", "imaplib", "grpc", "xmlrpc"}
CONNECTS = {"create_connection", "open_connection", "connect_ex", "sock_connect", "urlopen"}
LIBRARIES = {"argon2": "argon2-cffi", "psycopg_pool": "psycopg-pool"}  # imported under another name than their own
QUERIES = ["after", "to"]  # a position; a synthetic recipient, of the laboratory only
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


def compared(node: ast.AST) -> set[str]:
    """Return the secrets that an expression compares by their value, which takes longer the more of it is right."""
    if not isinstance(node, ast.Compare) or all(
        isinstance(op, (ast.Is, ast.IsNot, ast.Lt, ast.LtE)) for op in node.ops
    ):
        return set()
    if any(isinstance(part, ast.Constant) for part in (node.left, *node.comparators)):
        return set()
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return (names | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}) & SECRETS


def test_the_search_finds_secrets_that_are_compared_by_value() -> None:
    for bad in ('given.encode() == b"%06d" % sent', "code != request.code", "mac in known", "token == self._lab_token"):
        assert compared(ast.parse(bad, mode="eval").body), bad
    for good in ("code is None", "8 <= len(password) <= 128", "hmac.compare_digest(mac, self._mac(claims))"):
        assert not compared(ast.parse(good, mode="eval").body), good


def test_codes_tokens_and_the_laboratorys_token_are_compared_in_constant_time() -> None:
    users = {path.name for path, node in nodes() if isinstance(node, ast.Attribute) and node.attr == "compare_digest"}
    assert users == {"app.py", "rules.py", "tokens.py", "admin_page.py", "waiting_room.py"}
    assert [(path.name, ast.unparse(node)) for path, node in nodes() if compared(node)] == []


def test_no_address_takes_a_person() -> None:
    """Addresses end up in logs: only the number of a wave stands in one, and the laboratory's outbox takes a query."""
    assert {route.path.partition("{")[2].partition("}")[0] for route in ROUTES if "{" in route.path} <= {"wave"}
    readers = {path.name for path, node in nodes() if isinstance(node, ast.Attribute) and node.attr == "query"}
    assert readers == {"routes.py", "request.py", "protocol.py", "lab.py"}  # brought by three, read by the last
    calls = [node for path, node in nodes() if isinstance(node, ast.Call) and path.name == "lab.py"]
    asked = [ast.literal_eval(call.args[1]) for call in calls if ast.unparse(call.func) == "_argument"]
    assert sorted(asked) == QUERIES


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_no_header_of_a_proxy_is_read(name: str) -> None:
    assert [path.name for path in SOURCES if name in path.read_text().lower().replace("_", "-")] == []


def imported() -> Iterator[tuple[Path, str]]:
    """Yield each import: the file, and what is imported under its whole name."""
    for path, node in nodes():
        match node:
            case ast.Import(names=names):
                yield from ((path, item.name) for item in names)
            case ast.ImportFrom(module=str(module)):
                yield path, module


def test_it_calls_nobody_but_its_database() -> None:
    """Nothing that could open a connection is imported or called; the database's own client is."""
    calls = {"http.HTTPStatus", "urllib.parse"}
    found = [(path.name, name) for path, name in imported() if name.partition(".")[0] in SENDERS and name != "http"]
    found += [(path.name, name) for path, name in imported() if name.startswith("urllib") and name not in calls]
    found += [
        (path.name, ast.unparse(node))
        for path, node in nodes()
        if isinstance(node, ast.Attribute) and node.attr in CONNECTS
    ]
    assert found == []
    clients = {path.relative_to(FOLDER).parts[0] for path, name in imported() if name.partition(".")[0] == "psycopg"}
    assert clients == {"store"}


def test_every_library_stands_in_the_inventory_with_its_hashes() -> None:
    inventory = tomllib.loads((FOLDER.parent.parent / "uv.lock").read_text())["package"]
    hashed = {package["name"]: [wheel["hash"] for wheel in package.get("wheels", [])] for package in inventory}
    names = {name.partition(".")[0] for _, name in imported()} - sys.stdlib_module_names - {"prakerja_load"}
    assert names >= {"apsw", "argon2", "httptools", "msgspec", "psycopg", "uvloop"}
    for name in names:
        hashes = hashed[LIBRARIES.get(name, name)]
        assert hashes, name
        assert all(value.startswith("sha256:") for value in hashes), name


def test_the_inventory_of_cryptography_names_every_module_that_uses_some() -> None:
    section = (FOLDER / "SECURITY.md").read_text().partition("### Keys and algorithms\n")[2].partition("\n#")[0]
    users = {path.relative_to(FOLDER) for path, name in imported() if name.partition(".")[0] in CRYPTOGRAPHY}
    assert set(re.findall(r"`([a-z_/]+\.py)`", section)) == set(map(str, users))
