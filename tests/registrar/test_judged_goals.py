"""The goals of the benchmarks: which side of a limit is good, and that a missed one is named and fails."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import overload
import registrar
from registrar import OURS, STORELESS, USUAL, Result
from servers.judged import Goal, judge
from servers.light_load import Light
from servers.phases import Phase, Seen, carried, look, recovery
from servers.pinned import Figures

from prakerja_load.evidence.sample import ARRIVAL, SAMPLE
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.registrar.store.writer import LINGER, LONGEST_LINGER
from prakerja_load.units import SECOND_NS


def test_a_figure_on_its_limit_meets_it_on_either_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge([Goal("p99", 10, 10, " ms"), Goal("requests per core-second", 8_000, 8_000, is_floor=True)]) == 0
    said = capsys.readouterr().out
    assert "| p99 | at most 10 ms | 10 ms | met |" in said
    assert "| requests per core-second | at least 8000 | 8000 | met |" in said
    assert "missed" not in said


@pytest.mark.parametrize("measured", [10.001, math.inf, math.nan])
def test_a_missed_goal_is_named_and_fails_among_others_that_are_met(
    measured: float, capsys: pytest.CaptureFixture[str]
) -> None:
    goals = [Goal("ratio", 1, 2), Goal("p99", measured, 10, " ms"), Goal("rate", 7_999, 8_000, is_floor=True)]
    assert judge(goals) == 1
    assert capsys.readouterr().out.endswith("missed: p99; rate\n")


RESULTS = {
    OURS: Result(used=0.5, created=5_000, rate=5_000, p99=0.01, failed=0),
    USUAL: Result(used=7.5, created=5_000, rate=600, p99=0.5, failed=0),
    STORELESS: Result(used=0.25, created=5_000, rate=9_000, p99=0.01, failed=0),
}


@pytest.fixture
def compare_accounts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a way to judge the accounts' table when one of the servers does something else."""

    def judged(server: str = OURS, **change: Any) -> int:
        results = {**RESULTS, server: dataclasses.replace(RESULTS[server], **change)}

        def measure(command: list[str], *_: Any) -> Result:
            programs = {"usual_way.py": USUAL, "no_store.py": STORELESS}
            return results[programs.get(Path(command[1]).name, OURS)]

        monkeypatch.setattr(registrar, "environment", lambda _: Path("python"))
        monkeypatch.setattr(registrar, "measure", measure)
        return judge(registrar.compare_accounts(3, 10, 64, (0, 1)))

    return judged


@pytest.mark.parametrize(
    ("server", "change", "named"),
    [
        (USUAL, {"used": 7.4}, "account: CPU of the usual way ÷ ours"),
        (STORELESS, {"used": 0.24}, "account: our CPU ÷ that of the server without a store"),
        (OURS, {"failed": 1}, "account: requests that failed"),
        (USUAL, {"failed": 1}, "account: requests that failed"),
        (STORELESS, {"failed": 1}, "account: requests that failed"),
    ],
)
def test_a_server_beyond_a_limit_of_the_accounts_table_fails_it(
    compare_accounts: Callable[..., int],
    server: str,
    change: dict[str, Any],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert compare_accounts() == 0
    assert compare_accounts(server, **change) == 1
    assert capsys.readouterr().out.endswith(f"missed: {named}\n")


@pytest.mark.parametrize("server", [OURS, USUAL, STORELESS])
def test_a_server_that_creates_nothing_is_compared_with_nobody(
    compare_accounts: Callable[..., int], server: str
) -> None:
    with pytest.raises(SystemExit) as end:
        compare_accounts(server, created=0, failed=7)
    assert end.value.code == f"{server}: created no account; 7 requests failed"


@pytest.mark.parametrize(
    ("requests", "failed", "named"),
    [(8_000, 0, ""), (7_999, 0, "journey: requests per core-second"), (8_000, 1, "journey: requests that failed")],
)
def test_a_floor_that_is_missed_fails_the_table_of_journeys(
    requests: int, failed: int, named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Figures(requests=requests, failed=failed, finished=600, cpu=1.0, at=2.0)
    monkeypatch.setattr(registrar, "measure_journeys", lambda *_: done)

    assert judge(registrar.compare_journeys(3, 10, 600, (0, 1))) == bool(named)
    said = capsys.readouterr().out
    assert said.endswith(f"missed: {named}\n") if named else "missed" not in said


def test_the_p99_of_light_load_is_that_of_all_rounds_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calm, bumpy = Light((0.002,) * 100, 1.0, 0.001), Light((0.002,) * 95 + (0.012,) * 5, 1.0, 0.001)
    crowded = Light((0.030,) * 100, 9.0, 0.001)

    def judged(slow_rounds: int) -> int:
        def measure(_seconds: int, rate: float, seed: int, _cores: Any) -> Light:
            return crowded if rate == 1_000 else bumpy if seed < slow_rounds else calm

        monkeypatch.setattr(registrar, "measure_light", measure)
        return judge(registrar.compare_light(5, 10, (40, 1_000), (0, 1)))

    assert judged(0) == 0
    said = capsys.readouterr().out
    assert f" waits {LINGER * 1e3:g} ms " in said
    assert f" {LONGEST_LINGER * 1e3:g} ms after " in said
    assert "| 40 accounts/s | 500 | 2.00 | 2.00 (2.00–2.00) | 1.00 | 1.00 |" in said
    assert "| 1000 accounts/s | 500 | 30.00 | 30.00 (30.00–30.00) | 9.00 | 1.00 |" in said
    assert judged(1) == 1  # one in a hundred, though the p99 of most rounds is good
    assert capsys.readouterr().out.endswith("missed: light load: p99 of a durable account\n")


CALM = Seen(left=800, lost=0, offered=100, goodput=100, accepted=1_400, p99=0.1, newcomers=0, under_way=0, failed=0)
BUSY = Seen(
    left=6_000, lost=4_000, offered=300, goodput=90, accepted=1_300, p99=0.2, newcomers=4_000, under_way=7, failed=0
)
ROUND = overload.Round(CALM, BUSY, BUSY, grown=64 * 2**20, recovery=5.0, busy=0.7)


def test_an_overload_on_its_limits_meets_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overload, "find_capacity", lambda _: 100.0)
    monkeypatch.setattr(overload, "measure", lambda *_: ROUND)

    assert judge(overload.compare(overload.Where(0, 1, "reuse", 0), 3, 3.0, 20.0)) == 0
    said = capsys.readouterr().out
    assert "| overload | 3.00 | 300 | 90 | 1300 | 200 | 12000 | 21 | 0 |" in said
    assert "| at 3.0× capacity: goodput ÷ peak | at least 0.9 | 0.9 | met |" in said


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"at_capacity": dataclasses.replace(CALM, lost=9)}, "at capacity: share of registrants turned away"),
        ({"overloaded": dataclasses.replace(BUSY, offered=250)}, "overload: offered ÷ capacity"),
        ({"overloaded": dataclasses.replace(BUSY, goodput=89)}, "at 3.0× capacity: goodput ÷ peak"),
        ({"at_capacity": dataclasses.replace(CALM, goodput=0)}, "at 3.0× capacity: goodput ÷ peak"),
        (
            {"overloaded": dataclasses.replace(BUSY, p99=0.201)},
            "at 3.0× capacity: p99 of accepted ÷ that at capacity",
        ),
        (
            {"overloaded": dataclasses.replace(BUSY, p99=math.nan)},
            "at 3.0× capacity: p99 of accepted ÷ that at capacity",
        ),
        ({"grown": 65 * 2**20}, "at 3.0× capacity: memory grown"),
        ({"recovery": math.inf}, "recovery after the overload"),
        (
            {"overloaded": dataclasses.replace(BUSY, failed=1)},
            "requests that were neither accepted nor told to come back",
        ),
    ],
)
def test_what_an_overload_misses_is_named(
    change: dict[str, Any], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = [dataclasses.replace(ROUND, **change)] * 3
    assert judge(overload.goals_of(rounds, 100.0, 3.0)) == 1
    assert capsys.readouterr().out.endswith(f"missed: {named}\n")


def arrival(due: float, took: float, ending: Ending = Ending.COMPLETED, reached: int = 14) -> Any:
    record = np.zeros((), ARRIVAL)
    record["intended"] = record["started"] = round(due * SECOND_NS)
    record["finished"] = round((due + took) * SECOND_NS)
    record["meant"], record["reached"], record["ending"] = 14, reached, ending
    return record


def sample(started: float, took: float, outcome: Outcome = Outcome.OK, step: int = 2) -> Any:
    record = np.zeros((), SAMPLE)
    record["started"], record["finished"] = round(started * SECOND_NS), round((started + took) * SECOND_NS)
    record["outcome"], record["step"] = outcome, step
    return record


def test_a_phase_counts_whole_journeys_where_they_end_and_times_what_was_accepted() -> None:
    arrivals = np.array(
        [
            arrival(0.5, 1.0),  # due before, through within
            arrival(1.5, 0.2),
            arrival(2.5, 5.0),  # through after it
            arrival(2.6, 0.1, Ending.FAILED, reached=0),
            arrival(2.7, 0.1, Ending.COMPLETED, reached=6),
        ]
    )
    samples = np.array(
        [
            *(sample(1.0 + n / 100, 0.1) for n in range(100)),
            sample(0.9, 9.0),  # before
            sample(2.0, 9.0, Outcome.SHED),
            sample(2.0, 9.0, Outcome.SHED, step=3),
            sample(2.0, 9.0, Outcome.TIMEOUT),
            sample(2.0, 9.0, step=15),  # a look into the outbox
        ]
    )
    seen = look(arrivals, samples, Phase(1.0, 3.0))
    assert (seen.left, seen.lost) == (4, 2)
    assert (seen.offered, seen.goodput) == (2.0, 1.0)
    assert seen.p99 == pytest.approx(0.1)
    assert (seen.accepted, seen.newcomers, seen.under_way, seen.failed) == (50.0, 1, 1, 1)
    assert math.isnan(look(arrivals, samples[:0], Phase(1.0, 3.0)).p99)


def test_stairs_are_carried_up_to_the_first_on_which_somebody_is_turned_away() -> None:
    stairs = [Phase(n, n + 1) for n in range(4)]
    good = [arrival(n / 2, 0.1) for n in range(8)]
    assert carried(np.array(good), stairs) == 4
    assert carried(np.array([*good, arrival(2.0, 0.1, Ending.FAILED)]), stairs) == 2
    assert carried(np.array([*good, arrival(3.9, 0.1, Ending.FAILED), arrival(0.0, 0.1, Ending.FAILED)]), stairs) == 0


def test_a_stair_on_which_a_queue_grows_is_not_carried_though_nobody_is_turned_away() -> None:
    stairs = [Phase(1, 2), Phase(2, 3)]
    even = [arrival(n / 100, 0.1) for n in range(300)]
    assert carried(np.array(even), stairs) == 2
    later = [arrival(n / 100, 0.1 if n < 200 else 0.1 + (n - 200) / 400) for n in range(300)]  # a fifth stays behind
    assert carried(np.array(later), stairs) == 1


@pytest.mark.parametrize(
    ("bad", "seconds"),
    [
        ([], 0.0),
        ([sample(10.1, 0.1, Outcome.SHED)], 0.5),
        ([sample(11.6, 0.1, Outcome.ERROR)], 2.0),
        ([sample(11.1 + n / 100, 0.5) for n in range(10)], 1.5),
        ([sample(13.9, 0.1, Outcome.SHED)], math.inf),
    ],
)
def test_recovery_ends_with_the_last_half_second_that_was_bad(bad: list[Any], seconds: float) -> None:
    good = [sample(10 + n / 100, 0.1) for n in range(400)]
    assert recovery(np.array([*good, *bad]), Phase(10.0, 14.0), 0.2) == seconds


def test_a_system_that_nobody_asks_has_not_recovered() -> None:
    assert recovery(np.zeros(0, SAMPLE), Phase(10.0, 14.0), 0.2) == math.inf
    assert recovery(np.array([sample(10.1, 0.1)]), Phase(10.0, 14.0), 0.2) == math.inf
