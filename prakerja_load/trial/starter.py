"""What a newcomer starts from: a commented scenario and a thin locustfile."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from prakerja_load.errors import Problem, ScenarioError

FILES = ("scenario.toml", "locustfile.py")


def write(directory: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Write the starting files into `directory` and yield their paths.

    Raises ScenarioError, before anything is written, when a file is there and `overwrite` is not set.
    """
    there = [directory / name for name in FILES if (directory / name).exists()]
    if there and not overwrite:
        problems = [Problem(str(path), "an existing file", "a new file", "--force overwrites it") for path in there]
        raise ScenarioError(str(directory), problems)
    directory.mkdir(parents=True, exist_ok=True)
    source = files("prakerja_load.trial") / "beginning"
    for name in FILES:
        path = directory / name
        path.write_text((source / name).read_text(encoding="utf-8"), encoding="utf-8")
        yield path
