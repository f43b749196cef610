"""The fate of a write, from whatever entries there are of it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.ledger import NEVER, LedgerState, resolve
from prakerja_load.evidence.sample import LEDGER

INTENT, ACK, REJECTED, DOUBT, NOT_DONE, FORBIDDEN = LedgerState
Entry = tuple[int, LedgerState]  # attempt, state


def ledger(entries: list[Entry], index: int = 0, step: int = 2) -> NDArray[Any]:
    return np.array([(index, step, attempt, state, 200, 0) for attempt, state in entries], LEDGER)


def fate(*entries: Entry) -> int:
    return resolve(ledger(list(entries)), 1).of(0, 2)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([(0, INTENT)], DOUBT),
        ([(0, INTENT), (0, ACK)], ACK),
        ([(0, INTENT), (0, REJECTED)], REJECTED),
        ([(0, INTENT), (0, NOT_DONE)], NOT_DONE),
        ([(0, INTENT), (0, DOUBT), (1, INTENT), (1, ACK)], ACK),
        ([(0, INTENT), (0, ACK), (1, INTENT)], ACK),
        ([(0, INTENT), (0, DOUBT), (1, INTENT), (1, REJECTED)], DOUBT),
        ([(0, INTENT), (1, INTENT), (1, REJECTED)], DOUBT),
        ([(0, INTENT), (0, NOT_DONE), (1, INTENT)], DOUBT),
        ([(0, INTENT), (0, NOT_DONE), (1, INTENT), (1, REJECTED)], REJECTED),
        ([(0, ACK)], ACK),
        ([(0, INTENT), (0, FORBIDDEN), (1, INTENT), (1, REJECTED)], FORBIDDEN),
        ([(0, INTENT), (0, FORBIDDEN), (1, INTENT), (1, ACK)], FORBIDDEN),
        ([(0, INTENT), (0, REJECTED), (1, INTENT), (1, FORBIDDEN)], FORBIDDEN),
    ],
)
def test_the_fate_of_a_write_does_not_depend_on_the_order_of_its_entries(
    entries: list[Entry], expected: LedgerState
) -> None:
    assert {fate(*order) for order in permutations(entries)} == {expected}


def test_writes_are_resolved_each_on_its_own() -> None:
    entries = np.concatenate(
        [ledger([(0, INTENT), (0, ACK)], 0, 2), ledger([(0, INTENT)], 0, 5), ledger([(0, INTENT), (0, REJECTED)], 2, 2)]
    )

    fates = resolve(entries, 3)

    assert [fates.of(0, 2), fates.of(0, 5), fates.of(1, 2), fates.of(2, 2)] == [ACK, DOUBT, NEVER, REJECTED]
    assert (fates.total(ACK), fates.total(DOUBT), fates.count) == (1, 1, 3)
    assert not fates.is_unaccounted.any()


def test_no_entry_and_no_such_arrival_were_never_attempted() -> None:
    fates = resolve(np.empty(0, LEDGER), 2, np.array([True, False]))

    assert [fates.of(0, 3), fates.of(7, 0), fates.of(-1, 0)] == [NEVER] * 3
    assert fates.is_unaccounted.tolist() == [True, False]


def test_what_a_lost_worker_was_refused_may_have_been_sent_again_without_a_trace() -> None:
    entries = np.concatenate([ledger([(0, INTENT), (0, NOT_DONE)], index=index) for index in (0, 1)])
    entries = np.concatenate([entries, ledger([(0, INTENT), (0, REJECTED)], index=0, step=3)])
    fates = resolve(entries, 2, np.array([True, False]))

    assert [fates.of(0, 2), fates.of(1, 2)] == [DOUBT, NOT_DONE]
    assert fates.may_be_stored(0, 2)
    assert fates.of(0, 3) == REJECTED  # an expected "no" ends the step


@pytest.mark.parametrize("index", [-1, 3])
def test_entries_outside_the_ramp_are_refused(index: int) -> None:
    with pytest.raises(EvidenceError, match="of a ramp of 3"):
        resolve(ledger([(0, ACK)], index), 3)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(2, 4), st.integers(0, 2), st.sampled_from(list(LedgerState)))),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=150)
def test_shuffled_entries_give_the_same_fates(entries: list[tuple[int, int, int, LedgerState]], random: Any) -> None:
    rows = np.array([(i, s, a, state, 0, 0) for i, s, a, state in entries], LEDGER)
    shuffled = list(range(len(entries)))
    random.shuffle(shuffled)

    assert np.array_equal(resolve(rows, 4).states, resolve(rows[shuffled], 4).states)


def test_a_table_of_fates_ends_where_the_ramp_and_its_steps_end() -> None:
    fates = resolve(ledger([(0, INTENT), (0, ACK)], index=1, step=2), 2)

    assert fates.states.shape == (2, 3)
    assert (fates.states.dtype, fates.is_unaccounted.dtype) == (np.uint8, np.bool_)
    assert [fates.of(index, 2) for index in (-1, 0, 1, 2)] == [NEVER, NEVER, ACK, NEVER]
    assert [fates.of(1, step) for step in (-1, 0, 2, 3)] == [NEVER, NEVER, ACK, NEVER]
    assert resolve(ledger([(0, ACK)], step=0), 1).of(0, 0) == ACK
    assert resolve(np.zeros(0, LEDGER), 3).states.shape == (3, 1)


def test_what_may_be_stored_without_an_acknowledgement() -> None:
    entries = np.concatenate(
        [
            ledger([(0, INTENT)], index=0),
            ledger([(0, INTENT), (0, ACK)], index=1),
            ledger([(0, INTENT), (0, NOT_DONE)], index=2),
        ]
    )
    lost = np.array([False, False, False, True, False])
    fates = resolve(entries, 5, lost)

    assert [fates.may_be_stored(index, 2) for index in range(-1, 6)] == [False, True, False, False, True, False, False]
    assert fates.may_be_stored(3, 99)
    assert not resolve(entries, 5).may_be_stored(3, 2)


def test_an_attempt_without_a_fate_leaves_others_as_they_are() -> None:
    entries = np.concatenate([ledger([(0, INTENT), (0, ACK)], index=0), ledger([(0, ACK), (1, INTENT)], index=1)])

    assert [resolve(entries, 2).of(index, 2) for index in (0, 1)] == [ACK, ACK]
    refused = np.concatenate([ledger([(0, INTENT), (0, REJECTED)], index=0), ledger([(1, INTENT)], index=1)])
    assert [resolve(refused, 2).of(index, 2) for index in (0, 1)] == [REJECTED, DOUBT]
