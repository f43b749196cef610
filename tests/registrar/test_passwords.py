"""Password hashes: salted, of the stated cost, and as dear for a stranger as for a member."""

from __future__ import annotations

import pytest
from asgi import in_loop

from prakerja_load.registrar.passwords import PasswordHasher


@in_loop
async def test_the_right_password_matches_and_no_other() -> None:
    hasher = PasswordHasher(8, 1)
    encoded = await hasher.hash("rahasia-negara")
    assert await hasher.is_right(encoded, "rahasia-negara")
    assert not await hasher.is_right(encoded, "rahasia-negarA")


@in_loop
async def test_two_hashes_of_one_password_differ() -> None:
    hasher = PasswordHasher(8, 1)
    assert await hasher.hash("rahasia-negara") != await hasher.hash("rahasia-negara")


@in_loop
async def test_a_dear_hash_is_made_and_checked_in_threads() -> None:
    dear, cheap = PasswordHasher(1024, 2), PasswordHasher(8, 1)
    encoded = await dear.hash("rahasia-negara")
    assert encoded.startswith("$argon2id$v=19$m=1024,t=2,p=1$")
    assert await dear.is_right(encoded, "rahasia-negara")
    assert await cheap.is_right(encoded, "rahasia-negara")  # the cost stands in the hash
    assert str(dear) == "argon2id m=1024KiB t=2 p=1"


@in_loop
async def test_without_a_hash_the_same_work_is_done_and_the_answer_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(8, 1)
    verified = []
    real = PasswordHasher.is_right.__globals__["_matches"]

    def counted(encoded: str, secret: bytes) -> bool:
        verified.append(encoded)
        return bool(real(encoded, secret))

    monkeypatch.setitem(PasswordHasher.is_right.__globals__, "_matches", counted)
    assert not await hasher.is_right(None, "rahasia-negara")
    assert verified == [hasher._dummy]
    assert verified[0].startswith("$argon2id$v=19$m=8,t=1,p=1$")
