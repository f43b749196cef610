"""Registrants' networks: what is injected is what is measured, and what the target sees is a citizen's upload."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from still_loop import StillLoop
from test_client import GET, OK, STEP, Reader, Script, Site, Writer, ask, keeps_silent, says, take
from test_tls import Town, at

from prakerja_load.driver.agenda import Agenda
from prakerja_load.driver.client import Client, Endpoint
from prakerja_load.driver.network import Link, LinkedConnection, Network
from prakerja_load.driver.wire import RequestWriter
from prakerja_load.journey.step import Outcome, Request, Response

MBIT = 1e6 / 8
SLOW = Link(down=2 * MBIT, up=0.7 * MBIT, latency=0.15)
NEAR = Link(down=1e9, up=1e9, latency=0.05)
LARGE = b"HTTP/1.1 200 OK\r\ncontent-length: 25000\r\n\r\n" + bytes(25_000)


class Conversation:
    """Requests over one line with a link, and how long each took in seconds."""

    def __init__(self, link: Link | None, scripts: Sequence[Script], patience: float = 5.0) -> None:
        self.link, self.site = link, Site(scripts, patience, False)
        self.took: list[float] = []
        self.responses: list[Response] = []

    async def _hold(self, requests: Sequence[Request]) -> None:
        opened = await self.site.open()
        loop = asyncio.get_running_loop()
        links = Network([(1.0, self.link)], 1, Agenda(loop, opened.clock)) if self.link else None
        write = RequestWriter("a", "b")
        client = Client(loop, opened.endpoint, write, opened.clock, patience=self.site.patience, links=links)
        line = client.line()
        for request in requests:
            begun = time.perf_counter()
            self.responses.append(await ask(line, request))
            self.took.append(time.perf_counter() - begun)
        line.hang_up()
        await client.close()
        await self.site.close()

    def hold(self, *requests: Request) -> Conversation:
        uvloop.run(self._hold(requests))
        return self


def shift(link: Link, request: Request, answer: bytes, times: int) -> float:
    """Return how much longer a request takes with a link than without, at the median, on an open connection."""
    without, with_ = (
        Conversation(one, [says(*[answer] * (times + 1))]).hold(*[request] * (times + 1)) for one in (None, link)
    )
    assert {response.status for response in with_.responses} == {200}
    return statistics.median(with_.took[1:]) - statistics.median(without.took[1:])


@pytest.mark.parametrize(
    ("link", "body", "answer"),
    [(NEAR, b"", OK), (SLOW, b"", OK), (SLOW, bytes(4096), OK), (SLOW, b"", LARGE)],
    ids=["latency", "both", "upload", "download"],
)
def test_the_measured_shift_is_the_injected_one_within_2_ms(link: Link, body: bytes, answer: bytes) -> None:
    request = Request(STEP, "PUT", "/x", body, key="k-1-1")
    sent = len(RequestWriter("a", "b")(request))
    injected = link.latency + sent / link.up + len(answer) / link.down

    # a machine that is busy with something else wakes late: up to three looks, each a median of its own
    looks: list[float] = []
    while len(looks) < 3 and not any(abs(look - injected) <= 0.002 for look in looks):
        looks.append(shift(link, request, answer, 11))

    assert min(abs(look - injected) for look in looks) <= 0.002, f"{looks} instead of {injected}"


class StillTransport:
    """Notes when what is written leaves, and answers whole requests of a known size at once."""

    def __init__(self, still: StillLoop, size: int) -> None:
        self.still, self.size = still, size
        self.left: list[tuple[float, int]] = []
        self.protocol: Any = None

    def write(self, piece: bytes) -> None:
        self.left.append((self.still.now_ns / 1e9, len(piece)))
        if sum(size for _, size in self.left) == self.size:
            self.protocol.data_received(LARGE)

    def close(self) -> None:
        pass


@given(down=st.floats(1e4, 1e8), up=st.floats(1e4, 1e8), latency=st.floats(0.0, 1.0), size=st.integers(0, 100_000))
def test_in_still_time_an_exchange_takes_exactly_what_its_link_needs(
    down: float, up: float, latency: float, size: int
) -> None:
    still, link = StillLoop(), Link(down, up, latency)
    agenda = Agenda(still, still.clock)  # type: ignore[arg-type]
    write = RequestWriter("a", "b")
    request = Request(STEP, "PUT", "/x", bytes(size))
    client = Client(still, Endpoint("127.0.0.1", 1, "a"), write, still.clock, patience=1e6)  # type: ignore[arg-type]
    line, sent = client.line(), len(write(request))
    heard: list[float] = []
    line.respond = lambda response: heard.append(still.now_ns / 1e9)
    line.payload = write(request)
    connection = line.connection = LinkedConnection(client, line, link, agenda)
    transport = StillTransport(still, sent)
    transport.protocol = connection

    connection.connection_made(transport)  # type: ignore[arg-type]
    still.run_to(1e3)

    arrived = 1.5 * latency + sent / up  # a handshake, and one way
    answered = 2 * latency + sent / up + len(LARGE) / down
    assert transport.left[-1][0] == pytest.approx(arrived, abs=2e-3)  # timers wake on whole milliseconds, never early
    assert transport.left[-1][0] >= arrived - 1e-6
    assert answered - 1e-6 <= heard[0] <= answered + 2e-3


def test_a_handshake_costs_a_round_trip_more() -> None:
    first, second = Conversation(NEAR, [says(OK, OK)]).hold(GET, GET).took

    assert first - second == pytest.approx(NEAR.latency, abs=0.01)


def test_a_handshake_of_tls_costs_another() -> None:
    town = Town()

    async def main() -> float:
        site = Site([says(OK)], 5.0, False)
        client = await site.open(town.server_side("good"))
        loop = asyncio.get_running_loop()
        links = Network([(1.0, NEAR)], 1, Agenda(loop, client.clock))
        endpoint = at(client.endpoint.port).endpoint(town.authorities)
        safe = Client(loop, endpoint, RequestWriter("a", "b"), client.clock, patience=5.0, links=links)
        begun = time.perf_counter()
        assert (await ask(safe.line(), GET)).status == 200
        took = time.perf_counter() - begun
        await safe.close()
        await site.close()
        return took

    assert 3 * NEAR.latency <= uvloop.run(main()) < 3 * NEAR.latency + 0.1


def test_a_slow_upload_holds_a_connection_while_its_bytes_trickle_in() -> None:
    arrived: list[tuple[float, int]] = []

    async def watches(reader: Reader, writer: Writer) -> None:
        total = 0
        while total < 35_000:
            part = await reader.read(65_536)
            total += len(part)
            arrived.append((time.perf_counter(), total))
        writer.write(OK)
        await reader.read()

    talk = Conversation(SLOW, [watches]).hold(Request(STEP, "PUT", "/x", bytes(35_000)))
    seconds = arrived[-1][0] - arrived[0][0]

    assert talk.responses[0].status == 200
    assert len(arrived) > 15
    assert seconds == pytest.approx(35_000 / SLOW.up, abs=0.05)
    halfway = next(total for at_, total in arrived if at_ >= arrived[0][0] + seconds / 2)
    assert halfway == pytest.approx(17_500, rel=0.15)


def test_an_answer_before_the_upload_is_over_is_an_answer() -> None:
    async def refuses_at_once(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await reader.readexactly(20_000)
        await says(OK)(reader, writer)

    talk = Conversation(SLOW, [refuses_at_once]).hold(Request(STEP, "PUT", "/x", bytes(20_000)), GET)

    assert [response.status for response in talk.responses] == [413, 200]


def test_patience_counts_the_time_on_the_link() -> None:
    far = Link(1e9, 1e9, 0.4)
    talk = Conversation(far, [keeps_silent], patience=0.2).hold(GET)

    assert talk.responses[0].failure == Outcome.TIMEOUT


def test_what_arrived_before_the_end_is_heard_before_the_end() -> None:
    whole = b"HTTP/1.1 200 OK\r\n\r\nall of it"
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf"

    assert Conversation(NEAR, [says(whole)]).hold(GET).responses[0].body == b"all of it"
    assert Conversation(NEAR, [says(cut)]).hold(GET).responses[0].failure == Outcome.ERROR


def test_an_answer_larger_than_the_window_arrives_whole_and_at_the_pace_of_the_link() -> None:
    body = bytes(1_500_000)

    async def sends(reader: Reader, writer: Writer) -> None:
        await take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await reader.read()

    talk = Conversation(Link(1e6, 1e6, 0.0), [sends]).hold(GET)

    assert len(talk.responses[0].body) == len(body)
    assert 1.5 <= talk.took[0] < 2.0


def test_who_has_which_link_is_drawn_from_the_seed() -> None:
    async def links(seed: int) -> list[Link]:
        agenda = Agenda(asyncio.get_running_loop(), time.perf_counter_ns)
        network = Network([(0.7, NEAR), (0.25, SLOW), (0.05, Link(1, 1, 1))], seed, agenda)
        return [network.link_of(index) for index in range(20_000)]

    drawn = asyncio.run(links(5))
    shares = [count / 20_000 for _, count in Counter(drawn).most_common()]

    assert shares == pytest.approx([0.7, 0.25, 0.05], abs=0.012)
    assert drawn == asyncio.run(links(5))
    assert drawn != asyncio.run(links(6))
