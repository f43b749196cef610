"""Registration at a site with django-allauth: open the form, sign up, look at the own e-mail addresses, sign out."""

from typing import Any

from prakerja_load.driver.user import RegistrantUser
from prakerja_load.journey.browser import Browser
from prakerja_load.journey.own import OwnJourney, Play
from prakerja_load.journey.step import Registrant, Step

FORM = Step(1, "sign-up-form")
SIGN_UP = Step(2, "sign-up", is_stored=True)
WHO_AM_I = Step(3, "who-am-i")
SIGN_OUT = Step(4, "sign-out")


def address(registrant: Registrant) -> str:
    """Return an address that is new to the site, whatever earlier runs left there."""
    return f"{registrant.run}.{registrant.index}@example.org"


class SignUp(OwnJourney):
    """Everybody signs up, is signed in by that, and signs out."""

    name = "sign-up"
    steps = (FORM, SIGN_UP, WHO_AM_I, SIGN_OUT)
    waits = {SIGN_UP: (20, 60), SIGN_OUT: (5, 20)}  # noqa: RUF012
    redirects = 2.0

    def play(self, registrant: Registrant, browser: Browser) -> Play:
        """Go through the site's own HTML forms; the CSRF tokens stand in them."""
        email, password = address(registrant), registrant.profile.password
        page = yield from browser.get(FORM, "/accounts/signup/", form="/accounts/signup/")
        filled = {"email": email, "password1": password}
        yield from browser.submit(SIGN_UP, page, filled, to="/accounts/email/", shows=email)
        page = yield from browser.get(WHO_AM_I, "/whoami/", shows=email)
        page = yield from browser.get(SIGN_OUT, "/accounts/logout/", form="/accounts/logout/")
        yield from browser.submit(SIGN_OUT, page, {}, shows="Sign In")

    def stored(self, registrant: Registrant, step: Step) -> dict[str, Any]:
        """Say what the site's database must hold of somebody who signed up."""
        return {"email": address(registrant), "is_active": "1"}


class Registration(RegistrantUser):
    """The same under the stock command: locust -f locustfile.py (PRAKERJA_SCENARIO names the scenario)."""
