"""The waiting room: fair order, a stated rate, room for others when somebody gives up, tickets nobody can forge."""

from __future__ import annotations

import pytest
from asgi import Lab, Laboratory, in_loop
from hypothesis import given
from hypothesis import strategies as st
from people import Person

from prakerja_load.registrar.waiting_room import RoomRules, TicketSigner, WaitingRoom

TICKETS = "/api/v1/waiting-room/tickets"
TURN = "/api/v1/waiting-room/turn"
Events = st.lists(st.tuples(st.sampled_from(["take", "ask", "wait"]), st.integers(0, 40)), max_size=150)


def test_the_first_comer_walks_in_and_the_next_learns_how_long_it_takes() -> None:
    room = WaitingRoom(RoomRules(rate=2))
    places = [room.take(0) for _ in range(5)]
    assert [place and place.is_called for place in places] == [True, False, False, False, False]
    last = places[-1]
    assert last is not None
    assert (last.number, last.ahead, last.wait) == (5, 3, 2.0)
    called = room.ask(5, 2.0)
    assert called is not None
    assert called.is_called


def test_those_who_gave_up_are_passed_over_and_cost_no_place() -> None:
    room = WaitingRoom(RoomRules(rate=0.05, patience=10))
    for _ in range(4):
        room.take(0)
    assert room.ask(4, 9) is not None
    assert room.ask(4, 18) is not None
    turn = room.ask(4, 20.5)
    assert turn is not None
    assert turn.is_called  # numbers 2 and 3 had not been asked about for 20 s
    assert room.given_up == 2
    assert room.ask(2, 21) is None


def test_a_turn_ends_and_a_number_lets_in_one_key_however_often() -> None:
    room = WaitingRoom(RoomRules(rate=1, turn=100))
    room.take(0)
    assert room.come_in(1, "a", 1)
    assert room.come_in(1, "a", 99)
    assert not room.come_in(1, "b", 99)
    assert not room.come_in(1, "a", 100)
    assert not room.come_in(2, "c", 100)


def test_a_room_has_room_for_so_many() -> None:
    room = WaitingRoom(RoomRules(rate=1, longest=2))
    assert [room.take(0) is None for _ in range(4)] == [False, False, False, True]


@given(Events, st.sampled_from([0.5, 1, 3, 20]))
def test_numbers_are_called_in_order_and_never_faster_than_the_rate(events: list[tuple[str, int]], rate: float) -> None:
    room = WaitingRoom(RoomRules(rate=rate, patience=15))
    now, taken = 0.0, 0
    ever: list[int] = []  # numbers in the order in which they were seen to be called
    for event, value in events:
        if event == "wait":
            now += value / 4
        elif event == "take":
            taken += 1
            place = room.take(now)
            assert place is not None
            assert place.number == taken
        else:
            room.ask(value, now)
        for number in sorted(room._called.keys() - set(ever)):
            assert not ever or number > ever[-1]  # nobody overtakes
            ever.append(number)
        assert len(ever) <= 1 + max(1.0, rate) + now * rate
    assert len(ever) + room.waiting + room.given_up == taken


@given(st.integers(1, 30), st.integers(1, 29))
def test_asking_again_and_again_brings_nobody_forward(others: int, asks: int) -> None:
    room = WaitingRoom(RoomRules(rate=1))
    for _ in range(others + 1):
        room.take(0)
    places = [room.ask(others + 1, 0) for _ in range(asks)]
    assert {place.ahead for place in places if place} == {others - 1}


@given(st.binary(max_size=40), st.integers(0, 2**64 - 1), st.integers(0, 31), st.integers(1, 255))
def test_a_ticket_cannot_be_made_up_or_altered(made_up: bytes, number: int, position: int, flip: int) -> None:
    signer = TicketSigner(b"k" * 32)
    ticket = bytearray(signer.ticket(number).encode())
    assert signer.number(bytes(ticket)) == number
    assert TicketSigner(b"o" * 32).number(bytes(ticket)) is None
    assert signer.number(made_up) is None
    ticket[position] ^= flip
    assert signer.number(bytes(ticket)) is None


async def create(lab: Lab, index: int, ticket: str) -> tuple[int, str]:
    person = Person(index)
    key = person.key("create-account")
    answer = await lab.send("POST", "/api/v1/accounts", person.account, key=key, waiting_ticket=ticket)
    return answer.status, answer.problem


@in_loop
async def test_an_account_is_made_by_who_was_called_and_again_by_a_retry(laboratory: Laboratory) -> None:
    async with laboratory(waiting_room=1.0) as lab:
        first = (await lab.send("POST", TICKETS)).json()
        second = (await lab.send("POST", TICKETS)).json()
        assert await create(lab, 2, second["ticket"]) == (403, "not-called")
        assert await create(lab, 1, "") == (403, "not-called")
        assert [await create(lab, 1, first["ticket"]) for _ in range(2)] == [(201, "")] * 2
        assert await create(lab, 3, first["ticket"]) == (403, "not-called")
        turn = (await lab.send("GET", TURN, waiting_ticket=second["ticket"])).json()
        lab.time += turn["estimated_wait"]
        called = (await lab.send("GET", TURN, waiting_ticket=second["ticket"])).json()
        assert await create(lab, 2, second["ticket"]) == (201, "")
        forged = await lab.send("GET", TURN, waiting_ticket="A" * 32)
    assert (first["is_called"], turn["is_called"], turn["estimated_wait"], called["is_called"]) == (
        True,
        False,
        1,
        True,
    )
    assert (forged.status, forged.problem) == (404, "ticket-unknown")


@in_loop
async def test_without_a_waiting_room_everybody_comes_in(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        assert await create(lab, 1, "") == (201, "")
        answers = [await lab.send("POST", TICKETS), await lab.send("GET", TURN)]
    assert [answer.problem for answer in answers] == ["not-found", "not-found"]


async def open_wave(lab: Lab, **more: object) -> int:
    return (await lab.lab("POST", "waves", {"name": "next", "quota": 10, **more})).status


@in_loop
async def test_a_wave_switches_the_waiting_room_on_and_off(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        assert await create(lab, 1, "") == (201, "")
        assert await open_wave(lab, waiting_room=2) == 201
        assert await create(lab, 2, "") == (403, "not-called")
        of_first_room = (await lab.send("POST", TICKETS)).json()
        assert await open_wave(lab, waiting_room=2) == 201
        await lab.send("POST", TICKETS)  # the same number of the new room
        assert await create(lab, 2, of_first_room["ticket"]) == (403, "not-called")
        assert await open_wave(lab, waiting_room=None) == 201
        assert await create(lab, 2, "") == (201, "")
        assert [await open_wave(lab, waiting_room=rate) for rate in (0, -1, 2e6, "2")] == [422] * 4


@in_loop
async def test_a_wave_that_says_nothing_has_the_servers_waiting_room(laboratory: Laboratory) -> None:
    async with laboratory(waiting_room=1.0) as lab:
        await open_wave(lab, waiting_room=None)
        assert await create(lab, 1, "") == (201, "")
        await open_wave(lab)
        assert await create(lab, 2, "") == (403, "not-called")
        ticket = (await lab.send("POST", TICKETS)).json()["ticket"]
        assert await create(lab, 2, ticket) == (201, "")


@pytest.mark.parametrize("rate", [0.1, 7, 1333])
def test_the_stated_rate_is_the_rate_of_entry(rate: float) -> None:
    room = WaitingRoom(RoomRules(rate=rate))
    for _ in range(round(rate * 30)):
        room.take(0)
    called_at_start = len(room._called)
    for tick in range(1, 201):
        room.ask(0, tick * 0.1)
    assert len(room._called) - called_at_start == pytest.approx(rate * 20, abs=1.5)
