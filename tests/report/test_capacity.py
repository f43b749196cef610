"""The page of a capacity search: every result stands on it, in both formats, and nothing is computed there."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import example_capacity
import pytest

from prakerja_load.errors import EvidenceError
from prakerja_load.report import capacity
from prakerja_load.report.document import CapacityPage


@pytest.fixture(scope="module")
def page() -> CapacityPage:
    return capacity.build(example_capacity.judged())


@pytest.fixture(scope="module")
def markup(page: CapacityPage) -> str:
    return capacity.render_html(page)


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br", "path", "use", "rect"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_headline_is_the_interval(page: CapacityPage) -> None:
    assert page.headline == "Carries 626.6 arrivals/s, not 654.3"
    assert page.headline_indonesian == "LAYAK sampai 626.6 pendaftar per detik; TIDAK LAYAK pada 654.3"


def test_every_result_of_the_search_stands_in_both_formats(page: CapacityPage, markup: str) -> None:
    outline = Outline()
    outline.feed(markup)
    whole = " ".join(" ".join(outline.texts).replace("\N{NO-BREAK SPACE}", " ").split())
    text = capacity.render_markdown(page)

    for said in (
        "[626.6, 654.3) arrivals/s",
        "its lower end held again for longer",
        "Proven: 2 000 000 registrants",
        "The next doubling: 4 000 000 would need 893 arrivals/s",
        "Knee",
        "Saturation",
        "First to fail",
        "not identifiable",
        "not reached by this generator",
        "817.9 arrivals/s passed although 654.3 failed: it proves nothing",
        "626.6 arrivals/s passed one time and not another",
        "at least 40.2 %, less than 46.5 %",
        "20261124T081500Z-ministry-ramp-2020",
    ):
        assert said in whole, said
        assert said in text.replace("\\", ""), said


def test_the_limits_that_no_rate_keeps_have_a_dash(page: CapacityPage) -> None:
    table = page.tables[0]
    rows = {row[0].text: row[1].text for row in table.rows}

    assert list(rows) == ["50 ms", "100 ms", "250 ms", "500 ms", "1 s", "2 s"]
    assert rows["50 ms"] == rows["100 ms"] == "–"
    assert rows["250 ms"] == "300"


def test_the_page_needs_no_network_and_closes_what_it_opens(markup: str) -> None:
    outline = Outline()
    outline.feed(markup)

    assert outline.open == []
    assert all(address.startswith("#") for address in outline.addresses)
    assert "<script" not in markup
    assert markup.startswith("<!DOCTYPE html>")


def test_the_pictures_are_sound_and_show_every_step(page: CapacityPage, markup: str) -> None:
    pictures = [part.split("</svg>")[0] + "</svg>" for part in markup.split("<svg")[1:]]

    assert len(pictures) == 2
    for picture in pictures:
        ET.fromstring("<svg" + picture.replace("href=", "data-href="))
    assert [dot.offered for dot in page.chart.dots] == sorted(dot.offered for dot in page.chart.dots)
    assert len(page.chart.dots) == 15


def test_the_same_judgement_gives_the_same_bytes(page: CapacityPage, markup: str) -> None:
    again = capacity.build(example_capacity.judged())

    assert capacity.render_html(again) == markup
    assert capacity.render_markdown(again) == capacity.render_markdown(page)


def test_nothing_a_reader_sees_can_become_markup() -> None:
    wild = dataclasses.replace(example_capacity.judged(), first_failing="<b>step</b> | `x`", disclosures=("<i>",))
    page = capacity.build(wild)

    assert "<b>step" not in capacity.render_html(page)
    assert "<b>step" not in capacity.render_markdown(page)


def test_identity_numbers_are_withheld() -> None:
    wild = dataclasses.replace(example_capacity.judged(), first_failing="NIK 3174012304900000 is lost")

    assert "3174012304900000" not in capacity.render_html(capacity.build(wild))


def test_a_search_that_showed_nothing_still_has_a_page() -> None:
    page = capacity.build(example_capacity.judged((), "interrupted"))

    assert page.headline == "No rate was decided"
    assert page.badge.english == "INCONCLUSIVE"
    assert "interrupted" in capacity.render_html(page)
    assert "No rate was decided" in capacity.render_markdown(page)


def test_both_files_are_written(tmp_path: Path) -> None:
    paths = capacity.write_capacity_pages(example_capacity.judged(), tmp_path)

    assert [path.name for path in paths] == ["capacity.html", "capacity.md"]
    assert all(path.stat().st_size > 1_000 for path in paths)
    with pytest.raises(EvidenceError, match="cannot be written"):
        capacity.write_capacity_pages(example_capacity.judged((), "interrupted"), tmp_path / "missing")
