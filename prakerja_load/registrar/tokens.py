"""Bearer tokens: account and expiry, signed with HMAC-SHA-256, nothing kept on the server."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct

_CLAIMS = struct.Struct(">QI")  # account, expiry in Unix seconds
_MAC_SIZE = 16
LIFETIME = 3600  # seconds; longer than the 25–40 minutes of a session
_REMEMBERED = 65_536  # tokens; a session sends its own a dozen times


class TokenSigner:
    """Issues and checks tokens under one key; a token is 38 characters of base64url."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._genuine: dict[bytes, tuple[int, int]] = {}  # tokens whose signature was right: account, expiry

    def issue(self, account: int, now: float) -> str:
        """Return a token for the account that expires LIFETIME seconds from `now` (Unix time)."""
        claims = _CLAIMS.pack(account, int(now) + LIFETIME)
        token = base64.urlsafe_b64encode(claims + self._mac(claims)).rstrip(b"=")
        self._remember(token, claims)
        return token.decode("ascii")

    def account_of(self, token: bytes, now: float) -> int | None:
        """Return the account a token was issued for, or None when it is foreign, altered or expired."""
        claims = self._genuine.get(token) or self._verify(token)
        return claims[0] if claims is not None and now < claims[1] else None

    def _verify(self, token: bytes) -> tuple[int, int] | None:
        try:
            raw = base64.b64decode(token + b"==", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        claims, mac = raw[: _CLAIMS.size], raw[_CLAIMS.size :]
        if len(claims) != _CLAIMS.size or not hmac.compare_digest(mac, self._mac(claims)):
            return None
        return self._remember(token, claims)

    def _remember(self, token: bytes, claims: bytes) -> tuple[int, int]:
        if len(self._genuine) >= _REMEMBERED:
            self._genuine.clear()
        account, expires = _CLAIMS.unpack(claims)
        self._genuine[token] = int(account), int(expires)
        return self._genuine[token]

    def _mac(self, claims: bytes) -> bytes:
        return hmac.digest(self._key, claims, "sha256")[:_MAC_SIZE]
