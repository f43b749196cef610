"""HOST:PORT, and what is none."""

from __future__ import annotations

import pytest

from prakerja_load.driver.address import Address, parse_address
from prakerja_load.errors import HarnessError, UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9000", Address("127.0.0.1", 9000)),
        ("[::1]:1", Address("::1", 1)),
        ("a.b:65535", Address("a.b", 65535)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "host:0", "host:65536", "host:http", "host:-1", "host:८"])
def test_what_is_no_address_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageError, match=r"--controller: got .*, allowed: HOST:PORT"):
        parse_address(text)


def test_only_this_machine_reaches_loopback() -> None:
    assert Address("localhost", 1).is_loopback
    assert not Address("192.0.2.7", 1).is_loopback


def test_a_host_without_an_address_is_said() -> None:
    with pytest.raises(HarnessError, match="cannot be resolved"):
        _ = Address("no-such-host.invalid", 1).numeric
