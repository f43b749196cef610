"""A SQLite store as so many registered people leave it: what one of them wrote, multiplied for people of an import.

One registrant goes through the whole journey over HTTP, and the others come in by the laboratory's import. Then every
row that the one left behind is written for each of the others, in the order of their accounts, with their own e-mail,
NIK, phone and personal data, random idempotency keys as long as a UUID and the kept answers with them (none is ever
deleted). The unique indexes stay while that goes on, so that their pages are as full as scattered keys leave them.
Only the pictures themselves are not multiplied: their file is appended to and has no index.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

_CACHE_KIB = 2_097_152  # holds everything that is written in scattered order
_KEY = "lower(hex(randomblob(18)))"
_SOURCES = {
    "accounts": ("email", "full_name"),
    "identities": ("nik", "kk", "birth_date"),
    "phones": ("phone",),
    "profiles": ("sex", "province", "regency", "district", "address", "education", "employment"),
}  # what an import knows of a person, by table


def multiply(database: Path, imported: Path) -> int:
    """Write what the one registrant of a store left for everybody of an import; return how many these are.

    Nobody else may have either file open. What is written is not durable before it ends: a fill is begun anew.
    """
    connection = apsw.Connection(str(database))
    try:
        for pragma in (
            "journal_mode = DELETE",
            "journal_mode = OFF",
            "synchronous = OFF",
            f"cache_size = -{_CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("ATTACH ? AS imported", (str(imported),))
        ((one, email, people),) = connection.execute(
            "SELECT account, email, (SELECT count(*) FROM imported.accounts) FROM main.accounts"
        ).fetchall()
        ((phone,),) = connection.execute("SELECT '0' || phone FROM main.phones").fetchall()
        with connection:
            for statement, bindings in _statements(connection, one, (str(email), str(phone))):
                connection.execute(statement, bindings).fetchall()
            connection.execute("UPDATE main.waves SET joined = joined + ?", (people,)).fetchall()
    finally:
        connection.close()
    return int(people)


def _statements(connection: apsw.Connection, one: int, told: tuple[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return what copies each table, by the columns it has."""
    bindings = {"one": one, "email": told[0], "phone": told[1]}
    tables = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        columns = [str(row[1]) for row in connection.execute(f"PRAGMA main.table_info({table})").fetchall()]
        if table == "replies":
            mine = "TRUE"  # nobody else has registered yet
        elif "account" in columns:
            mine = f"account = {one}"
        else:
            continue
        connection.execute(f"CREATE TEMP TABLE one_{table} AS SELECT * FROM main.{table} WHERE {mine}")
        values = ", ".join(_value_of(table, column) for column in columns)
        joined = " ".join(
            f"CROSS JOIN imported.{name} AS i_{name} ON i_{name}.account = a.account"  # in the order of the accounts
            for name in _SOURCES
            if f"i_{name}." in values
        )
        yield (
            f"INSERT INTO main.{table} SELECT {values} FROM imported.accounts AS a {joined}"
            f" CROSS JOIN temp.one_{table} AS o",
            bindings,
        )


_TOLD = "replace(CAST(o.body AS TEXT), '\"account\":' || :one, '\"account\":' || (a.account + :one))"
_OTHERWISE = {
    "account": "a.account + :one",
    "key": _KEY,
    "digest": "randomblob(length(o.digest))",
    "sha256": "randomblob(length(o.sha256))",
    "scope": "CASE o.scope WHEN 0 THEN 0 ELSE a.account + :one END",
    "body": f"CAST(replace(replace({_TOLD}, :email, a.email), :phone, '0' || i_phones.phone) AS BLOB)",
}


def _value_of(table: str, column: str) -> str:
    """Return the expression of a column: another person's where it is a person's own, else as the one left it."""
    if column in _SOURCES.get(table, ()):
        return f"i_{table}.{column}"
    return _OTHERWISE.get(column, f"o.{column}")
