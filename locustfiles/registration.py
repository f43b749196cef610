"""The scenario's registrants under the stock command: locust -f locustfiles/registration.py --host URL.

PRAKERJA_SCENARIO names the scenario (default: scenarios/smoke.toml), PRAKERJA_RAMP the number of its ramp.
"""

from prakerja_load.driver.user import RegistrantUser


class Registration(RegistrantUser):
    """Open arrivals of one scenario; a single user stands for all registrants of its process."""
