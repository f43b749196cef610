"""The web UI of the stock command: a Ramp tab that a browser shows, on loopback unless told otherwise."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import browser as browsers
import pytest
from ramp_rig import ROOT
from stock_rig import counts, finish, free_port, locust
from tiny_system import TinySystem

WHATS = [
    "Ramp",
    "Phase",
    "Offered against achieved",
    "Elapsed to a step, last seconds",
    "In flight",
    "Soundness",
    "Verdict so far",
]


@dataclass
class Ui:
    """One stock locust with its web UI under way."""

    url: str
    folder: Path
    system: TinySystem
    process: subprocess.Popen[str]

    def statistics(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/stats/requests", timeout=10) as answer:
            said = json.load(answer)
        assert isinstance(said, dict)
        return said

    def wait_for(self, is_there: Callable[[dict[str, Any]], bool], seconds: float = 40.0) -> dict[str, Any]:
        """Return the first statistics of which something holds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()[0]
            try:
                if is_there(said := self.statistics()):
                    return said
            except OSError:  # it does not listen yet
                pass
            time.sleep(0.1)
        raise AssertionError("nothing of the kind came")


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, tiny_system: Callable[..., TinySystem]) -> Iterator[Ui]:
    folder, system, port = tmp_path_factory.mktemp("ui"), tiny_system(0.02), free_port()
    ours = ("-f", "locustfiles/registration.py", "--autostart", "--web-port", str(port))
    process = locust(folder, *ours, "--host", system.url, hold="120s")
    yield Ui(f"http://127.0.0.1:{port}", folder, system, process)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished_in(said: dict[str, Any]) -> int:
    (table,) = said.get("extended_stats", [{"data": []}])
    row = {row["what"]: row["now"] for row in table["data"]}.get("Offered against achieved", "")
    found = re.search(r"(\d+) finished;", row)
    return int(found[1]) if found else 0


def test_the_statistics_that_the_page_asks_for_carry_the_rows_of_the_tab(ui: Ui) -> None:
    said = ui.wait_for(lambda said: finished_in(said) >= 30)
    (table,) = said["extended_stats"]

    assert table["key"] == "ramp"
    assert [row["what"] for row in table["data"]] == WHATS
    assert said["stats"], "Locust's own statistics are still there"


@pytest.mark.browser
def test_a_browser_shows_the_tab_with_what_is_so_now(ui: Ui, tmp_path: Path) -> None:
    browser = browsers.found()
    before = finished_in(ui.wait_for(lambda said: finished_in(said) > 0))
    command = browsers.command(browser, tmp_path, browsers.SETTLED, "--dump-dom", f"{ui.url}/?tab=ramp")
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    tabs = re.findall(r'<button[^>]*role="tab"[^>]*>(?:<[^>]*>)*([A-Za-z ]+)', dom)
    cells = [html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", dom)]
    shown = dict(zip(cells[::2], cells[1::2], strict=True))

    assert "Ramp" in tabs
    assert list(shown) == WHATS
    assert shown["Ramp"] == "tiny: 2 000 registrants, 30 arrivals/s held for 2 min"
    assert before <= int(re.findall(r"(\d+) finished;", shown["Offered against achieved"])[0]) < 3600
    assert "p99 " in shown["Elapsed to a step, last seconds"]
    assert "SUSTAINED" not in shown["Verdict so far"].replace("NOT_SUSTAINED", "")


def test_stopped_by_hand_it_has_counted_what_was_served(ui: Ui) -> None:
    ui.wait_for(lambda said: finished_in(said) > 0)
    ui.process.send_signal(signal.SIGINT)
    code, said = finish(ui.process, 60)
    counted = counts(ui.folder)["Aggregated"]

    assert code == 0, said
    assert f"http://{'127.0.0.1'}:" in said
    assert counted == ui.system.served - 1 > 0  # one more made the people known


@pytest.mark.parametrize("file", ["registration", "exploratory"])
def test_the_ui_binds_to_loopback_unless_told_otherwise(file: str) -> None:
    program = (
        f"import locust; from importlib import import_module as load; load('prakerja_load.driver.{file}')\n"
        "from locust.argument_parser import parse_options\n"
        "print(repr(parse_options(['-f', 'x']).web_host), repr(parse_options(['-f', 'x', '--web-host', '*']).web_host))"
    ).replace("driver.registration", "driver.user")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.splitlines()[-1] == "'127.0.0.1' '*'"
