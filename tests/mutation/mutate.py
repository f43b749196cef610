"""Mutation testing of what judges: would a test notice if a line of judgement/ or evidence/ were wrong?

    python tests/mutation/mutate.py                              every mutant; hours on one core
    python tests/mutation/mutate.py --only 'judgement.verdict*'  those of one module, or of one function
    python tests/mutation/mutate.py --sample 60                  so many of each module, drawn by --seed
    python tests/mutation/mutate.py --table                      what is known so far

The mutants are mutmut's (see `mutants.py`). pytest collects once; a mutant is a fork in which the function's code is
swapped and the tests that run the changed statement are run, likely ones first, until one fails or `--budget` seconds
of them, measured without a mutant, have passed. A mutant that only a test beyond the budget, or a test that starts
another process, would notice counts as a survivor, never the other way round; a test that has killed is run once
more without a mutant, and is not asked again if it fails there too. A fork that takes many times the time of its tests
is stopped, and so is the mutant, unless the same tests take as long without it: then it counts as a survivor. Words for
people (strings with a space in them) are not mutated.

Each mutant's fate is a line of `mutants/fates.jsonl`; a run goes on where the last one ended, until the source changes,
or, of a mutant that was killed, the test that killed it. Fails when less than `--least` of the mutants are killed;
without `--only` also when the lower end of the interval is below that, when a module has no mutant run, and when
`SURVIVORS.md` does not list a survivor. Those that it lists and a test kills are told.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import hashlib
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import pytest  # noqa: E402
from forks import Measured, Reach, Runner, choose_tests, hush, spread, swap_in  # noqa: E402
from mutants import Mutant, mutants_of, uses_of_constants  # noqa: E402
from tally import DEAD, known_survivors, table  # noqa: E402

ROOMS = ("judgement", "evidence")
FOLDERS = [ROOT / "prakerja_load" / room for room in ROOMS]
FATES = ROOT / "mutants" / "fates.jsonl"
MEASURED = ROOT / "mutants" / "measured.jsonl"
MARKS = "not slow and not browser and not postgresql and not namespaces"


def all_mutants(only: Sequence[str]) -> list[Mutant]:
    """Return every mutant of the modules asked for."""
    paths = [path for folder in FOLDERS for path in sorted(folder.glob("*.py"))]
    uses = uses_of_constants(paths, ROOT)
    modules = {f"{path.parent.name}.{path.stem}": path for path in paths}
    wanted = [each for each in modules if any(is_module_of(each, pattern) for pattern in only)]
    return [each for module in wanted for each in mutants_of(module, modules[module], uses)]


def is_module_of(module: str, pattern: str) -> bool:
    """Say whether a pattern of functions is of this module, or of several among which it is."""
    return fnmatch.fnmatchcase(module, pattern) or fnmatch.fnmatchcase(module, ".".join(pattern.split(".")[:2]))


def key_of(mutant: Mutant) -> str:
    """Return what names a mutant until its function changes."""
    return hashlib.sha256(f"{mutant.name}\n{mutant.source}".encode()).hexdigest()[:16]


@functools.cache
def digest_of_tests(*files: str) -> str:
    """Return what names these files of tests, all there are where none is named, and the helpers of all."""
    paths = sorted(path for room in ROOMS for path in (ROOT / "tests" / room).glob("*.py"))
    kept = [each for each in paths if not files or each.name[:5] != "test_" or str(each.relative_to(ROOT)) in files]
    return hashlib.sha256(b"".join(each.read_bytes() for each in kept)).hexdigest()[:16]


def killers_of(fate: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the file of the test that killed a mutant; nothing where any test may have been what never ended."""
    return (str(fate["by"]).partition("::")[0],) if "by" in fate else ()


def is_current(fate: Mapping[str, Any]) -> bool:
    """Say whether a fate still stands: what killed a mutant may have been changed since, and kill no more."""
    return fate["fate"] not in DEAD or fate.get("killers") == digest_of_tests(*killers_of(fate))


def known_fates() -> dict[str, dict[str, Any]]:
    """Return the last fate of every mutant, by its key, where it still stands."""
    last = {line["key"]: line for line in told(FATES)}
    return {key: line for key, line in last.items() if is_current(line)}


def chosen(mutants: Sequence[Mutant], only: Sequence[str], sample: int, seed: int) -> list[Mutant]:
    """Return the mutants asked for: of each module the first `sample` of a seeded order, so that more may follow."""
    by_module: dict[str, list[Mutant]] = defaultdict(list)
    for each in mutants:
        if any(fnmatch.fnmatchcase(f"{each.module}.{each.place}", pattern) for pattern in only):
            by_module[each.module].append(each)
    if sample:
        for module, found in by_module.items():
            random.Random(f"{seed} {module}").shuffle(found)
            del found[sample:]
    rank = {module: place for place, module in enumerate(only)}
    order = sorted(by_module, key=lambda module: min(rank[each] for each in only if is_module_of(module, each)))
    return [each for module in order for each in by_module[module]]


def told(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file that grows, but for one that was cut off."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def tell(path: Path, line: Mapping[str, Any]) -> None:
    """Append a line, whole even where another process appends too."""
    path.parent.mkdir(exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def digest_of(test_file: str) -> str:
    """Return what names a file of tests, its helpers and the code it tests, as they stand."""
    helpers = [path for room in ROOMS for path in (ROOT / "tests" / room).glob("*.py") if path.name[:5] != "test_"]
    code = [path for folder in FOLDERS for path in folder.glob("*.py")]
    whole = b"".join(path.read_bytes() for path in sorted([*helpers, *code, ROOT / test_file]))
    return hashlib.sha256(whole).hexdigest()


def measured(runner: Runner, jobs: int) -> Measured:
    """Return what every test runs, measuring the files that have changed since the last time."""
    files: dict[str, list[str]] = defaultdict(list)
    for test in runner.items:
        files[test.partition("::")[0]].append(test)
    digests = {file: digest_of(file) for file in files}
    known = {line["file"] for line in told(MEASURED) if line["digest"] == digests.get(line["file"])}
    missing = [file for file in files if file not in known]

    def work(number: int) -> None:
        for file in missing[number::jobs]:
            if (process := os.fork()) == 0:
                hush()
                tell(MEASURED, {"file": file, "digest": digests[file], **runner.measure(files[file], FOLDERS, ROOT)})
                os._exit(0)
            os.waitpid(process, 0)

    spread(jobs, work)
    lines = {line["file"]: line for line in told(MEASURED) if line["digest"] == digests.get(line["file"])}
    for test in [test for line in lines.values() for test in line["failed"]]:
        runner.screen.write(f"fails without a mutant, and is not asked: {test}\n")
        del runner.items[test]
    reach = {
        name: Reach(seconds, frozenset((file, at) for file, at in where))
        for line in lines.values()
        for name, (seconds, where) in line["reach"].items()
    }
    needs = {test: tuple(shared) for line in lines.values() for test, shared in line["needs"].items()}
    return Measured({test: reach[test] for test in needs}, reach, needs)


def fate_of(
    mutant: Mutant, runner: Runner, reach: Measured, budget: float, trusted: dict[str, bool], kills: Counter[str]
) -> dict[str, Any]:
    """Return what became of a mutant, and which test killed it."""
    path = ROOT / "prakerja_load" / f"{mutant.module.replace('.', '/')}.py"
    if mutant.line and (str(path), mutant.place, mutant.line) not in runner.functions:
        raise LookupError(f"there is no function of {mutant.module} called {mutant.place} at line {mutant.line}")
    while True:
        tests = choose_tests(mutant, [each for each in runner.items if trusted.get(each, True)], reach, budget, kills)
        if not tests:
            return {"fate": "unreached"}
        seconds = sum(reach.tests[each].seconds for each in tests) + sum(
            reach.fixtures[each].seconds for each in {shared for test in tests for shared in reach.needs[test]}
        )
        outcome = runner.run(tests, lambda: swap_in(mutant, path, runner.functions), seconds)
        if outcome == "stopped" and runner.run(tests, lambda: None, seconds) != "passed":
            return {"fate": "survived", "tests": len(tests), "control": "stopped or failed without the mutant, too"}
        if outcome in ("passed", "invalid", "stopped"):
            return {"fate": "survived" if outcome == "passed" else outcome, "tests": len(tests)}
        if outcome not in trusted:
            upto = tests[: tests.index(outcome) + 1]
            trusted[outcome] = runner.run(upto, lambda: None, seconds) == "passed"
        if trusted[outcome]:
            kills.update((outcome, outcome.partition("::")[0]))
            return {"fate": "killed", "by": outcome}


def run(mutants: Sequence[Mutant], jobs: int, budget: float, is_again: bool) -> int:
    """Find the fate of the mutants that have none yet; return pytest's exit code."""
    known = {key: line["fate"] for key, line in known_fates().items()}
    wanted = ("survived", "unreached") if is_again else (None,)
    left = [each for each in mutants if known.get(key_of(each)) in wanted]

    def work(runner: Runner) -> None:
        reach = measured(runner, jobs)
        runner.screen.write(f"{len(runner.items)} tests; {len(left)} of {len(mutants)} mutants to run\n")
        spread(jobs, lambda number: part(runner, reach, left[number::jobs]))

    def part(runner: Runner, reach: Measured, mine: Iterable[Mutant]) -> None:
        trusted: dict[str, bool] = {}
        kills: dict[str, Counter[str]] = defaultdict(Counter)  # by module: who killed is asked first the next time
        for each in mine:
            began = time.monotonic()
            fate = fate_of(each, runner, reach, budget, trusted, kills[each.module])
            spent = round(time.monotonic() - began, 2)
            if fate["fate"] in DEAD:
                fate["killers"] = digest_of_tests(*killers_of(fate))
            tell(FATES, {"key": key_of(each), "module": each.module, "mutant": each.name, **fate, "seconds": spent})

    if not left:
        return 0
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(ROOT)
    options = ["-o", "addopts=", "--import-mode=importlib", "-p", "no:terminal", "-m", MARKS]
    unused = [part for name in ("locust", "schemathesis", "cacheprovider") for part in ("-p", f"no:{name}")]
    code = pytest.main([*options, *unused, *(f"tests/{room}" for room in ROOMS)], [Runner(work)])
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


def main() -> int:
    """Run the mutants asked for, print the table, and say whether it is good enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="a pattern of module.function, in the order to run them")
    parser.add_argument("--sample", type=int, default=0, help="mutants of each module (all)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (1)")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds of tests a mutant must survive (20)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (1)")
    parser.add_argument("--again", action="store_true", help="run those that survived once more, and no others")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--least", type=float, default=0.85, help="share that must be killed (0.85)")
    asked = parser.parse_args()
    only = asked.only or ["*"]
    mutants = all_mutants(only)
    some = chosen(mutants, only, asked.sample, asked.seed)
    if not asked.table and (code := run(some, asked.jobs, asked.budget, asked.again)):
        return code
    fates = known_fates()
    known = known_survivors(Path(__file__).with_name("SURVIVORS.md"))
    rows = [(each.module, each.name, fates.get(key_of(each), {})) for each in mutants]
    return table(rows, known, asked.least, is_whole=asked.only is None)


if __name__ == "__main__":
    sys.exit(main())
