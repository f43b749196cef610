"""Every verb and every exit code of the command line, as its users run it."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import socket
import tomllib
import urllib.request
from pathlib import Path

import pytest
from command import SCENARIOS, begin, command, end

from prakerja_load import cli

WRONG = """
name = "Wrong Name"
claim = "peek"
[demand]
peak_minute_share = "1.5"
[[ramps]]
name = "one"
registrants = -5
hld = "10s"
[journey]
think_time_scale = 0
"""


def test_help_names_every_verb_and_every_exit_code() -> None:
    said = command("--help")

    assert said.code == 0
    assert all(f"\n  {verb}" in said.out for verb in cli.verbs.commands)
    assert all(f" {code}  " in said.out for code in range(5))


def test_doctor_lists_every_rule_for_people_and_for_programs() -> None:
    text, said = command("doctor", "--rules"), command("doctor", "--rules", "--json")

    rules = json.loads(said.out)["rules"]
    assert (text.code, said.code) == (0, 0)
    assert len(rules) > 25
    assert all(rule["threshold"] and rule["reason"] and f"  {rule['name']}: " in text.out for rule in rules)


def test_an_unknown_verb_is_a_usage_error() -> None:
    assert command("ramp").code == 2


def test_applicants_stream_as_csv_with_english_columns() -> None:
    said = command("applicants", "--count", "3", "--start", "7")
    rows = list(csv.DictReader(io.StringIO(said.out)))

    assert said.code == 0
    assert len(rows) == 3
    assert {"nik", "kk", "full_name", "sex", "birth_date", "email", "phone", "province"} <= rows[0].keys()
    assert all(row["nik"].endswith("0000") for row in rows)


def test_the_same_applicant_has_the_same_index_in_every_range() -> None:
    wide = command("applicants", "--count", "5", "--format", "jsonl").out.splitlines()
    narrow = command("applicants", "--count", "1", "--start", "4", "--format", "jsonl").out.splitlines()

    assert json.loads(wide[4]) == json.loads(narrow[0])


def test_init_writes_a_scenario_that_can_reach_a_verdict(tmp_path: Path) -> None:
    assert command("init", tmp_path).code == 0

    said = command("plan", tmp_path / "scenario.toml")
    assert said.code == 0, said.err
    assert "in all about" in said.out
    assert (tmp_path / "locustfile.py").exists()


def test_what_init_leaves_commented_out_is_a_scenario_once_it_is_not(tmp_path: Path) -> None:
    assert command("init", tmp_path).code == 0
    lines = (tmp_path / "scenario.toml").read_text().splitlines()
    optional = [re.sub(r"^# (?=\[|\w+ = )", "", line) for line in lines]
    assert optional != lines

    read = tomllib.loads("\n".join(optional))

    assert read["target"]["authorized_by"]
    assert read["stored"][0].keys() == {"step", "sql", "query", "key"}


def test_init_overwrites_nothing_unless_forced(tmp_path: Path) -> None:
    command("init", tmp_path)
    (tmp_path / "scenario.toml").write_text("mine")

    said = command("init", tmp_path)
    assert said.code == 2
    assert "scenario.toml" in said.err
    assert "locustfile.py" in said.err
    assert (tmp_path / "scenario.toml").read_text() == "mine"
    assert command("init", tmp_path, "--force").code == 0


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_wrong_scenario_is_refused_with_all_its_problems_at_once(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)

    said = command(verb, path, *(["--reports", str(tmp_path / "reports")] if verb == "run" else []))
    assert said.code == 2
    for key in (
        "name",
        "claim",
        "demand.peak_minute_share",
        "ramps.1.registrants",
        "ramps.1.hld",
        "journey.think_time_scale",
    ):
        assert f". {key}: got" in said.err
    assert "did you mean hold?" in said.err
    assert not (tmp_path / "reports").exists()


def test_what_cannot_reach_a_verdict_is_refused_with_the_arithmetic(tmp_path: Path) -> None:
    short = ("--set", "ramps.1.hold=2s")

    said = command("run", SCENARIOS / "smoke.toml", *short, "--reports", tmp_path / "reports")
    assert said.code == 2
    assert "ramps.1.hold" in said.err
    assert "at least" in said.err
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("host", ["www.prakerja.go.id", "DASHBOARD.Prakerja.GO.ID.", "prakerja.go.id"])
def test_the_real_system_is_always_refused(host: str, tmp_path: Path) -> None:
    settings = ("--set", "target.authorized_by=Minister", "--reports", tmp_path / "reports")

    said = command("run", SCENARIOS / "smoke.toml", "--target", f"https://{host}", *settings)
    assert said.code == 2
    assert "prakerja.go.id" in said.err
    assert not (tmp_path / "reports").exists()


def test_a_stranger_is_refused_unless_somebody_authorized_it(tmp_path: Path) -> None:
    said = command(
        "run", SCENARIOS / "smoke.toml", "--target", "http://192.0.2.1:80", "--reports", tmp_path / "reports"
    )

    assert said.code == 2
    assert "target.authorized_by" in said.err


def test_run_wants_a_scenario_or_a_run_to_resume() -> None:
    assert command("run").code == 2


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (("--set", "load.workers=2", "--target", "http://127.0.0.1:1"), "--target, --set"),
        (("--workers", "2", "--undecidable"), "--workers, --undecidable"),
        (("--ramp", "1", "--tolerate-worker-loss"), "--ramp, --tolerate-worker-loss"),
    ],
)
def test_a_run_is_resumed_as_it_was_begun(given: tuple[str, ...], names: str, tmp_path: Path) -> None:
    said = command("run", "--resume", tmp_path, *given)

    assert said.code == 2
    assert f"got {names}, allowed: not beside --resume RUN" in said.err


def test_only_what_was_cut_off_is_done_again() -> None:
    said = command("run", SCENARIOS / "smoke.toml", "--redo")

    assert said.code == 2
    assert "got --redo, allowed: beside --resume RUN" in said.err


def test_a_ramp_that_is_not_there_is_refused(tmp_path: Path) -> None:
    said = command("run", SCENARIOS / "smoke.toml", "--ramp", "9", "--reports", tmp_path / "reports")

    assert said.code == 2
    assert "--ramp: got 9, allowed: 1 to 1" in said.err


def test_judging_what_is_no_run_directory_is_an_error(tmp_path: Path) -> None:
    said = command("judge", tmp_path)

    assert said.code == 4
    assert "no run directory" in said.err


def test_a_target_that_is_never_reached_is_the_harness_that_failed(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    said = command("run", SCENARIOS / "smoke.toml", "--target", f"http://127.0.0.1:{port}", "--reports", tmp_path)
    assert said.code == 4
    assert "Traceback" not in said.err


def test_serve_answers_on_loopback_until_it_is_told_to_stop(tmp_path: Path) -> None:
    process = begin("serve", "--port", "0", "--database", f"sqlite:{tmp_path / 'store.db'}")
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())

    with urllib.request.urlopen(f"{ready['url']}/healthz") as answer:
        health = json.load(answer)
    assert health["status"] == "ok"
    assert ready["url"].startswith("http://127.0.0.1:")
    end(process, signal.SIGTERM)
    assert process.returncode == 0


@pytest.mark.parametrize("verb", ["run", "worker"])
def test_an_address_that_is_none_is_a_usage_error(verb: str) -> None:
    given = (SCENARIOS / "smoke.toml",) if verb == "run" else ()
    said = command(verb, *given, "--controller", "somewhere")

    assert said.code == 2
    assert "--controller: got somewhere, allowed: HOST:PORT" in said.err


def test_workers_elsewhere_need_a_target_that_they_reach(tmp_path: Path) -> None:
    said = command("run", SCENARIOS / "smoke.toml", "--controller", "192.0.2.7:9000", "--reports", tmp_path)

    assert said.code == 2
    assert "--target URL that the workers reach" in said.err
    assert not list(tmp_path.iterdir())


def test_nobody_is_sent_to_log_in_whom_nobody_stored(tmp_path: Path) -> None:
    elsewhere = ("--target", "http://127.0.0.1:1", "--reports", tmp_path)
    said = command("run", SCENARIOS / "wave-11-2020.toml", *elsewhere)

    assert said.code == 2
    assert "journey.name: got returning-applicant for http://127.0.0.1:1 without PRAKERJA_LAB_TOKEN" in said.err
    assert not list(tmp_path.iterdir())


def test_a_worker_that_finds_no_controller_says_where_it_looked(tmp_path: Path) -> None:
    said = command("worker", "--controller", "127.0.0.1:1", "--wait", "1s", "--reports", tmp_path)

    assert said.code == 4
    assert "no controller at 127.0.0.1:1 within 1 s" in said.err


def test_a_wait_that_is_no_duration_is_a_usage_error(tmp_path: Path) -> None:
    said = command("worker", "--controller", "127.0.0.1:1", "--wait", "soon", "--reports", tmp_path)

    assert said.code == 2
    assert "--wait" in said.err
