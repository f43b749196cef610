"""The application: from a request to its endpoint and back, everything that all addresses share."""

from __future__ import annotations

import hmac
import itertools
import time
from collections.abc import Awaitable
from http import HTTPStatus

from prakerja_load.registrar import logs
from prakerja_load.registrar.admin_page import HTML, content_policy
from prakerja_load.registrar.admission import RETRIES, Bodies, Room
from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.idempotency import parse_key
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import PROBLEM, Header, Reply
from prakerja_load.registrar.request import ClientGoneError, Request
from prakerja_load.registrar.routes import Call, Route, Router
from prakerja_load.registrar.store.faults import STORE_FAULTS, refusal_of
from prakerja_load.registrar.table import ROUTES
from prakerja_load.registrar.tokens import TokenSigner

_FIXED: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_POLICY = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
_PAGE_POLICY = content_policy()
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_BEARER = b"Bearer "


class App:
    """The registrar as a function from requests to replies."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._router = Router([route for route in ROUTES if registrar.settings.is_lab or not route.is_lab])
        self._bodies = Bodies(registrar.admission, registrar.settings.max_body_bytes)
        self._under_way: set[tuple[int, int, str]] = set()  # idempotency keys whose request is being served
        self._numbers = itertools.count(1)  # of requests, for the log
        self._lab_token = registrar.settings.lab_token.encode()
        self._overloaded = [refused(RefusalError("overloaded", retry_after=1 + number)) for number in range(RETRIES)]
        self._heads: dict[tuple[int, bytes], bytes] = {}  # status line and fixed headers
        self._heads_of: tuple[object, ...] | None = None  # the defects that they name

    @property
    def is_draining(self) -> bool:
        """Tell whether connections end after their next reply."""
        return self._registrar.is_draining

    async def answer(self, request: Request) -> Reply | None:
        """Return the reply to a request, whatever happens; None when its client has gone."""
        started = time.perf_counter()
        number = next(self._numbers)
        step = "none"
        try:
            route, parameter = self._router.find(request.method, request.path)
            step = route.step
            reply = await self._reply_to(Call(route, parameter, request))
        except RefusalError as refusal:
            reply = refused(refusal)
        except ClientGoneError:
            return None
        except STORE_FAULTS as fault:
            logs.failed(number, step, fault, is_expected=True)
            reply = refused(refusal_of(fault))
        except Exception as error:
            logs.failed(number, step, error, is_expected=False)
            reply = refused(RefusalError("internal-error"))
        took = time.perf_counter() - started
        self._registrar.metrics.observe(step, reply.status, took)
        logs.answered(number, step, reply.status, took)
        return reply

    def turned_away(self, request: Request) -> Reply | None:
        """Return the reply to a request that would not be let in now: to say so has to cost as little as it can."""
        registrar = self._registrar
        if registrar.defects.active or registrar.limits.is_on or not request.is_collected:
            return None
        step = self._router.step_of(request.method, request.path)
        after = registrar.admission.turns_away(step) if step else 0
        if not after:
            return None
        registrar.metrics.observe(step, 503, 0.0)
        logs.answered(next(self._numbers), step, 503, 0.0)
        return self._overloaded[after - 1]

    def refused(self, refusal: RefusalError) -> Reply:
        """Return the reply to what is not a request."""
        self._registrar.metrics.observe("none", refusal.status, 0.0)
        return refused(refusal)

    def head(self, reply: Reply, date: bytes, *, closes: bool, is_chunked: bool = False) -> bytes:
        """Return status line and headers as they go out; `date` is a header line."""
        active = self._registrar.defects.active
        if self._heads_of is not active:
            self._heads.clear()
            self._heads_of = active
        start = self._heads.get((reply.status, reply.content_type))
        if start is None:
            start = self._heads[reply.status, reply.content_type] = self._head_of(reply)
        lines = [start, date]
        lines += [b"%b: %b\r\n" % header for header in reply.headers]
        if closes:
            lines.append(b"connection: close\r\n")
        if reply.stream is None:
            lines.append(b"content-length: %d\r\n\r\n" % len(reply.body))
        else:
            lines.append(b"transfer-encoding: chunked\r\n\r\n" if is_chunked else b"\r\n")
        return b"".join(lines)

    def _head_of(self, reply: Reply) -> bytes:
        headers = [(b"content-type", reply.content_type), *_FIXED]
        headers.append((b"content-security-policy", _PAGE_POLICY if reply.content_type == HTML else _POLICY))
        if self._registrar.settings.is_lab:
            headers.append((b"prakerja-lab", lab_header(self._registrar.defects.names)))
        return _STATUS_LINES[reply.status] + b"".join(b"%b: %b\r\n" % header for header in headers)

    def _reply_to(self, call: Call) -> Awaitable[Reply]:
        registrar = self._registrar
        route = call.route
        if route.is_lab:
            self._check_lab(call)
        if not registrar.defects.active or route.step == "inject-defects":
            return self._journey_step(call) if route.is_journey else self._other(call)
        return self._with_defects(call)

    async def _with_defects(self, call: Call) -> Reply:
        defects = self._registrar.defects
        await defects.hold()
        if not call.route.is_journey:
            reply = await self._other(call)
        else:
            if defects.leaves_unanswered():
                await call.request.until_gone()
                raise ClientGoneError
            reply = await self._journey_step(call)
        await defects.hold()
        return reply

    async def _other(self, call: Call) -> Reply:
        if call.route.body_limit:
            _announced_size(call)
            call.body = await _read(call)
        return await call.route.endpoint(self._registrar, call)

    async def _journey_step(self, call: Call) -> Reply:
        """Serve a step of the journeys: admission, token, key, body, endpoint."""
        registrar = self._registrar
        route = call.route
        announced = _announced_size(call)
        if call.request.is_gone:  # nobody waits for it any more
            raise ClientGoneError
        if registrar.limits.is_on:
            registrar.limits.check_address(route.step, call.request.peer, registrar.now())
        if not call.request.is_collected:
            return await self._large_step(call, announced)
        registrar.admission.enter(route.step)
        try:
            if registrar.defects.active:
                return await self._spoiled(call)
            return await self._admitted(call)
        finally:
            registrar.admission.leave()

    async def _large_step(self, call: Call, announced: int) -> Reply:
        """Serve a step whose body may still be coming in: it counts as under way from when it is whole."""
        registrar = self._registrar
        step = call.route.step
        registrar.admission.check(step)  # better now than after it has sent everything
        self._identify(call)
        with self._bodies.expect(announced) as room:
            if call.route.body_limit:
                call.body = await _read(call, room)
            registrar.admission.enter(step)
            try:
                return await (self._spoiled(call) if registrar.defects.active else self._admitted(call))
            finally:
                registrar.admission.leave()

    async def _spoiled(self, call: Call) -> Reply:
        """Serve a step that was let in, late or badly: what a defect keeps waiting counts as under way."""
        defects = self._registrar.defects
        await defects.before()
        return defects.instead() or defects.spoil_reply(await self._admitted(call))

    async def _admitted(self, call: Call) -> Reply:
        """Serve a step that was let in, unless one with its key is under way."""
        route = call.route
        if call.request.is_collected:
            self._identify(call)
            if route.body_limit:
                call.body = await _read(call)
        if not route.needs_key:
            return await route.endpoint(self._registrar, call)
        mark = (route.operation, call.account, call.key)
        if mark in self._under_way:
            raise RefusalError("idempotency-key-in-flight", retry_after=1)
        self._under_way.add(mark)
        try:
            return await route.endpoint(self._registrar, call)
        finally:
            self._under_way.discard(mark)

    def _identify(self, call: Call) -> None:
        """Note whose call it is, and its key; raises RefusalError for a stranger, or one who calls too often."""
        registrar = self._registrar
        route = call.route
        if route.needs_token:
            call.account = account_of(call, registrar.signer, registrar.now())
            registrar.limits.check_account(route.step, call.account, registrar.now())
        if route.needs_key:
            call.key = parse_key(call.headers.get(b"idempotency-key"))

    def _check_lab(self, call: Call) -> None:
        """Hide the laboratory from everybody who does not hold its token."""
        given = call.headers.get(b"lab-token", b"")
        if not self._registrar.settings.is_lab or not hmac.compare_digest(given, self._lab_token):
            raise RefusalError("not-found")


def refused(refusal: RefusalError) -> Reply:
    """Return the problem document of a refusal with the headers that belong to it."""
    headers = list(refusal.headers)
    if refusal.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(refusal.retry_after))))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    is_long = refusal.status == 413  # the rest of the body is not worth reading
    return Reply(refusal.status, refusal.body(), PROBLEM, tuple(headers), closes=is_long)


def lab_header(defects: list[str]) -> bytes:
    """Return what every response of a laboratory says about itself."""
    return f"on; defect={','.join(defects)}".encode() if defects else b"on"


def account_of(call: Call, signer: TokenSigner, now: float) -> int:
    """Return the account whose bearer token a call carries; raises RefusalError when there is no valid one."""
    authorization = call.headers.get(b"authorization", b"")
    if authorization.startswith(_BEARER):
        account = signer.account_of(authorization[len(_BEARER) :], now)
        if account is not None:
            return account
    raise RefusalError("unauthenticated")


def _announced_size(call: Call) -> int:
    """Return the length that a request announces for the body its route takes; 0: none, or sent in chunks."""
    limit = call.route.body_limit
    announced = call.headers.get(b"content-length", b"")
    if not limit or not announced.isdigit():
        return 0
    size = int(announced)
    if size > limit:
        raise RefusalError("body-too-large", f"at most {limit} bytes")
    return size


def _check_content_type(route: Route, given: bytes) -> None:
    if given != route.content_type and given.partition(b";")[0].strip().lower() != route.content_type:
        raise RefusalError("unsupported-media-type", f"send {route.content_type.decode()}")


async def _read(call: Call, room: Room | None = None) -> bytes:
    """Return the whole body, which takes `room` as it comes; raises RefusalError for a wrong type or too many bytes."""
    route = call.route
    _check_content_type(route, call.headers.get(b"content-type", b""))
    body = await call.request.read()
    if call.request.is_whole and call.request.is_collected:
        return _bounded(body, route)
    pieces = []
    size = 0
    while body and size <= route.body_limit:
        if room is not None:
            room.take(len(body))
        pieces.append(body)
        size += len(body)
        body = await call.request.read()
    return _bounded(b"".join(pieces), route)


def _bounded(body: bytes, route: Route) -> bytes:
    if len(body) > route.body_limit:
        raise RefusalError("body-too-large", f"at most {route.body_limit} bytes")
    return body
