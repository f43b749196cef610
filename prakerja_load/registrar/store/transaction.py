"""What an operation works on: an open transaction of whichever store there is.

Statements are written once, in SQL that both databases understand. Three things differ, and `postgresql.translated`
sets them right: parameters are `?`; `CROSS JOIN … USING` is SQLite's way of fixing the order of a join; `/* FOR
UPDATE */` is a comment to SQLite, where nobody else can be writing, and locks the row in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

ReplyKey: TypeAlias = tuple[int, str, int]  # scope, idempotency key, operation
SavedReply: TypeAlias = tuple[bytes, int, bytes]  # digest of the request's body, status, body

FIND_REPLY = "SELECT digest, status, body FROM replies WHERE scope = ? AND key = ? AND operation = ?"
KEEP_REPLY = "INSERT INTO replies (scope, key, operation, digest, status, body) VALUES (?, ?, ?, ?, ?, ?)"


class Transaction(Protocol):
    """The narrow interface that effects are written against."""

    epoch: int  # number of the export position that rows are written after

    @property
    def execute(self) -> Callable[..., Any]:
        """Return what runs a statement with its bindings."""

    def first(self, statement: str, bindings: tuple[Any, ...] = ()) -> Any:
        """Return the first row of a query, or None."""

    def changes(self, statement: str, bindings: tuple[Any, ...]) -> int:
        """Run a statement and return the number of rows it changed."""

    def insert_account(self, statement: str, bindings: tuple[Any, ...]) -> int | None:
        """Insert an account and return its number, or None when a uniqueness rule kept it out."""

    def add_picture(self, picture: bytes) -> int:
        """Keep a photograph and return where it lies."""

    def wait_for(self, number: int) -> None:
        """Wait until no other transaction that waited for the same number is open."""

    def find_reply(self, key: ReplyKey) -> SavedReply | None:
        """Return the answer kept under an idempotency key, or None."""

    def keep_reply(self, key: ReplyKey, reply: SavedReply) -> None:
        """Keep the first answer given under an idempotency key."""

    def begin_part(self) -> None:
        """Begin a part of the transaction that can be undone alone; parts do not nest."""

    def end_part(self, *, is_undone: bool) -> None:
        """End the part, as if it had never been when it is undone."""
