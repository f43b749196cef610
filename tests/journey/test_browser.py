"""A browser without a network does what a browser does, and leaves where an answer is not what it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from fake_site import ORIGIN, FakeSite, moved, shed, silent
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.journey.browser import MOST_REDIRECTS, Browser, Leave
from prakerja_load.journey.form import File
from prakerja_load.journey.play import Played, play
from prakerja_load.journey.step import Ending, Outcome, Pause, Request, Response, Script, Step

PAGE, SIGN_UP, API = Step(1, "page"), Step(2, "sign-up", is_stored=True), Step(3, "api")
Plan = Callable[[Browser], Iterator[Any]]


def surf(plan: Callable[[Browser], Any], site: Callable[[Request], Response], **options: Any) -> Played:
    """Play what a registrant does in a browser, as a journey does."""

    def script() -> Script:
        try:
            yield from plan(Browser(ORIGIN, **options))
        except Leave as leave:
            return leave.ending
        return Ending.COMPLETED

    return play(script(), site)


def signs_up(browser: Browser) -> Any:
    page = yield from browser.get(PAGE, "/signup/", form="signup")
    return (yield from browser.submit(SIGN_UP, page, {"email": "a@example.org"}, to="/welcome/", shows="a@example"))


def reads(path: str = "/start", **more: Any) -> Callable[[Browser], Any]:
    return lambda browser: browser.get(PAGE, path, **more)


def test_a_form_is_sent_with_its_token_and_cookies_and_the_redirect_is_followed() -> None:
    site = FakeSite()
    played = surf(signs_up, site)

    assert played.ending == Ending.COMPLETED
    assert site.people == ["a@example.org"]
    assert [(request.method, request.path) for request in site.asked] == [
        ("GET", "/signup/"),
        ("POST", "/signup/"),
        ("GET", "/welcome/"),
    ]
    assert dict(site.asked[1].headers)["Referer"] == f"{ORIGIN}/signup/"
    assert dict(site.asked[2].headers)["Cookie"] == "csrf=t1; session=a@example.org"


def test_only_the_write_itself_is_a_write_and_what_follows_belongs_to_its_step() -> None:
    steps = [request.step for request, _ in surf(signs_up, FakeSite()).exchanges]

    assert [step.number for step in steps] == [1, 2, 2]
    assert [step.is_stored for step in steps] == [False, True, False]


def test_a_write_that_does_not_lead_where_it_should_is_not_acknowledged() -> None:
    for fault in (lambda _: moved("/login/"), lambda _: Response(200, b"<p>This e-mail is taken")):
        played = surf(signs_up, FakeSite(post_signup=fault))

        assert played.outcomes[-1] == ("sign-up", Outcome.ERROR)
        assert played.ending == Ending.FAILED


@pytest.mark.parametrize(
    "location",
    [
        "http://site.example/welcome/",  # another scheme
        "https://site.example:8443/welcome/",
        "https://other.example/welcome/",
        "//other.example/welcome/",
        "https://site.example.evil.example/welcome/",
        "https://site.example@evil.example/welcome/",
        "https://[broken/welcome/",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_redirect_that_leaves_the_origin_is_refused(location: str) -> None:
    played = surf(reads(shows="Welcome"), lambda _: moved(location))

    assert played.outcomes == [("page", Outcome.ERROR)]
    assert played.ending == Ending.FAILED


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/a/b", "/a/b"),
        ("next?x=1#part", "/folder/next?x=1"),
        ("?q=2", "/folder/start?q=2"),
        ("../up", "/up"),
        (f"{ORIGIN}:443/port", "/port"),
        (f"{ORIGIN.upper()}/case", "/case"),
        (ORIGIN, "/"),
        ("/with space/\u00fc?\u00e4 b", "/with%20space/%C3%BC?%C3%A4%20b"),
        ("/kept%20as%2Fis", "/kept%20as%2Fis"),
    ],
)
def test_a_redirect_within_the_origin_is_followed(location: str, path: str) -> None:
    asked: list[str] = []

    def site(request: Request) -> Response:
        asked.append(request.path)
        return moved(location) if len(asked) == 1 else Response(200, b"Welcome")

    assert surf(reads("/folder/start", shows="Welcome"), site).ending == Ending.COMPLETED
    assert asked == ["/folder/start", path]


@pytest.mark.parametrize(
    ("start", "location", "is_right"),
    [
        ("/signup", "/signup/", True),
        ("/signup/", f"{ORIGIN}/signup", True),
        ("/sign up?x=1", "/sign%20up/?x=1", True),
        ("/signup", "/waiting-room", False),
        ("/signup", "/signup/busy", False),
        ("/signup", "/signup?queue=1", False),
        ("/", "/waiting-room", False),
    ],
)
def test_a_redirect_to_a_page_that_nothing_tells_from_a_waiting_room_is_an_error(
    start: str, location: str, *, is_right: bool
) -> None:
    asked: list[str] = []

    def site(request: Request) -> Response:
        asked.append(request.path)
        return moved(location) if len(asked) == 1 else Response(200, b"<p>You are number 80 000 in the queue")

    played = surf(reads(start), site)

    assert len(asked) == 1 + is_right
    assert played.outcomes[-1] == ("page", Outcome.OK if is_right else Outcome.ERROR)


def test_who_is_led_on_from_where_a_write_led_to_is_in_a_waiting_room_as_well() -> None:
    def plan(browser: Browser) -> Any:
        page = yield from browser.get(PAGE, "/signup/", form="signup")
        yield from browser.submit(SIGN_UP, page, {"email": "a@example.org"}, to="/welcome/")

    played = surf(plan, FakeSite(get_welcome=lambda _: moved("/waiting-room/")))

    assert [outcome for _, outcome in played.outcomes] == [Outcome.OK, Outcome.OK, Outcome.ERROR]
    assert played.ending == Ending.FAILED


def test_redirects_end() -> None:
    asked: list[Request] = []
    played = surf(reads(), lambda request: asked.append(request) or moved("/start"))  # type: ignore[func-returns-value]

    assert played.ending == Ending.FAILED
    assert len(asked) == MOST_REDIRECTS + 1
    assert played.outcomes[-1] == ("page", Outcome.ERROR)


@pytest.mark.parametrize(("status", "method", "body"), [(301, "GET", b""), (303, "GET", b""), (307, "POST", b"{}")])
def test_what_a_redirect_does_to_a_post(status: int, method: str, body: bytes) -> None:
    asked: list[Request] = []

    def site(request: Request) -> Response:
        asked.append(request)
        return moved("/next", status) if len(asked) == 1 else Response(200)

    played = surf(lambda browser: browser.send(API, "POST", "/api/", json={}, to="/next"), site)

    assert (asked[1].method, asked[1].body) == (method, body)
    assert played.ending == Ending.COMPLETED


def test_a_write_is_never_sent_twice_by_a_redirect() -> None:
    played = surf(lambda browser: browser.send(SIGN_UP, "POST", "/api/", json={}), lambda _: moved("/next", 308))

    assert played.outcomes == [("sign-up", Outcome.ERROR)]


def test_a_page_without_what_it_must_show_is_malformed() -> None:
    for missing in ({"shows": "Welcome"}, {"form": "signup"}):
        played = surf(reads(**missing), lambda _: Response(200, b"<p>Maintenance"))

        assert played.outcomes == [("page", Outcome.MALFORMED)]


@pytest.mark.parametrize(
    ("response", "outcome", "ending"),
    [
        (Response(500), Outcome.ERROR, Ending.FAILED),
        (Response(404), Outcome.REJECTED, Ending.COMPLETED),
        (silent(Request(PAGE, "GET", "/")), Outcome.TIMEOUT, Ending.GAVE_UP),
        (shed(Request(PAGE, "GET", "/")), Outcome.SHED, Ending.FAILED),
    ],
)
def test_an_answer_that_is_not_ok_ends_the_journey(response: Response, outcome: Outcome, ending: Ending) -> None:
    def plan(browser: Browser) -> Any:
        yield from browser.get(PAGE, "/", rejected=(404,))
        raise AssertionError("nobody goes on after this")

    played = surf(plan, lambda _: response)

    assert (played.outcomes, played.ending) == ([("page", outcome)], ending)


def test_who_is_shed_comes_back_after_the_time_asked_for() -> None:
    site = FakeSite(post_signup=shed)
    played = surf(signs_up, site, returns=1)

    assert played.ending == Ending.COMPLETED
    assert played.imposed == 2.0
    assert site.people == ["a@example.org"]


def test_think_time_passes_once_before_a_step() -> None:
    played = surf(signs_up, FakeSite(), wait=lambda step: float(step.number))

    assert played.planned == 1.0 + 2.0


def test_json_forms_and_files_are_sent_as_what_they_are() -> None:
    site = FakeSite()

    def plan(browser: Browser) -> Any:
        page = yield from browser.send(API, "POST", "/api/", json={"a": [1]}, ok=(201,), headers={"X-CSRF": "1"})
        assert page.json() == {"a": [1]}
        yield from browser.send(API, "POST", "/api/", data={"a": "1 2"}, ok=(201,))
        yield from browser.send(API, "POST", "/api/", data={"a": "1"}, files={"f": File("x", b"y")}, ok=(201,))

    assert surf(plan, site).ending == Ending.COMPLETED
    kinds = [request.content_type.partition(";")[0] for request in site.asked]
    assert kinds == ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
    assert site.asked[1].body == b"a=1+2"
    assert b'filename="x"' in site.asked[2].body
    first = dict(site.asked[0].headers)
    assert (first["Accept"], first["X-CSRF"], first["Origin"]) == ("application/json", "1", ORIGIN)


def test_a_form_that_asks_by_get_is_sent_as_a_query() -> None:
    asked: list[str] = []

    def site(request: Request) -> Response:
        asked.append(request.path)
        return Response(200, b'<form action="/find?old=1"><input name="q" value="x"></form>')

    def plan(browser: Browser) -> Any:
        page = yield from browser.get(PAGE, "/", form="")
        yield from browser.submit(API, page, {"q": "a b"})

    surf(plan, site)
    assert asked == ["/", "/find?q=a+b"]


def test_a_form_of_another_origin_is_not_sent() -> None:
    def plan(browser: Browser) -> Any:
        page = yield from browser.get(PAGE, "/", form="")
        yield from browser.submit(SIGN_UP, page, {"email": "a@example.org"})

    played = surf(plan, lambda _: Response(200, b'<form method="post" action="https://other.example/"></form>'))

    assert (len(played.exchanges), played.ending) == (1, Ending.FAILED)


def test_a_cookie_can_be_copied_into_a_header() -> None:
    def plan(browser: Browser) -> Any:
        yield from browser.get(PAGE, "/signup/")
        assert browser.cookie("csrf") == "t1"

    assert surf(plan, FakeSite()).ending == Ending.COMPLETED


@given(st.text(), st.binary(max_size=200), st.sampled_from([200, 204, 302, 303, 307, 404, 500, 503]))
def test_no_answer_makes_a_journey_raise(location: str, body: bytes, status: int) -> None:
    headers = (("location", location), ("set-cookie", location))
    asked: list[Request] = []

    def site(request: Request) -> Response:
        asked.append(request)
        assert request.path.isascii()
        assert request.path.isprintable()
        assert " " not in request.path
        return Response(status, body, headers=headers)

    played = surf(reads(form="x", shows="y"), site)
    assert played.ending in (Ending.FAILED, Ending.COMPLETED)
    assert len(asked) <= MOST_REDIRECTS + 1


def test_a_browser_asks_for_headers_and_pauses_are_planned_ones() -> None:
    script = Browser(ORIGIN, wait=lambda _: 1.5).get(PAGE, "/")
    pause, request = next(script), script.send(None)

    assert pause == Pause(1.5)
    assert isinstance(request, Request)
    assert request.wants_headers
    assert msgspec.structs.replace(request, check=None).ok == (200, 301, 302, 303, 307, 308)
