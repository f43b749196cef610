"""The import of complete registrants: one transaction, however many requests it comes in.

An import announced as larger than one request drops the unique indexes first and builds them anew at the end, in the
same transaction: two million rows then cost a sort instead of two million times three scattered pages, and whatever
goes wrong before the COMMIT, a uniqueness violation included, leaves the store as it was.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Annotated

import apsw
import msgspec

from prakerja_load.registrar.messages import Digits16, Email, Name, Phone, Sex, Text
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.store.sqlite import first

_BLOCK = 256 * 1024  # bytes decoded at a time; the loop looks up in between
_INDEXES = """
SELECT name, sql FROM sqlite_master
WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('accounts', 'identities', 'phones')
"""


class ImportedApplicant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One line of an import."""

    person: Annotated[int, msgspec.Meta(ge=0)]
    full_name: Name
    email: Email
    nik: Digits16
    kk: Digits16
    birth_date: datetime.date
    sex: Sex
    phone: Phone
    province: Name
    regency: Name
    district: Name
    address: Text
    education: Name
    employment: Name


_DECODER = msgspec.json.Decoder(ImportedApplicant)


class BulkImport:
    """An import on a connection that nobody else uses; after a RefusalError it must be given up."""

    def __init__(self, connection: apsw.Connection, password: str, *, is_large: bool, is_lab: bool) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._is_lab = is_lab
        self._indexes: list[str] = []
        self._rest = b""
        self.imported = 0
        self._cursor.execute("BEGIN IMMEDIATE")
        self._cursor.execute("INSERT INTO imports (password, count) VALUES (?, 0)", (password,))
        self._import = connection.last_insert_rowid()
        (self.before,) = first(self._cursor.execute("SELECT coalesce(max(account), 0) FROM accounts"))
        if is_large:
            self._drop_indexes()

    @property
    def total(self) -> int:
        """Return the accounts that the store holds when the import ends now."""
        return int(self.before) + self.imported

    def feed(self, piece: bytes) -> None:
        """Take more of the body; lines may be cut anywhere."""
        self._rest += piece
        if len(self._rest) >= _BLOCK:
            end = self._rest.rfind(b"\n") + 1
            block, self._rest = self._rest[:end], self._rest[end:]
            self._store(block)

    def end_of_body(self) -> None:
        """Take what is left as the last line of a body."""
        block, self._rest = self._rest, b""
        self._store(block)

    def commit(self) -> None:
        """Build the indexes again, make everything durable and put it into the database file proper."""
        for statement in self._indexes:
            self._guarded(statement)
        self._cursor.execute("UPDATE imports SET count = ? WHERE import = ?", (self.imported, self._import))
        self._cursor.execute("COMMIT")
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def give_up(self) -> None:
        """Leave the store as it was before the import."""
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")

    def _drop_indexes(self) -> None:
        for name, statement in self._cursor.execute(_INDEXES).fetchall():
            self._cursor.execute(f"DROP INDEX {name}")
            self._indexes.append(str(statement))

    def _store(self, block: bytes) -> None:
        try:
            applicants = _DECODER.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RefusalError("invalid-body", f"after line {self.imported}: {error}") from error
        if self._is_lab and not all(applicant.nik.endswith("0000") for applicant in applicants):
            raise RefusalError("nik-not-synthetic")
        start = self.total + 1
        self.imported += len(applicants)
        self._insert(list(enumerate(applicants, start)))

    def _insert(self, numbered: list[tuple[int, ImportedApplicant]]) -> None:
        self._guarded(
            "INSERT INTO accounts (account, email, full_name, import, epoch, copy) VALUES (?, ?, ?, ?, 0, 0)",
            ((account, a.email.lower(), a.full_name, self._import) for account, a in numbered),
        )
        self._guarded(
            "INSERT INTO identities (account, nik, kk, birth_date, epoch) VALUES (?, ?, ?, ?, 0)",
            ((account, int(a.nik), int(a.kk), a.birth_date.toordinal()) for account, a in numbered),
        )
        self._guarded(
            "INSERT INTO phones (account, phone) VALUES (?, ?)",
            ((account, int(a.phone)) for account, a in numbered),
        )
        self._guarded(
            "INSERT INTO profiles (account, sex, province, regency, district, address, education, employment, epoch)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                (account, a.sex, a.province, a.regency, a.district, a.address, a.education, a.employment)
                for account, a in numbered
            ),
        )

    def _guarded(self, statement: str, rows: Iterable[tuple[object, ...]] = ((),)) -> None:
        """Run a statement; a broken uniqueness rule becomes a RefusalError that names the column."""
        try:
            self._cursor.executemany(statement, rows)
        except apsw.ConstraintError as error:
            column = next((name for name in ("email", "nik", "phone") if f".{name}" in str(error)), "account")
            raise RefusalError("import-conflict", errors=[{"column": column}]) from error
