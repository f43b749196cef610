"""A browser without a network: cookies, redirects within the origin, forms and bodies above requests and answers.

For journeys through systems that we did not write. Every method is a generator to be used with `yield from`; it ends
the journey by raising `Leave` as soon as an answer is neither ok nor expected, so that a journey reads like what a
registrant does:

    page = yield from browser.get(SIGN_UP_PAGE, "/signup/", form="signup")
    yield from browser.submit(SIGN_UP, page, {"email": email}, to="/welcome/")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import msgspec

from prakerja_load.journey import form as html
from prakerja_load.journey.cookies import Jar
from prakerja_load.journey.form import File, Form
from prakerja_load.journey.step import Answer, Ending, Outcome, Pause, Request, Response, Step
from prakerja_load.units import Seconds

Asking: TypeAlias = Generator[Request | Pause, Any, "Page"]
Wait: TypeAlias = Callable[[Step], Seconds]

REDIRECTS = (301, 302, 303, 307, 308)
RESENT = (307, 308)  # with the same method and body
MOST_REDIRECTS = 10
_SAFE = "/%:@!$&'()*+,;=~?-._[]"  # of a path; everything else in a Location is escaped


class Leave(Exception):  # noqa: N818 (not an error: how a journey ends)
    """The registrant's journey ends here."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """What the browser shows after a step: the last answer, and the form that was asked for."""

    path: str
    answer: Answer
    form: Form | None = None

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.answer.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the decoded body, None for one that is not JSON."""
        try:
            return msgspec.json.decode(self.answer.body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None


@dataclasses.dataclass(frozen=True, slots=True)
class _Right:
    """What a right answer to one request is; `read` and the ledger hear of it through `Request.check`."""

    browser: Browser
    path: str
    ok: tuple[int, ...]
    to: str  # begin of the path that a redirect must lead to
    shows: str
    form: str | None
    may_resend: bool  # a redirect may ask for the same body again
    left: int = MOST_REDIRECTS

    def check(self, response: Response) -> Outcome:
        if response.status in REDIRECTS:
            target = self.browser.target_of(self.path, response)
            may_follow = self.left > 0 and (self.may_resend or response.status not in RESENT)
            is_right = target is not None and self._may_lead_to(target) and may_follow
            return Outcome.OK if is_right else Outcome.ERROR
        if self.to or response.status not in self.ok:  # a redirect was due, or another status after one
            return Outcome.ERROR
        text = response.body.decode("utf-8", "replace") if self.shows or self.form is not None else ""
        is_missing = self.shows not in text or (self.form is not None and html.find(text, self.form) is None)
        return Outcome.MALFORMED if is_missing else Outcome.OK

    def _may_lead_to(self, target: str) -> bool:
        """Tell whether a redirect there can be right: where nothing tells the page at its end from a waiting room's or
        a busy one's, only to the same page, give or take the final slash.
        """
        if self.to:
            return target.startswith(self.to)
        asked = self.browser.resolve(self.path, "") or self.path  # escaped as a target is
        return bool(self.shows) or self.form is not None or _without_slash(target) == _without_slash(asked)


class Browser:
    """One registrant's browser at one origin, such as "https://site.example:8443".

    `wait` says how long the registrant thinks before the first request of a step; `returns` how often they come back
    to a step after being shed (503 or 429 with Retry-After).
    """

    def __init__(self, origin: str, wait: Wait = lambda _: 0.0, returns: int = 0, language: str = "id") -> None:
        parts = urlsplit(origin)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._place = _place_of(parts)
        self._jar = Jar(parts.hostname or "", is_secure=parts.scheme == "https")
        self._wait, self._returns = wait, returns
        self._language = language
        self._seen: set[int] = set()  # numbers of the steps begun

    def cookie(self, name: str) -> str:
        """Return the value of a cookie, such as a CSRF token that a script copies into a header; "" for none."""
        return self._jar.value(name)

    def get(self, step: Step, path: str, *, shows: str = "", form: str | None = None, **more: Any) -> Asking:
        """Read a page: 200 at the end of its redirects, containing `shows` and the form with this id or action."""
        return self.send(step, "GET", path, shows=shows, form=form, **more)

    def submit(
        self,
        step: Step,
        page: Page,
        values: Mapping[str, str],
        *,
        files: Mapping[str, File] | None = None,
        to: str = "",
        **more: Any,
    ) -> Asking:
        """Fill in the form of a page and send it, hidden fields included; a right answer leads to `to` if given."""
        form = page.form
        if form is None:
            raise TypeError(f"step {step.name}: no form was asked for in get(…, form=…)")
        action, pairs = self.resolve(page.path, form.action or page.path), form.fill(values)
        if action is None:
            raise Leave(Ending.FAILED)  # nothing is sent to another origin
        if form.method == "GET":
            query = html.encode(pairs)[0].decode("ascii")
            return self.send(step, "GET", f"{action.partition('?')[0]}?{query}", referer=page.path, to=to, **more)
        body, content_type = html.encode(pairs, files, form.content_type)
        return self.send(step, "POST", action, body, content_type, referer=page.path, to=to, **more)

    def send(
        self,
        step: Step,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "",
        *,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, File] | None = None,
        headers: Mapping[str, str] | None = None,
        ok: Sequence[int] = (200,),
        rejected: Sequence[int | str] = (),
        to: str = "",
        shows: str = "",
        form: str | None = None,
        referer: str = "",
        key: str = "",
    ) -> Asking:
        """Send anything and follow where it leads within the origin; return the page at the end.

        One of `body`, `json`, `data` (a form) and `files` (multipart, with `data`) is sent. The step is right when
        the last answer has a status in `ok` and holds `shows` and `form`; with `to`, when it is a redirect there,
        which is then followed. With none of the three a redirect is right only to the same page, give or take the
        final slash: a waiting room answers 200 as well. `rejected` are statuses or problem codes that are a correct
        "no", and end the journey as completed. A redirect that leaves the origin is refused, and so is one that asks
        for a write again (307 and 308 at a stored step): whether the first was carried out would not be known.
        """
        if json is not None:
            body, content_type = msgspec.json.encode(json), "application/json"
        elif data is not None or files:
            body, content_type = html.encode((data or {}).items(), files)
        if step.number not in self._seen:
            self._seen.add(step.number)
            seconds = self._wait(step)
            if seconds > 0:
                yield Pause(seconds)
        right = _Right(self, path, tuple(ok), to, shows, form, may_resend=not step.is_stored)
        request = Request(
            step,
            method,
            path,
            body,
            content_type,
            key=key,
            ok=(*ok, *REDIRECTS),
            rejected=tuple(rejected),
            wants_headers=True,
            headers=self._headers(path, method, content_type, referer, headers or {}),
            check=right.check,
        )
        answer = yield from self._ask(request)
        return (yield from self._follow(request, answer, right))

    def _follow(self, request: Request, answer: Answer, right: _Right) -> Asking:
        """Go where redirects lead; the pages on the way belong to the same step, but none of them is its write."""
        step = msgspec.structs.replace(request.step, is_stored=False)
        while answer.status in REDIRECTS:
            path = self.target_of(request.path, answer)
            assert path is not None  # by the check
            is_resent = answer.status in RESENT or request.method in ("GET", "HEAD")
            right = dataclasses.replace(right, path=path, to="", left=right.left - 1)
            request = msgspec.structs.replace(
                request,
                step=step,
                method=request.method if is_resent else "GET",
                path=path,
                body=request.body if is_resent else b"",
                headers=self._headers(path, "GET", "", request.path, {}),
                check=right.check,
            )
            answer = yield from self._ask(request)
        shown = Page(request.path, answer)
        return shown if right.form is None else dataclasses.replace(shown, form=html.find(shown.text, right.form))

    def _ask(self, request: Request) -> Generator[Request | Pause, Any, Answer]:
        """Ask, coming back while shed; leave when the answer is not what it should be."""
        for _ in range(self._returns + 1):
            answer: Answer = yield request
            self._jar.take(answer.headers, request.path)
            if answer.outcome == Outcome.OK:
                return answer
            if answer.outcome != Outcome.SHED:
                break
            yield Pause(answer.retry_after or 0.0, is_planned=False)
        endings = {Outcome.REJECTED: Ending.COMPLETED, Outcome.TIMEOUT: Ending.GAVE_UP}
        raise Leave(endings.get(answer.outcome, Ending.FAILED))

    def target_of(self, path: str, response: Response | Answer) -> str | None:
        """Return the path that a redirect leads to, None when it leaves the origin or leads nowhere."""
        location = next((value for name, value in response.headers if name == "location"), "")
        return self.resolve(path, location) if location else None

    def resolve(self, path: str, target: str) -> str | None:
        """Return the path and query of a link or a form's action on the page at `path`, None for another origin."""
        try:
            parts = urlsplit(urljoin(f"{self._origin}{path}", target.strip()))
            if _place_of(parts) != self._place:
                return None
        except ValueError:
            return None
        query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
        return quote(parts.path or "/", safe=_SAFE.replace("?", "")) + query

    def _headers(
        self, path: str, method: str, content_type: str, referer: str, more: Mapping[str, str]
    ) -> tuple[tuple[str, str], ...]:
        is_json = content_type == "application/json"
        said = {"Accept": "application/json" if is_json else "text/html,application/xhtml+xml,*/*;q=0.8"}
        said["Accept-Language"] = self._language
        if method not in ("GET", "HEAD"):
            said["Origin"] = self._origin
        if referer:
            said["Referer"] = self._origin + referer
        if cookies := self._jar.header(path):
            said["Cookie"] = cookies
        return tuple({**said, **more}.items())


def _without_slash(path: str) -> tuple[str, str]:
    """Return (path, query) for comparison."""
    page, _, query = path.partition("?")
    return page.rstrip("/"), query


def _place_of(parts: SplitResult) -> tuple[str, str, int | None]:
    """Return (scheme, host, port), which two addresses of one origin have in common (RFC 6454)."""
    ports = {"http": 80, "https": 443}
    return parts.scheme, parts.hostname or "", parts.port or ports.get(parts.scheme)
