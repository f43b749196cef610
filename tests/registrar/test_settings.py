"""The command line: defaults, limits, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from prakerja_load.errors import UsageError
from prakerja_load.registrar.settings import LAB_VARIABLE, parse


def test_without_arguments_the_registrar_is_a_live_one_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LAB_VARIABLE, raising=False)
    settings = parse([])
    assert (settings.path, settings.host, settings.port, settings.is_lab) == (
        Path("registrar.db"),
        "127.0.0.1",
        0,
        False,
    )


def test_a_laboratory_needs_its_token_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LAB_VARIABLE, raising=False)
    with pytest.raises(UsageError, match=LAB_VARIABLE):
        parse(["--lab"])
    monkeypatch.setenv(LAB_VARIABLE, "token")
    assert parse(["--lab"]).lab_token == "token"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--port", "-1"],
        ["--wave-quota", "0"],
        ["--wave-quota", "many"],
        ["--civil-latency", "-0.1"],
        ["--civil-latency", "nan"],
        ["--civil-pending", "-1"],
        ["--civil-pending", "some"],
        ["--password-memory-kib", "7"],
        ["--max-in-flight", "0"],
        ["--unknown"],
    ],
)
def test_a_value_outside_its_limits_ends_with_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_every_setting_can_be_given() -> None:
    given = ["--database", "sqlite:/x/y.db", "--port", "8080", "--password-memory-kib", "64", "--password-passes", "3"]
    given += ["--wave-quota", "5", "--civil-latency", "0.5", "--civil-capacity", "7", "--civil-daily-quota", "0"]
    given += ["--civil-pending", "9", "--max-persons-per-kk", "2", "--test-pass-mark", "30", "--max-in-flight", "10"]
    settings = parse(given)
    assert settings.path == Path("/x/y.db")
    assert (settings.port, settings.password_memory_kib, settings.password_passes) == (8080, 64, 3)
    assert (settings.wave_quota, settings.civil_latency, settings.civil_capacity) == (5, 0.5, 7)
    assert (settings.civil_daily_quota, settings.civil_pending, settings.max_persons_per_kk) == (0, 9, 2)
    assert (settings.test_pass_mark, settings.max_in_flight) == (30, 10)
