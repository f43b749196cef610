"""Reconciling at its limits: rows that are kept and not taken yet, rows met twice, and harm that was not counted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from prakerja_load.evidence.ledger import Fates, LedgerState
from prakerja_load.journey.step import key_of, mistyped_key
from prakerja_load.judgement.integrity import (
    RULES,
    Expectation,
    Reconciliation,
    decide,
    is_unasked,
    reasons,
    unverified,
)
from prakerja_load.judgement.verdict import Verdict

RUN = "k1r1"
KINDS = {"create-account": 1, "identity": 2}
ACK = LedgerState.ACKNOWLEDGED
CLEAN = {rule.name: 0 for rule in RULES}


def met(rows: Sequence[Mapping[str, Any]], count: int = 3, unaccounted: Sequence[int] = ()) -> Reconciliation:
    """Return three arrivals whose accounts are acknowledged, met with these rows."""
    states = np.zeros((count, 3), np.uint8)
    states[:, 1] = ACK
    is_unaccounted = np.isin(np.arange(count), unaccounted)
    found = Reconciliation(Fates(states, is_unaccounted), Expectation(RUN, KINDS, lambda index, step: {"of": index}))
    found.meet([dict(row) for row in rows])
    return found


@pytest.mark.parametrize(
    ("index", "pending", "harm"),
    [
        (0, {"pending": True}, {}),
        (2, {"pending": True}, {}),
        (0, {"pending": False}, {"contradicted": 1}),
        (0, {}, {"contradicted": 1}),
        (0, {"pending": 1}, {"contradicted": 1}),
        (3, {"pending": True}, {"unexpected": 1}),
        (3, {}, {"unexpected": 1}),
    ],
)
def test_a_mistyped_try_that_waits_for_the_registry_is_neither_taken_nor_refused(
    index: int, pending: dict[str, Any], harm: dict[str, int]
) -> None:
    """Of three arrivals 0 to 2; there is no fourth, whose rows would be anybody's."""
    assert met([{"kind": "identity", "key": mistyped_key(RUN, index, 2), **pending}]).tally == harm


def test_a_row_under_the_key_just_below_the_mistyped_ones_is_no_mistyped_try() -> None:
    assert met([{"kind": "identity", "key": key_of(RUN, 0, 100), "pending": True}]).tally == {"unexpected": 1}


def test_a_write_that_is_stored_twice_is_not_verified_whichever_came_first() -> None:
    row = {"kind": "create-account", "key": key_of(RUN, 1, 1), "of": 1}

    found = met([row, row, {**row, "of": 2}])

    assert found.tally == {"duplicate": 2}
    assert found.is_found[:, 1].tolist() == [False, True, False]
    assert not found.is_right.any()


def test_a_lost_workers_write_may_be_there_and_nobody_elses() -> None:
    rows = [{"kind": "identity", "key": key_of(RUN, index, 2), "of": index} for index in (0, 1)]

    found = met(rows, unaccounted=[1])

    assert found.tally == {"unexpected": 1}
    assert found.is_right[:, 2].tolist() == [False, True, False]
    assert found.states[:, 2].tolist() == [0, LedgerState.IN_DOUBT, 0]


def test_lost_writes_are_counted_by_arrival_and_step_and_shown_by_name() -> None:
    found = met([{"kind": "create-account", "key": key_of(RUN, 1, 1), "of": 1}])

    assert found.count_lost() == 2
    assert found.examples == [
        "k1r1-0-1 create-account: acknowledged, not stored",
        "k1r1-2-1 create-account: acknowledged, not stored",
    ]


@pytest.mark.parametrize("name", CLEAN)
def test_one_of_any_harm_is_red_and_told_as_one_write(name: str) -> None:
    found = CLEAN | {name: 1}

    assert decide(found, "", 10) is Verdict.NOT_SUSTAINED
    assert decide(found, "no end line", 10) is Verdict.NOT_SUSTAINED
    (said,) = reasons(found, "", 10, 0)
    assert said.startswith("1 write ")
    assert said.endswith(f" ({name})")


@pytest.mark.parametrize(
    ("fault", "acknowledged", "verdict"),
    [("", 1, Verdict.SUSTAINED), ("", 0, Verdict.INCONCLUSIVE), ("no end line", 1, Verdict.INCONCLUSIVE)],
)
def test_no_harm_is_green_only_when_all_was_looked_through_and_there_was_something_to_find(
    fault: str, acknowledged: int, verdict: Verdict
) -> None:
    assert decide(CLEAN, fault, acknowledged) is verdict
    assert bool(reasons(CLEAN, fault, acknowledged, 0)) is (verdict is not Verdict.SUSTAINED)


def test_a_harm_that_was_not_counted_is_not_none() -> None:
    """A rule that finds no figure crashes, and what crashes is never green."""
    partial = {name: 0 for name in CLEAN if name != "lost"}

    assert decide(partial, "", 10) is Verdict.INCONCLUSIVE
    assert decide(partial | {"duplicate": 1}, "", 10) is Verdict.NOT_SUSTAINED
    assert reasons(partial, "", 10, 0)[0].startswith("lost: the check crashed: KeyError")


def test_a_ledger_that_could_not_be_resolved_was_not_simply_unasked() -> None:
    found = unverified("torn")

    assert (found.verdict, found.reasons, found.verified, found.lost) == (Verdict.INCONCLUSIVE, ("torn",), 0, 0)
    assert not is_unasked(found)


def test_numbers_are_as_different_as_their_hashes_even_where_these_would_be_no_numbers_as_floats() -> None:
    """All bits of the exponent set: one hash of 2 048 has them, whatever the seed of this process's hashes."""
    odd = (f"p{number}@example.id" for number in itertools.count())
    emails = list(itertools.islice((email for email in odd if hash(email) >> 52 & 0x7FF == 0x7FF), 3))

    def duplicates(*given: str) -> int:
        rows = enumerate(given)
        found = met(
            [{"kind": "create-account", "key": key_of(RUN, at, 1), "email": text, "of": at} for at, text in rows]
        )
        found.count_shared()
        return found.tally["duplicate"]

    assert duplicates(*emails) == 0
    assert duplicates(emails[0], emails[1], emails[0]) == 1
