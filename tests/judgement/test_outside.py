"""The ledger against somebody else's table: every harm by its name, whatever the order, however bad the hash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.judgement.outside import Compared, Match, Record, Writes, together
from prakerja_load.judgement.verdict import Integrity, Verdict

ACK, REJECTED, DOUBT, NOT_DONE = (
    int(LedgerState.ACKNOWLEDGED),
    int(LedgerState.REJECTED),
    int(LedgerState.IN_DOUBT),
    int(LedgerState.NOT_DONE),
)
COMPARED = Compared("email", ("nik", "name"))
Row = tuple[str | None, ...]
HARM = ("lost", "duplicate", "corrupted", "unexpected", "contradicted", "oversold")


def record(index: int, first: int = 0) -> Record:
    return {"email": f"p{first + index}@example.id", "nik": f"{first + index:016d}", "name": "Sri", "key": "k"}


def row(index: int, **changed: str | None) -> Row:
    told = {**record(index), **changed}
    return told["email"], told["nik"], told["name"]


def writes(states: Sequence[int], unaccounted: Sequence[int] = (), first: int = 0) -> Writes:
    is_unaccounted = np.zeros(len(states), np.bool_)
    is_unaccounted[list(unaccounted)] = True
    return Writes(1, "sign-up", np.array(states, np.uint8), is_unaccounted, lambda index: record(index, first))


def met(ramps: Sequence[Writes], rows: Sequence[Row], size: int = 3, **more: Any) -> Match:
    match = Match(ramps, COMPARED, **more)
    for start in range(0, len(rows), size):
        match.meet([list(column) for column in zip(*rows[start : start + size], strict=True)])
    return match


def judged(states: Sequence[int], rows: Sequence[Row], **more: Any) -> Integrity:
    return met([writes(states, more.pop("unaccounted", ()))], rows, **more).result(0)


def harm(integrity: Integrity) -> dict[str, int]:
    return {name: getattr(integrity, name) for name in HARM if getattr(integrity, name)}


def weak(cells: Any) -> int:
    """Hash keys into four values, so that nearly all of them collide."""
    return hash(cells) if isinstance(cells, tuple) else hash(cells) & 3


GOOD = [row(index) for index in range(6)]


def test_a_clean_table_is_verified_in_full() -> None:
    result = judged([ACK] * 6, GOOD[::-1])

    assert (result.acknowledged, result.verified, result.verdict) == (6, 6, Verdict.SUSTAINED)
    assert (harm(result), result.reasons, result.examples) == ({}, (), ())


STORIES: dict[str, tuple[list[int], list[Row], dict[str, int], int]] = {
    "a write is lost": ([ACK] * 6, GOOD[1:], {"lost": 1}, 5),
    "every write is lost": ([ACK] * 6, [], {"lost": 6}, 0),
    "a write is stored twice": ([ACK] * 6, [*GOOD, GOOD[2]], {"duplicate": 1}, 5),
    "a write is stored three times in one chunk": ([ACK] * 6, [GOOD[2]] * 3 + GOOD[:2] + GOOD[3:], {"duplicate": 2}, 5),
    "a field is changed": ([ACK] * 6, [*GOOD[1:], row(0, nik="9" * 16)], {"corrupted": 1}, 5),
    "a field is gone": ([ACK] * 6, [*GOOD[1:], row(0, name=None)], {"corrupted": 1}, 5),
    "a good row and a changed one": ([ACK] * 6, [*GOOD, row(0, name="Ani")], {"duplicate": 1}, 5),
    "a changed row and a good one": (
        [ACK] * 6,
        [row(0, name="Ani"), *GOOD[1:], GOOD[0]],
        {"corrupted": 1, "duplicate": 1},
        5,
    ),
    "a refused write is stored": ([ACK] * 5 + [REJECTED], GOOD, {"contradicted": 1}, 5),
    "a shed write is stored with other fields": (
        [ACK] * 5 + [NOT_DONE],
        [*GOOD[:5], row(5, name="Ani")],
        {"contradicted": 1},
        5,
    ),
    "a write that was never sent is stored": ([ACK] * 5 + [0], GOOD, {"unexpected": 1}, 5),
    "a stranger is stored": ([ACK] * 6, [*GOOD, ("who@example.id", "1", "Sri")], {"unexpected": 1}, 6),
    "rows without a key are stored": ([ACK] * 6, [*GOOD, (None, "1", "Sri"), (None, "1", "Sri")], {"unexpected": 2}, 6),
    "a write in doubt landed changed": ([ACK] * 5 + [DOUBT], [*GOOD[:5], row(5, nik="1")], {"corrupted": 1}, 5),
}


@pytest.mark.parametrize("hasher", [hash, weak, lambda cells: 7])
@pytest.mark.parametrize("story", STORIES)
def test_harm_is_counted_by_its_name_however_bad_the_hash(story: str, hasher: Callable[[Any], int]) -> None:
    states, rows, expected, verified = STORIES[story]

    result = judged(states, rows, hasher=hasher)

    assert (harm(result), result.verified) == (expected, verified)
    assert result.verdict is Verdict.NOT_SUSTAINED
    assert len(result.reasons) == len(expected)
    assert 1 <= len(result.examples) <= 8


def test_writes_in_doubt_are_read_back() -> None:
    result = judged([ACK, DOUBT, DOUBT, DOUBT, ACK, ACK], [*GOOD[:2], *GOOD[4:]])

    assert (result.in_doubt, result.landed, result.not_landed, result.unverified) == (3, 1, 2, 0)
    assert result.verdict is Verdict.SUSTAINED


def test_a_write_of_a_lost_worker_may_have_been_sent_unrecorded() -> None:
    result = judged([ACK] * 4 + [0, 0], GOOD[:5], unaccounted=(4, 5))

    assert (harm(result), result.in_doubt, result.landed, result.not_landed) == ({}, 2, 1, 1)


def test_a_table_cut_off_loses_nothing_and_proves_nothing() -> None:
    match = met([writes([ACK] * 5 + [DOUBT])], GOOD[:4])

    result = match.result(0, "cut off")

    assert (result.verified, result.unverified, result.lost, result.verdict) == (4, 2, 0, Verdict.INCONCLUSIVE)
    assert result.reasons == ("2 writes unverified: cut off",)


def test_people_who_were_there_before_are_no_strangers_once() -> None:
    before = [["p100@example.id", "p101@example.id"], ["p102@example.id"]]
    rows = [*GOOD, row(101), row(101), row(100, name="whatever"), row(103)]

    match = met([writes([ACK] * 6)], rows, others=before)

    assert (match.prefilled, match.strangers, harm(match.result(0))) == (2, 2, {"unexpected": 2})


def test_a_key_that_only_looks_like_that_of_somebody_who_was_there_is_a_strangers() -> None:
    def blind(cells: Any) -> int:
        return hash(cells) if isinstance(cells, tuple) else 7

    before = [["p100@example.id", "p102@example.id"]]

    match = met([writes([ACK])], [row(0), row(100), row(101), row(102)], others=before, hasher=blind)

    assert (match.prefilled, match.strangers, match.result(0).verified) == (2, 1, 1)


def test_one_registrants_refusal_does_not_take_the_row_of_another_with_the_same_key() -> None:
    """Somebody gives another's number: refused, and the row is the other's."""
    both = Writes(1, "identity", np.array([REJECTED, ACK], np.uint8), np.zeros(2, np.bool_), lambda index: record(3))

    once, twice = (met([both], [row(3)] * times).result(0) for times in (1, 2))

    assert (harm(once), once.verified) == ({}, 1)
    assert harm(twice) == {"contradicted": 1}


def test_each_ramp_has_its_own_and_rows_of_nobody_are_told_with_the_last() -> None:
    ramps = [writes([ACK, ACK]), writes([ACK, DOUBT], first=2)]

    match = met(ramps, [row(0), row(2), row(2), row(9)])

    first, second = match.result(0), match.result(1)
    assert (harm(first), harm(second)) == ({"lost": 1}, {"duplicate": 1, "unexpected": 1})
    whole = together([first, second])
    assert harm(whole) == {"lost": 1, "duplicate": 1, "unexpected": 1}
    assert (whole.acknowledged, whole.in_doubt, whole.not_landed) == (3, 1, 1)
    assert whole.is_whole
    assert not together([first, match.result(1, "the table was cut off")]).is_whole
    assert whole.verdict is Verdict.NOT_SUSTAINED
    assert len(set(whole.reasons)) == len(whole.reasons) == 3


def test_nothing_acknowledged_verifies_nothing() -> None:
    assert judged([0] * 3, []).verdict is Verdict.INCONCLUSIVE
    assert judged([], []).verdict is Verdict.INCONCLUSIVE


def plain(states: Sequence[int], rows: Sequence[Row]) -> dict[str, int]:
    """Return what a plain count of rows by key finds, one table of the whole in memory."""
    found = dict.fromkeys(HARM, 0)
    keys = {record(index)["email"]: index for index in range(len(states)) if states[index]}
    seen: set[str | None] = set()
    for email, nik, name in rows:
        if email not in keys:
            found["unexpected"] += 1
        elif email in seen:
            found["duplicate"] += 1
        elif states[keys[email]] in {REJECTED, NOT_DONE}:
            found["contradicted"] += 1
        elif (email, nik, name) != row(keys[email]):
            found["corrupted"] += 1
        seen.add(email)
    found["lost"] = sum(state == ACK and record(index)["email"] not in seen for index, state in enumerate(states))
    return {name: count for name, count in found.items() if count}


STATES = st.lists(st.sampled_from([0, ACK, ACK, REJECTED, DOUBT, NOT_DONE]), max_size=8)
ROWS = st.lists(st.builds(row, st.integers(0, 9), name=st.sampled_from(["Sri", "Sri", "Ani", None])), max_size=14)


@given(STATES, ROWS, st.integers(1, 5), st.sampled_from([hash, weak]))
@settings(deadline=None, max_examples=200)
def test_the_count_is_that_of_a_plain_look_at_the_whole(
    states: list[int], rows: list[Row], size: int, hasher: Callable[[Any], int]
) -> None:
    # rows of one key in one chunk may be met in another order: all alike, the count is the same
    alike = {key: next(cells for cells in rows if cells[0] == key) for key in {cells[0] for cells in rows}}
    table = [alike[cells[0]] for cells in rows]

    assert harm(judged(states, table, size=size, hasher=hasher)) == plain(states, table)


@given(STATES, ROWS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_the_order_of_the_rows_changes_no_verdict(states: list[int], rows: list[Row], random: Any) -> None:
    before = judged(states, rows)
    shuffled = rows.copy()
    random.shuffle(shuffled)

    after = judged(states, shuffled)

    assert after.verdict is before.verdict
    assert sum(harm(after).values()) >= bool(harm(before))
    assert (after.lost, after.unexpected) == (before.lost, before.unexpected)


def test_of_rows_that_are_as_they_were_sent_no_write_is_made_again() -> None:
    """Drawing people is what costs: each is drawn once, to take the write down, and again only for a changed row."""
    drawn: list[int] = []

    def draw(index: int) -> Record:
        drawn.append(index)
        return record(index)

    counted = Writes(1, "sign-up", np.full(6, ACK, np.uint8), np.zeros(6, np.bool_), draw)

    met([counted], GOOD)
    assert drawn == list(range(6))
    met([counted], [*GOOD[:5], row(5, name="Ani")])
    assert set(drawn[12:]) == {5}
