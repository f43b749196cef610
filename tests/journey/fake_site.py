"""A site without a network: HTML forms with CSRF tokens, sessions in cookies, redirects; all as one function."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

from prakerja_load.journey.step import Outcome, Request, Response

ORIGIN = "https://site.example"
FORM = '<form id="signup" method="post" action="/signup/"><input type="hidden" name="csrf" value="{token}"></form>'


class FakeSite:
    """Registers whoever sends the token of their page with the cookie that came along; `faults` answer instead."""

    def __init__(self, **faults: Callable[[Request], Response]) -> None:
        self.people: list[str] = []
        self.asked: list[Request] = []
        self._faults = faults

    def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        name = f"{request.method.lower()}_{request.path.strip('/').replace('/', '_') or 'home'}"
        if fault := self._faults.pop(name, None):
            return fault(request)
        page: Callable[[Request], Response] | None = getattr(self, name, None)
        return page(request) if page else Response(404, b"not found")

    def get_signup(self, _: Request) -> Response:
        token = f"t{len(self.asked)}"
        cookie = ("set-cookie", f"csrf={token}; Path=/; Secure")
        return Response(200, FORM.format(token=token).encode(), headers=(cookie,))

    def post_signup(self, request: Request) -> Response:
        sent, headers = parse_qs(request.body.decode()), dict(request.headers)
        if headers.get("Cookie") != f"csrf={sent['csrf'][0]}" or headers.get("Origin") != ORIGIN:
            return Response(403, b"CSRF")
        self.people.append(sent["email"][0])
        cookie = ("set-cookie", f"session={sent['email'][0]}; Path=/; HttpOnly")
        return moved(f"{ORIGIN}/welcome/", 302, cookie)

    def get_welcome(self, request: Request) -> Response:
        return Response(200, f"<h1>{dict(request.headers)['Cookie']}</h1>".encode())

    def post_api(self, request: Request) -> Response:
        return Response(201, request.body, headers=(("content-type", "application/json"),))


def moved(location: str, status: int = 302, *more: tuple[str, str]) -> Response:
    """Return a redirect."""
    return Response(status, b"", headers=(*more, ("location", location)))


def shed(_: Request) -> Response:
    """Return what a system answers that has too much to do."""
    return Response(503, b"", retry_after=2.0)


def silent(_: Request) -> Response:
    """Return what the driver makes of no answer."""
    return Response(failure=Outcome.TIMEOUT)
