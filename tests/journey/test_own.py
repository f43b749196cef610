"""A journey in somebody's own locustfile: found by its name, refused with every reason, played like ours."""

from __future__ import annotations

import statistics
import subprocess
import sys
import textwrap
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


def playing(body: str, site: FakeSite | None = None, more: str = "") -> Played:
    """Play a registrant whose `play` has another body, and the class perhaps more."""
    head, _, rest = SOURCE.partition("        page = ")
    _, stored, rest = rest.partition("    def stored")
    source = head + textwrap.indent(textwrap.dedent(body), " " * 8) + "\n" + more + stored + rest
    journey = make_journey(own(source))
    return play(journey.script(registrant(0)), site or FakeSite())


LOOKS = 'page = yield from browser.get(FORM, "/signup/", form="signup")'
DROPS_OUT = """
    def meant_to_reach(self, registrant):
        return 1

"""


@pytest.mark.parametrize(
    ("body", "more", "ending"),
    [
        (f"{LOOKS}\nif not page.json(): return", "", Ending.FAILED),
        ('return\nyield from browser.get(FORM, "/signup/")', "", Ending.FAILED),
        (LOOKS, DROPS_OUT, Ending.COMPLETED),
        (f'{LOOKS}\nyield from browser.send(SIGN_UP, "POST", "/nowhere/", rejected=(404,))', "", Ending.COMPLETED),
        ('yield from browser.get(FORM, "/nowhere/", rejected=(404,))', "", Ending.COMPLETED),
    ],
)
def test_who_returns_early_has_failed_unless_it_was_meant_or_a_declared_no(
    body: str, more: str, ending: Ending
) -> None:
    assert playing(body, more=more).ending == ending


def test_the_last_step_may_be_one_that_is_not_judged() -> None:
    source = changed('Step(2, "sign-up", is_stored=True)', 'Step(2, "sign-up", is_gated=False)')

    assert play(make_journey(own(source)).script(registrant(0)), FakeSite()).ending == Ending.COMPLETED


POLLS = """
from prakerja_load.journey.step import Pause
yield Pause(7)
yield from browser.get(FORM, "/signup/")
yield Pause(2)
yield Pause(3, is_planned=False)
page = yield from browser.get(FORM, "/signup/", form="signup")
yield Pause(20)
yield from browser.submit(SIGN_UP, page, self.stored(registrant, SIGN_UP), to="/welcome/")
yield Pause(4)
yield from browser.get(FORM, "/signup/")
yield Pause(1)
"""


def test_a_pause_before_a_step_is_asked_again_is_the_systems_time_whatever_the_script_calls_it() -> None:
    result = playing(POLLS)

    assert result.ending == Ending.COMPLETED
    assert result.imposed == 2 + 3 + 4
    assert 7 + 20 + 1 + 10 <= result.planned <= 7 + 20 + 1 + 20  # with the think time before sign-up


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
        (changed("redirects = 1.0", "refusals = 1.1"), "refusals: got 1.1, allowed: a share from 0 to 1"),
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
