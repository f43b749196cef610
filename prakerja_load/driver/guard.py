"""What may be put under load: loopback, or a target that consents through a file it serves and can take away.

The decisions are pure; `authorize` is the thin part that resolves a name and fetches the file. A target is connected to
at the addresses that were checked, never by its name again. The file lies at `/.well-known/prakerja-load.json`:

    {"token": "…", "max_rps": 500, "not_before": "2020-08-01T00:00:00+07:00", "not_after": "…", "contact": "…"}

with token = HMAC-SHA256(project key, "host:port") in hexadecimal digits. Its owner removes it to stop the load.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import ipaddress
import os
import socket
import ssl
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from prakerja_load.driver.client import Endpoint
from prakerja_load.driver.tls import client_context, explain
from prakerja_load.errors import AuthorizationError, HarnessError
from prakerja_load.scenario import is_prakerja_host
from prakerja_load.units import PerSecond, Seconds, format_number

PROJECT_KEY = "PRAKERJA_PROJECT_KEY"
"""Environment variable with the key that tokens are made with."""
CONSENT_PATH = "/.well-known/prakerja-load.json"
RECHECK_EVERY: Seconds = 2.0
ANSWER_WITHIN: Seconds = 2.5
"""A file that takes longer is missing: it must be seen to be gone, and the load be over, within 5 s of its removal."""
_TIMEOUT: Seconds = 4.0
_LARGEST_FILE = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class Consent(msgspec.Struct, frozen=True):
    """The authorisation file, as the target's owner wrote it."""

    token: str
    max_rps: PerSecond
    not_before: datetime.datetime
    not_after: datetime.datetime
    contact: str


@dataclass(frozen=True)
class Target:
    """A system under test by name, with the addresses that its name had when it was checked."""

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]

    @property
    def authority(self) -> str:
        """Return what stands in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether every address is this machine's own."""
        return all(map(is_loopback, self.addresses))

    def endpoint(self, authorities: str = "") -> Endpoint:
        """Return where connections go; certificates are verified, against private authorities if any are given."""
        tls = client_context(authorities) if self.scheme == "https" else None
        return Endpoint(self.addresses[0], self.port, self.host, tls)


class CheckedConnection(http.client.HTTPConnection):
    """One HTTP connection to the address of a target that was checked, whatever its name leads to by now."""

    def __init__(self, target: Target, timeout: Seconds, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(target.host, target.port, timeout=timeout)
        self._target, self._tls = target, tls
        self.default_port = _PORTS[target.scheme]  # which the Host header leaves out

    def connect(self) -> None:
        """Connect; raises OSError."""
        plain = socket.create_connection((self._target.addresses[0], self._target.port), self.timeout)
        if self._tls is None:
            self.sock = plain
            return
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self._target.host)
        except OSError:
            plain.close()
            raise


def parse_target(url: str) -> tuple[str, str, int]:
    """Return (scheme, host, port) of a target's URL; raises AuthorizationError for what is never put under load."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or port == 0:
        raise AuthorizationError(f"{url}: a target is http://host:port or https://host:port")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise AuthorizationError(f"{url}: a target has nothing after its port; the journey's own paths begin at /")
    host = unicodedata.normalize("NFKC", parts.hostname)
    if is_prakerja_host(host):
        raise AuthorizationError(f"{host} belongs to the real system, which this tool never puts under load")
    return parts.scheme, host, port or _PORTS[parts.scheme]


def is_loopback(address: str) -> bool:
    """Tell whether a numeric address lies in 127.0.0.0/8 or is ::1; other spellings of it do not count."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed == ipaddress.IPv6Address(1)
    return parsed in ipaddress.ip_network("127.0.0.0/8")


def token_of(project_key: str, host: str, port: int) -> str:
    """Return the token that a target's file must carry."""
    return hmac.new(project_key.encode(), f"{host}:{port}".encode(), hashlib.sha256).hexdigest()


def check_consent(
    document: bytes, target: Target, project_key: str, planned: PerSecond, now: datetime.datetime
) -> Consent:
    """Return what the target's file allows; raises AuthorizationError when it does not allow this load now.

    `planned` is the highest request rate (1/s) that the run may reach.
    """
    where = f"{target.host}:{target.port}{CONSENT_PATH}"
    try:
        consent = msgspec.json.decode(document, type=Consent)
    except (msgspec.MsgspecError, ValueError) as mistake:
        raise AuthorizationError(f"{where} is not an authorisation file: {mistake}") from None
    if not hmac.compare_digest(consent.token.encode(), token_of(project_key, target.host, target.port).encode()):
        raise AuthorizationError(f"{where}: its token is not made with this project's key for this host and port")
    if consent.not_before.tzinfo is None or consent.not_after.tzinfo is None:
        raise AuthorizationError(f"{where}: not_before and not_after need a time zone")
    if not consent.not_before <= now < consent.not_after:
        raise AuthorizationError(f"{where} allows load from {consent.not_before} to {consent.not_after} only")
    if not planned <= consent.max_rps:
        raise AuthorizationError(
            f"{where} allows {format_number(consent.max_rps)} requests/s; "
            f"this run may reach {format_number(planned)} requests/s"
        )
    return consent


def resolve(url: str) -> Target:
    """Return a target with its addresses; raises AuthorizationError or, when the name has none, HarnessError."""
    scheme, host, port = parse_target(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError) as error:
        raise HarnessError(f"{host} cannot be resolved: {error}") from error
    _refuse_aliases(entry[3] for entry in found)
    return Target(scheme, host, port, tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))


def _refuse_aliases(names: Iterable[str]) -> None:
    for name in names:
        if name and is_prakerja_host(name):
            raise AuthorizationError(f"the target is an alias of {name}, which this tool never puts under load")


def authorize(url: str, *, authorized_by: str | None = None, planned: PerSecond = 0.0, authorities: str = "") -> Target:
    """Return a target that may be put under load, with the addresses to connect to.

    Raises AuthorizationError when it may not, HarnessError when its name cannot be resolved.
    """
    target = resolve(url)
    if target.is_loopback:
        return target
    recheck(target, authorized_by=authorized_by, planned=planned, authorities=authorities)
    return target


def recheck(target: Target, *, authorized_by: str | None, planned: PerSecond, authorities: str = "") -> None:
    """Ask a target that is not loopback for its consent; raises AuthorizationError when it is missing or gone."""
    if target.is_loopback:
        return
    if not authorized_by:
        who = "target.authorized_by must name who allowed the load"
        raise AuthorizationError(f"{target.host} is not this machine: {who}")
    key = os.environ.get(PROJECT_KEY, "")
    if not key:
        raise AuthorizationError(f"{target.host} is not this machine: {PROJECT_KEY} must hold the project's key")
    check_consent(_fetch(target, authorities), target, key, planned, datetime.datetime.now(datetime.UTC))


def _fetch(target: Target, authorities: str) -> bytes:
    """Return the body of the target's file, fetched from the checked address."""
    where = f"{target.host}:{target.port}{CONSENT_PATH}"
    connection = CheckedConnection(target, ANSWER_WITHIN, target.endpoint(authorities).tls)
    try:
        connection.request("GET", CONSENT_PATH, headers={"Accept": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(_LARGEST_FILE + 1)
    except (OSError, http.client.HTTPException) as error:
        why = explain(error) if isinstance(error, OSError) else str(error)
        raise AuthorizationError(f"{where} cannot be fetched: {why}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK or len(body) > _LARGEST_FILE:
        raise AuthorizationError(f"{where} answered {answer.status}: the target does not consent to load")
    return body


def reach(target: Target, timeout: Seconds = _TIMEOUT, *, authorities: str = "") -> None:
    """Open and close one connection, TLS included; raises HarnessError when that is not possible, with the reason."""
    tls = target.endpoint(authorities).tls
    try:
        with socket.create_connection((target.addresses[0], target.port), timeout) as plain:
            if tls is not None:
                tls.wrap_socket(plain, server_hostname=target.host).close()
    except OSError as error:
        raise HarnessError(f"the target {target.authority} was never reached: {explain(error)}") from error
