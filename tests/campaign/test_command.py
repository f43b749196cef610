"""The verb `capacity` as its users run it."""

from __future__ import annotations

from pathlib import Path

from command import SCENARIOS, command


def test_its_help_says_what_it_does_and_how_it_ends() -> None:
    said = command("capacity", "--help")

    assert said.code == 0
    assert all(option in said.out for option in ("--precision", "--hold", "--begin", "--highest", "--speed-alone"))
    assert "\n  capacity" in command("--help").out


def test_wrong_options_are_one_message_and_exit_code_2(tmp_path: Path) -> None:
    said = command("capacity", SCENARIOS / "smoke.toml", "--precision", "0", "--hold", "soon", "--reports", tmp_path)

    assert said.code == 2
    assert "--precision: got '0', allowed: a share from 0.5% to 100%" in said.err
    assert "--hold: got 'soon', allowed: a duration" in said.err
    assert not list(tmp_path.iterdir())


def test_a_curve_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    said = command("capacity", SCENARIOS / "ministry-ramp-volume.toml", "--reports", tmp_path)

    assert said.code == 2
    assert 'claim: got "volume", allowed: "peak"' in said.err
    assert not list(tmp_path.iterdir())
