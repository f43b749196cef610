"""The port ceiling: the arithmetic, what a machine's settings mean for it, and what the kernel really does."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from prakerja_load.arrivals.curve import RampStage, RateCurve
from prakerja_load.judgement.ports import PortSpace, most_within, need, of_this_machine, problem, sources
from prakerja_load.scenario import parse

SCENARIO = """
name = "a"
demand.peak_minute_share = 0.5
[[ramps]]
name = "a"
registrants = 1000
[target]
authorized_by = "the owner"
"""


FLAT = RateCurve.constant(10.0, 60.0)


@pytest.mark.parametrize(
    ("reuse", "has_timestamps", "on_loopback", "elsewhere"),
    [(0, True, 60.0, 60.0), (1, True, 1.0, 1.0), (2, True, 1.0, 60.0), (1, False, 60.0, 60.0)],
)
def test_a_closed_connection_keeps_its_port_as_long_as_the_kernel_says(
    reuse: int, has_timestamps: bool, on_loopback: float, elsewhere: float
) -> None:
    space = PortSpace(reuse=reuse, has_timestamps=has_timestamps)

    assert (space.time_wait(True), space.time_wait(False)) == (on_loopback, elsewhere)


def test_the_need_is_littles_law() -> None:
    wanted = need(parse(SCENARIO + 'url = "http://site.example"'), RateCurve.constant(446.67, 300), 10.0, PortSpace())

    assert wanted is not None
    assert (wanted.needed, wanted.addresses_needed, wanted.is_enough) == (31_267, 2, False)
    assert wanted.ceiling == pytest.approx(28_232 / 70)
    assert wanted.line() == (
        "ports: at most 31 267 arrivals in 10 + 60 s with TIME_WAIT, of 28 232 × 1 address: "
        "NOT ENOUGH, 2 source addresses are needed"
    )
    assert "load.source_addresses: got 1, good for 403 arrivals/s, allowed: at least 2" in str(problem(wanted, 4))


@pytest.mark.parametrize(
    ("more", "time_wait", "addresses"),
    [
        ('url = "http://localhost:1"', 1.0, 1),
        ('url = "http://127.0.0.1:1"', 1.0, 1),
        ('url = "http://site.example"', 60.0, 1),
        ('url = "http://site.example"\n[load]\nsource_addresses = ["10.0.0.1", "10.0.0.2"]', 60.0, 2),
    ],
)
def test_loopback_and_addresses_are_read_from_the_scenario(more: str, time_wait: float, addresses: int) -> None:
    wanted = need(parse(SCENARIO + more), FLAT, 5.0, PortSpace())

    assert wanted is not None
    assert (wanted.time_wait, wanted.addresses) == (time_wait, addresses)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", ("127.0.0.1", "127.0.0.2", "127.0.0.3")),
        ('url = "http://127.0.0.1:8020"', ("127.0.0.1", "127.0.0.2", "127.0.0.3")),
        ('url = "http://[::1]:8020"', ()),
        ('url = "http://site.example"', ()),
        ('[load]\nsource_addresses = ["127.0.0.9"]', ("127.0.0.9",)),
        ('[load]\nconnection = "reuse"', ()),
    ],
)
def test_loopback_has_as_many_source_addresses_as_are_needed(more: str, expected: tuple[str, ...]) -> None:
    scenario, crowd = parse(SCENARIO + more), RateCurve.constant(100.0, 1000.0)

    assert sources(scenario, crowd, 600.0, PortSpace()) == expected
    assert sources(scenario, FLAT, 1.0, PortSpace()) == (expected if len(expected) == 1 else ())


def test_a_rush_shorter_than_a_journey_takes_no_more_ports_than_arrive() -> None:
    rush = RateCurve.of([RampStage(10.0, 100.0, 100.0), RampStage(500.0, 1.0, 1.0)])

    assert most_within(rush, 60.0) == 1_050
    assert most_within(RateCurve.constant(10.0, 5.0), 60.0) == 50


def test_connections_that_outlive_registrants_need_nothing() -> None:
    assert need(parse(SCENARIO + '[load]\nconnection = "reuse"'), FLAT, 5.0, PortSpace()) is None


def test_a_machines_settings_are_read_and_reserved_ports_are_not_counted(tmp_path: Path) -> None:
    for name, text in {
        "ip_local_port_range": "10000\t10999\n",
        "ip_local_reserved_ports": "80,10000-10009,10500,20000-20005\n",
        "tcp_tw_reuse": "1\n",
        "tcp_tw_reuse_delay": "2000\n",
        "tcp_timestamps": "0\n",
    }.items():
        (tmp_path / name).write_text(text)

    assert of_this_machine(tmp_path) == PortSpace(989, 1, 2.0, False)


def test_what_a_machine_does_not_tell_is_linuxs_default(tmp_path: Path) -> None:
    assert of_this_machine(tmp_path) == PortSpace()


@pytest.fixture
def namespace() -> Iterator[str]:
    """Yield the name of a network namespace of our own with loopback up."""
    name = f"ports-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "netns", "exec", name, "ip", "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


FEW_PORTS = textwrap.dedent("""
    import socket, threading, time, pathlib, sys
    from prakerja_load.judgement.ports import of_this_machine
    settings = pathlib.Path("/proc/sys/net/ipv4")
    (settings / "ip_local_port_range").write_text("32768 32867")
    (settings / "tcp_tw_reuse").write_text(sys.argv[1])
    space = of_this_machine()
    listening = socket.create_server(("127.0.0.1", 9000), backlog=1000)
    def serve():
        while True:
            peer = listening.accept()[0]
            peer.recv(1)  # the client closes first
            peer.close()
    threading.Thread(target=serve, daemon=True).start()
    def take():
        taken = 0
        while True:
            try:
                with socket.create_connection(("127.0.0.1", 9000)):
                    taken += 1
            except OSError:
                return taken
    first, began, again = take(), time.monotonic(), 0
    while not again and time.monotonic() < began + 3:
        again = take()
        time.sleep(0.01)
    print(space.ports, space.time_wait(True), first, again, time.monotonic() - began)
""")


@pytest.mark.slow
@pytest.mark.namespaces
@pytest.mark.parametrize("reuse", [0, 1, 2])
def test_the_kernel_takes_ports_over_when_we_say_it_does(namespace: str, reuse: int) -> None:
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", FEW_PORTS, str(reuse)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    ports, time_wait, first, again, after = map(float, done.stdout.split())

    assert ports == first == 100
    if reuse:
        assert again > 0
        assert time_wait - 0.1 <= after <= time_wait + 1.0
    else:
        assert (time_wait, again) == (60.0, 0)
