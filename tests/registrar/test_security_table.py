"""SECURITY.md is held to the standard, requirement by requirement, and to the tree: places, tests, what it lists."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import prakerja_load.registrar
from prakerja_load.registrar import logs, messages

FOLDER = Path(prakerja_load.registrar.__file__).parent
ROOT = FOLDER.parent.parent
TEXT = (FOLDER / "SECURITY.md").read_text()
LIST = Path(__file__).with_name("asvs-5.0.0.csv")
NUMBER = r"\d+(?:\.\d+){0,2}"
ITEMS = re.compile(rf"{NUMBER}(?:–{NUMBER})?(?:, {NUMBER}(?:–{NUMBER})?)*")


def section(title: str) -> str:
    """Return what stands under a heading, up to the next of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> list[list[str]]:
    """Return the cells of the rows of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def standard() -> dict[str, str]:
    """Return the subject of each requirement of level 1 and 2."""
    lines = [line for line in LIST.read_text().splitlines() if not line.startswith("#")]
    return {row["requirement"]: row["subject"] for row in csv.DictReader(lines)}


STANDARD = standard()
MET, NOT_MET, NOT_APPLICABLE = (rows(title) for title in ("Met", "Not met", "Does not apply"))
BESIDES = rows("Asked for besides")
LISTED = [row for table in (MET, NOT_MET, NOT_APPLICABLE) for row in table]


def requirements(cell: str) -> Iterator[str]:
    """Yield the requirements that a cell stands for: 1.2.3, 1.2.3–1.2.6, the section 1.2, the chapter 1."""
    assert ITEMS.fullmatch(cell), cell
    for part in cell.split(", "):
        first, _, last = part.partition("–")
        if last:
            assert first.rpartition(".")[0] == last.rpartition(".")[0], part
            numbers = range(int(first.rpartition(".")[2]), int(last.rpartition(".")[2]) + 1)
            found = [f"{first.rpartition('.')[0]}.{number}" for number in numbers]
            assert {first, last} <= STANDARD.keys(), part
            yield from (item for item in found if item in STANDARD)
        else:
            within = [item for item in STANDARD if item == part or item.startswith(f"{part}.")]
            assert within, f"{part}: nothing of level 1 or 2 has this number"
            yield from within


def test_the_list_of_the_standard_is_whole() -> None:
    levels = Counter(line.split(",")[1] for line in LIST.read_text().splitlines() if re.match(r"\d", line))
    assert levels == {"1": 70, "2": 183}  # as the standard counts them
    assert len(STANDARD) == 253
    assert {item.split(".")[0] for item in STANDARD} == {str(chapter) for chapter in range(1, 18)}


def test_a_cell_stands_for_what_it_says_and_for_nothing_unknown() -> None:
    assert list(requirements("2.2")) == ["2.2.1", "2.2.2", "2.2.3"]
    assert list(requirements("6.2.9–6.2.11, 2.4")) == ["6.2.9", "6.2.10", "6.2.11", "2.4.1"]
    for unknown in ("6.3.8", "18", "2.5", "6.3.1–6.3.9", "1.2.1–1.3.2", "6.3.2 ", "one"):
        with pytest.raises(AssertionError):
            list(requirements(unknown))


def test_every_requirement_of_level_1_and_2_is_answered_once() -> None:
    answered = Counter(item for row in LISTED for item in requirements(row[0]))
    assert sorted(STANDARD.keys() - answered.keys()) == [], "missing"
    assert {item: count for item, count in answered.items() if count > 1} == {}
    assert all(cell for row in (*LISTED, *BESIDES) for cell in row)


def test_a_requirement_is_named_by_its_own_number() -> None:
    named = {row[0]: row[1] for row in (*MET, *NOT_MET)}
    assert named == {item: STANDARD.get(item) for item in named}
    assert all(len(row) == 3 for row in (*NOT_MET, *NOT_APPLICABLE))


@pytest.mark.parametrize("row", [*MET, *BESIDES], ids=lambda row: row[0])
def test_a_place_and_a_test_that_the_table_names_exist(row: list[str]) -> None:
    _, _, places, tests = row
    named = re.findall(r"`([^`]+)`", places)
    assert named
    for place in named:
        assert (FOLDER / place).exists() or (ROOT / place).exists(), place
    named = re.findall(r"`([^`]+)`", tests)
    assert named
    for name in named:
        module, _, function = name.partition("::")
        found = ROOT / "tests" / "registrar" / module
        assert re.search(rf"^(async )?def {re.escape(function)}\(", found.read_text(), re.MULTILINE), name


def test_every_field_that_a_person_sends_has_its_level() -> None:
    named = [name for row in rows("Data") for name in re.findall(r"`(\w+)`", row[1])]
    bodies = [kind for kind in messages.Incoming.__subclasses__() if kind.__module__ == messages.__name__]
    sent = {field for kind in bodies for field in kind.__struct_fields__}
    assert len(bodies) > 5
    assert len(named) == len(set(named))
    assert set(named) == sent


def test_every_event_that_is_logged_stands_in_the_inventory() -> None:
    source = Path(logs.__file__).read_text()
    events = re.findall(r'(?:_say\(logging\.\w+, |_logger\.\w+\(|"event": )"([\w-]+)"', source)
    assert len(events) == source.count("_say(") - 1 + source.count("_logger.error(") + source.count('"event": "')
    assert {row[0].strip("`") for row in rows("Logs")} == set(events)


def test_the_introduction_counts_right() -> None:
    counted = {name: int(count) for count, name in re.findall(r"(\d+) are (met|not met|not applicable)", TEXT)}
    assert counted == {
        "met": len(MET),
        "not met": len(NOT_MET),
        "not applicable": sum(len(list(requirements(row[0]))) for row in NOT_APPLICABLE),
    }
