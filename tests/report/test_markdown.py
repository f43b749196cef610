from __future__ import annotations

import dataclasses
import re

import example_run
import pytest

from prakerja_load.judgement.verdict import RunJudgement, Verdict
from prakerja_load.report import content, markdown
from prakerja_load.report.document import Report


def test_the_example_looks_like_the_golden_file(text: str) -> None:
    """After a change that is meant: python -m tests.report.example_run, and read the difference."""
    assert text == (example_run.GOLDEN / "report.md").read_text(encoding="utf-8")


def test_it_fits_into_a_step_summary(text: str) -> None:
    assert len(text.encode()) <= markdown.LIMIT


def test_the_answer_comes_first(text: str) -> None:
    assert text.startswith("# Carries the peak of 300 000; not shown for 600 000; does not carry 2 000 000\n")


def test_every_line_of_a_table_has_as_many_cells_as_its_head(text: str) -> None:
    head = 0
    for line in text.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert head in {0, cells} or cells == 0, line
        head = cells


def test_details_are_opened_and_closed(text: str) -> None:
    assert text.count("<details") == text.count("</details>") > 0
    assert text.count("<summary>") == text.count("</summary>") == text.count("<details")


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a | b", "a \\| b"),
        ("[here](http://x.example)", "[here\\](http://x.example)"),
        ("*bold* `code`", "\\*bold\\* \\`code\\`"),
        ("two\n\n# lines", "two # lines"),
        ("R&D", "R&amp;D"),
        ("\\", "\\\\"),
    ],
)
def test_what_was_observed_cannot_become_markup(hostile: str, shown: str) -> None:
    assert markdown.escape(hostile) == shown


def test_a_hostile_reason_stays_a_reason(run: RunJudgement) -> None:
    ramp = dataclasses.replace(run.ramps[0], reasons=("</details><img src=x> | # x\n# headline",))
    rendered = markdown.render(content.build(dataclasses.replace(run, ramps=(ramp,))))

    assert "<img" not in rendered
    assert "\n# headline" not in rendered


def huge(run: RunJudgement, reason: str) -> Report:
    ramps = tuple(
        dataclasses.replace(
            ramp, objectives=tuple(dataclasses.replace(item, reason=reason) for item in ramp.objectives)
        )
        for ramp in run.ramps
    )
    return content.build(dataclasses.replace(run, ramps=ramps))


def test_too_long_a_report_leaves_the_tables_of_carried_ramps_to_the_page(run: RunJudgement) -> None:
    rendered = markdown.render(huge(run, "why " * 60))
    first, last = rendered.split("## Ramp 1")[1].split("## Ramp 2")[0], rendered.split("## Ramp 4")[1]

    assert len(rendered.encode()) <= markdown.LIMIT
    assert "**Steps**: 16 steps, each time with its one-sided 95 % bounds (see report.html)" in first
    assert "<summary><b>Steps</b>" in last


def test_nothing_makes_it_longer_than_its_limit(run: RunJudgement) -> None:
    ramp = dataclasses.replace(run.ramps[3], reasons=("é" * 100_000,))
    rendered = markdown.render(content.build(dataclasses.replace(run, ramps=(ramp,))))

    assert len(rendered.encode()) <= markdown.LIMIT
    assert rendered.endswith("… cut here; report.html has the rest.\n")


def test_a_run_without_ramps_is_rendered(run: RunJudgement) -> None:
    empty = dataclasses.replace(run, ramps=(), verdict=Verdict.INCONCLUSIVE, not_tested=(), environment={})
    rendered = markdown.render(content.build(empty))

    assert rendered.startswith("# Nothing was judged\n")
    assert "Nothing is recorded." in rendered


def test_a_ramp_without_data_is_rendered(run: RunJudgement) -> None:
    empty = dataclasses.replace(run, ramps=(example_run.empty_ramp(),), verdict=Verdict.INCONCLUSIVE)
    rendered = markdown.render(content.build(empty))

    assert "nan" not in rendered
    assert "**Steps**: no data" in rendered
