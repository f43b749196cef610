"""The same journey on plain HttpUser, for exploring by hand: locust -f locustfiles/exploratory.py --host URL.

Closed: every user waits for its answers. Nothing here says what a system sustains; registration.py does.
"""

from prakerja_load.driver.exploratory import Explorer


class Exploration(Explorer):
    """One person after another through the journey of the scenario."""
