"""Opening waves, the same for both stores."""

from __future__ import annotations

from collections.abc import Callable

from prakerja_load.registrar.store.transaction import Transaction

_OPENING = 1  # what those who open a wave wait for


def open_wave(
    name: str, quota: int, opens_at: float | None, closes_at: float | None, now: float, *, only_first: bool = False
) -> Callable[[Transaction], int]:
    """Return the operation that opens a new current wave, closes the one before, and returns its number.

    With `only_first` it leaves a store that has a wave as it is.
    """

    def operation(transaction: Transaction) -> int:
        transaction.wait_for(_OPENING)
        (newest,) = transaction.first("SELECT coalesce(max(wave), 0) FROM waves")
        if only_first and newest:
            return int(newest)
        transaction.execute(
            "UPDATE waves SET closes_at = ? WHERE wave = ? AND (closes_at IS NULL OR closes_at > ?)",
            (now, newest, now),
        )
        transaction.execute(
            "INSERT INTO waves (wave, name, quota, joined, opens_at, closes_at) VALUES (?, ?, ?, 0, ?, ?)",
            (newest + 1, name, quota, opens_at, closes_at),
        )
        return int(newest) + 1

    return operation
