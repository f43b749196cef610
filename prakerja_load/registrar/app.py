"""The ASGI application: from a request to its endpoint and back, everything that all addresses share."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.idempotency import parse_key
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import PROBLEM, Header, Reply
from prakerja_load.registrar.routes import Call, ClientGoneError, Route, Router
from prakerja_load.registrar.store.faults import STORE_FAULTS, refusal_of
from prakerja_load.registrar.table import ROUTES
from prakerja_load.registrar.tokens import TokenSigner

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

logger = logging.getLogger(__name__)
_FIXED: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_CLOSE: Header = (b"connection", b"close")
_BEARER = b"Bearer "


class App:
    """The registrar as an ASGI callable."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._router = Router(ROUTES)
        self._under_way: set[tuple[int, int, str]] = set()  # idempotency keys whose request is being served
        self._lab_token = registrar.settings.lab_token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        step = "none"
        try:
            route, parameter = self._router.find(scope["method"], scope["path"])
            step = route.step
            call = Call(route, parameter, dict(scope["headers"]), scope["query_string"], receive)
            reply = await self._reply_to(call)
        except RefusalError as refusal:
            reply = refused(refusal)
        except ClientGoneError:
            return
        except STORE_FAULTS as fault:
            logger.error("%s failed: %s", step, fault)
            reply = refused(refusal_of(fault))
        except Exception as error:
            logger.error("%s failed: %s", step, type(error).__name__, exc_info=error)
            reply = refused(RefusalError("internal-error"))
        await self._send(reply, send)
        self._registrar.metrics.observe(step, reply.status, time.perf_counter() - started)

    async def _reply_to(self, call: Call) -> Reply:
        registrar = self._registrar
        route = call.route
        if route.is_lab:
            self._check_lab(call)
        if not registrar.defects.active or route.step == "inject-defects":
            return await (self._journey_step(call) if route.is_journey else self._other(call))
        return await self._with_defects(call)

    async def _with_defects(self, call: Call) -> Reply:
        defects = self._registrar.defects
        await defects.hold()
        if not call.route.is_journey:
            reply = await self._other(call)
        else:
            if defects.leaves_unanswered():
                await _until_gone(call)
            await defects.before()
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
        size = _announced_size(call)
        registrar.admission.enter(size)
        try:
            if route.needs_token:
                call.account = account_of(call, registrar.signer, registrar.now())
            if route.needs_key:
                call.key = parse_key(call.headers.get(b"idempotency-key"))
            if route.body_limit:
                call.body = await _read(call)
            if route.needs_key:
                return await self._alone(call)
            return await route.endpoint(registrar, call)
        finally:
            registrar.admission.leave(size)

    async def _alone(self, call: Call) -> Reply:
        """Serve a keyed request unless one with its key is under way."""
        mark = (call.route.operation, call.account, call.key)
        if mark in self._under_way:
            raise RefusalError("idempotency-key-in-flight", retry_after=1)
        self._under_way.add(mark)
        try:
            return await call.route.endpoint(self._registrar, call)
        finally:
            self._under_way.discard(mark)

    def _check_lab(self, call: Call) -> None:
        """Hide the laboratory from everybody who does not hold its token."""
        given = call.headers.get(b"lab-token", b"")
        if not self._registrar.settings.is_lab or not hmac.compare_digest(given, self._lab_token):
            raise RefusalError("not-found")

    async def _send(self, reply: Reply, send: Send) -> None:
        headers = [(b"content-type", reply.content_type), *_FIXED, *reply.headers]
        registrar = self._registrar
        if registrar.settings.is_lab:
            headers.append((b"prakerja-lab", lab_header(registrar.defects.names)))
        if registrar.is_draining:
            headers.append(_CLOSE)
        if reply.stream is None:
            headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if reply.stream is not None:
            async for block in reply.stream:
                await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": reply.body})


def refused(refusal: RefusalError) -> Reply:
    """Return the problem document of a refusal with the headers that belong to it."""
    headers = list(refusal.headers)
    if refusal.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(refusal.retry_after))))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.status == 413:
        headers.append(_CLOSE)  # the rest of the body is not worth reading
    return Reply(refusal.status, refusal.body(), PROBLEM, tuple(headers))


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


async def _read(call: Call) -> bytes:
    """Return the whole body; raises RefusalError for a wrong type or too many bytes."""
    route = call.route
    _check_content_type(route, call.headers.get(b"content-type", b""))
    message = await call.receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False):
        return _bounded(body, route)
    pieces = [body]
    size = len(body)
    while message.get("more_body", False):
        message = await call.receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > route.body_limit:
            raise RefusalError("body-too-large", f"at most {route.body_limit} bytes")
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return b"".join(pieces)


def _bounded(body: bytes, route: Route) -> bytes:
    if len(body) > route.body_limit:
        raise RefusalError("body-too-large", f"at most {route.body_limit} bytes")
    return body


async def _until_gone(call: Call) -> None:
    """Leave a request unanswered until its client gives up."""
    while (await call.receive())["type"] != "http.disconnect":
        pass
    raise ClientGoneError
