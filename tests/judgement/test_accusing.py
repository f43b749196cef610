"""What the controller says of itself over hours: each second of it is looked at as each second of a minute is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

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
    evidence = SimpleNamespace(vitals={}, controller={"vitals": seconds}, cut_at=())
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
