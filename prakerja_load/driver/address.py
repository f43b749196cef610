"""Where a controller listens, as people write it: HOST:PORT."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from prakerja_load.errors import HarnessError, UsageError


@dataclass(frozen=True)
class Address:
    """A host and a port; IPv6 hosts are written in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine reaches it; raises HarnessError when the host has no address."""
        return ipaddress.ip_address(self.numeric).is_loopback

    @property
    def numeric(self) -> str:
        """Return the host's address in numbers; raises HarnessError when it has none."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise HarnessError(f"{self.host} cannot be resolved: {error}") from error
        return str(found[0][4][0])


def parse_address(text: str) -> Address:
    """Return the address that a text names; raises UsageError."""
    host, colon, digits = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and digits.isascii() and digits.isdigit() and 1 <= int(digits) <= 65_535):
        raise UsageError(f"--controller: got {text}, allowed: HOST:PORT, with a port between 1 and 65535")
    return Address(host, int(digits))
