"""Users of stock Locust at a constant rate, to be asked what they saw of a stall."""

import os

from locust import FastHttpUser, HttpUser, constant_throughput, task

RATE = float(os.environ["RATE_OF_ONE_USER"])


class Fast(FastHttpUser):
    """Locust's own quick client."""

    wait_time = constant_throughput(RATE)

    @task
    def serve(self) -> None:
        """Ask once."""
        self.client.get("/serve")


class Plain(HttpUser):
    """Locust on the library requests."""

    wait_time = constant_throughput(RATE)

    @task
    def serve(self) -> None:
        """Ask once."""
        self.client.get("/serve")
