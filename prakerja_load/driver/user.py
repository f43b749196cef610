"""The Locust User of the stock command: one of it stands for all registrants of its process.

    locust -f locustfiles/registration.py --host http://127.0.0.1:8020 [--headless -t 60s] [--processes N] [--csv …]

Registrants are not Users: a User is a loop that waits for its answers, a registrant arrives when the schedule says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
from locust import User, events, task
from locust.env import Environment
from locust.rpc import Message
from locust.runners import STATE_MISSING, LocalRunner, MasterRunner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC

from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver.message import KIND, Order, Report, pack
from prakerja_load.driver.outlook import Ask, rows
from prakerja_load.driver.stock import HALT_WITHIN, Lead, Share, ask_of, assign, packed_assignment, unpack_assignment
from prakerja_load.driver.ui import Rows, add_tab, stay_on_loopback
from prakerja_load.errors import PrakerjaLoadError

_ASSIGNMENT = f"{KIND}-assignment"

logger = logging.getLogger(__name__)


class RegistrantUser(User):
    """Open arrivals of the scenario that PRAKERJA_SCENARIO names; derive from it in a locustfile."""

    abstract = True
    fixed_count = 1

    @task
    def be_present(self) -> None:
        """Let Locust see that somebody is there; the registrants live beside it."""
        gevent.sleep(1)


class Stock:
    """The load of one stock Locust process, from each start of a test to its stop."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._runner: Any = environment.runner
        self._lead: Lead | None = None
        self._share: Share | None = None
        self._is_stopping = False
        self._led: set[str] = set()  # workers that have a share
        hooks: Any = environment.events  # untyped in Locust
        if isinstance(self._runner, MasterRunner | WorkerRunner):
            self._runner.register_message(KIND, self._hear)
        if isinstance(self._runner, MasterRunner):
            master: Any = self._runner  # Locust makes it, so that it cannot be one of a class of ours
            master.handle_message = self._without_strangers(master.handle_message)
        if isinstance(self._runner, WorkerRunner):
            # in a greenlet of its own: the first people and places take longer than a heartbeat
            self._runner.register_message(_ASSIGNMENT, self._take, concurrent=True)
        else:
            hooks.test_start.add_listener(self._start)
        hooks.test_stopping.add_listener(self._stop)
        self._rows: Rows = [("Ramp", "not begun")]
        self._ask: Ask | None = None
        add_tab(environment, self._look)

    def _start(self, **_: Any) -> None:
        self._is_stopping = False
        gevent.spawn(self._guarded, self._begin)

    def _guarded(self, begin: Callable[[], None]) -> None:
        """Begin, or end Locust with a message and the exit code that says why not."""
        try:
            begin()
        except PrakerjaLoadError as error:
            logger.error("%s", error)
            self._environment.process_exit_code = error.exit_code
            self._runner.quit()

    def _look(self) -> Rows:
        """Return the rows of the Ramp tab; the last ones stay when the load is over."""
        if self._lead is not None and self._ask is not None:
            self._rows = rows(self._ask, self._lead.look())
        return self._rows

    def _begin(self) -> None:
        host = self._environment.host
        if isinstance(self._runner, LocalRunner):
            assignment = assign(host, 1)
            self._ask = ask_of(assignment)
            self._lead = Lead(assignment, 1, self._send_here, self._over)
            self._share = Share(self._environment, assignment, 0, self._report_here)
            return
        clients = sorted(node.id for node in self._runner.clients.values() if node.state != STATE_MISSING)
        self._led = set(clients)
        assignment = assign(host, len(clients))
        self._ask = ask_of(assignment)
        self._lead = Lead(assignment, len(clients), self._send, self._over)
        for number, client in enumerate(clients):
            self._runner.send_message(_ASSIGNMENT, packed_assignment(assignment, number), client_id=client)

    def _take(self, environment: Environment, msg: Message) -> None:
        self._guarded(lambda: self._play(environment, *unpack_assignment(msg.data)))

    def _play(self, environment: Environment, assignment: Assignment, number: int) -> None:
        self._share = Share(environment, assignment, number, self._report, self._runner._send_stats)
        logger.info("Playing share %d of run %s", number, assignment.run)

    def _stop(self, **_: Any) -> None:
        self._is_stopping = True
        drain = self._environment.stop_timeout or HALT_WITHIN
        lead, share = self._lead, self._share  # who stops meanwhile, for another reason, may take them away
        if lead is not None:
            lead.halt(drain)
            self._look()
            if self._environment.process_exit_code is None and not self._hides_failures:
                self._environment.process_exit_code = lead.exit_code
        if share is not None:
            share.halt(drain)
            self._be_quick()
        self._lead = self._share = None
        if getattr(self._environment.parsed_options, "csv_prefix", None):
            gevent.sleep(CSV_STATS_INTERVAL_SEC + 0.2)  # the files are closed as they are: let the last counts get in

    def _be_quick(self) -> None:
        """Let a worker be ready again as soon as its share is counted.

        Locust has it wait for the whole --stop-timeout, and its master sends no "quit" to a worker that is not ready.
        The next start of a test brings the time-out anew; a locustfile with Users of other kinds keeps it.
        """
        if isinstance(self._runner, WorkerRunner) and self._plays_all:
            self._environment.stop_timeout = 0

    @property
    def _hides_failures(self) -> bool:
        """Tell whether a load that was begun is to end with 0 whatever became of it.

        Who gives --exit-code-on-error 0 runs Locust under something that starts a failed process again: a second load.
        """
        return getattr(self._environment.parsed_options, "exit_code_on_error", 1) == 0

    @property
    def _plays_all(self) -> bool:
        """Tell whether the locustfile has no Users of other kinds, whose ways are Locust's."""
        return all(issubclass(user, RegistrantUser) for user in self._environment.user_classes)

    def _without_strangers(self, handle: Callable[[str, Message], None]) -> Callable[[str, Message], None]:
        """Return a master's ear that refuses statistics of workers without a share; Locust itself adds them up."""

        def listen(client: str, msg: Message) -> None:
            if msg.type != "stats" or client in self._led or not self._plays_all:
                handle(client, msg)
            elif msg.data["stats_total"]["num_requests"]:
                logger.warning("Refused statistics of %s, which has no share of this load", client)

        return listen

    def _over(self) -> None:
        """End the test, because its last registrant has left or nobody is there to start more."""
        options = self._environment.parsed_options
        if options is not None and options.headless:
            self._runner.quit()
        elif not self._is_stopping:  # a stop in the midst of another one keeps workers from hearing "quit"
            self._runner.stop()

    # messages

    def _hear(self, msg: Message, **_: Any) -> None:
        if self._lead is not None:
            self._lead.conductor.hear(msg.node_id, msg.data)
        elif self._share is not None:
            self._share.attendant.hear(msg.data)

    def _send(self, client: str, order: Order) -> None:
        self._runner.send_message(KIND, pack(order), client_id=client)

    def _report(self, report: Report) -> None:
        self._runner.send_message(KIND, pack(report))

    def _send_here(self, _client: str, order: Order) -> None:
        if self._share is not None:
            self._share.attendant.hear(pack(order))

    def _report_here(self, report: Report) -> None:
        if self._lead is not None:
            self._lead.conductor.hear("here", pack(report))


def _attach(environment: Environment, **_: Any) -> None:
    if any(issubclass(user, RegistrantUser) for user in environment.user_classes):
        Stock(environment)


_init: Any = events.init  # untyped in Locust
_init.add_listener(_attach)
stay_on_loopback()
