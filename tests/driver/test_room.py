"""A worker's own machine has ports for its share, or the worker says so before it begins."""

from __future__ import annotations

import pytest
from ramp_rig import make_assignment

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.driver.room import check_ports
from prakerja_load.errors import UsageError
from prakerja_load.judgement.ports import TIME_WAIT, PortSpace

CURVE = RateCurve.constant(100, 300.0)


def check(ports: int, **changes: object) -> None:
    task = make_assignment("http://192.0.2.7:8020", curve=CURVE, count=30_000, **{"workers": 4, **changes})
    check_ports(task, 2, PortSpace(ports=ports), is_loopback=False)


@pytest.mark.parametrize(("ports", "is_enough"), [(1_490, False), (1_520, True)])
def test_a_worker_needs_ports_for_its_share_of_those_who_arrive_in_a_minute(ports: int, *, is_enough: bool) -> None:
    """25 arrivals/s of 100 for the 60 s of TIME_WAIT, and the time of a journey without think time."""
    assert 25 * TIME_WAIT == 1_500
    if is_enough:
        check(ports)
        return
    with pytest.raises(UsageError) as refused:
        check(ports)

    said = str(refused.value)
    assert said.startswith(
        "load.source_addresses: got 1, allowed: at least 2 addresses of this machine for worker 2 of 4"
    )
    assert "ports: at most 1 51" in said
    assert "NOT ENOUGH" in said


def test_connections_that_are_reused_or_come_from_more_addresses_need_fewer() -> None:
    check(1_490, connection="reuse")
    check(760, source_addresses=["192.0.2.1", "192.0.2.2"])
