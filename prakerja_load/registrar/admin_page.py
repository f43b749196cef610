"""The laboratory's page: the wave, the funnel, the store, the civil registry and the defects at a glance.

It needs neither a script nor anything from elsewhere. Nothing on it makes the store count rows: what grows with the
number of registrants is a counter that is kept anyway, or the highest number given.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import html
import re
import time
from collections.abc import Iterable, Mapping
from importlib import resources
from string import Template
from typing import TypeAlias

from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.messages import WavePage
from prakerja_load.registrar.metrics import store_sizes
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import PROBLEM, Reply
from prakerja_load.registrar.routes import Call
from prakerja_load.registrar.store.lookups import Lookups

HTML = b"text/html; charset=utf-8"
REFRESH = 5  # seconds
_CHALLENGE = (b"www-authenticate", b'Basic realm="laboratory", charset="UTF-8"')
_TEMPLATE = (resources.files(__package__) / "admin_page.html").read_text(encoding="utf-8")
_STYLE = re.search(r"<style>(.*?)</style>", _TEMPLATE, re.DOTALL)
FUNNEL = {
    "create-account": "Accounts made",
    "confirm-email": "E-mail confirmed",
    "identity": "Identity checked",
    "personal-data": "Profile filled in",
    "ktp-photo": "KTP photographed",
    "selfie": "Selfie taken",
    "confirm-phone": "Phone confirmed",
    "submit-test": "Test taken",
    "join-wave": "Joined",
}
Row: TypeAlias = tuple[str, str]


def content_policy() -> bytes:
    """Return the page's Content-Security-Policy: its own style, nothing else."""
    style = _STYLE[1] if _STYLE else ""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; object-src 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ).encode()


async def admin_page(registrar: Registrar, call: Call) -> Reply:
    """Show the laboratory's page to who has its token: in `Lab-Token`, or as the password that a browser asks for."""
    if not registrar.settings.is_lab:
        raise RefusalError("not-found")
    if not hmac.compare_digest(_token_of(call.headers), registrar.settings.lab_token.encode()):
        refusal = RefusalError("unauthenticated", "the password is the laboratory's token")
        return Reply(refusal.status, refusal.body(), PROBLEM, (_CHALLENGE,))
    wave = await registrar.store.read(Lookups.wave_page, registrar.now())
    highest = await registrar.store.read(_highest_account)
    body = _page(registrar, wave, highest)
    return Reply(200, body.encode(), HTML, ((b"refresh", b"%d" % REFRESH),))


def _token_of(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return headers.get(b"lab-token", b"")
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _highest_account(lookups: Lookups) -> int:
    return int(lookups.first("SELECT coalesce(max(account), 0) FROM accounts")[0])


def _page(registrar: Registrar, wave: WavePage, highest_account: int) -> str:
    sections = [
        _wave_section(wave),
        _funnel_section(registrar),
        _store_section(registrar, highest_account),
        _section("Requests", _requests(registrar)),
        _section("Civil registry", _civil_registry(registrar)),
        _defects_section(registrar),
    ]
    return Template(_TEMPLATE).substitute(
        title=html.escape(wave.name),
        time=datetime.datetime.fromtimestamp(registrar.now(), datetime.UTC).strftime("%Y-%m-%d %H:%M:%S"),
        refresh=REFRESH,
        sections="\n".join(sections),
    )


def _wave_section(wave: WavePage) -> str:
    share = wave.joined / wave.quota if wave.quota else 1.0
    rows = [
        ("State", "open" if wave.is_open else "closed"),
        ("Joined", _count(wave.joined)),
        ("Quota", _count(wave.quota)),
        ("Places left", _count(max(0, wave.quota - wave.joined))),
    ]
    return _section(f"Wave {wave.wave}", rows, _bar(share, "share of the quota"))


def _funnel_section(registrar: Registrar) -> str:
    reached = {step: registrar.metrics.successes(step) for step in FUNNEL}
    pending = registrar.pending
    reached["identity"] = max(0, reached["identity"] - pending.told + pending.confirmed)
    widest = max(1, *reached.values())
    rows = "".join(
        f"<tr><th>{title}{_bar(reached[step] / widest, title)}</th><td>{_count(reached[step])}</td></tr>"
        for step, title in FUNNEL.items()
    )
    note = "<p>Successes since this process started, repeated requests included; identities once they are checked.</p>"
    return f"<section><h2>Funnel</h2>{note}<table>{rows}</table></section>"


def _store_section(registrar: Registrar, highest_account: int) -> str:
    store, metrics = registrar.store, registrar.metrics
    commits, mean = metrics.commits()
    rows = [
        ("Kind", f"{store.kind}, {store.journal}, synchronous {store.synchronous}"),
        ("Highest account number", _count(highest_account)),
        ("Writes not acknowledged yet", _count(store.depth)),
        ("Commits", _count(commits)),
        ("One commit takes", f"{1000 * mean:.1f} ms"),
        ("Last commit", "none yet" if not commits else f"{time.monotonic() - metrics.last_commit:.1f} s ago"),
    ]
    if not registrar.settings.postgresql:
        for label, size in store_sizes(registrar.settings.path).items():
            rows.append((f"Size of the {label.split(chr(34))[1]}", f"{size / 2**20:,.1f} MiB"))
    return _section("Store", rows)


def _requests(registrar: Registrar) -> Iterable[Row]:
    admission = registrar.admission
    yield "Under way", _count(admission.in_flight)
    yield "May be under way", _count(admission.limit)
    for reason, count in admission.shed_by.items():
        yield f"Told to come back: {reason}", _count(count)


def _civil_registry(registrar: Registrar) -> Iterable[Row]:
    civil = registrar.civil_registry
    yield "Breaker", str(civil.breaker.state)
    yield "Times it opened", _count(civil.breaker.openings)
    yield "Checks that wait", _count(civil.waiting)
    yield "Identities that wait until it is back", _count(registrar.pending.known)
    yield "Checks", _count(civil.checks)
    yield "Not taken", _count(civil.refused)


def _defects_section(registrar: Registrar) -> str:
    active = registrar.defects.active
    rows = [(defect.title, str(defect).partition(" ")[2] or "in force") for defect in active]
    return _section("Defects in force", rows or [("None", "")], kind="alarm" if active else "")


def _section(title: str, rows: Iterable[Row], after: str = "", kind: str = "") -> str:
    lines = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f'<section class="{kind}"><h2>{html.escape(title)}</h2><table>{lines}</table>{after}</section>'


def _bar(share: float, label: str) -> str:
    return f'<progress max="1" value="{min(1.0, share):.4f}" aria-label="{html.escape(label)}"></progress>'


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")  # a narrow space, as in 2 000 000
