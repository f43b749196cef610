"""The laboratory's page: who may see it, what it says, what it costs, and how it looks in a real browser."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html as entities
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import browser as browsers
import pytest
from asgi import LAB_TOKEN, Answer, Lab, Laboratory, in_loop
from people import Person, Visit
from server_process import StartServer
from wire import Wire

from prakerja_load.registrar.admin_page import FUNNEL, REFRESH

MEASURE = """
<!DOCTYPE html><meta charset="utf-8"><body>
<iframe id="frame" style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<pre id="result"></pre>
<script>
addEventListener("load", () => {{
  const inside = document.getElementById("frame").contentDocument;
  const style = inside.defaultView.getComputedStyle(inside.body);
  const shown = [...inside.querySelectorAll("section")].map(section => section.getBoundingClientRect());
  const wide = [...inside.querySelectorAll("section *")].filter(part => part.scrollWidth > part.clientWidth + 1
    && inside.defaultView.getComputedStyle(part).display !== "inline");
  document.getElementById("result").textContent = JSON.stringify({{
    width: inside.documentElement.scrollWidth,
    sections: shown.filter(size => size.width > 200 && size.height > 40).length,
    columns: new Set(shown.map(size => size.left)).size,
    overflowing: wide.map(part => part.tagName),
    paper: style.backgroundColor, ink: style.color,
  }});
}});
</script>
"""


@pytest.fixture(scope="module")
def browser() -> str:
    return browsers.found()


async def page_of(lab: Lab) -> Answer:
    return await lab.lab("GET", "")


def cell(page: str, title: str) -> str:
    found = re.search(rf"<th>{re.escape(title)}(?:<progress[^>]*></progress>)?</th><td>([^<]*)</td>", page)
    assert found is not None, title
    return found[1]


@in_loop
async def test_it_shows_wave_funnel_store_registry_and_defects(laboratory: Laboratory) -> None:
    async with laboratory(wave_quota=1_234_567) as lab:
        await (await Visit(lab, Person(1)).complete()).join()
        await Visit(lab, Person(2)).up_to_login()
        await lab.lab("POST", "defects", {"defects": [{"name": "lose-write", "every": 1000}]})
        answer = await page_of(lab)
        size = lab.path.stat().st_size
    page = answer.body.decode().replace("\u202f", " ")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["refresh"] == str(REFRESH)
    assert (cell(page, "Joined"), cell(page, "Quota"), cell(page, "Places left")) == ("1", "1 234 567", "1 234 566")
    assert [cell(page, title) for step, title in FUNNEL.items() if step != "join-wave"] == ["2"] * 2 + ["1"] * 6
    assert page.count("<th>Joined<progress") == 1
    assert cell(page, "Highest account number") == "2"
    assert cell(page, "Kind") == "sqlite, wal, synchronous full"
    assert cell(page, "Size of the database") == f"{size / 2**20:,.1f} MiB"
    assert cell(page, "Last commit").endswith(" s ago")
    assert (cell(page, "Checks"), cell(page, "Breaker")) == ("1", "closed")
    assert cell(page, "lose-write") == "every=1000"


@in_loop
async def test_without_defects_it_says_so_and_nothing_alarms(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        page = (await page_of(lab)).body.decode()
    assert '<section class="alarm">' not in page
    assert "<th>None</th>" in page


@in_loop
async def test_a_wave_of_any_name_cannot_bring_markup_in(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await lab.lab("POST", "waves", {"name": "<script>alert(1)</script>", "quota": 0})
        page = (await page_of(lab)).body.decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@in_loop
async def test_it_is_absent_without_a_laboratory_and_closed_without_its_token(laboratory: Laboratory) -> None:
    async with laboratory(name="plain.db", is_lab=False, lab_token="") as plain:
        absent = await plain.send("GET", "/lab/", lab_token="")
    async with laboratory() as lab:
        asked = await lab.send("GET", "/lab/")
        refused = [
            await lab.send("GET", "/lab/", authorization=value)
            for value in ("Basic !!!", "Basic", f"Bearer {LAB_TOKEN}", f"Basic {base64.b64encode(b'lab:no').decode()}")
        ]
        given = base64.b64encode(f"anybody:{LAB_TOKEN}".encode()).decode()
        let_in = await lab.send("GET", "/lab/", authorization=f"Basic {given}")
        elsewhere = await lab.send("POST", "/lab/defects", {"defects": []}, authorization=f"Basic {given}")
    assert (absent.status, asked.status, let_in.status) == (404, 401, 200)
    assert asked.headers["www-authenticate"].startswith("Basic ")
    assert {answer.status for answer in refused} == {401}
    assert elsewhere.status == 404, "a browser sends a password by itself: it opens what reads, not what changes"


@in_loop
async def test_its_policy_allows_its_own_style_and_nothing_else(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        answer = await page_of(lab)
        other = await lab.send("GET", "/healthz")
    page = answer.body.decode()
    style = page.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy
    assert not re.search(r"(?:src|href|style|url)\s*[=(]", page.replace(style, ""))
    assert "style-src" not in other.headers["content-security-policy"]


@in_loop
async def test_no_statement_of_a_refresh_reads_a_table_through(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await (await Visit(lab, Person(1)).complete()).join()
        asked: list[tuple[str, Any]] = []
        store = lab.registrar.store
        rows = store.lookups._rows

        def note(statement: str, bindings: tuple[Any, ...]) -> list[Any]:
            asked.append((statement, bindings))
            return rows(statement, bindings)

        store.lookups._rows = store._lookups_of_writer._rows = note
        await page_of(lab)
        plans = [line for said, bound in asked for *_, line in rows(f"EXPLAIN QUERY PLAN {said}", bound)]
    assert len(asked) == 2
    # of the waves it reads the newest, by the primary key backwards; SQLite calls that, and max(account), a scan or
    # search that ends at its first row
    assert sorted(plans) == ["SCAN waves", "SEARCH accounts"]
    assert all("LIMIT 1" in said or "max(account)" in said for said, _ in asked)


async def shown(laboratory: Laboratory) -> str:
    everything = [
        {"name": "lose-write", "every": 1000, "step": "create-account"},
        {"name": "known-queue", "slots": 4, "seconds": 0.0, "service": "exponential"},
    ]
    async with laboratory() as lab:
        await (await Visit(lab, Person(1)).complete()).join()
        await lab.lab("POST", "waves", {"name": "Gelombang " + "sangat-panjang-" * 6, "quota": 2**53})
        await lab.lab("POST", "defects", {"defects": everything})
        return (await page_of(lab)).body.decode()


def measure(browser: str, page: str, width: int, *flags: str, folder: Path) -> dict[str, Any]:
    harness = folder / "measure.html"
    harness.write_text(MEASURE.format(width=width, page=entities.escape(page)), encoding="utf-8")
    command = browsers.command(browser, folder, *flags, browsers.SETTLED)
    dumped = subprocess.run(
        [*command, "--dump-dom", harness.as_uri()], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    result = re.search(r'<pre id="result">([^<]*)</pre>', dumped)
    assert result is not None, dumped[-500:]
    measured: dict[str, Any] = json.loads(entities.unescape(result[1]))
    return measured


def contrast(measured: dict[str, Any]) -> tuple[float, float]:
    """Return the paper's luminance and the contrast of ink on it (WCAG 2.2)."""

    def luminance(color: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    paper, ink = luminance(measured["paper"]), luminance(measured["ink"])
    return paper, (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_it_is_readable_on_any_screen_in_light_and_dark(
    laboratory: Laboratory, browser: str, width: int, scheme: str, tmp_path: Path
) -> None:
    page = asyncio.run(shown(laboratory))
    flag = f"--blink-settings=preferredColorScheme={'0' if scheme == 'dark' else '1'}"
    measured = measure(browser, page, width, flag, folder=tmp_path)
    assert measured["width"] <= width
    assert measured["overflowing"] == []
    assert measured["sections"] == 6
    assert measured["columns"] == (1 if width == 320 else 3)
    paper, ratio = contrast(measured)
    assert (paper < 0.1) == (scheme == "dark")
    assert ratio > 7


@pytest.mark.browser
def test_a_browser_gets_it_with_the_token_as_password_and_breaks_no_rule(
    start_server: StartServer, browser: str, tmp_path: Path
) -> None:
    server = start_server()

    async def inject() -> None:
        wire = await Wire.open(server.url)
        defects = {"defects": [{"name": "corrupt-field", "every": 9}]}
        assert (await wire.send("POST", "/lab/defects", defects, lab_token=LAB_TOKEN)).status == 200
        await wire.close()

    asyncio.run(inject())
    address = server.url.replace("http://", f"http://lab:{LAB_TOKEN}@") + "/lab/"
    command = browsers.command(browser, tmp_path, "--enable-logging=stderr", "--dump-dom")
    shown = subprocess.run([*command, address], capture_output=True, text=True, timeout=120, check=True)
    assert cell(shown.stdout, "corrupt-field") == "every=9"
    assert "Content Security Policy" not in shown.stderr
