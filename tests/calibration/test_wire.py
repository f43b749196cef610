"""The calibrated server reads requests whole, in any pieces, and names what each asks for."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.calibration import wire

ASKED = (
    b"GET /serve/17 HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /serve/18 HTTP/1.1\r\nHost: x\r\ncontent-length: 4\r\n\r\n\r\n\r\n"
    b"GET /serve HTTP/1.1\r\nHost: x\r\n\r\n"
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
)


@given(st.lists(st.integers(0, len(ASKED)), max_size=6))
def test_requests_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ASKED)]
    found: list[int | None] = []
    rest = b""
    for start, stop in itertools.pairwise(edges):
        more, rest = wire.split(rest + ASKED[start:stop])
        found += more

    assert found == [17, 18, -1, None]
    assert rest == b""


def test_a_head_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="without end"):
        wire.split(b"GET /serve HTTP/1.1\r\nx: " + b"x" * wire.LONGEST_HEAD)


def test_an_answer_says_how_long_its_body_is() -> None:
    head, _, body = wire.answer(b"200 OK", {"index": 3}).partition(b"\r\n\r\n")

    assert json.loads(body) == {"index": 3}
    assert b"Content-Length: %d" % len(body) in head
