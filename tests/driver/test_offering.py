"""One process's share on a real loop, against a tiny system: everything due is offered, ended and written down."""

from __future__ import annotations

import dataclasses
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from ramp_rig import make_assignment
from still_loop import StillLoop
from tiny_system import TinySystem

from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.arrivals.lease import Span
from prakerja_load.driver import guard, offering
from prakerja_load.driver.agenda import Agenda
from prakerja_load.driver.client import Connection, Line
from prakerja_load.driver.network import Link, Network
from prakerja_load.driver.offer import make_offer, most_connections
from prakerja_load.driver.offering import Offering
from prakerja_load.driver.registrant import LiveRegistrant
from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import Kind, SegmentWriter, read_segment
from prakerja_load.journey.step import Ending, Outcome, Registrant, Request, Script, Step

PAGE = Step(1, "page")
WRITE = Step(2, "write", is_stored=True)
CROWD = RateCurve.constant(400, 100.0)


class TwoSteps:
    """A journey of a page and a write."""

    name = "two-steps"
    steps = (PAGE, WRITE)

    def script(self, registrant: Registrant) -> Script:
        yield Request(PAGE, "GET", "/api/v1/waves/current")
        answer = yield Request(WRITE, "POST", "/api/v1/accounts", b"{}", key=f"k-{registrant.index}", ok=(201,))
        return Ending.COMPLETED if answer.outcome == Outcome.OK else Ending.FAILED

    def meant_to_reach(self, registrant: Registrant) -> int:
        return 2

    def stored(self, registrant: Registrant, step: Step) -> dict[str, Any]:
        return {}


class Broken(TwoSteps):
    """Goes wrong at the first answer of arrival 3."""

    def script(self, registrant: Registrant) -> Script:
        yield Request(PAGE, "GET", "/api/v1/waves/current")
        if registrant.index == 3:
            raise LookupError("no such token")
        return Ending.COMPLETED


class Played:
    def __init__(self, offering: Offering, folder: Path) -> None:
        self.offering = offering
        read = {kind: read_segment(folder / kind.file_name, kind) for kind in Kind}
        assert not any(segment.is_torn for segment in read.values())
        self.samples, self.arrivals = read[Kind.SAMPLES].records, read[Kind.ARRIVALS].records
        self.ledger, self.vitals = read[Kind.LEDGER].records, read[Kind.VITALS].records
        self.counts = {kind: segment.records.size for kind, segment in read.items()}


class Bench:
    """An offering in a thread of its own, begun at once with all arrivals leased."""

    def __init__(self, folder: Path, url: str, journey: Any = None, **changes: Any) -> None:
        task = make_assignment(url, **changes)
        offer = make_offer(task, guard.authorize(url), folder)
        self.folder, self.count = folder, task.count
        self.offering = Offering(dataclasses.replace(offer, journey=journey or TwoSteps()))
        self.thread = threading.Thread(target=self.offering.run)
        self.thread.start()
        self.epoch = time.perf_counter_ns() + 20_000_000
        self.offering.begin(self.epoch)
        self.offering.lease(Span(start, min(start + 16, task.count)) for start in range(0, task.count, 16))

    def end(self) -> Played:
        self.thread.join(15)
        assert not self.thread.is_alive()
        return Played(self.offering, self.folder)


Opener = Callable[..., TinySystem]


def test_every_arrival_is_played_once_to_its_end(tmp_path: Path, tiny_system: Opener) -> None:
    system = tiny_system()
    bench = Bench(tmp_path, system.url)
    bench.offering.finish(10 * 10**9)
    played = bench.end()

    assert sorted(played.arrivals["index"].tolist()) == list(range(40))
    assert set(played.arrivals["ending"].tolist()) == {Ending.COMPLETED}
    assert played.samples.size == 80 == system.served
    assert played.counts == played.offering.recorder.counts
    assert (played.offering.started, played.offering.finished, played.offering.dropped) == (40, 40, 0)
    assert played.offering.left == ()


def test_nothing_starts_before_it_is_due(tmp_path: Path, tiny_system: Opener) -> None:
    bench = Bench(tmp_path, tiny_system().url)
    bench.offering.finish(10 * 10**9)
    arrivals = bench.end().arrivals

    assert (arrivals["started"] >= arrivals["intended"]).all()
    assert (arrivals["finished"] > arrivals["started"]).all()
    due = np.rint(make_assignment("http://127.0.0.1:1").schedule().times(0, 40) * 1e9).astype(int)
    assert sorted(arrivals["intended"].tolist()) == due.tolist()


def test_above_the_limit_arrivals_are_dropped_and_not_skipped(tmp_path: Path, tiny_system: Opener) -> None:
    bench = Bench(tmp_path, tiny_system(0.3).url, in_flight_limit=2)
    bench.offering.finish(10 * 10**9)
    played = bench.end()

    dropped = played.arrivals[played.arrivals["ending"] == Ending.DROPPED]
    assert sorted(played.arrivals["index"].tolist()) == list(range(40))
    assert dropped.size == played.offering.dropped > 20
    assert set(dropped["started"].tolist()) == set(dropped["finished"].tolist()) == {-1}
    assert played.offering.started + played.offering.dropped == 40


def test_the_drain_cuts_off_whoever_is_still_under_way(tmp_path: Path, tiny_system: Opener) -> None:
    bench = Bench(tmp_path, tiny_system(60.0).url, patience=60.0)
    bench.offering.finish(500_000_000)
    played = bench.end()

    assert set(played.arrivals["ending"].tolist()) == {Ending.IN_FLIGHT}
    assert played.samples["outcome"].tolist() == [Outcome.IN_FLIGHT] * 40
    assert (played.samples["finished"] >= 500_000_000).all()
    assert played.offering.in_flight == 40


def test_stopping_starts_nothing_more_and_says_what_is_left(tmp_path: Path, tiny_system: Opener) -> None:
    bench = Bench(tmp_path, tiny_system().url, count=4000, curve=CROWD)
    while bench.offering.started < 20:
        time.sleep(0.005)
    bench.offering.stop("enough", 10 * 10**9)
    played = bench.end()

    handled = played.arrivals.size
    assert 20 <= handled < 4000
    assert set(played.arrivals["ending"].tolist()) == {Ending.COMPLETED}
    assert sum(one.stop - one.start - one.count for one in played.offering.left) == 4000 - handled
    assert played.offering.reason == "enough"
    assert not played.offering.is_fatal


def test_what_is_leased_after_the_stop_is_left(tmp_path: Path, tiny_system: Opener) -> None:
    bench = Bench(tmp_path, tiny_system(0.2).url, count=10)
    while bench.offering.started < 10:
        time.sleep(0.005)
    bench.offering.stop("enough", 10 * 10**9)
    bench.offering.lease([Span(10, 30)])
    played = bench.end()

    assert [(one.start, one.stop, one.count) for one in played.offering.left] == [(10, 30, 0)]


def test_a_share_that_never_began_ends_when_it_is_told_to(tmp_path: Path, tiny_system: Opener) -> None:
    task = make_assignment(tiny_system().url)
    waiting = Offering(make_offer(task, guard.authorize(task.target_url), tmp_path))
    thread = threading.Thread(target=waiting.run)
    thread.start()
    waiting.stop("never mind", 0)
    thread.join(5)

    assert not thread.is_alive()
    assert Played(waiting, tmp_path).arrivals.size == 0


def test_a_journey_that_raises_stops_the_load_and_is_named(tmp_path: Path, tiny_system: Opener) -> None:
    bench = Bench(tmp_path, tiny_system().url, Broken(), count=4000, curve=CROWD)
    played = bench.end()

    assert played.offering.is_fatal
    assert "LookupError: no such token (test_offering.py:" in played.offering.reason
    assert played.arrivals.size < 4000


def test_people_of_whom_there_are_no_more_stop_the_load(tmp_path: Path, tiny_system: Opener) -> None:
    task = make_assignment(tiny_system().url, first_person=0)
    offer = make_offer(task, guard.authorize(task.target_url), tmp_path)

    class Nobody:
        def applicant(self, index: int) -> ApplicantProfile:
            raise IndexError(f"nobody is number {index}")

    stopped = Offering(dataclasses.replace(offer, population=Nobody(), journey=TwoSteps()))  # type: ignore[arg-type]
    thread = threading.Thread(target=stopped.run)
    thread.start()
    stopped.begin(time.perf_counter_ns())
    stopped.lease([Span(0, 16)])
    thread.join(5)

    assert not thread.is_alive()
    assert "nobody is number 0" in stopped.reason


def test_a_disk_that_refuses_evidence_stops_the_load(
    tmp_path: Path, tiny_system: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = SegmentWriter.append

    def full(writer: SegmentWriter, records: Any) -> None:
        if writer.kind == Kind.SAMPLES:
            raise EvidenceError(f"cannot write {writer.path}: No space left on device")
        append(writer, records)

    monkeypatch.setattr(SegmentWriter, "append", full)
    bench = Bench(tmp_path, tiny_system().url, count=40_000, curve=CROWD)
    began = time.perf_counter()
    played = bench.end()

    assert time.perf_counter() - began < 5
    assert played.offering.is_fatal
    assert "disk" in played.offering.reason
    assert "No space left" in played.offering.reason


def test_a_loop_that_stood_still_starts_nothing_more(
    tmp_path: Path, tiny_system: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offering, "STALL", 0.2)

    class Stalling(TwoSteps):
        stood_at = 0

        def script(self, registrant: Registrant) -> Script:
            if registrant.index == 8:  # the next arrival is due before the loop looks at its clock again
                self.stood_at = time.perf_counter_ns()
                time.sleep(0.5)
            return super().script(registrant)

    journey = Stalling()
    bench = Bench(tmp_path, tiny_system().url, journey, count=400, curve=RateCurve.constant(400, 1.0))
    played = bench.end()

    assert "stood still" in played.offering.reason
    assert not played.offering.is_fatal
    assert 9 <= played.arrivals.size < 400
    assert played.arrivals["intended"].max() <= journey.stood_at - bench.epoch  # the rest may be others' by now


def test_a_share_that_ends_because_its_loop_stood_still_is_over(
    tmp_path: Path, tiny_system: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nobody under way, the look at the clock that notices it is the last thing that the share does."""
    monkeypatch.setattr(offering, "STALL", 0.2)
    bench = Bench(tmp_path, tiny_system().url, count=1)
    while bench.offering.finished < 1:
        time.sleep(0.005)
    bench.offering._soon(lambda: time.sleep(0.5))
    played = bench.end()

    assert "stood still" in played.offering.reason
    assert played.arrivals.size == 1
    assert played.offering.standstill == 0


def test_vitals_are_written_each_second(tmp_path: Path, tiny_system: Opener) -> None:
    bench = Bench(tmp_path, tiny_system(60.0).url, count=40)
    bench.offering.finish(2_100_000_000)
    vitals = bench.end().vitals

    assert vitals.size >= 2
    assert (np.diff(vitals["at"]) > 900_000_000).all()
    assert vitals["in_flight"].max() > 5
    assert vitals["in_system"].max() > 5
    assert vitals["sockets"].max() > 5
    assert (vitals["rss"] > 10_000_000).all()


def test_a_process_has_no_more_registrants_than_it_may_open_files() -> None:
    assert 0 < most_connections() <= 2**31


def test_nobody_who_has_left_is_kept(tmp_path: Path, tiny_system: Opener) -> None:
    def still_there() -> list[str]:
        return [type(one).__name__ for one in gc.get_objects() if isinstance(one, LiveRegistrant | Line | Connection)]

    gc.collect()
    gc.disable()  # what is freed is freed because nothing refers to it any more
    try:
        bench = Bench(tmp_path, tiny_system().url, count=100, patience=0.5)
        bench.offering.finish(10 * 10**9)
        bench.end()
        del bench

        assert still_there() == []
    finally:
        gc.enable()


def test_reuse_opens_fewer_connections(tmp_path: Path, tiny_system: Opener) -> None:
    system = tiny_system()
    bench = Bench(tmp_path, system.url, connection="reuse")
    bench.offering.finish(10 * 10**9)
    played = bench.end()

    assert set(played.samples["outcome"].tolist()) == {Outcome.OK}
    assert system.accepted < 40


def test_a_callback_that_raises_stops_the_load(
    tmp_path: Path, tiny_system: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: Any) -> None:
        raise RuntimeError("cannot classify")

    monkeypatch.setattr("prakerja_load.driver.registrant.read", wrong)
    played = Bench(tmp_path, tiny_system().url, count=4000, curve=CROWD).end()

    assert played.offering.is_fatal
    assert "RuntimeError: cannot classify" in played.offering.reason


def test_a_script_that_does_not_say_how_it_ended_stops_the_load(tmp_path: Path, tiny_system: Opener) -> None:
    class Forgetful(TwoSteps):
        def script(self, registrant: Registrant) -> Script:
            yield Request(PAGE, "GET", "/api/v1/waves/current")
            return None  # type: ignore[return-value]

    played = Bench(tmp_path, tiny_system().url, Forgetful(), count=4000, curve=CROWD).end()

    assert "no Ending" in played.offering.reason


def test_registrants_wait_for_their_own_networks(tmp_path: Path, tiny_system: Opener) -> None:
    latency, fast = 0.05, 1e9
    shares = [(0.5, fast, fast, latency), (0.5, fast, fast, 0.0)]
    bench = Bench(tmp_path, tiny_system().url, count=200, curve=RateCurve.constant(200, 1.0), network=shares)
    bench.offering.finish(10 * 10**9)
    samples = bench.end().samples

    still = StillLoop()
    links = [(share, Link(down, up, latency)) for share, down, up, latency in shares]
    network = Network(links, make_assignment("http://127.0.0.1:1").seed, Agenda(still, still.clock))  # type: ignore[arg-type]
    is_far = np.array([network.link_of(index).latency > 0 for index in samples["index"].tolist()])
    took = (samples["finished"] - samples["started"]) / 1e9
    assert set(samples["outcome"].tolist()) == {Outcome.OK}
    for step, trips in ((PAGE, 2), (WRITE, 1)):  # a new connection is shaken hands on first
        of_step = samples["step"] == step.number
        far, near = took[of_step & is_far], took[of_step & ~is_far]
        assert min(far.size, near.size) > 50
        assert far.min() >= trips * latency
        assert np.median(far) - np.median(near) == pytest.approx(trips * latency, abs=0.002)


class Reads(TwoSteps):
    """Completes where the page can be read."""

    def script(self, registrant: Registrant) -> Script:
        answer = yield Request(PAGE, "GET", "/api/v1/waves/current")
        return Ending.COMPLETED if msgspec.json.decode(answer.body) == {"wave": 1, "is_open": True} else Ending.FAILED


@pytest.mark.parametrize("accepts", [True, False])
def test_answers_come_packed_where_the_assignment_says_so(
    tmp_path: Path, tiny_system: Opener, *, accepts: bool
) -> None:
    system = tiny_system()
    bench = Bench(tmp_path, system.url, Reads(), accepts_gzip=accepts)
    bench.offering.finish(10 * 10**9)
    played = bench.end()

    assert set(played.arrivals["ending"].tolist()) == {Ending.COMPLETED}
    assert (system.served, system.packed) == (40, 40 if accepts else 0)
