"""The import of complete registrants: one transaction, however many requests it comes in.

Whatever goes wrong before the COMMIT, a uniqueness violation included, leaves the store as it was.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Protocol

import msgspec

from prakerja_load.registrar.messages import Digits16, Email, Name, Phone, Sex, Text
from prakerja_load.registrar.problems import RefusalError

_BLOCK = 256 * 1024  # bytes decoded at a time; the loop looks up in between
_ACCOUNTS = ("account", "email", "full_name", "import", "epoch", "copy")
_IDENTITIES = ("account", "nik", "kk", "birth_date", "epoch")
_PHONES = ("account", "phone")
_PROFILES = (
    "account",
    "sex",
    "province",
    "regency",
    "district",
    "address",
    "education",
    "employment",
    "epoch",
)


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


class Start(msgspec.Struct, frozen=True):
    """What an import begins with: its own number, the accounts there are, the highest number of one."""

    number: int
    before: int
    last_account: int


class Loader(Protocol):
    """The store's side of an import."""

    def begin(self, password: str, *, is_large: bool) -> Start:
        """Open the transaction and note the import."""

    def load(self, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Store rows; raises RefusalError when one breaks a uniqueness rule."""

    def commit(self, number: int, count: int) -> None:
        """Make everything durable."""

    def give_up(self) -> None:
        """Leave the store as it was before the import."""


def conflict_over(constraint: str) -> RefusalError:
    """Return the refusal of an import that breaks a uniqueness rule, by the words of the database."""
    columns = ("email", "nik", "phone")
    column = next((name for name in columns if f".{name}" in constraint or f"_{name}" in constraint), "account")
    return RefusalError("import-conflict", errors=[{"column": column}])


class BulkImport:
    """An import under way; after a RefusalError it must be given up."""

    def __init__(self, loader: Loader, password: str, *, is_large: bool, is_lab: bool) -> None:
        self._loader = loader
        self._is_lab = is_lab
        self._rest = b""
        self.imported = 0
        self._start = loader.begin(password, is_large=is_large)

    @property
    def total(self) -> int:
        """Return the accounts that the store holds when the import ends now."""
        return self._start.before + self.imported

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
        """Make everything durable."""
        self._loader.commit(self._start.number, self.imported)

    def give_up(self) -> None:
        """Leave the store as it was before the import."""
        self._loader.give_up()

    def _store(self, block: bytes) -> None:
        try:
            applicants = _DECODER.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RefusalError("invalid-body", f"after line {self.imported}: {error}") from error
        if self._is_lab and not all(applicant.nik.endswith("0000") for applicant in applicants):
            raise RefusalError("nik-not-synthetic")
        start = self._start.last_account + self.imported + 1
        self.imported += len(applicants)
        self._load(list(enumerate(applicants, start)))

    def _load(self, numbered: list[tuple[int, ImportedApplicant]]) -> None:
        number, load = self._start.number, self._loader.load
        load("accounts", _ACCOUNTS, ((n, a.email.lower(), a.full_name, number, 0, 0) for n, a in numbered))
        load(
            "identities",
            _IDENTITIES,
            ((n, int(a.nik), int(a.kk), a.birth_date.toordinal(), 0) for n, a in numbered),
        )
        load("phones", _PHONES, ((n, int(a.phone)) for n, a in numbered))
        load(
            "profiles",
            _PROFILES,
            (
                (n, a.sex, a.province, a.regency, a.district, a.address, a.education, a.employment, 0)
                for n, a in numbered
            ),
        )
