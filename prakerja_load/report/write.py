"""Writes the reports of a run into its directory, so that an interruption leaves the old ones whole."""

from __future__ import annotations

import os
from pathlib import Path

from prakerja_load.errors import EvidenceError
from prakerja_load.judgement.verdict import RunJudgement
from prakerja_load.report import content, html, markdown


def write_reports(run: RunJudgement, directory: Path) -> tuple[Path, Path]:
    """Write report.html and report.md into `directory` and return their paths; the same run gives the same bytes.

    Both are rendered before either is written, and each replaces its predecessor in one step.
    Raises EvidenceError when the directory cannot be written.
    """
    report = content.build(run)
    texts = {directory / "report.html": html.render(report), directory / "report.md": markdown.render(report)}
    for path, text in texts.items():
        replace_text(path, text)
    page, summary = texts
    return page, summary


def replace_text(path: Path, text: str) -> None:
    """Put a text in the place of a file in one step; raises EvidenceError when it cannot be written."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be written: {error.strerror}") from error
