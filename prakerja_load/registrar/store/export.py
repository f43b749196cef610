"""The export for reconciliation: every row that journeys wrote after a position, from one snapshot, streamed."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from prakerja_load.registrar.store.sqlite import first, open_reader

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


# kind → query (the key comes first), names of the fields, what turns a stored value into the one that was sent
_KINDS: dict[str, tuple[str, tuple[str, ...], dict[str, Callable[[Any], Any]]]] = {
    "create-account": (
        "SELECT key, full_name, email FROM accounts WHERE epoch >= ?",
        ("full_name", "email"),
        {},
    ),
    "confirm-email": (
        "SELECT e.key, a.email FROM email_confirmations AS e JOIN accounts AS a USING (account) WHERE e.epoch >= ?",
        ("email",),
        {},
    ),
    "identity": (
        "SELECT key, nik, kk, birth_date FROM identities WHERE epoch >= ?",
        ("nik", "kk", "birth_date"),
        {"nik": _digits, "kk": _digits, "birth_date": _date},
    ),
    "personal-data": (
        "SELECT key, full_name, sex, province, regency, district, address, education, employment"
        " FROM profiles WHERE epoch >= ?",
        _PROFILE,
        {},
    ),
    "ktp-photo": (
        "SELECT key, size, sha256 FROM photos WHERE epoch >= ? AND kind = 0",
        ("size", "sha256"),
        {"sha256": bytes.hex},
    ),
    "selfie": (
        "SELECT key, size, sha256 FROM photos WHERE epoch >= ? AND kind = 1",
        ("size", "sha256"),
        {"sha256": bytes.hex},
    ),
    "confirm-phone": (
        "SELECT c.key, p.phone FROM phone_confirmations AS c JOIN phones AS p USING (account) WHERE c.epoch >= ?",
        ("phone",),
        {"phone": _phone},
    ),
    "submit-test": (
        "SELECT key, answers FROM tests WHERE epoch >= ?",
        ("answers",),
        {"answers": _answers},
    ),
    "join-wave": ("SELECT key, wave FROM joins WHERE epoch >= ?", ("wave",), {}),
}


def export(path: Path, after: int) -> Iterator[bytes]:
    """Yield blocks of NDJSON: the rows of epochs ≥ `after` (imported rows belong to epoch 0), then one `end` line."""
    connection = open_reader(path)
    try:
        connection.execute("BEGIN")
        rows = 0
        buffer = bytearray()
        for kind in _KINDS:
            for line in _lines(connection.cursor(), kind, after):
                rows += 1
                buffer += line
                if len(buffer) >= _BLOCK:
                    yield bytes(buffer)
                    buffer.clear()
        buffer += _line(_end(connection.cursor(), rows))
        yield bytes(buffer)
    finally:
        connection.close(True)


def _lines(cursor: Any, kind: str, after: int) -> Iterator[bytes]:
    query, names, conversions = _KINDS[kind]
    changed = [(position, conversions[name]) for position, name in enumerate(names) if name in conversions]
    for key, *values in cursor.execute(query, (max(1, after),)):
        for position, convert in changed:
            values[position] = convert(values[position])
        yield _line({"kind": kind, "key": key, **dict(zip(names, values, strict=True))})


def _end(cursor: Any, rows: int) -> dict[str, Any]:
    def count(query: str) -> int:
        return int(first(cursor.execute(query))[0])

    waves = cursor.execute("SELECT wave, quota FROM waves").fetchall()
    joins = dict(cursor.execute("SELECT wave, count(*) FROM joins GROUP BY wave").fetchall())
    return {
        "kind": "end",
        "rows": rows,
        "accounts": count("SELECT count(*) FROM accounts"),
        "imported": count("SELECT coalesce(sum(count), 0) FROM imports"),
        "joined": {str(wave): joins.get(wave, 0) for wave, _ in waves},
        "quota": {str(wave): quota for wave, quota in waves},
    }


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
