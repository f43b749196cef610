"""A target's consent while the load runs: asked for again and again, and the load stopped as soon as it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
from gevent import monkey

from prakerja_load.driver import guard
from prakerja_load.errors import PrakerjaLoadError


def watch_consent(target: guard.Target, ask: Callable[[], None], stop: Callable[[str], None]) -> None:
    """Ask every `guard.RECHECK_EVERY` seconds, from one beginning to the next, and call `stop` with the reason once.

    `ask` raises AuthorizationError when the target no longer consents. An answer that takes longer than
    `guard.ANSWER_WITHIN` is a missing one, so that after both, and the time in which workers hear of it, the load has
    ended within 5 s of the file's removal. Returns at once for a target that needs no consent.
    """
    pause = guard.RECHECK_EVERY
    while not target.is_loopback:
        gevent.sleep(pause)
        began = time.monotonic()
        if why := _refusal(ask):
            stop(f"authorisation withdrawn: {why}")
            return
        pause = max(0.0, guard.RECHECK_EVERY - (time.monotonic() - began))


def _refusal(ask: Callable[[], None]) -> str:
    """Return why the target no longer consents, "" while it does."""
    # in a thread of its own where sockets block, so that the workers go on hearing this process
    blocks = not monkey.is_module_patched("socket")
    asking = gevent.get_hub().threadpool.spawn(ask) if blocks else gevent.spawn(_outcome, ask)
    try:
        found = asking.get(timeout=guard.ANSWER_WITHIN)
    except gevent.Timeout:
        return f"{guard.CONSENT_PATH} is not answered within {guard.ANSWER_WITHIN:g} s"
    except PrakerjaLoadError as withdrawn:
        return str(withdrawn)
    return str(found) if found is not None else ""


def _outcome(ask: Callable[[], None]) -> PrakerjaLoadError | None:
    """Return what the question raises, which a greenlet of its own would print."""
    try:
        ask()
    except PrakerjaLoadError as withdrawn:
        return withdrawn
    return None
