"""Fixtures of the driver's tests, and the way to the modules beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.with_name("distribution")))  # hosts made of namespaces
sys.path.insert(0, str(Path(__file__).parent))

from ramp_rig import Launcher, Ramp
from still_loop import StillLoop
from tiny_system import TinySystem

from prakerja_load.driver.assignment import Assignment


@pytest.fixture
def still() -> StillLoop:
    """Return a loop whose time stands still."""
    return StillLoop()


@pytest.fixture(scope="module")
def tiny_system() -> Iterator[Callable[..., TinySystem]]:
    """Return what opens a tiny system, with a delay in seconds before each answer."""
    opened: list[TinySystem] = []

    def open_(delay: float = 0.0) -> TinySystem:
        opened.append(TinySystem(delay))
        return opened[-1]

    yield open_
    for system in opened:
        system.close()


@pytest.fixture(scope="module")
def launch() -> Iterator[Launcher]:
    """Return what starts a module as a process."""
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory, launch: Launcher) -> Callable[..., Ramp]:
    """Return what starts a ramp's controller; with `is_foreign`, as if the target were another machine."""

    def begin(task: Assignment, is_foreign: bool = False) -> Ramp:
        return Ramp(tmp_path_factory.mktemp("run") / "01-40", task, launch.foreign if is_foreign else launch)

    return begin
