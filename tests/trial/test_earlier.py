"""A run looks at the runs of its folder that asked the same before, cheaply, and says what came of them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command import SCENARIOS, command, verdict_of

from prakerja_load.evidence.run_directory import RUN, VERDICT, write_json
from prakerja_load.judgement.comparability import question
from prakerja_load.judgement.judge import judge_run
from prakerja_load.judgement.record import write_verdict
from prakerja_load.judgement.verdict import EarlierRun, Verdict
from prakerja_load.scenario import load
from prakerja_load.trial.earlier import HEAD, runs_before

ASKED = "0123456789abcdef0123456789abcdef"
RAMP = {"number": 1, "verdict": "NOT_SUSTAINED", "reasons": ["…"] * 50}


def begun(folder: Path, created: str, **said: Any) -> Path:
    folder.mkdir(parents=True)
    write_json(folder / RUN, {"schema": 1, "created": created, "question": ASKED, "ramps": [1], **said})
    return folder


def judged(
    folder: Path,
    verdict: str = "NOT_SUSTAINED",
    description: str = "",
    created: str = "2020-04-11",
    asked: str = ASKED,
) -> Path:
    begun(folder, created, question=asked)
    said = {"schema": 1, "scenario": "s", "description": description, "verdict": verdict, "ramps": [RAMP]}
    write_json(folder / VERDICT, said)
    return folder


def test_the_runs_that_asked_the_same_are_named_oldest_first(tmp_path: Path) -> None:
    judged(tmp_path / "b", "SUSTAINED", created="2020-04-13")
    judged(tmp_path / "c", "INCONCLUSIVE", created="2020-04-12")
    judged(tmp_path / "a", "NOT_SUSTAINED", created="2020-04-13")

    assert runs_before(tmp_path, ASKED, [1]) == (
        EarlierRun("c", "2020-04-12", Verdict.INCONCLUSIVE),
        EarlierRun("a", "2020-04-13", Verdict.NOT_SUSTAINED),
        EarlierRun("b", "2020-04-13", Verdict.SUSTAINED),
    )


def test_runs_of_another_question_or_of_other_ramps_are_no_tries(tmp_path: Path) -> None:
    judged(tmp_path / "a")

    assert runs_before(tmp_path, "f" * 32, [1]) == ()
    assert runs_before(tmp_path, ASKED, [2]) == ()
    assert len(runs_before(tmp_path, ASKED, [1, 2])) == 1


def test_the_verdict_is_the_runs_own_whatever_its_description_quotes(tmp_path: Path) -> None:
    judged(tmp_path / "a", "INCONCLUSIVE", 'says\n  "verdict": "SUSTAINED",\n')

    assert [run.verdict for run in runs_before(tmp_path, ASKED, [1])] == [Verdict.INCONCLUSIVE]


def test_what_is_broken_or_foreign_is_passed_over(tmp_path: Path) -> None:
    begun(tmp_path / "not-judged", "2020-04-11")
    begun(tmp_path / "old", "2020-04-11", question=None)
    begun(tmp_path / "odd", "2020-04-11", ramps="all")
    judged(tmp_path / "unknown-word", "PASSED")
    judged(tmp_path / "torn")
    (tmp_path / "torn" / RUN).write_bytes(b'{"schema": 1, "cre')
    judged(tmp_path / "binary")
    (tmp_path / "binary" / VERDICT).write_bytes(b"\xff\xfe" * 40)
    judged(tmp_path / "folder")
    (tmp_path / "folder" / VERDICT).unlink()
    (tmp_path / "folder" / VERDICT).mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "doctor.json").write_text("{}")
    judged(tmp_path / "good")

    assert [run.run for run in runs_before(tmp_path, ASKED, [1])] == ["good"]


def test_a_folder_that_is_not_there_holds_no_runs(tmp_path: Path) -> None:
    assert runs_before(tmp_path / "reports", ASKED, [1]) == ()


def test_of_a_large_verdict_only_the_head_is_read(tmp_path: Path) -> None:
    folder = judged(tmp_path / "a")
    whole = (folder / VERDICT).read_bytes()
    (folder / VERDICT).write_bytes(whole[:200] + b"x" * HEAD + b"no JSON at all")

    assert [run.verdict for run in runs_before(tmp_path, ASKED, [1])] == [Verdict.NOT_SUSTAINED]


def test_a_thousand_runs_are_looked_through_in_a_fifth_of_a_second(tmp_path: Path) -> None:
    run = msgspec.json.encode({"schema": 1, "created": "2020-04-11", "question": ASKED, "ramps": [1]})
    folder = judged(tmp_path / "0000")
    verdict = (folder / VERDICT).read_bytes() + b" " * 200_000
    for number in range(1, 1_000):
        (tmp_path / f"{number:04d}").mkdir()
        (tmp_path / f"{number:04d}" / RUN).write_bytes(run)
        (tmp_path / f"{number:04d}" / VERDICT).write_bytes(verdict)
    began = time.thread_time()
    found = runs_before(tmp_path, ASKED, [1])

    assert time.thread_time() - began < 0.2
    assert len(found) == 1_000


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Give the address of a system that nobody serves."""
    with socket.socket() as listener:  # bound and never listening, so that nobody else comes to be there
        listener.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_run_tells_of_those_before_it_and_judging_it_again_says_the_same(nowhere: str, tmp_path: Path) -> None:
    """Of a run that never reaches its target, because it is the shortest; another seed makes no other question."""
    smoke, reports = SCENARIOS / "smoke.toml", tmp_path / "reports"
    target = f'target.url="{nowhere}"'
    for number, setting in enumerate(("seed=1", "load.workers=2", "demand.peak_minute_share=0.8")):
        asked = question(load(smoke, [target, setting]))
        judged(reports / f"before-{number}", created=f"2020-04-1{number}", asked=asked)

    said = command("run", smoke, "--target", nowhere, "--reports", reports)
    (run,) = [path for path in reports.iterdir() if not path.name.startswith("before")]
    words = "3rd run of this scenario against this system in this folder: of the 2 before, 2 were NOT_SUSTAINED"
    told, whole = verdict_of(run), (run / VERDICT).read_bytes()

    assert said.code == 4
    assert [line for line in said.out.splitlines() if "run of this scenario" in line] == [words]
    assert told["verdict"] == "INCONCLUSIVE"
    assert told["earlier_runs"] == [
        {"run": "before-0", "created": "2020-04-10", "verdict": "NOT_SUSTAINED"},
        {"run": "before-1", "created": "2020-04-11", "verdict": "NOT_SUSTAINED"},
    ]
    assert f"{words}. A green that comes after tries" in (run / "report.md").read_text().replace("\\", "")
    judged(reports / "later", asked=question(load(smoke, [target])))
    assert write_verdict(judge_run(run), run).read_bytes() == whole
