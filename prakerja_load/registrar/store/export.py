"""The export for reconciliation: every row that journeys wrote after a position, from one snapshot, streamed."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from prakerja_load.registrar.store.sqlite import first, open_reader

Pictures: TypeAlias = Callable[[int, int], bytes]

_BLOCK = 128 * 1024
_PROFILE = ("full_name", "sex", "province", "regency", "district", "address", "education", "employment")


def _date(ordinal: int) -> str:
    return datetime.date.fromordinal(ordinal).isoformat()


def _digits(number: int) -> str:
    return f"{number:016d}"


def _phone(number: int) -> str:
    return f"0{number}"


def _answers(text: str) -> list[int]:
    return [int(digit) for digit in text]


# kind → query (the key comes first, then the e-mail address of the account that the row stands on), names of the other
# fields, what turns a stored value into the one that was sent; CROSS JOIN keeps SQLite from beginning with the accounts
_KINDS: dict[str, tuple[str, tuple[str, ...], dict[str, Callable[[Any], Any]]]] = {
    "create-account": (
        "SELECT key, email, full_name, email FROM accounts WHERE epoch >= ?",
        ("full_name", "email"),
        {},
    ),
    "confirm-email": (
        "SELECT e.key, a.email, a.email FROM email_confirmations AS e"
        " CROSS JOIN accounts AS a USING (account) WHERE e.epoch >= ?",
        ("email",),
        {},
    ),
    "identity": (
        "SELECT i.key, a.email, i.nik, i.kk, i.birth_date FROM identities AS i"
        " CROSS JOIN accounts AS a USING (account) WHERE i.epoch >= ?",
        ("nik", "kk", "birth_date"),
        {"nik": _digits, "kk": _digits, "birth_date": _date},
    ),
    "personal-data": (
        "SELECT p.key, a.email, p.full_name, p.sex, p.province, p.regency, p.district, p.address, p.education,"
        " p.employment FROM profiles AS p CROSS JOIN accounts AS a USING (account) WHERE p.epoch >= ?",
        _PROFILE,
        {},
    ),
    "ktp-photo": (
        "SELECT p.key, a.email, p.size, p.position FROM photos AS p"
        " CROSS JOIN accounts AS a USING (account) WHERE p.epoch >= ? AND p.kind = 0",
        ("size", "sha256"),
        {},
    ),
    "selfie": (
        "SELECT p.key, a.email, p.size, p.position FROM photos AS p"
        " CROSS JOIN accounts AS a USING (account) WHERE p.epoch >= ? AND p.kind = 1",
        ("size", "sha256"),
        {},
    ),
    "confirm-phone": (
        "SELECT c.key, a.email, p.phone FROM phone_confirmations AS c JOIN phones AS p USING (account)"
        " CROSS JOIN accounts AS a USING (account) WHERE c.epoch >= ?",
        ("phone",),
        {"phone": _phone},
    ),
    "submit-test": (
        "SELECT t.key, a.email, t.answers FROM tests AS t CROSS JOIN accounts AS a USING (account) WHERE t.epoch >= ?",
        ("answers",),
        {"answers": _answers},
    ),
    "join-wave": (
        "SELECT j.key, a.email, j.wave FROM joins AS j CROSS JOIN accounts AS a USING (account) WHERE j.epoch >= ?",
        ("wave",),
        {},
    ),
}
_PHOTOS = ("ktp-photo", "selfie")


def export(path: Path, after: int, pictures: Pictures) -> Iterator[bytes]:
    """Yield blocks of NDJSON: the rows of epochs ≥ `after` (imported rows belong to epoch 0), then one `end` line.

    Every row says in `owner` whose account it stands on; `pictures` reads a photo back by position and size.
    """
    connection = open_reader(path)
    try:
        connection.execute("BEGIN")
        rows = created = 0
        buffer = bytearray()
        for kind in _KINDS:
            for line in _lines(connection.cursor(), kind, after, pictures):
                rows += 1
                created += kind == "create-account"
                buffer += line
                if len(buffer) >= _BLOCK:
                    yield bytes(buffer)
                    buffer.clear()
        buffer += _line(_end(connection.cursor(), rows, created))
        yield bytes(buffer)
    finally:
        connection.close(True)


def _lines(cursor: Any, kind: str, after: int, pictures: Pictures) -> Iterator[bytes]:
    query, names, conversions = _KINDS[kind]
    changed = [(position, conversions[name]) for position, name in enumerate(names) if name in conversions]
    for key, owner, *values in cursor.execute(query, (max(1, after),)):
        for position, convert in changed:
            values[position] = convert(values[position])
        if kind in _PHOTOS:  # of the picture as it lies there, not of the one that came
            values[1] = hashlib.sha256(pictures(values[1], values[0])).hexdigest()
        yield _line({"kind": kind, "key": key, "owner": owner, **dict(zip(names, values, strict=True))})


def _end(cursor: Any, rows: int, created: int) -> dict[str, Any]:
    def count(query: str) -> int:
        return int(first(cursor.execute(query))[0])

    waves = cursor.execute("SELECT wave, quota FROM waves").fetchall()
    joins = dict(cursor.execute("SELECT wave, count(*) FROM joins GROUP BY wave").fetchall())
    accounts = count("SELECT count(*) FROM accounts")
    return {
        "kind": "end",
        "rows": rows,
        "accounts": accounts,
        "before": accounts - created,
        "imported": count("SELECT coalesce(sum(count), 0) FROM imports"),
        "joined": {str(wave): joins.get(wave, 0) for wave, _ in waves},
        "quota": {str(wave): quota for wave, quota in waves},
    }


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
