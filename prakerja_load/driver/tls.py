"""HTTPS: certificates are always verified, and what is wrong with one is said in words."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from prakerja_load.errors import UsageError

_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_… of OpenSSL's x509_vfy.h
_WRONG_HOST = (62, 64)  # a name, an address
_SELF_SIGNED, _UNKNOWN = 18, (2, 19, 20, 21)


def read_authorities(path: str) -> str:
    """Return the certificates in a PEM file; raises UsageError when it holds none that can be read."""
    try:
        text = Path(path).read_text(encoding="ascii")
        client_context(text or "nothing")
    except (OSError, ValueError) as mistake:  # ssl.SSLError is an OSError
        why = explain(mistake) if isinstance(mistake, FileNotFoundError) else "it holds none"
        raise UsageError(f"target.ca: got {path}, allowed: a file of certificates in PEM form ({why})") from None
    return text


def client_context(authorities: str = "") -> ssl.SSLContext:
    """Return the context of verified connections: host name checked, chain up to the system's authorities.

    With `authorities` (PEM text) those are believed, and no others.
    """
    return ssl.create_default_context(cadata=authorities or None)


def said_farewell(transport: asyncio.Transport) -> bool:
    """Tell whether a connection that has ended was ended by the target: over TLS only its own close says so.

    An event loop reports a TCP connection that was cut beneath TLS as if it had been closed (RFC 8446 §6.1).
    """
    wrapped = transport.get_extra_info("ssl_object")
    if wrapped is None:
        return True
    try:
        return not wrapped.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:  # more was to come
        return False


def explain(error: OSError) -> str:
    """Return what kept a connection from being opened, in words that name the remedy where there is one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {_reason(error)}"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    return (error.strerror or str(error) or type(error).__name__).lower()


def _reason(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return "it has expired"
    if code == _NOT_YET:
        return "it is not valid yet; is this machine's clock right?"
    if code in _WRONG_HOST:
        return "it is made out for another host"
    if code == _SELF_SIGNED:
        return "it is signed by itself; target.ca names a file with the certificates to trust"
    if code in _UNKNOWN:
        return "an authority unknown here signed it; target.ca names a file with the certificates to trust"
    return error.verify_message
