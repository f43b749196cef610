"""The scenario's registrants under the stock command: locust -f locustfile.py (PRAKERJA_SCENARIO names the file)."""

from prakerja_load.driver.user import RegistrantUser


class Registration(RegistrantUser):
    """Open arrivals of one scenario; a single user plays all registrants of its worker."""
