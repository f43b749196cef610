"""One registrant's cookies: what the origin sets comes back, what it takes back does not, and nothing else is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.journey.cookies import Jar


def jar(*cookies: str, path: str = "/accounts/signup/", host: str = "site.example", is_secure: bool = False) -> Jar:
    made = Jar(host, is_secure=is_secure)
    made.take([("set-cookie", cookie) for cookie in cookies], path)
    return made


def test_a_cookie_comes_back_with_the_next_request_and_the_last_value_counts() -> None:
    assert jar("a=1; Path=/", "b=2; Path=/; HttpOnly; SameSite=Lax", "a=3; Path=/").header("/x") == "a=3; b=2"
    assert jar("a=1; Path=/").value("a") == "1"
    assert jar().header("/") == jar().value("a") == ""


@pytest.mark.parametrize(
    ("path", "is_sent"), [("/a", True), ("/a/b?c", True), ("/ab", False), ("/", False), ("/A", False)]
)
def test_a_cookie_is_sent_only_below_its_path(path: str, is_sent: bool) -> None:
    assert jar("x=1; Path=/a").header(path) == ("x=1" if is_sent else "")


def test_without_a_path_it_belongs_to_the_folder_of_the_page_that_set_it() -> None:
    assert jar("x=1", path="/accounts/signup?next=/b").header("/accounts/login") == "x=1"
    assert jar("x=1", path="/accounts/signup").header("/other") == ""


def test_more_special_paths_come_first() -> None:
    assert jar("x=1; Path=/", "x=2; Path=/a").header("/a") == "x=2; x=1"


@pytest.mark.parametrize(
    "taken_back",
    [
        'a=""; Max-Age=0; Path=/',
        "a=; Max-Age=-1; Path=/",
        "a=; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
        "a=; expires=Thu, 01-Jan-1970 00:00:00 GMT; Path=/",
    ],
)
def test_what_is_taken_back_is_forgotten(taken_back: str) -> None:
    assert jar("a=1; Path=/", taken_back).header("/") == ""


def test_expiry_is_told_by_the_clock_of_the_answer() -> None:
    made = Jar("site.example", is_secure=False)
    date = ("date", "Sat, 11 Apr 2020 08:00:00 GMT")
    made.take([("set-cookie", "a=1; expires=Sat, 11 Apr 2020 09:00:00 GMT; Path=/"), date], "/")
    made.take([("set-cookie", "b=1; expires=Sat, 11 Apr 2020 07:00:00 GMT; Path=/"), date], "/")
    made.take([("set-cookie", "c=1; expires=not a date; Max-Age=soon; Path=/"), date], "/")

    assert made.header("/") == "a=1; c=1"


@pytest.mark.parametrize(
    "cookie", ["a=1; Domain=other.example", "a=1; Domain=evil-site.example", "a=1; Secure", "=1", "a", "a=\u00fc"]
)
def test_what_belongs_to_others_or_cannot_be_carried_is_not_kept(cookie: str) -> None:
    assert jar(f"{cookie}; Path=/").header("/") == ""


def test_a_cookie_of_the_domain_above_and_a_secure_one_over_https_are_kept() -> None:
    made = jar("a=1; Domain=.EXAMPLE; Path=/", "b=2; Domain=site.example; Secure; Path=/", is_secure=True)

    assert made.header("/") == "a=1; b=2"


@given(st.text(), st.text())
def test_no_header_is_so_broken_that_taking_it_fails_or_breaks_a_line(text: str, date: str) -> None:
    made = Jar("site.example", is_secure=False)
    made.take([("set-cookie", text), ("set-cookie", f"a=b; expires={date}"), ("date", date)], "/")

    assert made.header("/").isprintable()
