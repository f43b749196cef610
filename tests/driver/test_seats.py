"""Places for workers from elsewhere: each has one, nobody has two, and who goes away makes room."""

from __future__ import annotations

from prakerja_load.driver.seats import HELD, Seats

NS = 10**9


def test_who_asks_first_gets_the_lowest_number_and_keeps_it() -> None:
    seats = Seats(2)

    assert [seats.take(client, 0) for client in ("a", "b", "a", "b")] == [0, 1, 0, 1]
    assert seats.is_of("b", 1)
    assert not seats.is_of("b", 0)


def test_who_comes_when_all_are_taken_waits() -> None:
    seats = Seats(1)
    seats.take("a", 0)

    assert seats.take("b", round(HELD * NS) - 1) is None
    assert seats.take("b", round(HELD * NS)) == 0
    assert not seats.is_of("a", 0)


def test_a_place_that_was_given_back_is_free_at_once() -> None:
    seats = Seats(1)
    seats.take("a", 0)
    seats.free("a")
    seats.free("a")

    assert seats.take("b", 1) == 0
