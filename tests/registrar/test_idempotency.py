"""What an idempotency key may be, and what stands for a body; the laws of keys are in the stores' contract."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.registrar.idempotency import digest_of, parse_key
from prakerja_load.registrar.problems import RefusalError


@pytest.mark.parametrize("key", [b"\xff", b"a b", b"a\tb", b"\x00", b"x" * 65])
def test_a_key_has_visible_ascii_characters(key: bytes) -> None:
    with pytest.raises(RefusalError, match="idempotency-key-invalid"):
        parse_key(key)


@settings(deadline=None, max_examples=100)
@given(
    first=st.tuples(st.binary(max_size=40), st.sampled_from(["", "1", "2"])),
    second=st.tuples(st.binary(max_size=40), st.sampled_from(["", "1", "2"])),
)
def test_digests_are_equal_exactly_for_equal_requests(first: tuple[bytes, str], second: tuple[bytes, str]) -> None:
    assert (digest_of(*first) == digest_of(*second)) == (first == second)
