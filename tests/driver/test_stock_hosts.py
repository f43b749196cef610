"""Stock locust workers on hosts of their own: with clocks of their own, and without a master that was killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import hosts
import pytest
from stock_rig import counts, finish, free_port, locust
from tiny_system import TinySystem

OURS = ("-f", "locustfiles/registration.py")
AHEAD = ("unshare", "--time", "--monotonic", "5000", "--")  # a clock 5 000 s ahead
WHY_NOT = hosts.reason_against()
QUIET = 1.5  # seconds: fifty times the mean distance of two arrivals


def last_served(system: TinySystem, patience: float) -> float:
    """Return when the system answered last, once it has had nothing to answer for a while."""
    served, changed = system.served, time.monotonic()
    end = changed + patience
    while (now := time.monotonic()) < min(end, changed + QUIET):
        if system.served != served:
            served, changed = system.served, now
        time.sleep(0.01)
    assert now < end, f"still served after {patience} s"
    return changed


def test_workers_of_a_killed_master_offer_nothing_more_after_five_seconds(
    tmp_path: Path, tiny_system: Callable[..., TinySystem]
) -> None:
    system, port = tiny_system(), str(free_port())
    master = locust(
        *(tmp_path, *OURS, "--headless", "--host", system.url, "--master", "--expect-workers", "2"),
        *("--master-bind-host", "127.0.0.1", "--master-bind-port", port),
        hold="60s",
    )
    workers = [locust(tmp_path, *OURS, "--worker", "--master-port", port, hold="60s") for _ in range(2)]
    try:
        deadline = time.monotonic() + 40
        while system.served < 16 * 60 and master.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (before := system.served) >= 16 * 60, "the load has begun"
        master.kill()
        killed = time.monotonic()
        last = last_served(system, patience=15.0)

        assert system.served > before + 16 * 5, "both were in the midst of it"
        assert last - killed <= 5.0
        assert [worker.poll() for worker in workers] == [None, None], "Locust waits for its master"
    finally:
        for process in (master, *workers):
            process.kill()
            finish(process)


@pytest.mark.slow
@pytest.mark.namespaces
@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_a_worker_whose_host_has_another_clock_starts_each_arrival_when_it_is_due(
    tmp_path: Path, tiny_system: Callable[..., TinySystem]
) -> None:
    system, port = tiny_system(), str(free_port())
    places = [tmp_path / name for name in ("master", "same", "other")]
    for place in places:
        place.mkdir()
    master = locust(
        *(places[0], *OURS, "--headless", "--host", system.url, "--master", "--expect-workers", "2"),
        *("--master-bind-host", "127.0.0.1", "--master-bind-port", port),
        hold="6s",
    )
    workers = [
        locust(place, *OURS, "--worker", "--master-port", port, hold="6s", under=under)
        for place, under in ((places[1], ()), (places[2], AHEAD))
    ]
    try:
        deadline = time.monotonic() + 40
        while system.served < 2:  # the first made the people known
            assert time.monotonic() < deadline
            time.sleep(0.01)
        began = time.monotonic()
        last = last_served(system, patience=30.0)
        code, said = finish(master)
        codes = [finish(worker)[0] for worker in workers]
    finally:
        for process in (master, *workers):
            process.kill()

    assert (code, codes) == (0, [0, 0]), said
    assert counts(places[0])["Aggregated"] == system.served - 1 == 16 * 180
    assert 5.0 < last - began < 7.0, "leases are issued 2.5 s before they are due"
