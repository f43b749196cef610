"""Passwords as people choose them: any characters, up to 128, taken exactly as they are."""

from __future__ import annotations

import pytest
from asgi import Laboratory, in_loop
from people import Person, Visit

CHOSEN = [
    "        ",
    "p" * 64,
    "p" * 128,
    "rahasia negara 🔐",
    "Ünïcödé-ẞ",
    "' OR 1=1 --",
    "tab\tand\nline",
    "12345678",
]


@pytest.mark.parametrize("password", CHOSEN)
def test_a_password_of_any_characters_up_to_128_is_taken_as_it_is(laboratory: Laboratory, password: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            visit = Visit(lab, Person(1, password=password))
            await visit.up_to_login()
            others = {password + " ", password[:-1], password[::-1] + "x", password.swapcase() + "y"}
            for other in others:
                wrong = {"email": visit.person.email, "password": other}
                assert (await lab.send("POST", "/api/v1/sessions", wrong)).status in (401, 422), other

    scenario()
