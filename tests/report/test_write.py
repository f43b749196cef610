from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from prakerja_load.errors import EvidenceError
from prakerja_load.judgement.verdict import RunJudgement
from prakerja_load.report import html, write


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    """The page is rendered elsewhere; these tests are about files."""
    monkeypatch.setattr(html, "render", lambda report: f"{report.title}\n{page}")


@pytest.mark.usefixtures("quick")
def test_both_reports_are_written_and_nothing_else(run: RunJudgement, tmp_path: Path) -> None:
    page, summary = write.write_reports(run, tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted([page, summary])
    assert (page.name, summary.name) == ("report.html", "report.md")


@pytest.mark.usefixtures("quick")
def test_writing_again_gives_the_same_bytes(run: RunJudgement, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write.write_reports(run, tmp_path)]

    assert [path.read_bytes() for path in write.write_reports(run, tmp_path)] == first


def test_a_crash_while_rendering_leaves_the_old_reports_whole(
    run: RunJudgement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(report: object) -> str:
        raise RuntimeError("no picture")

    monkeypatch.setattr(html, "render", lambda report: "old page")
    old = [path.read_bytes() for path in write.write_reports(run, tmp_path)]
    monkeypatch.setattr(html, "render", crash)
    with pytest.raises(RuntimeError, match="no picture"):
        write.write_reports(dataclasses.replace(run, scenario="another"), tmp_path)

    assert [(tmp_path / name).read_bytes() for name in ("report.html", "report.md")] == old


@pytest.mark.usefixtures("quick")
def test_an_interruption_before_the_last_step_leaves_the_old_report_whole(
    run: RunJudgement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, _ = write.write_reports(run, tmp_path)
    old = page.read_bytes()

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write.write_reports(dataclasses.replace(run, scenario="another"), tmp_path)

    assert page.read_bytes() == old


@pytest.mark.usefixtures("quick")
def test_a_directory_that_is_not_there_is_named(run: RunJudgement, tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"missing/report\.html: cannot be written: No such file"):
        write.write_reports(run, tmp_path / "missing")
