"""The example run, built and rendered once for all tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from prakerja_load.judgement.verdict import RunJudgement
from prakerja_load.report import content, html, markdown
from prakerja_load.report.document import Report

sys.path.insert(0, str(Path(__file__).parent))

import example_run


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is drawn depend on the test's own streams, not on the terminal that runs the tests."""
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture(scope="session")
def run() -> RunJudgement:
    return example_run.run()


@pytest.fixture(scope="session")
def report(run: RunJudgement) -> Report:
    return content.build(run)


@pytest.fixture(scope="session")
def page(report: Report) -> str:
    return html.render(report)


@pytest.fixture(scope="session")
def text(report: Report) -> str:
    return markdown.render(report)
