"""Whether this machine has the ports for one worker's share: the plan counted those of the controller's machine."""

from __future__ import annotations

import math

from prakerja_load.arrivals.curve import RampStage, RateCurve
from prakerja_load.driver.assignment import Assignment
from prakerja_load.errors import Problem, UsageError
from prakerja_load.journey.forecast import forecast
from prakerja_load.judgement.plan import SERVICE
from prakerja_load.judgement.ports import PortNeed, PortSpace, most_within


def check_ports(task: Assignment, worker: int, space: PortSpace, *, is_loopback: bool) -> None:
    """Raise UsageError when a worker's share of a ramp takes more ports than its machine has.

    Counted as the plan does (judgement.ports), for one worker: how many of the others are on its machine it cannot
    know.
    """
    if task.connection != "per-registrant":
        return
    expected = forecast(task.make_journey(task.population()))
    mean_seconds = expected.think_time + SERVICE * expected.requests
    time_wait = space.time_wait(is_loopback)
    curve = RateCurve.of(RampStage(*stage) for stage in task.curve)
    needed = math.ceil(most_within(curve, mean_seconds + time_wait) / task.workers)
    wanted = PortNeed(needed, mean_seconds, time_wait, space.ports, max(1, len(task.source_addresses)))
    if not wanted.is_enough:
        raise UsageError(str(_problem(wanted, worker, task.workers)))


def _problem(wanted: PortNeed, worker: int, workers: int) -> Problem:
    allowed = f"at least {wanted.addresses_needed} addresses of this machine for worker {worker} of {workers}"
    hint = 'or load.connection = "reuse", a wider net.ipv4.ip_local_port_range, or workers on more machines'
    return Problem("load.source_addresses", str(wanted.addresses), f"{allowed}: {wanted.line()}", hint)
