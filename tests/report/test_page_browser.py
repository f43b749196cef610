"""The page in a real browser: nothing runs out of a phone's width, every picture has a size."""

from __future__ import annotations

import html as entities
import re
import subprocess
from pathlib import Path

import browser as browsers
import pytest

MEASURE = """
<!DOCTYPE html><meta charset="utf-8"><body>
<iframe id="frame" style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<pre id="result"></pre>
<script>
addEventListener("load", () => {{
  const inside = document.getElementById("frame").contentDocument;
  inside.querySelectorAll("details").forEach(details => details.open = true);
  const sizes = [...inside.querySelectorAll("svg")].map(svg => svg.getBoundingClientRect());
  document.getElementById("result").textContent = [
    "width=" + inside.documentElement.scrollWidth,
    "pictures=" + sizes.filter(size => size.width > 200 && size.height > 50).length,
    "heading=" + inside.querySelector("h1").getBoundingClientRect().bottom,
  ].join(" ");
}});
</script>
"""


@pytest.fixture(scope="module")
def browser() -> str:
    return browsers.found()


def measure(browser: str, page: str, width: int, folder: Path) -> dict[str, float]:
    """Return what a browser measures of the page in a frame of this width, every table unfolded."""
    harness = folder / "measure.html"
    harness.write_text(MEASURE.format(width=width, page=entities.escape(page)), encoding="utf-8")
    command = browsers.command(browser, folder, browsers.SETTLED, "--dump-dom", harness.as_uri())
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    result = re.search(r'<pre id="result">([^<]*)</pre>', dumped)
    assert result is not None, dumped[-500:]
    return {name: float(value) for name, value in (part.split("=") for part in result[1].split())}


@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_runs_out_of_the_page(browser: str, page: str, width: int, tmp_path: Path) -> None:
    measured = measure(browser, page, width, tmp_path)

    assert measured["width"] <= width
    assert measured["pictures"] == 2 + 4 * 3
    assert 0 < measured["heading"] < 300, "the answer is not at the top"
