"""The steps of registering: decode, ask the rules, have the effect, answer."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable
from functools import partial

from prakerja_load.registrar import questions, rules
from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.idempotency import Effect, Write, digest_of
from prakerja_load.registrar.messages import (
    Credentials,
    EmailConfirmation,
    Identity,
    JoinDeclaration,
    NewAccount,
    Opened,
    PersonalData,
    PhoneCode,
    PhoneConfirmation,
    TestAnswers,
)
from prakerja_load.registrar.pending import KEPT
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.queueing import TICKET
from prakerja_load.registrar.reply import Reply, json_reply
from prakerja_load.registrar.routes import Call
from prakerja_load.registrar.store import effects
from prakerja_load.registrar.store.lookups import Lookups
from prakerja_load.registrar.tokens import LIFETIME

_LARGE_PHOTO = 64 * 1024  # bytes; larger ones are hashed in a thread
_BEFORE_ACCOUNT = 0  # scope of keys of people who have no token yet


async def wave_page(registrar: Registrar, _call: Call) -> Reply:
    """Show the current wave."""
    return json_reply(200, await registrar.read(Lookups.wave_page, registrar.now()))


async def create_account(registrar: Registrar, call: Call) -> Reply:
    """Make an account and send a code to its e-mail address."""
    request: NewAccount = call.decode()
    registrar.door.pass_through(call.headers.get(TICKET, b""), call.key, registrar.now())
    _check_text(request.full_name)
    password = await registrar.passwords.hash(request.password)
    expires = int(registrar.now() + rules.EMAIL_CODE_LIFETIME)
    effect = partial(
        effects.create_account,
        request=request,
        email=_normal(request.email),
        password=password,
        code=_new_code(),
        expires=expires,
    )
    return await _write(registrar, call, effect)


async def confirm_email(registrar: Registrar, call: Call) -> Reply:
    """Confirm an e-mail address by the code sent to it."""
    request: EmailConfirmation = call.decode()
    registrar.limits.check_email(call.route.step, _normal(request.email), registrar.now())
    effect = partial(effects.confirm_email, request=request, email=_normal(request.email), now=registrar.now())
    return await _write(registrar, call, effect)


async def log_in(registrar: Registrar, call: Call) -> Reply:
    """Exchange e-mail and password for a bearer token; an unknown address costs and says what a wrong password does."""
    request: Credentials = call.decode()
    registrar.limits.check_email(call.route.step, _normal(request.email), registrar.now())
    row = await registrar.read(Lookups.login, _normal(request.email))
    if not await registrar.passwords.is_right(row.password if row else None, request.password) or row is None:
        raise RefusalError("wrong-credentials")
    if not row.is_confirmed:
        raise RefusalError("email-unconfirmed")
    token = registrar.signer.issue(row.account, registrar.now())
    return json_reply(201, Opened(token, LIFETIME, row.account))


async def check_identity(registrar: Registrar, call: Call) -> Reply:
    """Check NIK, family card and birth date against the civil registry and keep them.

    The registry is asked only where its answer can matter, for its answers are few and dear: not about a NIK or for
    an account that is taken, which the store refuses or answers as before. While it is away, the identity waits, and
    the account's next one takes its place.
    """
    reply = await _identify(registrar, call)
    if reply.status == KEPT:
        registrar.pending.told += 1
    return reply


async def _identify(registrar: Registrar, call: Call) -> Reply:
    request: Identity = call.decode()
    now = registrar.now()
    nik = int(request.nik)
    refused = rules.identity_refusal(request.nik, request.birth_date, rules.today_in_jakarta(now), registrar.rules)
    if refused is not None:
        raise RefusalError(refused)
    taken = partial(effects.refuse_identity, account=call.account, nik=nik)
    if await registrar.read(Lookups.has_identity, nik, call.account, call.key):
        return await _write(registrar, call, taken)
    check = partial(
        effects.check_identity,
        account=call.account,
        request=request,
        max_persons_per_kk=registrar.rules.max_persons_per_kk,
    )
    try:
        refused = await registrar.civil_registry.problem_with(request.nik, request.kk, request.birth_date, now)
    except RefusalError as away:
        waiting = partial(effects.keep_identity, check=check, now=now)
        write = partial(_write, registrar, call, waiting, status=KEPT)
        return await registrar.pending.keep(write, away, account=call.account)
    registrar.pending.hurry()
    if refused is None:
        return await _write(registrar, call, check)
    if await registrar.read(Lookups.has_answer, call.account, call.key, call.route.operation):
        return await _write(registrar, call, taken)  # it waited, was refused, and is sent again
    raise RefusalError(refused)


async def personal_data(registrar: Registrar, call: Call) -> Reply:
    """Keep the personal data."""
    request: PersonalData = call.decode()
    _check_text(
        request.full_name,
        request.province,
        request.regency,
        request.district,
        request.address,
        request.education,
        request.employment,
    )
    return await _write(registrar, call, partial(effects.store_profile, account=call.account, request=request))


async def photo(registrar: Registrar, call: Call) -> Reply:
    """Keep a photograph; the last part of the address says of what."""
    picture = call.body
    if picture[:2] != b"\xff\xd8":  # start of image; JPEG, ITU T.81 annex B
        raise RefusalError("invalid-body", "the body is not a JPEG image")
    if len(picture) > _LARGE_PHOTO:
        sha256 = await asyncio.to_thread(_sha256, picture)
    else:
        sha256 = _sha256(picture)
    kind = effects.PHOTO_NAMES.index(call.route.path.rpartition("/")[2])
    effect = partial(effects.store_photo, account=call.account, kind=kind, picture=picture, sha256=sha256)
    return await _write(registrar, call, effect, sha256[:8])


async def phone_code(registrar: Registrar, call: Call) -> Reply:
    """Send a code to a phone number."""
    request: PhoneCode = call.decode()
    effect = partial(
        effects.send_phone_code,
        account=call.account,
        phone=request.phone.strip(),
        code=_new_code(),
        expires=int(registrar.now() + rules.PHONE_CODE_LIFETIME),
        lifetime=int(rules.PHONE_CODE_LIFETIME),
    )
    return await _write(registrar, call, effect)


async def confirm_phone(registrar: Registrar, call: Call) -> Reply:
    """Confirm a phone number by the code sent to it."""
    request: PhoneConfirmation = call.decode()
    effect = partial(effects.confirm_phone, account=call.account, request=request, now=registrar.now())
    return await _write(registrar, call, effect)


async def paper(_registrar: Registrar, call: Call) -> Reply:
    """Show the account's set of questions."""
    return Reply(200, questions.paper_for(call.account))


async def submit_test(registrar: Registrar, call: Call) -> Reply:
    """Score the answers and keep them."""
    request: TestAnswers = call.decode()
    effect = partial(
        effects.submit_test,
        account=call.account,
        request=request,
        score=rules.score(request.test, request.answers),
        pass_mark=registrar.rules.pass_mark,
    )
    return await _write(registrar, call, effect)


async def join_wave(registrar: Registrar, call: Call) -> Reply:
    """Join a wave (Gabung)."""
    request: JoinDeclaration = call.decode()
    if not request.declaration:
        raise RefusalError("invalid-body", "the declaration has to be true")
    effect = partial(effects.join_wave, account=call.account, wave=call.parameter, now=registrar.now())
    return await _write(registrar, call, effect, digest_of(call.body, str(call.parameter)))


async def read_status(registrar: Registrar, call: Call) -> Reply:
    """Show how far the account has come."""
    status = await registrar.read(Lookups.status, call.account)
    if status is None:
        raise RefusalError("unauthenticated", "the token's account does not exist")
    return json_reply(200, status)


def _write(
    registrar: Registrar, call: Call, effect: Effect, digest: bytes | None = None, *, status: int | None = None
) -> Awaitable[Reply]:
    route = call.route
    scope = call.account if route.needs_token else _BEFORE_ACCOUNT
    if digest is None:
        digest = digest_of(call.body)
    return registrar.write(
        route.step, Write(route.operation, scope, call.key, digest, status or route.success_status), effect
    )


def _normal(email: str) -> str:
    return email.strip().lower()


def _check_text(*texts: str) -> None:
    if not rules.is_plain_text(*texts):
        raise RefusalError("invalid-body", "texts have printable characters only")


def _new_code() -> int:
    return secrets.randbelow(1_000_000)


def _sha256(picture: bytes) -> bytes:
    return hashlib.sha256(picture).digest()
