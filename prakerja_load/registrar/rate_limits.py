"""Rate limits: token buckets per address, per account and per e-mail address, in bounded memory.

On unless `--rate-limits off` or the laboratory says otherwise: a load generator is one address. The address is that of
the connection; no header can change it. Many people share one address behind a provider's translation (CGNAT), so its
limits are wide, and what is worth guessing is limited by account.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable

import msgspec

from prakerja_load.registrar.problems import RefusalError
from prakerja_load.units import PerSecond, Seconds

MOST_BUCKETS = 65_536  # of one limit; about 12 MB
_NETWORK_BITS = 64  # of IPv6: what one subscriber gets
_ROUNDING: Seconds = 1e-4  # the sum of a burst of pauses is as coarse as that in floats of Unix time


class Limit(msgspec.Struct, frozen=True):
    """How many requests may come at once, and how many a second after that."""

    burst: int
    per_second: PerSecond


PER_ADDRESS: dict[str, Limit] = {
    "": Limit(600, 50),  # any step
    "create-account": Limit(60, 1),
}
PER_ACCOUNT: dict[str, Limit] = {
    "": Limit(60, 2),
    "identity": Limit(10, 1 / 60),  # a check of the civil registry is dear
    "phone-code": Limit(5, 1 / 60),  # an SMS costs money and can be a nuisance
}
PER_EMAIL: dict[str, Limit] = {
    "confirm-email": Limit(5, 1 / 300),  # as the lock after five wrong codes, so that strangers look the same
    "log-in": Limit(10, 1 / 30),
}


class TokenBuckets:
    """The buckets of one limit, each as the moment at which it will be full again (the generic cell rate algorithm).

    A full bucket is as good as none, so the one used least recently is forgotten when there are too many.
    """

    def __init__(self, limit: Limit, most: int = MOST_BUCKETS) -> None:
        self._pause = 1 / limit.per_second  # until the next token
        self._depth = limit.burst * self._pause  # time in which an empty bucket fills
        self._most = most
        self._full_at: dict[Hashable, float] = {}  # least recently used first

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: Hashable, now: float) -> Seconds:
        """Take a token at time `now` and return 0, or the seconds until there will be one."""
        full_at = self._full_at.pop(key, now)
        full_at = min(max(full_at, now), now + self._depth)  # never emptier than empty, should the clock be set back
        wait = full_at + self._pause - self._depth - now
        is_admitted = wait <= _ROUNDING
        self._full_at[key] = full_at + self._pause if is_admitted else full_at
        if len(self._full_at) > self._most:
            del self._full_at[next(iter(self._full_at))]
        return 0.0 if is_admitted else wait


class RateLimits:
    """All limits of a registrar; a method raises RefusalError with Retry-After when one is reached."""

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self.refused = 0
        self._addresses = {step: TokenBuckets(limit) for step, limit in PER_ADDRESS.items()}
        self._accounts = {step: TokenBuckets(limit) for step, limit in PER_ACCOUNT.items()}
        self._emails = {step: TokenBuckets(limit) for step, limit in PER_EMAIL.items()}

    def check_address(self, step: str, address: str, now: float) -> None:
        """Count a request of a connection from an address."""
        if self.is_on:
            self._check(self._addresses, step, network_of(address), now)

    def check_account(self, step: str, account: int, now: float) -> None:
        """Count a request with an account's token."""
        if self.is_on:
            self._check(self._accounts, step, account, now)

    def check_email(self, step: str, email: str, now: float) -> None:
        """Count an attempt at an e-mail address, whether it has an account or not."""
        if self.is_on:
            self._check(self._emails, step, email, now)

    def _check(self, buckets: dict[str, TokenBuckets], step: str, key: Hashable, now: float) -> None:
        for name in ("", step):
            if name in buckets and (wait := buckets[name].take(key, now)):
                self.refused += 1
                raise RefusalError("rate-limited", retry_after=wait)


def network_of(address: str) -> str:
    """Return what stands for a subscriber: an IPv4 address, or the /64 network of an IPv6 address."""
    if ":" not in address:
        return address
    parsed = ipaddress.IPv6Address(address)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), _NETWORK_BITS), strict=False))
