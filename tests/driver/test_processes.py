"""Controller and workers as real processes: nothing is lost, nothing foreign is merged, every loss is seen."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest
import zmq
from ramp_rig import Launcher, Process, Ramp, make_assignment
from tiny_system import TinySystem

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver.message import KIND, Beat, Totals, pack
from prakerja_load.evidence.ramp import RampEvidence, load_ramp
from prakerja_load.journey.step import Ending, Outcome

Begin = Callable[[Assignment], Ramp]
LONG = RateCurve.constant(40, 60.0)


def ghost(port: int, *messages: tuple[str, Any]) -> None:
    """Say something to the controller that none of its workers says."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, b"ghost")
    socket.setsockopt(zmq.LINGER, 2000)
    socket.connect(f"tcp://127.0.0.1:{port}")
    for kind, content in messages:
        socket.send(msgpack.dumps((kind, content, "ghost")))
    socket.close()
    context.term()


GHOST_STATISTICS = {
    "stats": [],
    "stats_total": {"name": "Aggregated", "method": "", "num_requests": 30, "start_time": 0.0},
    "errors": {},
    "user_classes_count": {},
    "user_count": 0,
}


class Finished:
    """A ramp of 40 arrivals over two workers, with a stranger speaking to its controller, seen from its end."""

    def __init__(self, ramp: Ramp, system: TinySystem, processes: list[Process]) -> None:
        self.ramp, self.system = ramp, system
        self.final = ramp.controller.named("finished")
        self.codes = [process.join() for process in processes]
        self.controller_code = ramp.controller.join()
        self.record = ramp.record
        self.evidence: RampEvidence = load_ramp(ramp.folder)


@pytest.fixture(scope="module")
def finished(ramp: Begin, tiny_system: Callable[..., TinySystem]) -> Iterator[Finished]:
    system = tiny_system(0.05)
    begun = ramp(make_assignment(system.url)).listen()
    processes = [begun.worker(number) for number in range(2)]
    begun.controller.named("started")
    ghost(begun.port, (KIND, pack(Beat("other", 0, Totals(started=99), [], None))), ("stats", GHOST_STATISTICS))
    yield Finished(begun, system, processes)


def test_a_ramp_ends_well(finished: Finished) -> None:
    assert (finished.controller_code, finished.codes) == (0, [0, 0])
    assert [worker["state"] for worker in finished.record["workers"]] == ["finished", "finished"]
    assert (finished.record["stopped"], finished.record["interrupted"]) == ("", False)
    assert (finished.record["issued"], finished.record["not_started"]) == (40, 0)


def test_what_was_served_is_what_every_count_says(finished: Finished) -> None:
    served = finished.system.served
    workers = finished.record["workers"]

    assert served == 16 * 40
    assert finished.evidence.samples.size == served
    assert finished.record["merged_samples"] == served
    assert sum(worker["samples"] for worker in workers) == served == finished.final["samples"]
    assert sum(worker["ledger"] for worker in workers) == finished.evidence.ledger.size
    assert sum(worker["started"] for worker in workers) == finished.evidence.arrivals.size == 40
    assert set(finished.evidence.samples["outcome"].tolist()) == {Outcome.OK}


def test_both_workers_play_and_none_plays_what_the_other_does(finished: Finished) -> None:
    assert all(worker["started"] > 0 for worker in finished.record["workers"])
    assert sorted(finished.evidence.arrivals["index"].tolist()) == list(range(40))
    assert finished.evidence.torn == ()


def test_no_arrival_starts_before_it_is_due(finished: Finished) -> None:
    arrivals = finished.evidence.arrivals

    assert (arrivals["started"] >= arrivals["intended"]).all()


def test_strangers_are_refused_and_counted(finished: Finished) -> None:
    assert finished.record["foreign_messages"] == 2


def test_every_process_shows_its_vitals(finished: Finished) -> None:
    assert set(finished.evidence.vitals) == {0, 1}
    assert all(vitals.size >= 2 for vitals in finished.evidence.vitals.values())
    assert len(finished.record["vitals"]) >= 2
    assert all(second["cpu"] < 2 for second in finished.record["vitals"])


def test_an_interrupted_ramp_drains_and_counts_what_was_served(
    ramp: Begin, tiny_system: Callable[..., TinySystem]
) -> None:
    system = tiny_system(0.1)
    begun = ramp(make_assignment(system.url, curve=LONG, count=2400))
    workers = begun.man()
    begun.controller.event(lambda said: said.get("started", 0) >= 20)
    begun.controller.signal(signal.SIGINT)
    begun.controller.named("finished")
    codes = [worker.join() for worker in workers]

    evidence, record = load_ramp(begun.folder), begun.record
    assert (begun.controller.join(), codes) == (0, [0, 0])
    assert (record["interrupted"], record["stopped"]) == (True, "interrupted")
    assert 20 <= evidence.arrivals.size < 400
    assert set(evidence.arrivals["ending"].tolist()) == {Ending.COMPLETED}
    assert evidence.samples.size == record["merged_samples"] == system.served
    assert evidence.arrivals.size + record["not_started"] + record["not_issued"] == 2400


def test_a_killed_worker_is_lost_within_five_seconds_and_its_share_is_not_started(
    ramp: Begin, tiny_system: Callable[..., TinySystem]
) -> None:
    system = tiny_system()
    begun = ramp(make_assignment(system.url, curve=LONG, count=2400, drain=2.0))
    workers = begun.man()
    begun.controller.event(lambda said: said.get("started", 0) >= 40)
    workers[1].signal(signal.SIGKILL)
    killed = time.monotonic()
    begun.controller.event(lambda said: said.get("lost_workers") == 1)
    seen = time.monotonic() - killed
    begun.controller.signal(signal.SIGINT)
    begun.controller.named("finished")

    record, evidence = begun.record, load_ramp(begun.folder)
    assert seen <= 5.0 + 1.0  # progress is told once a second
    assert [worker["state"] for worker in record["workers"]] == ["finished", "lost"]
    assert "no word" in record["workers"][1]["reason"]
    on_disk = set(evidence.arrivals["index"].tolist())
    not_started = {index for start, stop in record["not_started_ranges"] for index in range(start, stop)}
    counted = sum(worker["started"] for worker in record["workers"])
    assert counted + record["not_started"] + record["not_issued"] == 2400
    assert len(not_started) == record["not_started"] > 0
    # what the dead worker had started after its last word is on disk, and nobody claims it was not sent
    assert evidence.arrivals.size == len(on_disk)
    assert (begun.controller.join(), workers[0].join()) == (0, 0)


def test_workers_without_their_controller_stop_within_five_seconds(
    ramp: Begin, tiny_system: Callable[..., TinySystem]
) -> None:
    begun = ramp(make_assignment(tiny_system().url, curve=LONG, count=2400, workers=1, drain=1.0))
    (worker,) = begun.man()
    begun.controller.event(lambda said: said.get("started", 0) >= 20)
    before = load_ramp(begun.folder).arrivals["started"].max()
    begun.controller.signal(signal.SIGKILL)
    code = worker.join(10.0)

    arrivals = load_ramp(begun.folder).arrivals
    assert code == 4
    assert arrivals["started"].max() - before <= 5_500_000_000
    assert set(arrivals["ending"].tolist()) == {Ending.COMPLETED}


@pytest.mark.parametrize(
    ("url", "code", "complaint"),
    [
        ("http://127.0.0.1:1", 4, "never reached"),
        ("http://192.0.2.7:8020", 2, "authorized_by"),
        ("https://www.prakerja.go.id", 2, "never puts under load"),
    ],
)
def test_what_cannot_or_may_not_be_reached_is_not_begun(ramp: Begin, url: str, code: int, complaint: str) -> None:
    refused = ramp(make_assignment(url))

    said = refused.controller.named("failed")

    assert refused.controller.join() == code == said["exit_code"]
    assert complaint in said["reason"]
    assert complaint in refused.controller.errors


def test_a_folder_without_an_assignment_is_refused(launch: Launcher, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("empty"))
    controller = launch("prakerja_load.driver.controller", folder)
    worker = launch("prakerja_load.driver.worker", folder, "--worker", "0", "--master-port", "1")

    assert (controller.join(), worker.join()) == (4, 4)
    assert "ramp.json" in controller.errors
    assert "ramp.json" in worker.errors
