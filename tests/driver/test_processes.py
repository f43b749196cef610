"""Controller and workers as real processes: nothing is lost, nothing foreign is merged, every loss is seen."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import time
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec
import pytest
from ghost import GHOST_STATISTICS, ghost
from ramp_rig import KEY, Launcher, Process, Ramp, make_assignment
from tiny_system import TinySystem

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.driver.guard import token_of
from prakerja_load.driver.message import KIND, Beat, Totals, pack
from prakerja_load.evidence.journal import Kind, read_segment
from prakerja_load.evidence.ramp import RampEvidence, load_ramp
from prakerja_load.evidence.run_directory import worker_path
from prakerja_load.journey.step import Ending, Outcome

Begin = Callable[..., Ramp]
PAST, FUTURE = "2020-01-01T00:00:00+07:00", "2999-01-01T00:00:00+07:00"
LONG = RateCurve.constant(40, 60.0)


def silence_of(reason: str) -> float:
    """Return for how many seconds a worker was silent when its controller gave it up, by the controller's own words."""
    said = re.fullmatch(r"no word for ([\d.]+) s", reason)
    assert said is not None, reason
    return float(said[1])


class Finished:
    """A ramp of 40 arrivals over two workers, with a stranger speaking to its controller, seen from its end."""

    def __init__(self, ramp: Ramp, system: TinySystem, processes: list[Process], gathering: dict[str, Any]) -> None:
        self.ramp, self.system, self.gathering = ramp, system, gathering
        self.final = ramp.controller.named("finished")
        self.codes = [process.join() for process in processes]
        self.controller_code = ramp.controller.join()
        self.record = ramp.record
        self.evidence: RampEvidence = load_ramp(ramp.folder)


@pytest.fixture(scope="module")
def finished(ramp: Begin, tiny_system: Callable[..., TinySystem]) -> Finished:
    system = tiny_system(0.05)
    begun = ramp(make_assignment(system.url)).listen()
    gathering = begun.controller.named("progress")
    processes = [begun.worker(number) for number in range(2)]
    begun.controller.named("started")
    ghost(
        begun.port,
        (KIND, pack(Beat("other", 0, Totals(started=99), [], None))),
        ("stats", GHOST_STATISTICS),
        ("stats", None),
        ("locustfile", {"version": "2.0"}),  # of a stock worker, whom Locust's own master would stop listening for
        unreadable=[msgpack.dumps(1), b"\xc1"],
    )
    return Finished(begun, system, processes, gathering)


def test_a_controller_that_gathers_its_workers_says_so_each_second(finished: Finished) -> None:
    said = finished.gathering

    assert (said["phase"], said["elapsed"], said["workers"], said["started"]) == ("starting", 0, 0, 0)


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
    assert finished.record["foreign_messages"] == 6


def test_every_process_shows_its_vitals(finished: Finished) -> None:
    assert set(finished.evidence.vitals) == {0, 1}
    assert all(vitals.size >= 2 for vitals in finished.evidence.vitals.values())
    assert len(finished.record["vitals"]) >= 2
    assert all(second["cpu"] < 2 for second in finished.record["vitals"])
    assert all(0 <= second["loop_lag"] < 5 for second in finished.record["vitals"])
    assert (
        max(second["loop_lag"] for second in finished.record["vitals"]) > 0
    )  # nothing wakes on time to the nanosecond
    assert (
        min(second["at"] for second in finished.record["vitals"]) > -2 * 10**9
    )  # none of those before the ramp's time


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


class Bereft:
    """Three ramps at once: one loses a worker of two, one its controller, and one the consent of its target."""

    def __init__(self, ramp: Begin, system: TinySystem) -> None:
        consent = {"max_rps": 2000, "contact": "ops@x", "not_before": PAST, "not_after": FUTURE}
        system.consent = {**consent, "token": token_of(KEY, "127.0.0.1", system.port)}
        allowed = make_assignment(system.url, curve=LONG, count=2400, workers=1, authorized_by="Ibu Sari, PMO")
        third = ramp(allowed, is_foreign=True)
        one = ramp(make_assignment(system.url, curve=LONG, count=2400, drain=2.0))
        other = ramp(make_assignment(system.url, curve=LONG, count=2400, workers=1, drain=1.0))
        self.survivor, victim = one.man()
        (orphan,) = other.man()
        third.man()
        for begun in (one, other, third):
            begun.controller.event(lambda said: said.get("started", 0) >= 40)
        victim.signal(signal.SIGKILL)
        self.orphaned_at = time.perf_counter_ns() - json.loads((other.folder / "begun.json").read_text())["epoch_ns"]
        other.controller.signal(signal.SIGKILL)
        system.consent = None
        self.before_withdrawal = load_ramp(third.folder).arrivals["started"].max()
        one.controller.event(lambda said: said.get("lost_workers") == 1)
        one.controller.signal(signal.SIGINT)
        one.controller.named("finished")
        self.controller_code, self.survivor_code = one.controller.join(), self.survivor.join()
        self.orphan_code = orphan.join(10.0)
        self.record, self.evidence = one.record, load_ramp(one.folder)
        self.orphaned = load_ramp(other.folder)
        self.left_behind = read_segment(other.folder / Kind.VITALS.file_name, Kind.VITALS)
        third.controller.named("finished")
        third.controller.join()
        self.withdrawn_record, self.withdrawn = third.record, load_ramp(third.folder)


@pytest.fixture(scope="module")
def bereft(ramp: Begin, tiny_system: Callable[..., TinySystem]) -> Bereft:
    return Bereft(ramp, tiny_system())


def test_a_killed_worker_is_lost_within_five_seconds(bereft: Bereft) -> None:
    assert [worker["state"] for worker in bereft.record["workers"]] == ["finished", "lost"]
    assert silence_of(bereft.record["workers"][1]["reason"]) <= 5.0
    assert (bereft.controller_code, bereft.survivor_code) == (0, 0)


def test_the_share_of_a_killed_worker_is_not_started_and_everything_has_its_place(bereft: Bereft) -> None:
    record = bereft.record
    not_started = {index for start, stop in record["not_started_ranges"] for index in range(start, stop)}
    counted = sum(worker["started"] for worker in record["workers"])

    assert counted + record["not_started"] + record["not_issued"] == 2400
    assert len(not_started) == record["not_started"] > 0


def test_what_a_killed_worker_had_written_is_there(bereft: Bereft) -> None:
    indices = bereft.evidence.arrivals["index"].tolist()

    assert len(indices) == len(set(indices))
    assert bereft.evidence.vitals[1].size >= 1
    assert bereft.record["workers"][1]["samples"] > 0


def test_workers_without_their_controller_stop_within_five_seconds(bereft: Bereft) -> None:
    arrivals = bereft.orphaned.arrivals

    assert bereft.orphan_code == 4
    assert bereft.orphaned_at < arrivals["started"].max() <= bereft.orphaned_at + 5_000_000_000
    assert set(arrivals["ending"].tolist()) == {Ending.COMPLETED}
    assert bereft.orphaned.torn == ()


def test_what_a_killed_controller_wrote_of_itself_is_there_up_to_its_last_second(bereft: Bereft) -> None:
    seconds = bereft.left_behind.records

    assert bereft.orphaned.controller is None, "it had no time to leave its record"
    assert not bereft.left_behind.is_torn
    assert seconds.size >= 1
    assert bereft.orphaned_at - 2_000_000_000 < seconds["at"].max() <= bereft.orphaned_at + 1_000_000_000
    assert (seconds["cpu"] > 0).all()
    assert seconds["rss"].min() > 10_000_000


def test_a_target_that_takes_its_consent_back_is_left_alone_within_five_seconds(bereft: Bereft) -> None:
    record, arrivals = bereft.withdrawn_record, bereft.withdrawn.arrivals

    assert "authorisation withdrawn" in record["stopped"]
    assert "404" in record["stopped"]
    assert arrivals["started"].max() - bereft.before_withdrawal <= 5_000_000_000
    assert record["not_issued"] > 0


class Stopped:
    """A ramp with a worker of two that stands still for longer than it may, which the scenario tolerates."""

    def __init__(self, ramp: Begin, system: TinySystem) -> None:
        begun = ramp(make_assignment(system.url, curve=LONG, count=2400, drain=1.0, tolerate_worker_loss=True))
        survivor, victim = begun.man()
        begun.controller.event(lambda said: said.get("started", 0) >= 40)
        victim.signal(signal.SIGSTOP)
        stopped = time.perf_counter_ns()
        begun.controller.event(lambda said: said.get("lost_workers") == 1)
        victim.signal(signal.SIGCONT)
        self.code = victim.join(15.0)
        begun.controller.signal(signal.SIGINT)
        begun.controller.named("finished")
        self.other_codes = [begun.controller.join(), survivor.join()]
        self.record = begun.record
        self.stopped_at = stopped - self.record["epoch_ns"]  # in the schedule's time
        kind = Kind.ARRIVALS
        self.arrivals = [
            read_segment(worker_path(begun.folder, worker) / kind.file_name, kind).records for worker in (0, 1)
        ]


@pytest.fixture(scope="module")
def stopped(ramp: Begin, tiny_system: Callable[..., TinySystem]) -> Stopped:
    return Stopped(ramp, tiny_system())


def test_a_worker_that_stands_still_is_lost_within_five_seconds_and_never_taken_back(stopped: Stopped) -> None:
    # a worker that did not finish forbids SUSTAINED (judgement/flattering.py)
    assert [worker["state"] for worker in stopped.record["workers"]] == ["finished", "lost"]
    assert silence_of(stopped.record["workers"][1]["reason"]) <= 5.0
    assert (stopped.code, stopped.other_codes) == (4, [0, 0])


def test_nothing_due_after_a_worker_stood_still_is_started_when_it_goes_on(stopped: Stopped) -> None:
    others, arrivals = stopped.arrivals
    begun = arrivals[arrivals["started"] >= 0]
    watched = 50_000_000  # the loop looks at its clock every 20 ms; what was due before it could is started late

    assert begun.size >= 10
    assert begun["intended"].max() <= stopped.stopped_at + watched
    assert others["intended"].max() > stopped.stopped_at + 3_000_000_000  # the other one played on


def test_nobody_is_played_twice_because_a_worker_stood_still(stopped: Stopped) -> None:
    one, other = (arrivals["index"].tolist() for arrivals in stopped.arrivals)
    counted = sum(worker["started"] for worker in stopped.record["workers"])

    assert len({*one, *other}) == len(one) + len(other)
    assert counted + stopped.record["not_started"] + stopped.record["not_issued"] == 2400
    assert stopped.record["not_started"] > 0


REFUSED = {
    "http://127.0.0.1:1": (4, "never reached"),
    "http://192.0.2.7:8020": (2, "authorized_by"),
    "https://www.prakerja.go.id": (2, "never puts under load"),
}


def test_what_cannot_or_may_not_be_begun_is_not_begun(
    ramp: Begin, launch: Launcher, tiny_system: Callable[..., TinySystem]
) -> None:
    there = ramp(make_assignment(tiny_system().url))
    refused = {url: ramp(make_assignment(url)).controller for url in REFUSED}
    folder = str(there.folder.parent)  # holds no ramp.json
    lost = [
        launch("prakerja_load.driver.controller", folder),
        launch("prakerja_load.driver.worker", folder, "--worker", "0", "--master-port", "1"),
    ]
    there.listen()
    second = launch("prakerja_load.driver.controller", str(there.folder), "--port", str(there.port))

    for url, (code, complaint) in REFUSED.items():
        said = refused[url].named("failed")
        assert refused[url].join() == code == said["exit_code"]
        assert complaint in said["reason"]
        assert complaint in refused[url].errors
    for process in lost:
        assert process.join() == 4
        assert "ramp.json" in process.errors
    assert second.join() == 4
    assert f"port {there.port} is taken" in second.errors


def test_the_last_report_is_not_lost_forty_served_are_forty_reported(
    ramp: Begin, tiny_system: Callable[..., TinySystem]
) -> None:
    """Locust's own master reports 30 of 40 here: it ends while the last answers are still on their way."""
    system = tiny_system(1.5)
    task = make_assignment(system.url, curve=RateCurve.constant(10, 4.0))
    task = msgspec.structs.replace(task, journey=dataclasses.replace(task.journey, name="one-step"))
    begun = ramp(task)
    workers = begun.man()
    begun.controller.event(lambda said: said.get("started") == 40 and said.get("in_flight", 0) > 0)
    begun.controller.signal(signal.SIGINT)
    final = begun.controller.named("finished")
    codes = [worker.join() for worker in workers]

    assert (begun.controller.join(), codes) == (0, [0, 0])
    assert system.served == 40
    assert final["samples"] == begun.record["merged_samples"] == load_ramp(begun.folder).samples.size == 40
