"""A scenario is read whole or refused whole: every problem at once, with key, given, allowed and a hint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load import scenario
from prakerja_load.errors import Problem, ScenarioError
from prakerja_load.journey import funnel, photo
from prakerja_load.journey.journeys import NAMES
from prakerja_load.registrar.defect_catalog import STORED_STEPS, AnyDefect
from prakerja_load.scenario import Behavior, JourneyChoice, Scenario
from prakerja_load.scenario.laboratory import DEFECTS, OPTIONAL, STEPS
from prakerja_load.scenario.values import JOURNEYS

SCENARIOS = sorted((Path(__file__).parent.parent / "scenarios").glob("*.toml"), key=lambda path: path.stem)
SMALL = """
name = "small"
[demand]
peak_minute_share = "1.34%"
[[ramps]]
name = "first"
registrants = "200 000"
hold = "3m35s"
[[ramps]]
name = "second"
registrants = 300_000
"""


def problems(text: str, *overrides: str) -> dict[str, Problem]:
    with pytest.raises(ScenarioError) as caught:
        scenario.parse(text, "small.toml", overrides)
    keys = [problem.key for problem in caught.value.problems]
    assert len(keys) == len(set(keys)), "one problem, one line"
    assert caught.value.exit_code == 2
    return {problem.key: problem for problem in caught.value.problems}


def test_units_are_read_at_the_edge() -> None:
    small = scenario.parse(SMALL)

    assert small.demand.peak_minute_share == pytest.approx(0.0134)
    assert [ramp.registrants for ramp in small.ramps] == [200_000, 300_000]
    assert [ramp.hold for ramp in small.ramps] == [215, 60]


def test_a_scenario_that_states_no_limits_has_those_of_the_method() -> None:
    limits = scenario.parse(SMALL).objectives

    assert (limits.elapsed_base, limits.elapsed_per_step, limits.quantile) == (1.0, 0.5, 0.99)
    assert (limits.step_success, limits.journey_success, limits.completed_share) == (0.995, 0.999, 0.99)
    assert (limits.arrivals, limits.judged, limits.looks) == (5000, 60, 1)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_in_the_box_loads_and_is_called_as_its_file(path: Path) -> None:
    loaded = scenario.load(path)

    assert loaded.name == path.stem
    assert loaded.description


def test_the_box_holds_the_eight_scenarios() -> None:
    assert [path.stem for path in SCENARIOS] == [
        "ministry-ramp",
        "ministry-ramp-volume",
        "opening-crowd",
        "opening-minute",
        "photo-upload",
        "smoke",
        "wave-1-2020",
        "wave-11-2020",
    ]


def test_the_ministry_ramps_are_those_that_were_asked_for() -> None:
    for name in ("ministry-ramp", "ministry-ramp-volume"):
        loaded = scenario.load(SCENARIOS[0].with_name(f"{name}.toml"))

        assert [ramp.registrants for ramp in loaded.ramps] == [200_000, 300_000, 600_000, 2_000_000]


BAD = [
    ('name = "Bad Name"', "name", '"Bad Name"', "lower-case letters, digits and hyphens", ""),
    ("seed = true", "seed", "true", "a whole number, at least 0", ""),
    ("seed = 1.5", "seed", "1.5", "a whole number", ""),
    ('claim = "peek"', "claim", '"peek"', "one of peak, volume, real", "did you mean peak?"),
    ("[load]\nworkers = 0", "load.workers", "0", "a whole number, at least 1, at most 500", ""),
    ('[load]\nworkers = "two"', "load.workers", '"two"', "a whole number", ""),
    ('[load]\nwarm_up = "5 fortnights"', "load.warm_up", '"5 fortnights"', "250ms, 90s, 10m", ""),
    ('[load]\ntolerate_worker_loss = "maybe"', "load.tolerate_worker_loss", '"maybe"', "true or false", ""),
    ('[load]\nconnection = "reused"', "load.connection", '"reused"', "per-registrant, reuse", "did you mean reuse?"),
    ("[load]\nwrokers = 3", "load.wrokers", "an unknown key", "workers, connection", "did you mean workers?"),
    ("[journey]\nthink_time_scale = 0", "journey.think_time_scale", "0", "above 0, at most 10", ""),
    ('[journey]\nfunnel = "wave-1"', "journey.funnel", '"wave-1"', "waves-1-8, none", "did you mean wave"),
    ('[journey]\nname = "returning"', "journey.name", '"returning"', "returning-applicant", "returning-applicant?"),
    ('[journey]\nphoto_size = "12MB"', "journey.photo_size", '"12MB"', "at most 10 485 760", ""),
    ("[journey.behavior]\nrefresh = 2", "journey.behavior.refresh", "2", "between 0 and 1, such as 0.0134", ""),
    ("[journey.behavior]\nrefesh = 0", "journey.behavior.refesh", "an unknown key", "refresh", "mean refresh?"),
    ("[objectives]\nquantile = 1", "objectives.quantile", "1", "below 1", ""),
    ("[objectives]\nevery_window = 0", "objectives.every_window", "0", "above 0", ""),
    ("objectives = 3", "objectives", "3", "a table with elapsed_base", ""),
    ("[target]\nurl = 8000", "target.url", "8000", "text in quotes", ""),
    ("[target]\npassword = 'hunter2'", "target.password", "an unknown key", "url", "secrets come from the environment"),
    ("lab_token = 'hunter2'", "lab_token", "an unknown key", "claim", "secrets come from the environment"),
    ("[ramp]\nname = 'x'", "ramp", "an unknown key", "ramps", "did you mean ramps?"),
]


@pytest.mark.parametrize(("text", "key", "given_", "allowed", "hint"), BAD, ids=[row[1] for row in BAD])
def test_a_bad_key_is_named_with_what_was_given_and_what_is_allowed(
    text: str, key: str, given_: str, allowed: str, hint: str
) -> None:
    whole = text + "\n" + SMALL if not text.startswith("[") else SMALL + text
    if text.startswith("name"):
        whole = SMALL.replace('name = "small"', text, 1)

    (problem,) = problems(whole).values()

    assert (problem.key, problem.given) == (key, given_)
    assert allowed in problem.allowed
    assert hint in problem.hint
    assert "hunter2" not in str(problem)


def test_all_problems_are_found_at_once_across_sections_and_kinds() -> None:
    found = problems(
        """
        claim = "real"
        seed = -1
        [demand]
        compression = 7
        in_system = 4
        [[ramps]]
        registrants = 0
        [[ramps]]
        name = "b"
        registrants = 10
        hold = "soon"
        [journey]
        behavior.under_age = 0.7
        behavior.someone_elses_nik = 0.7
        [target]
        url = "https://prakerja.go.id"
        [applicants]
        dialable_phones = true
        [load]
        workers = 501
        """,
        "load.patience=never",
        "nonsense",
        "ramps.3.hold=1s",
    )

    assert found.keys() == {
        '"nonsense"',
        "ramps.3.hold",
        "name",
        "seed",
        "ramps.1.name",
        "ramps.1.registrants",
        "ramps.2.hold",
        "load.workers",
        "load.patience",
        "demand.compression",
        "demand.in_system",
        "demand.curve",
        "journey.behavior.someone_elses_nik",
        "target.url",
        "applicants.dialable_phones",
    }


def test_a_missing_key_is_named_as_nothing() -> None:
    found = problems("[demand]\npeak_minute_share = 0.1")

    assert found.keys() == {"name", "ramps"}
    assert {problem.given for problem in found.values()} == {"nothing"}
    assert "[[ramps]]" in found["ramps"].allowed


def test_no_ramp_is_not_enough() -> None:
    assert problems('name = "x"\nramps = []\ndemand.in_system = 4')["ramps"].given == "a list"


@pytest.mark.parametrize(
    ("text", "line", "given_"),
    [
        ("name = 'x'\nseed 5\n", "line 2", '"seed 5"'),
        ("name = 'x", "line 1", "name"),
        ("a = 1\na = 2", "line 2", "a = 2"),
    ],
)
def test_a_syntax_error_is_named_with_its_line(text: str, line: str, given_: str) -> None:
    (problem,) = problems(text).values()

    assert problem.key == line
    assert given_ in problem.given
    assert problem.hint


def test_a_file_that_cannot_be_read_is_a_problem_of_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")

    for path in (tmp_path / "missing.toml", tmp_path, tmp_path / "binary.toml"):
        with pytest.raises(ScenarioError, match="a readable TOML file"):
            scenario.load(path)


def test_later_ramps_may_ask_for_as_many_but_not_for_fewer() -> None:
    same = scenario.parse(SMALL, overrides=["ramps.2.registrants=200_000"])
    fewer = problems(SMALL, "ramps.2.registrants=199_999")

    assert same.ramps[1].registrants == 200_000
    assert "at least 200 000" in fewer["ramps.2.registrants"].allowed


def test_two_ramps_of_one_name_are_refused() -> None:
    assert "ramps.2.name" in problems(SMALL, "ramps.2.name=first")


def test_a_hold_belongs_to_claim_peak() -> None:
    found = problems(SMALL, "claim=volume", "demand.peak_minute_share=1", "demand.window=60s")

    assert found.keys() == {"ramps.1.hold"}


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("load.workers=2", 2),
        ("load.workers = 2 ", 2),
        ('load.workers="2"', 2),
        ("load.workers=2e0", 2),
        ("load.workers=0x10", 16),
    ],
)
def test_an_override_is_a_toml_value(override: str, value: int) -> None:
    assert scenario.parse(SMALL, overrides=[override]).load.workers == value


def test_an_override_that_is_no_toml_value_is_text() -> None:
    changed = scenario.parse(
        SMALL,
        overrides=[
            "ramps.1.hold=30s",
            "target.contact=pmo = x, y",
            "ramps.2.name=2020-04-11",
            'target.url="http://127.0.0.1:80"',
            "objectives.step_success=99%",
        ],
    )

    assert changed.ramps[0].hold == 30
    assert changed.target.contact == "pmo = x, y"
    assert changed.ramps[1].name == "2020-04-11"
    assert changed.target.url == "http://127.0.0.1:80"
    assert changed.objectives.step_success == 0.99


def test_an_override_cannot_smuggle_in_a_second_key() -> None:
    changed = scenario.parse(SMALL, overrides=["target.contact=1\nname='other'"])

    assert changed.name == "small"
    assert changed.target.contact == "1\nname='other'"


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("nonsense", '"nonsense"'),
        ("=3", '""'),
        ("load.=3", '"load."'),
        (".workers=3", '".workers"'),
        ("ramps.0.hold=1s", "ramps.0.hold"),
        ("ramps.3.hold=1s", "ramps.3.hold"),
        ("ramps.hold=1s", "ramps.hold"),
        ("name.first=1", "name.first"),
        ("laod.workers=3", "laod"),
        ("load.wrokers=3", "load.wrokers"),
    ],
)
def test_an_override_without_a_place_is_a_problem(override: str, key: str) -> None:
    assert key in problems(SMALL, override)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000",
        "http://127.8.9.1",
        "http://[::1]:8000/",
        "https://localhost",
        "http://LOCALHOST:1",
    ],
)
def test_loopback_needs_no_authorization(url: str) -> None:
    assert scenario.parse(SMALL, overrides=[f"target.url={url}"]).target.url == url


@pytest.mark.parametrize("path", ["/base", "/base/path/", "//x"])
def test_a_system_beneath_a_path_is_refused_because_no_request_would_go_there(path: str) -> None:
    (problem,) = problems(SMALL, f'target.url="http://127.0.0.1:8000{path}"').values()

    assert (problem.key, problem.allowed) == ("target.url", "http://host:port or https://host, without a path")
    assert "begin at /" in problem.hint


DEFECTIVE = {
    '[{name="bogus"}]': ("1.name", "lose-write, duplicate-write", ""),
    '[{name="lose-writes", every=3}]': ("1.name", "lose-write, duplicate-write", "did you mean lose-write?"),
    "[{every=3}]": ("1.name", "lose-write", ""),
    '[{name="mute"}, {name="lose-write"}]': ("2.every", "a whole number, at least 1", ""),
    '[{name="lose-write", every=0}]': ("1.every", "a whole number, at least 1", ""),
    '[{name="lose-write", every=1.5}]': ("1.every", "a whole number, at least 1", ""),
    '[{name="lose-write", every=3, step="log-in"}]': ("1.step", "one of create-account", ""),
    '[{name="lose-write", every=3, evry=3}]': ("1.evry", "one of name, every, step", ""),
    '[{name="stall", after=1, seconds=4000}]': ("1.seconds", "seconds, 0 to 3600", ""),
    '[{name="silence", share="1"}]': ("1.share", "a number, 0 to 1", ""),
}


@pytest.mark.parametrize("defects", DEFECTIVE)
def test_a_defect_that_the_laboratory_does_not_know_is_found_before_the_run(defects: str) -> None:
    key, allowed, hint = DEFECTIVE[defects]

    (problem,) = problems(SMALL, f"registrar.defects={defects}").values()

    assert problem.key == f"registrar.defects.{key}"
    assert allowed in problem.allowed
    assert problem.hint == hint


def test_every_defect_of_the_laboratory_can_be_asked_for_and_no_other() -> None:
    known = {
        str(kind.__struct_config__.tag): {field.name: field.required for field in msgspec.structs.fields(kind)}
        for kind in get_args(AnyDefect)
    }

    assert {name: {field: field not in OPTIONAL for field in fields} for name, fields in DEFECTS.items()} == known
    assert STEPS == STORED_STEPS


@pytest.mark.parametrize("database", ["postgresql://x", "mysql:x", "sqlite:", "sqlite:///", ""])
def test_a_database_that_the_registrar_does_not_speak_to_is_found_before_the_run(database: str) -> None:
    (problem,) = problems(SMALL, f'registrar.database="{database}"').values()

    assert (problem.key, problem.allowed) == ("registrar.database", "sqlite, in the run directory, or sqlite:PATH")


@pytest.mark.parametrize("database", ["sqlite", "sqlite:store.db", "sqlite:/var/tmp/store.db"])
def test_a_database_in_a_file_is_none_of_its_business(database: str) -> None:
    assert scenario.parse(SMALL, overrides=[f'registrar.database="{database}"']).registrar.database == database


def test_any_other_target_needs_the_name_of_who_allowed_it() -> None:
    override = "target.url=https://staging.example.org"

    assert (
        problems(SMALL, override)["target.authorized_by"].allowed
        == "the name of who allowed load on staging.example.org"
    )
    assert problems(SMALL, override, "target.authorized_by= ").keys() == {"target.authorized_by"}
    assert scenario.parse(SMALL, overrides=[override, "target.authorized_by=PMO"]).target.authorized_by == "PMO"


@pytest.mark.parametrize(
    "host",
    [
        "prakerja.go.id",
        "www.prakerja.go.id",
        "API.Prakerja.GO.ID",
        "dashboard.prakerja.go.id.",
        "ｐrakerja.go.id",
        "api.prakerja。go。id",
    ],
)
def test_the_real_system_is_refused_whoever_authorized_it(host: str) -> None:
    found = problems(SMALL, f"target.url=https://{host}:443/x", "target.authorized_by=the minister")

    assert found["target.url"].allowed == "any system but *.prakerja.go.id"
    assert scenario.is_prakerja_host(host)


@pytest.mark.parametrize("host", ["prakerja.go.id.example.org", "notprakerja.go.id", "go.id", "x" * 70, ""])
def test_other_hosts_are_not_mistaken_for_the_real_system(host: str) -> None:
    assert not scenario.is_prakerja_host(host)


@pytest.mark.parametrize(
    "url",
    [
        "staging.example.org",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:0",
        "http://127.0.0.1:x",
        "http://127.0.0.1:65536",
        "http://[::1",
        "http://127.0.0.1/?q=1",
        "http://127.0.0.1/#x",
        "http://%70rakerja.go.id",
        "http://a b",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    assert problems(SMALL, f'target.url="{url}"').keys() == {"target.url"}


def test_a_secret_in_an_address_is_refused_and_not_repeated() -> None:
    (problem,) = problems(SMALL, "target.url=http://admin:hunter2@127.0.0.1").values()

    assert "hunter2" not in str(problem)
    assert "environment" in problem.hint


def test_dialable_phones_are_for_the_embedded_registrar_only() -> None:
    dialable = "applicants.dialable_phones=true"

    assert scenario.parse(SMALL, overrides=[dialable]).applicants.dialable_phones
    assert problems(SMALL, dialable, "target.url=http://127.0.0.1:1").keys() == {"applicants.dialable_phones"}


def test_the_digest_changes_with_everything_but_the_description() -> None:
    overrides = [
        "seed=1",
        "load.workers=2",
        "ramps.2.hold=61s",
        "journey.behavior.refresh=0",
        "target.url=http://127.0.0.1",
    ]
    digests = {scenario.digest(scenario.parse(SMALL, overrides=[override])) for override in overrides}
    plain = scenario.digest(scenario.parse(SMALL))

    assert len(digests | {plain}) == len(overrides) + 1
    assert scenario.digest(scenario.parse(SMALL, overrides=["description=other"])) == plain
    assert scenario.digest(scenario.parse(SMALL.replace('"1.34%"', "0.0134").replace('"3m35s"', "215"))) == plain


def test_names_of_journeys_and_funnels_are_those_that_can_be_played() -> None:
    fields = JourneyChoice.model_fields

    assert JOURNEYS == NAMES
    assert set(get_args(fields["funnel"].annotation)) == set(funnel.FUNNELS)
    assert JourneyChoice(photo_size=photo.SMALLEST).photo_size == photo.SMALLEST


def test_a_scenario_is_a_value() -> None:
    small = scenario.parse(SMALL)

    assert small == scenario.parse(SMALL)
    assert hash(small) == hash(scenario.parse(SMALL))
    with pytest.raises(ValueError, match="frozen"):
        small.load.__setattr__("workers", 2)
    assert Behavior().nik_typo == 0.03


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from([*Scenario.model_fields, "other"]),
        st.one_of(
            st.integers(-5, 5),
            st.text(max_size=5),
            st.booleans(),
            st.lists(
                st.dictionaries(st.sampled_from(["name", "registrants", "hold", "x"]), st.integers(-1, 9)), max_size=3
            ),
            st.dictionaries(st.sampled_from(["curve", "window", "workers", "url", "looks", "x"]), st.integers(-1, 9)),
        ),
    )
)
def test_whatever_is_written_is_loaded_or_refused_with_its_problems(raw: dict[str, object]) -> None:
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in raw.items())
    try:
        found: tuple[Problem, ...] = ()
        is_loaded = bool(scenario.parse(text).ramps)
    except ScenarioError as refusal:
        found, is_loaded = refusal.problems, False

    assert is_loaded != bool(found)
    assert all(problem.key and problem.given and problem.allowed for problem in found)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def test_reading_a_scenario_loads_neither_numpy_nor_anything_heavier() -> None:
    program = f"""
import sys
from prakerja_load import scenario
scenario.load({str(SCENARIOS[0])!r})
print(sorted({{"numpy", "msgspec", "pandas", "locust"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


OWN = """
from prakerja_load.journey.own import OwnJourney
from prakerja_load.journey.step import Step


class SignUp(OwnJourney):
    name = "sign-up"
    steps = (Step(1, "form"), Step(2, "sign-up", is_stored=True))

    def play(self, registrant, browser):
        yield from browser.get(self.steps[0], "/")

    def stored(self, registrant, step):
        return {"email": "a@example.org"}
"""
STORED = """
[[stored]]
step = "sign-up"
sql = "sqlite:///site.db"
query = "select email from people"
key = "email"
"""


def own_scenario(folder: Path, *overrides: str, more: str = "", source: str = OWN) -> Scenario:
    (folder / "mine.py").write_text(source)
    (folder / "s.toml").write_text(SMALL + '[journey]\nfile = "mine.py"\nname = "sign-up"\n' + more)
    return scenario.load(folder / "s.toml", overrides)


def test_a_journey_may_come_from_a_file_beside_the_scenario_and_its_text_is_part_of_it(tmp_path: Path) -> None:
    loaded = own_scenario(tmp_path, 'target.url="http://127.0.0.1:8000"', more=STORED)
    changed = own_scenario(tmp_path, 'target.url="http://127.0.0.1:8000"', more=STORED, source=OWN + "# more")

    assert loaded.journey.file is not None
    assert (loaded.journey.file.name, loaded.journey.file.source) == ("mine.py", OWN)
    assert [table.step for table in loaded.stored] == ["sign-up"]
    assert scenario.digest(loaded) != scenario.digest(changed)


@pytest.mark.parametrize(
    ("override", "key", "said"),
    [
        ('journey.file="other.py"', "journey.file", "the name of a readable Python file beside the scenario"),
        ('journey.file="../mine.py"', "journey.file", "the name of a readable Python file beside the scenario"),
        ('journey.name="sign-down"', "journey.file", "no journey called 'sign-down' in mine.py, which has: sign-up"),
        ('journey.name="sign up"', "journey.name", "a journey's name"),
        ("seed=1", "stored", "nothing without journey.file and target.url"),
        ('stored.1.step="form"', "stored.1.step", "one of sign-up, each once"),
        ('stored.1.sql="postgresql://me:secret@host/db"', "stored.1.sql", "PGPASSWORD may hold the password"),
        ('stored.1.sql="mysql://host/db"', "stored.1.sql", "sqlite:///file.db or postgresql://user@host/database"),
    ],
)
def test_a_file_or_a_table_that_does_not_fit_is_refused_in_words(
    tmp_path: Path, override: str, key: str, said: str
) -> None:
    target = [] if override == "seed=1" else ['target.url="http://127.0.0.1:8000"']

    with pytest.raises(ScenarioError) as refused:
        own_scenario(tmp_path, *target, override, more=STORED)
    found = {problem.key: problem for problem in refused.value.problems}
    assert said in str(found[key])
    assert "secret" not in str(refused.value)


def test_a_step_that_is_stored_without_a_table_beside_one_that_has_one_is_refused(tmp_path: Path) -> None:
    source = OWN.replace('Step(1, "form")', 'Step(1, "form", is_stored=True)')

    with pytest.raises(ScenarioError, match="no table for form"):
        own_scenario(tmp_path, 'target.url="http://127.0.0.1:8000"', more=STORED, source=source)


def test_a_text_without_a_folder_has_no_file() -> None:
    with pytest.raises(ScenarioError, match=r"journey\.file"):
        scenario.parse(SMALL + '[journey]\nfile = "mine.py"\nname = "sign-up"\n')


def test_a_network_profile_is_an_option_with_the_shares_of_the_facts() -> None:
    chosen = scenario.parse(SMALL, overrides=["network.profile=indonesia-2020"]).network.chosen

    assert [(link.share, link.down * 8e-6, link.up * 8e-6, link.latency) for link in chosen] == [
        (0.70, pytest.approx(12), pytest.approx(6), 0.05),
        (0.25, pytest.approx(2), pytest.approx(0.7), 0.15),
        (0.05, pytest.approx(0.4), pytest.approx(0.2), 0.4),
    ]
    assert scenario.parse(SMALL).network.chosen == ()


def test_networks_that_cannot_be_drawn_or_shared_are_refused() -> None:
    half = 'network.links=[{name="a", share=0.5, down="1Mbit/s", up="1Mbit/s", latency="10ms"}]'

    assert problems(SMALL, half)["network.links"].allowed == "shares that add up to 1"
    assert "network.links" in problems(SMALL, half.replace("0.5", "1"), "network.profile=indonesia-2020")
    assert "load.connection" in problems(SMALL, "network.profile=indonesia-2020", "load.connection=reuse")
    assert problems(SMALL, half.replace("1Mbit/s", "fast")).keys() == {"network.links.1.down", "network.links.1.up"}


def test_source_addresses_are_numeric() -> None:
    assert problems(SMALL, 'load.source_addresses=["127.0.0.2", "here"]').keys() == {"load.source_addresses.2"}
