"""Bearer tokens: only the signer's own, unaltered and unexpired ones name an account."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.registrar.tokens import LIFETIME, TokenSigner

SIGNER = TokenSigner(b"k" * 32)
NOW = 1_586_934_000.0


@settings(deadline=None, max_examples=200)
@given(account=st.integers(0, 2**63), age=st.floats(0, LIFETIME - 2))
def test_a_token_names_its_account_until_it_expires(account: int, age: float) -> None:
    token = SIGNER.issue(account, NOW).encode()
    assert SIGNER.account_of(token, NOW + age) == account
    assert SIGNER.account_of(token, NOW + LIFETIME) is None


@settings(deadline=None, max_examples=300)
@given(account=st.integers(0, 2**63), position=st.integers(0, 27), flip=st.integers(1, 255))
def test_an_altered_token_names_nobody(account: int, position: int, flip: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(SIGNER.issue(account, NOW) + "=="))
    raw[position] ^= flip
    assert SIGNER.account_of(base64.urlsafe_b64encode(bytes(raw)).rstrip(b"="), NOW) is None


@settings(deadline=None, max_examples=300)
@given(token=st.binary(max_size=60))
def test_arbitrary_bytes_name_nobody(token: bytes) -> None:
    assert SIGNER.account_of(token, NOW) is None


def test_a_token_of_another_key_names_nobody() -> None:
    assert TokenSigner(b"x" * 32).account_of(SIGNER.issue(1, NOW).encode(), NOW) is None
