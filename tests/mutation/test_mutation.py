"""The tool for mutation testing swaps in what it says it does, asks the tests that can tell, and counts rightly.

What the mutants are comes from mutmut, which only `make mutants` installs.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import mutate
import pytest
from forks import Measured, Reach, choose_tests, functions_by_place, swap_in
from mutants import Mutant, statement_lines, uses_of_constants, without_decorators
from tally import known_survivors, overall, table, wilson

SOURCE = """\
from functools import cache, partial

LIMIT = 5


def twice(function):
    def call(*values):
        return 2 * function(*values)
    return call


@twice
@cache
def near(value, slack=1):
    return (
        value
        <= LIMIT + slack
    )


class Bound:
    @property
    def low(self):
        if LIMIT:
            return 1
        return 0
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module of the judgement that was never there."""
    path = tmp_path / "made_up.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("prakerja_load.judgement.made_up", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "prakerja_load.judgement.made_up", found)
    spec.loader.exec_module(found)
    return found


def swapped(module: ModuleType, place: str, source: str, line: int) -> None:
    path = Path(str(module.__file__))
    swap_in(Mutant("judgement.made_up", place, "before → after", source, line), path, functions_by_place())


def test_decorators_go_and_every_other_line_keeps_its_number() -> None:
    plain = ast.parse(without_decorators(SOURCE))
    before = {node.name: node.lineno for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.FunctionDef)}
    after = {node.name: node for node in ast.walk(plain) if isinstance(node, ast.FunctionDef)}

    assert {name: node.lineno for name, node in after.items()} == before
    assert not any(node.decorator_list for node in after.values())


@pytest.mark.parametrize(("line", "lines"), [(3, {3}), (17, {15, 16, 17, 18}), (24, {24}), (25, {25}), (13, {13})])
def test_a_line_is_run_with_its_statement_and_a_condition_without_its_branches(line: int, lines: set[int]) -> None:
    found = set(statement_lines(ast.parse(SOURCE), line))

    assert found == lines


def test_a_constant_is_used_where_a_function_reads_it(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(SOURCE)

    assert uses_of_constants([tmp_path / "one.py"], tmp_path) == {
        "LIMIT": {("one.py", line) for line in (15, 16, 17, 18, 24)}
    }


def test_a_function_is_changed_beneath_its_decorators(module: ModuleType) -> None:
    assert module.near(6) == 2
    assert module.near(7) == 0

    swapped(module, "near", "def near(value, slack=2):\n    return value <= LIMIT + slack\n", 12)

    assert module.near(7) == 0, "the cache above it remembers what it was told before"
    assert module.near(6.5) == 2


def test_a_property_is_changed_for_the_objects_that_are_there(module: ModuleType) -> None:
    bound = module.Bound()

    swapped(module, "Bound.low", "class Bound:\n    def low(self):\n        return 7\n", 22)

    assert bound.low == 7


def test_a_constant_is_changed_wherever_it_was_imported_to(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("other")
    other.LIMIT = module.LIMIT = 5.5  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "other", other)

    swapped(module, "LIMIT", "LIMIT = 6.5", 0)

    assert (module.LIMIT, other.LIMIT, module.near(7)) == (6.5, 6.5, 2)


def measured(**tests: tuple[float, int, bool]) -> Measured:
    """Return tests by name: seconds, the line they run, whether they need a fixture of 3 s that runs line 9."""
    names = {f"tests/judgement/test_{name.replace('__', '.py::')}": told for name, told in tests.items()}
    return Measured(
        tests={name: Reach(seconds, frozenset({("a.py", line)})) for name, (seconds, line, _) in names.items()},
        fixtures={"made": Reach(3.0, frozenset({("a.py", 9)}))},
        needs={name: ("made",) if needs else () for name, (_, _, needs) in names.items()},
    )


def chosen(line: int, budget: float, reach: Measured) -> list[str]:
    mutant = Mutant("judgement.window", "x", "", "", 1, frozenset({("a.py", line)}))
    found = choose_tests(mutant, list(reach.tests), reach, budget)
    return [test.removeprefix("tests/judgement/test_") for test in found]


def test_only_tests_that_run_the_changed_line_are_asked_the_modules_own_first() -> None:
    reach = measured(other__a=(0.1, 1, False), window__b=(0.2, 1, False), window__c=(0.1, 2, False))

    assert chosen(1, 10.0, reach) == ["window.py::b", "other.py::a"]
    assert chosen(3, 10.0, reach) == []


def test_a_test_is_asked_for_what_its_fixture_runs_and_the_fixture_is_paid_for_once() -> None:
    reach = measured(window__a=(1.0, 1, True), window__b=(1.0, 1, True), window__c=(1.0, 9, False))

    assert chosen(9, 10.0, reach) == ["window.py::a", "window.py::b", "window.py::c"]
    assert chosen(9, 5.0, reach) == ["window.py::a", "window.py::b"]
    assert chosen(9, 4.9, reach) == ["window.py::a"]


def test_the_quickest_test_is_asked_whatever_it_costs() -> None:
    assert chosen(1, 1.0, measured(window__a=(60.0, 1, False), window__b=(50.0, 1, False))) == ["window.py::b"]


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"), [(85, 100, 0.767, 0.907), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (0, 0, 0, 1)]
)
def test_the_interval_of_a_share_is_wilsons(hits: int, count: int, low: float, high: float) -> None:
    assert wilson(hits, count) == pytest.approx((low, high), abs=5e-4)


def test_a_large_module_weighs_more_than_a_small_one_of_which_as_many_were_drawn() -> None:
    """9 of 10 of the 90 and 5 of 10 of the 10: 0.9 · 0.9 + 0.1 · 0.5; of the ten none is left to chance."""
    large, small = Counter(killed=9, survived=1, left=80), Counter(killed=4, stopped=1, unreached=5, invalid=3)

    share, half = overall([large, small, Counter(left=7)])

    assert share == pytest.approx(0.86)
    assert half == pytest.approx(1.96 * 0.9 * math.sqrt(0.9 * 0.1 / 10 * 80 / 90))


LISTED = """
| place | mutant | reason |
|---|---|---|
| `judgement.window.f` | `a \\| b → a & b` | both are masks of one element |
"""


def fates(killed: int, survived: int, listed: str) -> list[tuple[str, str, dict[str, object]]]:
    rows = [("judgement.window", f"judgement.window.k: {number}", {"fate": "killed"}) for number in range(killed)]
    rows += [("judgement.window", f"judgement.window.s: {number}", {"fate": "survived"}) for number in range(survived)]
    return [*rows, ("judgement.window", "judgement.window.f: a | b → a & b", {"fate": listed})]


@pytest.mark.parametrize(
    ("killed", "survived", "listed", "code"),
    [(85, 14, "survived", 0), (84, 15, "survived", 1), (84, 15, "killed", 0), (84, 15, "invalid", 1)],
)
def test_too_few_killed_fails_and_a_listed_one_that_is_killed_is_told(
    killed: int, survived: int, listed: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "known.md").write_text(LISTED)
    known = known_survivors(tmp_path / "known.md")

    assert known == {"judgement.window.f: a | b → a & b": "both are masks of one element"}
    assert table(fates(killed, survived, listed), known, 0.85) == code
    told = capsys.readouterr().out
    assert f"{survived + (listed == 'survived'):5} survived" in told
    assert ("can be taken from the list: judgement.window.f: a | b" in told) is (listed == "killed")
    assert ("survives: judgement.window.f: a | b → a & b\n" in told) is (listed == "survived")


def of_all(*rows: tuple[str, str]) -> list[tuple[str, str, dict[str, object]]]:
    return [(module, f"{module}.f: {number}", {"fate": fate}) for number, (module, fate) in enumerate(rows)]


KILLED = [("judgement.window", "killed")] * 99


@pytest.mark.parametrize(
    ("others", "code", "told"),
    [
        ([("judgement.window", "stopped")], 0, "1 of the killed stopped"),
        ([("judgement.window", "survived")], 1, "judgement.window.f: 99 (not listed)"),
        ([("judgement.tails", "left")], 1, "no mutant was run: judgement.tails"),
        ([("judgement.tails", "invalid")], 0, "0 mutants"),  # a module without a mutant needs none
        ([("judgement.tails", "killed"), ("judgement.tails", "survived"), *[("judgement.tails", "left")] * 98], 1, "±"),
    ],
)
def test_of_all_modules_none_is_left_out_and_chance_is_not_what_killed_enough(
    others: list[tuple[str, str]], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table(of_all(*KILLED, *others), {}, 0.6, is_whole=True) == code
    assert told in capsys.readouterr().out
    assert table(of_all(*KILLED, *others), {}, 0.6) == 0


def test_the_lower_end_of_the_interval_must_be_enough(capsys: pytest.CaptureFixture[str]) -> None:
    """18 of 20 drawn from 1 000: 90 % ± 13 %, which is no 85 %."""
    rows = of_all(*[("judgement.tails", "killed")] * 18, *[("judgement.tails", "survived")] * 2)
    rows += of_all(*[("judgement.tails", "left")] * 980)
    listed = {name: "borne" for _, name, fate in rows if fate["fate"] == "survived"}

    assert table(rows, listed, 0.85, is_whole=True) == 1
    assert "90.0% ± 13.0%" in capsys.readouterr().out
    assert table(rows, listed, 0.75, is_whole=True) == 0


@pytest.fixture
def tests_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of tests of judgement which mutants are killed by."""
    folder = tmp_path / "tests/judgement"
    folder.mkdir(parents=True)
    for name in ("test_a.py", "test_b.py", "helper.py"):
        (folder / name).write_text(name)
    monkeypatch.setattr(mutate, "ROOT", tmp_path)
    monkeypatch.setattr(mutate, "FATES", tmp_path / "fates.jsonl")
    mutate.digest_of_tests.cache_clear()
    return folder


@pytest.mark.parametrize(
    ("changed", "left"), [("test_a.py", "bu"), ("test_b.py", "au"), ("helper.py", "u"), ("", "absu")]
)
def test_a_kill_stands_until_the_test_that_killed_is_changed(tests_of: Path, changed: str, left: str) -> None:
    for key, fate in (("a", "killed"), ("b", "killed"), ("s", "stopped"), ("u", "survived")):
        line = {"key": key, "fate": fate} | ({"by": f"tests/judgement/test_{key}.py::x"} if fate == "killed" else {})
        mutate.tell(mutate.FATES, line | {"killers": mutate.digest_of_tests(*mutate.killers_of(line))})
    if changed:
        (tests_of / changed).write_text("otherwise")
    mutate.digest_of_tests.cache_clear()

    assert set(mutate.known_fates()) == set(left)


def test_a_kill_that_does_not_say_by_what_is_asked_again(tests_of: Path) -> None:
    mutate.tell(mutate.FATES, {"key": "a", "fate": "survived"})
    mutate.tell(mutate.FATES, {"key": "a", "fate": "killed", "by": "tests/judgement/test_a.py::x"})

    assert mutate.known_fates() == {}


class Answering:
    """A runner that answers what it is told to, one run after the other."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.items = {"tests/judgement/test_window.py::a": None}
        self.functions: dict[tuple[str, str, int], list[Any]] = {}

    def run(self, *_: object) -> str:
        return self.answers.pop(0)


@pytest.mark.parametrize(("control", "fate"), [("passed", "stopped"), ("stopped", "survived"), ("x::y", "survived")])
def test_a_mutant_is_stopped_only_where_its_tests_end_without_it(control: str, fate: str) -> None:
    runner: Any = Answering("stopped", control)
    mutant = Mutant("judgement.window", "LIMIT", "", "", 0, frozenset({("a.py", 1)}))

    found = mutate.fate_of(mutant, runner, measured(window__a=(1.0, 1, False)), 10.0, {}, Counter())

    assert found["fate"] == fate
    assert runner.answers == []
