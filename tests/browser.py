"""The real browser that pages are looked at with; a test without one says so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SETTLED = "--virtual-time-budget=5000"  # milliseconds that a page gets to finish, in its own time


def found() -> str:
    """Return the browser; skip the test where there is none."""
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("no Chromium found (apt-get install chromium, or set CHROMIUM)")
    return browser


def command(browser: str, folder: Path, *more: str) -> list[str]:
    """Return the command line of the browser with a profile of its own in a folder."""
    return [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", *more]
