"""Four hosts made of network namespaces: a controller, two workers, a registrar, and bad lines to the controller.

Every host has an address of its own; the target is reached over veth pairs that are never impaired. The lines to the
controller lose and delay packets by `tc netem`, or, where the kernel has no netem, by a relay of ours between two TUN
devices that does the same to the same packets.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

CONTROLLER, REGISTRAR = "10.77.8.1", "10.77.9.1"
DELAY, LOSS = 0.020, 0.02  # seconds one way, share of packets

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def reason_against() -> str:
    """Return why hosts, whose clocks differ, cannot be made of namespaces here; empty when they can."""
    missing = [tool for tool in ("ip", "tc", "unshare") if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    host = Host(f"plprobe{os.getpid()}")
    if refusal := _refusal("ip", "netns", "add", host.name):
        return f"network namespaces cannot be made: {refusal}"
    try:
        if refusal := _refusal(*host.command("ip", "link", "set", "lo", "up")):
            return f"nothing can be set in a network namespace: {refusal}"
        ports = "/proc/sys/net/ipv4/ip_local_port_range"
        if refusal := _refusal(*host.command("sh", "-c", f'echo "$(cat {ports})" > {ports}')):
            return f"a network namespace cannot have ports of its own: {refusal}"
        if refusal := _refusal(*host.command("true", monotonic=1)):
            return f"time namespaces cannot be made: {refusal}"
    finally:
        subprocess.run(["ip", "netns", "del", host.name], check=True)
    return ""


def _refusal(*command: str) -> str:
    """Return what a command that fails says; empty when it does not."""
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return (tried.stderr.strip() or f"exit code {tried.returncode}") if tried.returncode else ""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Host:
    """One network namespace."""

    name: str

    def command(self, *arguments: str, monotonic: int = 0) -> list[str]:
        """Return a command as it is run on this host, whose clock may be so many seconds ahead."""
        elsewhen = ["unshare", "--time", "--monotonic", str(monotonic), "--"] if monotonic else []
        return ["ip", "netns", "exec", self.name, *elsewhen, *arguments]

    def ip(self, *arguments: str) -> None:
        ip("-n", self.name, *arguments)


class Line:
    """The line between a worker and the controller."""

    def __init__(self, worker: Host, controller: Host, number: int) -> None:
        self._worker = worker
        self._device = f"ctl{number}"
        self._relay: Relay | None = None
        if has_netem():
            join(worker, self._device, controller, self._device)
            for host in (worker, controller):
                impair(host, self._device)
        else:
            self._relay = Relay(worker, controller, self._device)
        route(worker, self._device, worker_address(number), CONTROLLER)
        route(controller, self._device, CONTROLLER, worker_address(number))

    def cut(self) -> None:
        """Let nothing through any more."""
        self._worker.ip("link", "set", self._device, "down")

    def close(self) -> None:
        if self._relay is not None:
            self._relay.close()


def worker_address(number: int) -> str:
    return f"10.77.{number}.1"


def has_netem() -> bool:
    host = Host(f"plnetem{os.getpid()}")
    ip("netns", "add", host.name)
    try:
        host.ip("link", "set", "lo", "up")
        impair(host, "lo")
    except subprocess.CalledProcessError:
        return False
    else:
        return True
    finally:
        ip("netns", "del", host.name)


def impair(host: Host, device: str) -> None:
    netem = ("delay", f"{DELAY * 1000:g}ms", f"{DELAY * 100:g}ms", "loss", f"{LOSS:.0%}")
    command = host.command("tc", "qdisc", "add", "dev", device, "root", "netem", *netem)
    subprocess.run(command, check=True, capture_output=True)


def join(one: Host, its: str, other: Host, others: str) -> None:
    """Connect two hosts by a veth pair."""
    ip("link", "add", its, "netns", one.name, "type", "veth", "peer", "name", others, "netns", other.name)


def route(host: Host, device: str, own: str, to: str) -> None:
    """Bring a device up and send what is for an address through it."""
    host.ip("link", "set", device, "up")
    host.ip("route", "add", to, "dev", device, "src", own)


class Relay:
    """Carries packets between TUN devices of two hosts, late and not all of them."""

    def __init__(self, one: Host, other: Host, device: str) -> None:
        self._ends = [tun(host, device, f"{device}{letter}") for host, letter in ((one, "a"), (other, "b"))]
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._random = random.Random(7)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        serial = 0
        while not self._is_over.is_set():
            wait = max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else 0.1
            readable, _, _ = select.select(self._ends, [], [], min(wait, 0.1))
            for end in readable:
                packet = os.read(end, 4096)
                if self._random.random() >= LOSS:
                    serial += 1
                    due = time.monotonic() + DELAY * self._random.uniform(0.95, 1.05)
                    heapq.heappush(self._waiting, (due, serial, self._ends[1 - self._ends.index(end)], packet))
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, to, packet = heapq.heappop(self._waiting)
                with contextlib.suppress(OSError):  # the line is cut
                    os.write(to, packet)

    def close(self) -> None:
        self._is_over.set()
        self._thread.join(5)
        for end in self._ends:
            os.close(end)


def tun(host: Host, device: str, temporary: str) -> int:
    """Make a TUN device, give it to a host under its name there, and return what its packets are read from."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", temporary.encode(), _IFF_TUN | _IFF_NO_PI))
    ip("link", "set", temporary, "netns", host.name)
    host.ip("link", "set", temporary, "name", device)
    return end


@dataclass(frozen=True)
class Site:
    """The four hosts and the lines between them."""

    controller: Host
    workers: tuple[Host, Host]
    registrar: Host
    lines: tuple[Line, Line]


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Yield four hosts, and take them down again."""
    mark = f"pl{os.getpid() % 10_000}"
    controller, one, two, registrar = hosts = [Host(f"{mark}{letter}") for letter in "cabr"]
    made: list[Line] = []
    try:
        for host, address in zip(hosts, (CONTROLLER, worker_address(0), worker_address(1), REGISTRAR), strict=True):
            ip("netns", "add", host.name)
            host.ip("addr", "add", f"{address}/32", "dev", "lo")
            host.ip("link", "set", "lo", "up")
        for number, (host, address) in enumerate(
            [(one, worker_address(0)), (two, worker_address(1)), (controller, CONTROLLER)]
        ):
            join(host, "target", registrar, f"from{number}")
            route(host, "target", address, REGISTRAR)
            route(registrar, f"from{number}", REGISTRAR, address)
        made += [Line(host, controller, number) for number, host in enumerate((one, two))]
        yield Site(controller, (one, two), registrar, (made[0], made[1]))
    finally:
        for line in made:
            line.close()
        for host in hosts:
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True, check=False)
