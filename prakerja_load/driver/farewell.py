"""The last word to workers from elsewhere: whoever asks for a place after the last ramp is told that none follows.

    python -m prakerja_load.driver.farewell HOST:PORT [--answering SECONDS]

Between two ramps a store may be filled for minutes, so a worker that hears nothing goes on asking; this process answers
for a few seconds, in which every worker asks several times.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

# it has no clients, and its own calls should stay what they are
os.environ.setdefault("LOCUST_SKIP_MONKEY_PATCH", "1")

import gevent
from locust.env import Environment
from locust.exception import RPCError
from locust.rpc import Message
from locust.runners import MasterRunner

from prakerja_load.driver.address import Address, parse_address
from prakerja_load.driver.message import KIND, Over, pack
from prakerja_load.errors import HarnessError, PrakerjaLoadError
from prakerja_load.units import Seconds

ANSWERING: Seconds = 10.0
"""A worker is a new process for each ramp: on a busy host it is seconds before it asks for the first time."""
_LINGER = 1000  # milliseconds for the last messages to leave


def say_farewell(address: Address, answering: Seconds = ANSWERING) -> None:
    """Answer at this address that no ramp follows; raises HarnessError when it is taken."""
    try:
        runner: Any = Environment()._create_runner(MasterRunner, address.numeric, address.port)
    except (RPCError, SystemExit):  # both are ways in which Locust says it
        raise HarnessError(f"{address} is taken: another controller?") from None

    def answer(msg: Message, **_: Any) -> None:
        runner.send_message(KIND, pack(Over()), client_id=msg.node_id)

    runner.register_message(KIND, answer)
    gevent.sleep(answering)
    runner.server.socket.close(_LINGER)


def main(arguments: list[str] | None = None) -> int:
    """Say farewell and return the exit code."""
    parser = argparse.ArgumentParser(prog="prakerja_load.driver.farewell")
    parser.add_argument("address")
    parser.add_argument("--answering", type=float, default=ANSWERING, help="seconds")
    options = parser.parse_args(arguments)
    try:
        say_farewell(parse_address(options.address), options.answering)
    except PrakerjaLoadError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
