from __future__ import annotations

import dataclasses
import html as entities
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import example_run
import pytest

from prakerja_load.judgement.verdict import RunJudgement, Verdict
from prakerja_load.report import content, html
from prakerja_load.report.document import Report

VOID = {"meta", "br", "hr", "img", "link", "input"}
SELF_CLOSED = {"path", "use", "rect", "image"}


class Outline(HTMLParser):
    """Follows a page tag by tag; remembers what is never closed, every id, every address and the visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.errors: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.errors.append(tag)

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self.open):
            self.text.append(data)


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    return parsed


def words_of(page: str) -> str:
    return " ".join(" ".join(outline(page).text).replace("\xa0", " ").split())


def test_every_tag_is_closed_in_order(page: str) -> None:
    parsed = outline(page)

    assert (parsed.errors, parsed.open) == ([], [])


def test_every_picture_is_well_formed(page: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", page)

    assert len(pictures) == 2 + 4 * 3
    assert all(len(ET.fromstring(picture)) for picture in pictures)


def test_no_id_is_used_twice_and_every_local_link_arrives(page: str) -> None:
    parsed = outline(page)

    assert len(parsed.ids) == len(set(parsed.ids))
    assert {address.removeprefix("#") for address in parsed.addresses} <= set(parsed.ids)


def test_it_needs_no_script_and_no_network(page: str) -> None:
    parsed = outline(page)

    assert not {"script", "link", "img", "iframe", "object", "form"} & parsed.tags
    assert all(address.startswith("#") for address in parsed.addresses)
    assert not re.search(r"@import|@font-face|url\((?!#)|\son\w+=", page)


def test_the_layout_uses_no_grid_so_that_every_print_engine_can_follow(page: str) -> None:
    assert "grid" not in page.partition("<style>")[2].partition("</style>")[0]


def test_the_title_and_the_heading_are_the_answer(page: str, report: Report) -> None:
    plain = page.replace("\xa0", " ")

    assert f"<title>{report.headline} · ministry-ramp</title>" in plain
    assert f"<h1>{report.headline}</h1>" in plain


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_is_shown_in_both_languages(page: str, verdict: Verdict) -> None:
    assert f"{verdict.name} · {verdict.indonesian}" in words_of(page)


def test_every_sentence_reason_and_count_is_shown(page: str, run: RunJudgement, report: Report) -> None:
    words = words_of(page)
    wanted = [ramp.sentence for ramp in run.ramps]
    wanted += [text for ramp in run.ramps for text in (*ramp.reasons, *ramp.counts.gaps, *ramp.disclosures)]
    wanted += [count.number for ramp in report.ramps for count in ramp.counts]
    wanted += [*run.not_tested, *run.environment.values()]

    assert [text for text in wanted if text not in words] == []


def test_both_renderers_show_the_same_numbers(page: str, text: str) -> None:
    number = re.compile(r"\d{1,3}(?: \d{3})+(?!\d)|\d+(?:[.,]\d+)*")
    chunks = [chunk.replace("\xa0", " ") for chunk in outline(page).text]
    plain = entities.unescape(text).replace("\\", "")

    assert {found for chunk in chunks for found in number.findall(chunk)} == set(number.findall(plain))


def test_the_same_run_gives_the_same_bytes(page: str) -> None:
    assert html.render(content.build(example_run.run())) == page


def test_a_hostile_text_stays_text(run: RunJudgement) -> None:
    hostile = "<script>alert('x')</script>\"><img src=x onerror=y> {{ 7*7 }}"
    ramp = dataclasses.replace(run.ramps[0], reasons=(hostile,), sentence=hostile, name=hostile, disclosures=(hostile,))
    rendered = html.render(content.build(dataclasses.replace(run, scenario=hostile, ramps=(ramp,))))
    parsed = outline(rendered)

    assert not {"script", "img"} & parsed.tags
    assert parsed.errors == []
    assert "{{ 7*7 }}" in words_of(rendered)


def test_no_identity_number_is_in_a_page(page: str, run: RunJudgement) -> None:
    ramp = dataclasses.replace(run.ramps[0], reasons=("lost NIK 3201015708900000",))
    rendered = html.render(content.build(dataclasses.replace(run, ramps=(ramp,), seed=2**62)))

    assert not re.search(r"\d{16}", page)
    assert not re.search(r"\d{16}", rendered)
    assert "lost NIK [number withheld]" in words_of(rendered)


def test_numbers_do_not_break_from_their_thousands_and_units(page: str) -> None:
    assert "2\xa0000\xa0000" in page
    assert "447\xa0arrivals/s" in page
    assert "[34.4,\xa040.4\xa0ms]" in page


def test_what_failed_stands_open_and_what_holds_is_folded(page: str) -> None:
    sections = page.split('<section id="')
    carried, failed = sections[1], sections[4]

    assert "<details open>" not in carried
    assert failed.count("<details open>") == 2
    assert failed.index("Objectives not met") < failed.index("Objectives met")


def test_a_run_without_ramps_or_data_is_rendered(run: RunJudgement) -> None:
    nothing = html.render(content.build(dataclasses.replace(run, ramps=(), not_tested=(), environment={})))
    ramp = html.render(content.build(dataclasses.replace(run, ramps=(example_run.empty_ramp(),))))

    assert outline(nothing).errors == outline(ramp).errors == []
    assert "Nothing was judged" in words_of(nothing)
    assert "nan" not in words_of(ramp).lower().split()


def test_matplotlib_is_loaded_only_when_a_page_is_drawn() -> None:
    program = (
        "import sys; import prakerja_load.report.html, prakerja_load.report.markdown, prakerja_load.report.write, "
        "prakerja_load.report.live; sys.exit('matplotlib' in sys.modules or 'rich' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
