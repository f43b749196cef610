"""Requests on the wire, and the headers that matter."""

from __future__ import annotations

import pytest

from prakerja_load.driver.wire import RequestWriter, headers_of, retry_after_of, user_agent
from prakerja_load.journey.step import Request, Step

STEP = Step(2, "create-account")
write = RequestWriter("127.0.0.1:80", user_agent("k1r1", "ops@example.com"), "secret")


def lines_of(request: Request) -> tuple[list[bytes], bytes]:
    head, _, body = write(request).partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


def test_a_get_says_who_asks_and_has_no_body() -> None:
    lines, body = lines_of(Request(STEP, "GET", "/x?to=a%40b"))

    assert lines[0] == b"GET /x?to=a%40b HTTP/1.1"
    assert b"Host: 127.0.0.1:80" in lines
    (agent,) = [line for line in lines if line.startswith(b"User-Agent: prakerja-load/")]
    assert agent.endswith(b" run=k1r1 contact=ops@example.com")
    assert not any(line.lower().startswith(b"content-") for line in lines)
    assert body == b""


def test_a_write_carries_token_key_length_and_body() -> None:
    request = Request(STEP, "POST", "/x", b'{"a":1}', token="tok", key="k1r1-0-2")

    lines, body = lines_of(request)

    assert {b"Authorization: Bearer tok", b"Idempotency-Key: k1r1-0-2", b"Content-Length: 7"} <= set(lines)
    assert b"Content-Type: application/json" in lines
    assert body == b'{"a":1}'


def test_a_write_without_a_body_says_that_its_length_is_zero() -> None:
    assert b"Content-Length: 0" in lines_of(Request(STEP, "POST", "/x"))[0]


@pytest.mark.parametrize(("is_lab", "count"), [(True, 1), (False, 0)])
def test_only_laboratory_requests_carry_the_laboratory_token(is_lab: bool, count: int) -> None:
    lines, _ = lines_of(Request(STEP, "GET", "/x", is_lab=is_lab))

    assert lines.count(b"Lab-Token: secret") == count


@pytest.mark.parametrize("token", ["a\r\nX: y", "a\nb", "é", "\x00"])
def test_a_token_that_breaks_out_of_its_header_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        write(Request(STEP, "GET", "/x", token=token))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"retry-after: 5", 5.0),
        (b"Retry-After:  0", 0.0),
        (b"retry-after: Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        (b"retry-after: Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        (b"retry-after: soon", None),
        (b"retry-after: -3", None),
        (b"x-other: 5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: bytes, seconds: float | None) -> None:
    head = b"HTTP/1.1 503 Busy\r\n" + header + b"\r\ncontent-length: 17\r\n\r\nretry-after: 777\r\n"

    assert retry_after_of(head, now=lambda: 10.0) == seconds


def test_headers_of_rubbish_are_none() -> None:
    assert headers_of(b"\x00\xff rubbish") == {}
