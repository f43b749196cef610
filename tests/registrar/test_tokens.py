"""Bearer tokens: only the signer's own, unaltered and unexpired ones name an account."""

from __future__ import annotations

import base64
import hmac
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.registrar import tokens
from prakerja_load.registrar.tokens import LIFETIME, TokenSigner

SIGNER = TokenSigner(b"k" * 32)
NOW = 1_586_934_000.0
LATER = NOW + LIFETIME


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


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS256"])
def test_a_token_that_names_its_own_algorithm_names_nobody(algorithm: str) -> None:
    """There is one algorithm and no header to choose another by."""
    claims = {"sub": "1", "account": 1, "exp": int(LATER)}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": algorithm}, claims)]
    signature = base64.urlsafe_b64encode(hmac.digest(b"k" * 32, b".".join(parts), "sha256")).rstrip(b"=")
    for given_signature in (b"", signature):
        assert SIGNER.account_of(b".".join([*parts, given_signature]), NOW) is None


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha512"])
def test_a_mac_of_another_hash_names_nobody(digest: str) -> None:
    claims = struct.pack(">QI", 1, int(LATER))
    token = base64.urlsafe_b64encode(claims + hmac.digest(b"k" * 32, claims, digest)[:16]).rstrip(b"=")
    assert SIGNER.account_of(token, NOW) is None


@pytest.mark.parametrize("size", [0, 1, 8, 15])
def test_a_shortened_mac_names_nobody(size: int) -> None:
    raw = base64.urlsafe_b64decode(SIGNER.issue(1, NOW) + "==")
    assert SIGNER.account_of(base64.urlsafe_b64encode(raw[: 12 + size]).rstrip(b"="), NOW) is None


def test_a_remembered_token_expires_like_any_other() -> None:
    signer = TokenSigner(b"k" * 32)
    token = signer.issue(7, NOW).encode()
    assert [signer.account_of(token, NOW + age) for age in (0, LIFETIME - 1, LIFETIME, 0)] == [7, 7, None, 7]


def test_what_is_remembered_of_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_REMEMBERED", 10)
    signer = TokenSigner(b"k" * 32)
    for account in range(100):
        assert signer.account_of(signer.issue(account, NOW).encode(), NOW) == account
    assert len(signer._genuine) <= 10
