"""A journey in somebody's own locustfile: found by its name, refused with every reason, played like ours."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

import pytest
from fake_site import ORIGIN, FakeSite, shed
from journey_people import options, registrant

from prakerja_load.journey.forecast import forecast
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.own import OwnJourney, load_journey
from prakerja_load.journey.play import Played, play
from prakerja_load.journey.step import Ending, Outcome

SOURCE = """
from prakerja_load.journey.own import OwnJourney
from prakerja_load.journey.step import Step

FORM, SIGN_UP = Step(1, "form"), Step(2, "sign-up", is_stored=True)


class SignUp(OwnJourney):
    name = "sign-up"
    steps = (FORM, SIGN_UP)
    waits = {SIGN_UP: (10, 20)}
    redirects = 1.0

    def play(self, registrant, browser):
        page = yield from browser.get(FORM, "/signup/", form="signup")
        yield from browser.submit(SIGN_UP, page, self.stored(registrant, SIGN_UP), to="/welcome/")

    def stored(self, registrant, step):
        return {"email": f"{registrant.run}-{registrant.index}@example.org"}
"""


def own(source: str = SOURCE, **changes: Any) -> JourneyOptions:
    return options(name="sign-up", file="locustfile.py", source=source, origin=ORIGIN, **changes)


def made(**changes: Any) -> OwnJourney:
    journey = make_journey(own(**changes))
    assert isinstance(journey, OwnJourney)
    return journey


def played(index: int = 0, site: FakeSite | None = None, **changes: Any) -> Played:
    return play(made(**changes).script(registrant(index)), site or FakeSite())


def test_it_is_played_to_its_end_and_says_what_must_be_stored() -> None:
    site = FakeSite()
    result = played(7, site)

    assert result.ending == Ending.COMPLETED
    assert result.reached == made().meant_to_reach(registrant(7)) == 2
    (step,) = [step for step in made().steps if step.is_stored]
    assert [made().stored(registrant(7), step)["email"]] == site.people


def test_its_forecast_is_what_is_then_played() -> None:
    results = [played(index, think_time_scale=0.1) for index in range(400)]
    expected = forecast(made(think_time_scale=0.1))
    planned = [result.planned for result in results]

    assert {len(result.exchanges) for result in results} == {expected.requests} == {3}
    assert statistics.mean(planned) == pytest.approx(expected.think_time, rel=0.02)
    assert expected.think_time < max(planned) < expected.longest_think_time == pytest.approx(2.0)
    assert sum(plan <= expected.whole_think_time for plan in planned) >= 0.98 * len(planned)
    assert expected.reach == {1: 1.0, 2: 1.0}


def test_the_same_registrant_takes_the_same_time_and_the_next_one_another() -> None:
    assert played(3).planned == played(3).planned != played(4).planned


def test_those_who_come_back_after_being_shed_do_and_the_others_fail() -> None:
    def sheds() -> FakeSite:
        return FakeSite(get_signup=shed)

    assert played(site=sheds(), retry_after_shed=1.0, shed_retries=1).ending == Ending.COMPLETED
    refused = played(site=sheds(), retry_after_shed=0.0, shed_retries=1)
    assert (refused.ending, refused.outcomes) == (Ending.FAILED, [("form", Outcome.SHED)])


def changed(old: str, new: str) -> str:
    assert old in SOURCE
    return SOURCE.replace(old, new)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "has: none"),
        (
            changed('name = "sign-up"', 'name = "signup"'),
            "no journey called 'sign-up' in locustfile.py, which has: signup",
        ),
        (changed("import Step", "import Stop"), "line 3: ImportError"),
        ("def play(:", "line 1: SyntaxError"),
        ("x = 1\n\n1 / 0\n", "line 3: ZeroDivisionError"),
        (changed('Step(2, "sign-up"', 'Step(3, "sign-up"'), "the numbers [1, 3]"),
        (changed('Step(1, "form")', 'Step(1, "sign-up")'), "no two alike"),
        (changed("steps = (FORM, SIGN_UP)", ""), "the numbers []"),
        (changed("steps = (FORM, SIGN_UP)", "steps = (FORM,)"), "the step 'sign-up', allowed: steps of the journey"),
        (changed("(10, 20)", "(20, 10)"), "waits of 'sign-up': got (20, 10)"),
        (changed("redirects = 1.0", "redirects = -1"), "redirects: got -1"),
        (changed("def play(", "def plays("), "play: missing"),
        (changed("def stored(", "def store("), "stored: missing"),
    ],
)
def test_a_file_that_holds_no_playable_journey_is_refused_in_words(source: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"locustfile\.py") as refused:
        load_journey(source, "locustfile.py", "sign-up")
    assert said in str(refused.value)


def test_all_that_is_wrong_with_a_journey_is_said_at_once() -> None:
    source = changed("(10, 20)", "(20, 10)").replace("def play(", "def plays(")

    with pytest.raises(ValueError, match=r"waits of 'sign-up'.*; play: missing"):
        load_journey(source, "locustfile.py", "sign-up")


def test_a_locustfile_is_read_without_replacing_anything_in_this_process() -> None:
    program = (
        "import time\n"
        "from prakerja_load.journey.own import load_journey\n"
        f"source = 'from prakerja_load.driver.user import RegistrantUser\\n' + {SOURCE!r}\n"
        "load_journey(source, 'locustfile.py', 'sign-up')\n"
        "import socket, sys\n"
        "print('locust' in sys.modules, time.sleep.__module__, socket.socket.__module__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "time", "socket"]
