"""The export for reconciliation: every row that journeys wrote after a position, from one snapshot, streamed."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import msgspec

_BLOCK = 128 * 1024
_WAITS = "pending"  # the civil registry is still to be asked about the identity; said only where it is so
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
        "SELECT i.key, a.email, i.nik, i.kk, i.birth_date, EXISTS"
        " (SELECT 1 FROM pending_identities WHERE account = i.account AND problem IS NULL)"
        " FROM identities AS i CROSS JOIN accounts AS a USING (account) WHERE i.epoch >= ?",
        ("nik", "kk", "birth_date", _WAITS),
        {"nik": _digits, "kk": _digits, "birth_date": _date, _WAITS: bool},
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


class Snapshot(Protocol):
    """A store as it was at one moment; used by one thread at a time."""

    def rows(self, query: str, bindings: tuple[Any, ...] = ()) -> Iterable[Any]:
        """Yield the rows of a query."""

    def picture(self, position: int, size: int) -> bytes:
        """Return a stored photograph."""

    def close(self) -> None:
        """Let go of the moment."""


def export(open_snapshot: Callable[[], Snapshot], after: int) -> Iterator[bytes]:
    """Yield blocks of NDJSON: the rows of epochs ≥ `after` (imported rows belong to epoch 0), then one `end` line.

    Every row says in `owner` whose account it stands on; photos are read back from where they lie.
    """
    snapshot = open_snapshot()
    try:
        rows = created = 0
        buffer = bytearray()
        for kind in _KINDS:
            for line in _lines(snapshot, kind, after):
                rows += 1
                created += kind == "create-account"
                buffer += line
                if len(buffer) >= _BLOCK:
                    yield bytes(buffer)
                    buffer.clear()
        buffer += _line(_end(snapshot, rows, created))
        yield bytes(buffer)
    finally:
        snapshot.close()


def _lines(snapshot: Snapshot, kind: str, after: int) -> Iterator[bytes]:
    query, names, conversions = _KINDS[kind]
    changed = [(position, conversions[name]) for position, name in enumerate(names) if name in conversions]
    for key, owner, *values in snapshot.rows(query, (max(1, after),)):
        for position, convert in changed:
            values[position] = convert(values[position])
        if kind in _PHOTOS:  # of the picture as it lies there, not of the one that came
            values[1] = hashlib.sha256(snapshot.picture(values[1], values[0])).hexdigest()
        fields = dict(zip(names, values, strict=True))
        if fields.get(_WAITS) is False:
            del fields[_WAITS]
        yield _line({"kind": kind, "key": key, "owner": owner, **fields})


def _end(snapshot: Snapshot, rows: int, created: int) -> dict[str, Any]:
    def count(query: str) -> int:
        ((number,),) = snapshot.rows(query)
        return int(number)

    waves = list(snapshot.rows("SELECT wave, quota FROM waves"))
    joins = dict(snapshot.rows("SELECT wave, count(*) FROM joins GROUP BY wave"))
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
