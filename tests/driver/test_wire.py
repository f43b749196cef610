"""Requests on the wire, and the headers that matter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.driver.wire import LONGEST_WAIT, RequestWriter, headers_of, retry_after_of, user_agent
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


@pytest.mark.parametrize("path", ["/x y", "/x\r\nX: y", "/é", "http://other.example/x", ""])
def test_a_path_that_breaks_out_of_its_line_is_refused(path: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (é is refused by the encoding)
        write(Request(STEP, "GET", path))


def test_a_request_brings_headers_of_its_own_and_its_own_accept() -> None:
    lines, _ = lines_of(Request(STEP, "GET", "/x", headers=(("Accept", "text/html"), ("Cookie", "a=1"))))

    assert {b"Accept: text/html", b"Cookie: a=1", b"Host: 127.0.0.1:80"} <= set(lines)
    assert b"Accept: application/json" not in lines


@pytest.mark.parametrize(
    "header", [("Host", "elsewhere"), ("content-length", "0"), ("X-A", "1\r\nX-B: 2"), ("X: y\r\nZ", "1"), ("", "1")]
)
def test_a_header_that_is_the_clients_or_breaks_out_of_its_line_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"header|sets"):
        write(Request(STEP, "GET", "/x", headers=(header,)))


@pytest.mark.parametrize("headers", [(), (("accept", "*/*"),)])
def test_gzip_is_accepted_where_the_scenario_says_so_and_nowhere_else(headers: tuple[tuple[str, str], ...]) -> None:
    request = Request(STEP, "GET", "/x", headers=headers)
    packed = RequestWriter("a", "b", accepts_gzip=True)

    assert b"Accept-Encoding: gzip\r\n" in packed(request)
    assert b"Accept-Encoding" not in write(request)


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

    assert retry_after_of(dict(headers_of(head)), now=lambda: 10.0) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("9" * 300, LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        ("86401", LONGEST_WAIT),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Fri, 01 Jan 1960 00:00:00 GMT", 0.0),
        ("-5", None),
        ("5.5", None),
        ("", None),
        ("\u0665", None),
        ("inf", None),
    ],
)
def test_no_retry_after_asks_for_more_than_a_day_or_less_than_nothing(text: str, seconds: float | None) -> None:
    assert retry_after_of({"retry-after": text}, now=lambda: 10.0) == seconds


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z]{3}, ?\d+ [A-Za-z]{3} \d+ \d+:\d+(:\d+)? \S+")))
@settings(deadline=None, max_examples=300)
def test_whatever_a_target_says_is_a_wait_of_at_most_a_day_or_none(text: str) -> None:
    seconds = retry_after_of({"retry-after": text}, now=lambda: 10.0)

    assert seconds is None or 0.0 <= seconds <= LONGEST_WAIT


def test_headers_keep_their_order_and_their_repeats() -> None:
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX: \xe9\r\nset-cookie: b=2\r\n\r\n"

    assert headers_of(head) == (("set-cookie", "a=1"), ("x", "é"), ("set-cookie", "b=2"))


def test_headers_are_those_of_the_answer_and_not_of_an_interim_one_or_its_trailer() -> None:
    answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nsum: 1\r\n\r\n"

    assert headers_of(b"HTTP/1.1 103 Hint\r\nlink: </x>\r\n\r\n" + answer) == (("transfer-encoding", "chunked"),)


def test_headers_of_rubbish_are_none() -> None:
    assert headers_of(b"\x00\xff rubbish") == ()


def test_a_request_with_headers_of_its_own_brings_its_own_accept() -> None:
    write = RequestWriter("site.example", "agent")
    step = Step(1, "page")
    sent = write(Request(step, "GET", "/", headers=(("Accept", "text/html"), ("Cookie", "a=1; b=2"))))

    assert sent == (
        b"GET / HTTP/1.1\r\nHost: site.example\r\nUser-Agent: agent\r\nAccept: text/html\r\nCookie: a=1; b=2\r\n\r\n"
    )
    for broken in (("X\r\nY", "1"), ("Cookie", "a=1\r\nX: 2"), ("Referer", "/\u00fc")):
        with pytest.raises(ValueError, match="a header"):
            write(Request(step, "GET", "/", headers=(broken,)))
