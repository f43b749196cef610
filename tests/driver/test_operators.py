"""The commands that the operators of deploy/kubernetes start: every process ends soon after its master is told to."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ghost import GHOST_STATISTICS, ghost
from ramp_rig import ROOT
from stock_rig import counts, finish, free_port, locust
from tiny_system import TinySystem

Opener = Callable[..., TinySystem]
ENDS_WITHIN = 10.0  # seconds; registrants under way are done in one, the --stop-timeout of the manifests is 20 s
SERVED_OF_ALL = 1 + 16 * 30  # one request made the people known


def spec(name: str) -> dict[str, Any]:
    found = yaml.safe_load((ROOT / "deploy" / "kubernetes" / name).read_text(encoding="utf-8"))["spec"]
    assert isinstance(found, dict)
    return found


def here(command: str) -> list[str]:
    """Return a command's arguments with the locustfile where this checkout has it."""
    return [word.replace("/locustfiles/", f"{ROOT}/locustfiles/") for word in shlex.split(command)]


class Site:
    """A master and one worker, as an operator starts them, against a system of their own."""

    def __init__(self, folder: Path, system: TinySystem, master: list[str], worker: list[str], hold: str) -> None:
        self.system, self.web_port = system, free_port()
        port = str(free_port())
        ours = [
            "--master",
            "--master-bind-port",
            port,
            "--host",
            system.url,
            "--web-port",
            str(self.web_port),
            "--expect-workers",
            "1",
        ]
        theirs = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
        self.master = self._start(folder / "master", [*master, *ours], hold)
        self.worker = self._start(folder / "worker", [*worker, *theirs], hold)

    def _start(self, folder: Path, arguments: list[str], hold: str) -> subprocess.Popen[str]:
        folder.mkdir()
        return locust(folder, *arguments, hold=hold)

    @property
    def state(self) -> str:
        """Return what the master's web UI says of the test."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/stats/requests", timeout=5) as answer:
            return str(json.load(answer)["state"])

    def wait(self, is_there: Callable[[Site], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + 60
        while not is_there(self):
            assert self.master.poll() is None, finish(self.master)
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def end(self) -> list[tuple[int, str]]:
        """Return exit code and words of every process, which all have to end by themselves now."""
        return [finish(process, ENDS_WITHIN) for process in (self.worker, self.master)]

    def close(self) -> None:
        close(self.master, self.worker)


def close(*processes: subprocess.Popen[str]) -> None:
    """Leave none of these processes behind."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory, tiny_system: Opener) -> Iterator[Callable[[str], Site]]:
    """Return what starts the pods of official.yaml, whose master and workers get the same arguments."""
    sites: list[Site] = []

    def start(hold: str) -> Site:
        arguments = here(spec("official.yaml")["args"])
        sites.append(Site(tmp_path_factory.mktemp("official"), tiny_system(0.02), arguments, arguments, hold))
        return sites[-1]

    yield start
    for site in sites:
        site.close()


def test_a_worker_ends_with_a_master_that_is_terminated_under_load_or_when_all_is_over(
    official: Callable[[str], Site],
) -> None:
    busy, done = official("60s"), official("1s")  # at once: they take their time to start
    busy.wait(lambda site: site.system.served > 50)
    busy.master.send_signal(signal.SIGTERM)
    ended = busy.end()
    done.wait(lambda site: site.system.served == SERVED_OF_ALL and site.state == "stopped")
    done.master.send_signal(signal.SIGTERM)
    ended += done.end()

    assert [code for code, _ in ended] == [0] * 4, ended
    assert 50 < busy.system.served < 16 * 1800


@pytest.mark.slow
def test_the_pods_of_the_other_operator_end_by_themselves(tmp_path: Path, tiny_system: Opener) -> None:
    given = spec("operator-v2.yaml")
    master = [*here(given["master"]["command"]), "--autostart", "--enable-rebalancing", "--only-summary"]
    site = Site(tmp_path, tiny_system(0.02), master, here(given["worker"]["command"]), "1s")
    try:
        site.wait(lambda site: site.system.served == SERVED_OF_ALL)
        ended = site.end()
    finally:
        site.close()

    assert [code for code, _ in ended] == [0] * 2, ended


@pytest.mark.slow
def test_statistics_of_a_worker_of_some_other_run_are_refused(tmp_path: Path, tiny_system: Opener) -> None:
    """Locust alone adds up whatever anybody reports at its port."""
    system, port = tiny_system(0.02), str(free_port())
    ours = ("--headless", "-f", "locustfiles/registration.py", "--host", system.url)
    places = [tmp_path / name for name in ("master", "worker")]
    for place in places:
        place.mkdir()
    master = locust(places[0], *ours, "--master", "--master-bind-port", port, "--expect-workers", "1", hold="5s")
    worker = locust(places[1], *ours, "--worker", "--master-port", port, hold="5s")
    try:
        deadline = time.monotonic() + 60
        while system.served < 100:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        ghost(int(port), ("stats", GHOST_STATISTICS))
        code, said = finish(master, 60)
        finish(worker, ENDS_WITHIN)
    finally:
        close(master, worker)

    assert code == 0, said
    assert "Refused statistics of ghost" in said
    assert counts(places[0])["Aggregated"] == system.served - 1 == 16 * 150  # one more made the people known


@pytest.mark.slow
@pytest.mark.parametrize(
    ("killed", "more", "ends_with"), [(1, (), 3), (2, (), 3), (1, ("--exit-code-on-error", "0"), 0)]
)
def test_a_master_that_lost_workers_ends_and_never_says_that_all_is_well(
    tmp_path: Path, tiny_system: Opener, killed: int, more: tuple[str, ...], ends_with: int
) -> None:
    """Locust alone ends with 0 when a worker of two is gone, and waits for ever when both are.

    Where its process would be started again for any other code, it is told to end with 0, and only its log tells.
    """
    system, port = tiny_system(0.02), str(free_port())
    ours = ("--headless", "-f", "locustfiles/registration.py", "--host", system.url, *more)
    (tmp_path / "m").mkdir()
    master = locust(tmp_path / "m", *ours, "--master", "--master-bind-port", port, "--expect-workers", "2", hold="12s")
    workers = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        workers.append(locust(tmp_path / str(number), *ours, "--worker", "--master-port", port, hold="12s"))
    try:
        deadline = time.monotonic() + 60
        while system.served < 100:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for worker in workers[:killed]:
            worker.kill()
        code, said = finish(master, 60)
        others = [finish(worker, ENDS_WITHIN)[0] for worker in workers[killed:]]
    finally:
        close(master, *workers)

    assert (code, others) == (ends_with, [0] * (2 - killed)), said
    assert said.count("was lost: no word for") == killed
