"""Workers that share no disk with their controller, as real processes: evidence travels, and nobody is stranded."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ramp_rig import Launcher, Process, make_assignment
from tiny_system import TinySystem

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.driver.assignment import Assignment
from prakerja_load.evidence.ramp import RampEvidence, load_ramp


class Lead:
    """A controller that awaits workers from elsewhere."""

    def __init__(self, folder: Path, task: Assignment, launch: Launcher) -> None:
        self.folder, self._launch = folder, launch
        folder.mkdir(parents=True)
        (folder / "ramp.json").write_bytes(msgspec.json.encode(task))
        self.controller = launch("prakerja_load.driver.controller", str(folder), "--elsewhere", "127.0.0.1")
        self.address = f"127.0.0.1:{self.controller.named('listening')['port']}"

    def worker(self, reports: Path, *more: str) -> Process:
        where = ("--controller", self.address, "--reports", str(reports), *more)
        return self._launch("prakerja_load.driver.worker", *where)

    @property
    def record(self) -> dict[str, Any]:
        found = json.loads((self.folder / "controller.json").read_text())
        assert isinstance(found, dict)
        return found


class Played:
    """A ramp of 40 arrivals over two workers from elsewhere, seen from its end; a third one had no place."""

    def __init__(self, folder: Path, system: TinySystem, launch: Launcher) -> None:
        self.system = system
        lead = Lead(folder / "run" / "01-40", make_assignment(system.url), launch)
        self.reports = [folder / "a", folder / "b"]
        for place in (reports / "k1r1" / f"worker-{number}" for reports in self.reports for number in (0, 1)):
            place.mkdir(parents=True)  # left here by a part of the ramp that was cut off
            (place / "samples.seg").write_bytes(b"half a frame")
        workers = [lead.worker(reports) for reports in self.reports]
        self.placed = [worker.named("placed") for worker in workers]
        spare = lead.worker(folder / "c")
        lead.controller.named("finished")
        self.codes = [lead.controller.join(), *(worker.join() for worker in workers)]
        # the spare worker waits for the next ramp at the same address, and is told that none follows
        farewell = launch("prakerja_load.driver.farewell", lead.address, "--answering", "3")
        self.spare_said = spare.named("over")
        self.codes += [farewell.join(), spare.join()]
        self.record: dict[str, Any] = lead.record
        self.evidence: RampEvidence = load_ramp(lead.folder)


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, launch: Launcher, tiny_system: Callable[..., TinySystem]
) -> Played:
    return Played(tmp_path_factory.mktemp("elsewhere"), tiny_system(0.05), launch)


def test_workers_from_elsewhere_get_different_places_and_play_the_whole_ramp(played: Played) -> None:
    assert sorted(said["worker"] for said in played.placed) == [0, 1]
    assert sorted(played.evidence.arrivals["index"].tolist()) == list(range(40))
    assert [worker["state"] for worker in played.record["workers"]] == ["finished", "finished"]


def test_everything_served_is_in_the_controllers_evidence(played: Played) -> None:
    made = sum(worker["samples"] for worker in played.record["workers"])

    assert played.system.served == 16 * 40 == made
    assert played.evidence.samples.size == played.record["merged_samples"] == made
    assert played.evidence.ledger.size == sum(worker["ledger"] for worker in played.record["workers"])
    assert all(vitals.size for vitals in played.evidence.vitals.values())
    assert (played.evidence.torn, played.record["damaged_parcels"], played.record["foreign_messages"]) == ((), 0, 0)


def test_what_the_controller_has_is_not_kept_by_the_worker(played: Played) -> None:
    left = [path for reports in played.reports for path in reports.rglob("*.seg")]

    assert sorted(path.parent.name for path in left if "kept" in path.parent.name) == [
        "worker-0.kept-1",
        "worker-1.kept-1",
    ]
    assert {path.read_bytes() for path in left} == {b"half a frame"}  # what an earlier part left, each in its place


def test_everybody_ends_well_and_who_had_no_place_goes_home(played: Played) -> None:
    assert played.codes == [0] * 5
    assert played.spare_said == {"event": "over"}


def test_a_worker_whose_controller_dies_stops_and_keeps_its_evidence(
    tmp_path: Path, launch: Launcher, tiny_system: Callable[..., TinySystem]
) -> None:
    task = make_assignment(tiny_system().url, curve=RateCurve.constant(40, 60.0), count=2400, workers=1, drain=1.0)
    lead = Lead(tmp_path / "run" / "01-2400", task, launch)
    worker = lead.worker(tmp_path / "w")
    lead.controller.event(lambda said: said.get("started", 0) >= 40)
    lead.controller.signal(signal.SIGKILL)
    said = worker.named("finished")
    arrived, kept = load_ramp(lead.folder), load_ramp(Path(said["kept"]).parent)

    assert (worker.join(), said["exit_code"]) == (4, 4)
    assert set(arrived.arrivals["index"].tolist()) <= set(kept.arrivals["index"].tolist())
    assert kept.arrivals["started"].max() - arrived.arrivals["started"].max() <= 5_500_000_000
    assert kept.torn == ()


def test_a_worker_whose_machine_has_too_few_ports_says_so_before_it_begins(
    tmp_path: Path, launch: Launcher, tiny_system: Callable[..., TinySystem]
) -> None:
    task = make_assignment(tiny_system().url, workers=1)
    lead = Lead(tmp_path / "run" / "01-40", task, launch)
    patch = "from prakerja_load.judgement import ports; ports.of_this_machine = lambda: ports.PortSpace(ports=3)"
    where = ("--controller", lead.address, "--reports", str(tmp_path / "w"))
    worker = launch.patched(patch, "prakerja_load.driver.worker", *where)
    said = worker.named("failed")
    lead.controller.signal(signal.SIGINT)

    assert (worker.join(), said["exit_code"]) == (2, 2)
    assert said["reason"].startswith("load.source_addresses: got 1, allowed: at least 14 addresses of this machine")
    assert lead.controller.join() == 0
    assert lead.record["workers"] == []  # it never said that it is ready


def test_a_worker_without_a_controller_says_so_and_ends(tmp_path: Path, launch: Launcher) -> None:
    where = ("--controller", "127.0.0.1:1", "--reports", str(tmp_path), "--wait", "0.5")
    worker = launch("prakerja_load.driver.worker", *where)

    assert worker.named("failed")["reason"] == "no controller at 127.0.0.1:1 within 0.5 s"
    assert worker.join() == 4
