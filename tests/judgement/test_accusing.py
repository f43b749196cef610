"""What the controller says of itself over hours: each second of it is looked at as each second of a minute is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from prakerja_load.evidence.sample import VITAL
from prakerja_load.judgement import accusing
from prakerja_load.judgement.case import Case
from prakerja_load.judgement.window import Window
from prakerja_load.units import SECOND_NS

HOURS = Window(0.0, 3 * 3600.0)


def led(window: Window, **changed: tuple[int, float]) -> Case:
    """Return the case of a controller of whose seconds so many at the end of the window were otherwise."""
    seconds = [
        {"at": at * SECOND_NS, "cpu": 0.1, "loop_lag": 0.001, "gc_pause": 0.0}
        for at in range(1, int(window.length) + 1)
    ]
    for name, (count, value) in changed.items():
        for second in seconds[-count:]:
            second[name] = value
    evidence = SimpleNamespace(vitals={}, controller={"vitals": seconds}, cut_at=(), led=np.empty(0, VITAL))
    case = {"evidence": evidence, "controller": evidence.controller, "window": window, "lateness_limit": 0.15}
    return cast(Case, SimpleNamespace(**case))


@pytest.mark.parametrize(("busy", "holds"), [(7, True), (9, False)])
def test_ten_busy_seconds_of_hours_are_ten_seconds(busy: int, *, holds: bool) -> None:
    """Seven busy seconds are 73 % of a core over ten, nine are 91 %."""
    seen = accusing.has_cpu_to_spare(led(HOURS, cpu=(busy, 1.0)))

    assert seen == (holds, f"at most {73 if holds else 91} % over 10 s", "")


@pytest.mark.parametrize(
    ("name", "check"), [("loop_lag", accusing.has_a_quick_loop), ("gc_pause", accusing.collects_quickly)]
)
@pytest.mark.parametrize(("count", "holds"), [(71, True), (73, False)])
def test_delays_of_hours_are_a_share_of_hours(name: str, check: Any, count: int, *, holds: bool) -> None:
    """1 % of three hours are 108 s, which 72 delays of 1.5 s take."""
    assert check(led(HOURS, **{name: (count, 1.5)})).holds is holds


def shown(own: Any, cut_at: tuple[float, ...] = (), led: tuple[int, ...] = ()) -> tuple[bool, str]:
    """Return what is found where a worker was seen for all of 10 s, and the controller like this."""
    written = np.zeros(len(led), VITAL)
    written["at"] = np.array(led, np.int64) * SECOND_NS
    vitals = np.zeros(10, VITAL)
    vitals["at"] = (np.arange(10) + 1) * SECOND_NS
    evidence = SimpleNamespace(
        vitals={0: vitals}, ramp=SimpleNamespace(workers=1), controller=own, cut_at=cut_at, led=written
    )
    case = SimpleNamespace(evidence=evidence, controller=own or {}, window=Window(0.0, 10.0))
    return accusing.shows_vitals(cast(Case, case))[:2]


def seconds(*ats: int) -> dict[str, Any]:
    return {"vitals": [{"at": at * SECOND_NS, "cpu": 0.1} for at in ats]}


@pytest.mark.parametrize(
    ("own", "cut_at", "told"),
    [
        (seconds(*range(1, 9)), (), (True, 8)),
        (seconds(*range(1, 8)), (), (False, 7)),
        (seconds(*range(1, 8), *range(-9, 0), *range(11, 20)), (), (False, 7)),  # before and after
        ({"vitals": []}, (), (False, 0)),
        ({"vitals": None}, (), (False, 0)),
        ({}, (), (False, 0)),
        (None, (), (True, 0)),  # no record at all is the rule "controller record"'s
        (seconds(7, 8, 9), (2.0, 5.0), (False, 3)),  # the last of three parts: 90 % of 5 s, less one
        (seconds(7, 8, 9, 10), (2.0, 5.0), (True, 4)),
    ],
)
def test_a_controller_must_show_how_it_was_for_nine_seconds_in_ten(
    own: dict[str, Any] | None, cut_at: tuple[float, ...], told: tuple[bool, int]
) -> None:
    assert shown(own, cut_at) == (told[0], f"10 s at least of each worker, {told[1]} s of the controller")


@pytest.mark.parametrize(("written", "holds"), [(range(1, 9), True), (range(1, 8), False), ([*range(3), 8, 9], False)])
def test_of_a_ramp_in_parts_the_seconds_that_were_written_are_asked_for_from_the_first_part_on(
    written: Any, *, holds: bool
) -> None:
    own = seconds(*range(1, 11))  # its record says more: what was written each second goes before it

    found = shown(own, (2.0, 5.0), tuple(written))

    assert found == (holds, f"10 s at least of each worker, {sum(at > 0 for at in written)} s of the controller")
