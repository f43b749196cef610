"""Runs tests in forks of a pytest that has collected: once to measure each, then for each mutant those it needs."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from mutants import Line, Mutant

NO_KILLS: Mapping[str, int] = {}
Functions = dict[tuple[str, str, int], list[FunctionType]]
INVALID = 3  # the exit code of a fork whose mutant cannot even be defined
CPU, WALL, LEAST = 10, 20, 10  # times what its tests take, and seconds besides, after which a fork is killed
MEMORY = 6 << 30  # bytes; a mutant may ask for any size


@dataclass(frozen=True)
class Reach:
    """What a test, or a fixture that several tests share, runs, and how long it takes."""

    seconds: float
    lines: frozenset[Line]


@dataclass(frozen=True)
class Measured:
    """Every test's reach, and the shared fixtures each one needs."""

    tests: Mapping[str, Reach]
    fixtures: Mapping[str, Reach]
    needs: Mapping[str, tuple[str, ...]]

    def reaches(self, test: str, lines: frozenset[Line]) -> bool:
        """Say whether a test, or a fixture it needs, runs one of these lines."""
        parts = [self.tests[test], *(self.fixtures[each] for each in self.needs[test])]
        return any(not lines.isdisjoint(part.lines) for part in parts)


def choose_tests(
    mutant: Mutant, tests: Sequence[str], measured: Measured, budget: float, kills: Mapping[str, int] = NO_KILLS
) -> list[str]:
    """Return the tests that may notice a mutant: those that noticed others first, or whose file did.

    Among equals the module's own come first, then quick ones. A file's tests stay together, and a shared fixture is
    paid for once, with the first test that needs it. One test is taken whatever it costs.
    """
    stem = mutant.module.rpartition(".")[2]
    mine = f"tests/{mutant.module.partition('.')[0]}/test_{stem}"
    chosen: list[str] = []
    built: set[str] = set()
    left = budget
    reaching = [each for each in tests if measured.reaches(each, mutant.reached_by)]
    rank = {
        each: (
            -kills.get(each, 0),
            -kills.get(each.partition("::")[0], 0),
            not each.startswith(mine),
            measured.tests[each].seconds,
        )
        for each in reaching
    }
    for test in sorted(reaching, key=rank.__getitem__):
        new = [each for each in measured.needs[test] if each not in built]
        cost = measured.tests[test].seconds + sum(measured.fixtures[each].seconds for each in new)
        if cost <= left or not chosen:
            chosen.append(test)
            built.update(new)
            left -= cost
    files = list(dict.fromkeys(each.partition("::")[0] for each in chosen))
    return sorted(chosen, key=lambda each: files.index(each.partition("::")[0]))


def functions_by_place() -> Functions:
    """Return every function there is, by file, qualified name and first line."""
    found: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        if type(each) is FunctionType:
            code = each.__code__
            found[code.co_filename, code.co_qualname, code.co_firstlineno].append(each)
    return dict(found)


def swap_in(mutant: Mutant, path: Path, functions: Functions) -> None:
    """Make a function, or a constant wherever it was imported to, the mutant's."""
    module = sys.modules[f"prakerja_load.{mutant.module}"]
    space = dict(vars(module))
    exec(mutant.compiled(path), space)
    if not mutant.line:
        old, new = vars(module)[mutant.place], space[mutant.place]
        for each in list(sys.modules.values()):
            if getattr(each, "__dict__", {}).get(mutant.place) is old:
                setattr(each, mutant.place, new)
        return
    owner, _, name = mutant.place.rpartition(".")
    changed = vars(space[owner])[name] if owner else space[name]
    for function in functions[str(path), mutant.place, mutant.line]:
        function.__code__ = changed.__code__
        function.__defaults__, function.__kwdefaults__ = changed.__defaults__, changed.__kwdefaults__


class Runner:
    """A pytest plugin that does `work` in place of the tests, and runs tests in forks for it."""

    def __init__(self, work: Callable[[Runner], None]) -> None:
        self.work = work
        self.items: dict[str, pytest.Item] = {}
        self.functions: Functions = {}
        self.screen = os.fdopen(os.dup(1), "w", buffering=1)
        self._failed: list[str] = []
        self._began: Callable[[pytest.FixtureDef[Any]], contextlib.AbstractContextManager[None]] | None = None

    def pytest_configure(self) -> None:
        """Have property tests draw the same examples every time, with no deadline, and not shrink what fails."""
        from hypothesis import HealthCheck, Phase, settings  # not before pytest has put its import hook in place

        settings.register_profile(
            "mutation",
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Any:
        """Tell whoever measures that a shared fixture is being built."""
        with self._began(fixturedef) if self._began and is_shared(fixturedef) else contextlib.nullcontext():
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep which tests failed."""
        if report.failed:
            self._failed.append(report.nodeid)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Do the work with the tests that were collected."""
        self.items = {item.nodeid: item for item in session.items}
        self.functions = functions_by_place()
        gc.freeze()  # or every fork would copy what its first collection touches
        self.work(self)
        return True

    def run(self, tests: Sequence[str], prepare: Callable[[], None], seconds: float) -> str:
        """Run tests in a fork; return "passed", "invalid", "stopped", or the name of the test that failed."""
        home = tempfile.mkdtemp(prefix="mutant-")
        reading, writing = os.pipe()
        if (process := os.fork()) == 0:
            self._run_and_exit(tests, prepare, seconds, writing, home)
        os.close(writing)
        handle = os.pidfd_open(process)
        try:
            is_over = bool(select.select([handle], [], [], WALL * seconds + 3 * LEAST)[0])
        finally:  # Ctrl-C as well
            os.close(handle)
            for kill in (os.killpg, os.kill):  # whatever its tests had started, too
                with contextlib.suppress(ProcessLookupError):
                    kill(process, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        with os.fdopen(reading) as told:
            failed = os.read(told.fileno(), 1 << 16).decode() if is_over and code == 1 else ""
        shutil.rmtree(home, ignore_errors=True)
        return failed or {0: "passed", INVALID: "invalid"}.get(code, "stopped")

    def _run_and_exit(
        self, tests: Sequence[str], prepare: Callable[[], None], seconds: float, writing: int, home: str
    ) -> None:
        os.setsid()
        os.environ["PYTEST_DEBUG_TEMPROOT"] = home
        limit = int(CPU * seconds) + LEAST
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        hush()
        try:
            prepare()
        except Exception:
            os._exit(INVALID)
        for _ in self.each(tests):
            if self._failed:
                os.write(writing, self._failed[0].encode())
                os._exit(1)
        os._exit(0)

    def each(self, tests: Sequence[str]) -> Iterator[str]:
        """Run tests here, one a step."""
        for place, test in enumerate(tests):
            following = self.items[tests[place + 1]] if place + 1 < len(tests) else None
            self.items[test].config.hook.pytest_runtest_protocol(item=self.items[test], nextitem=following)
            yield test

    def measure(self, tests: Sequence[str], folders: Sequence[Path], root: Path) -> dict[str, Any]:
        """Run a file's tests here without a mutant; return what each ran, how long it took, and which failed."""
        coverage = importlib.import_module("coverage")
        cover = coverage.Coverage(data_file=None, config_file=False, include=[f"{each}/*" for each in folders])
        seconds: dict[str, float] = defaultdict(float)
        doing = ["", ""]

        @contextlib.contextmanager
        def within(name: str) -> Iterator[None]:
            began, spent = time.monotonic(), sum(seconds.values())
            doing.append(name)
            cover.switch_context(name)
            yield
            doing.pop()
            cover.switch_context(doing[-1])
            seconds[name] += time.monotonic() - began - (sum(seconds.values()) - spent)

        self._began = lambda fixture: within(fixture_name(fixture))
        cover.start()
        running = self.each(tests)
        for test in tests:
            with within(test):
                next(running)
        cover.stop()
        lines: dict[str, list[Line]] = defaultdict(list)
        data = cover.get_data()
        for file in data.measured_files():
            for line, contexts in data.contexts_by_lineno(file).items():
                for context in contexts:
                    lines[context].append((str(Path(file).relative_to(root)), line))
        needs = {test: sorted(map(fixture_name, shared_by(self.items[test]))) for test in tests}
        reach = {name: (round(spent, 4), lines[name]) for name, spent in seconds.items()}
        return {"reach": reach, "needs": needs, "failed": self._failed}


def shared_by(item: pytest.Item) -> list[pytest.FixtureDef[Any]]:
    """Return the fixtures of a test that outlive it and are defined in its file."""
    known = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
    return [each[-1] for each in known.values() if is_shared(each[-1])]


def is_shared(fixture: pytest.FixtureDef[Any]) -> bool:
    """Say whether a fixture of a test file outlives the test that asked for it first."""
    return fixture.scope != "function" and fixture.baseid.endswith(".py")


def fixture_name(fixture: pytest.FixtureDef[Any]) -> str:
    """Return a fixture's name, with the file that defines it."""
    return f"{fixture.baseid}::{fixture.argname}"


def hush() -> None:
    """Send what this process says nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def spread(jobs: int, work: Callable[[int], None]) -> None:
    """Do work in so many forks, each told its number, and wait for all."""
    children = []
    for number in range(jobs):
        if (process := os.fork()) == 0:
            try:
                work(number)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(process)
    for process in children:
        if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
            raise SystemExit("a part of the work failed")
