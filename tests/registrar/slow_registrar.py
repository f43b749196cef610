"""A registrar whose store has a known capacity: SLOTS writes at once, each SERVICE seconds longer than it would take.

Its capacity, 400 writes a second, lies far below what the process could do, so what a test finds out about overload
does not depend on the machine.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

SLOTS = 16
SERVICE = 0.04
CAPACITY = SLOTS / SERVICE


def main() -> int:
    """Serve with the slow store."""
    from prakerja_load.registrar import __main__ as process
    from prakerja_load.registrar.store.embedded import EmbeddedStore

    quick = EmbeddedStore.submit
    slots = asyncio.Semaphore(SLOTS)

    async def slow(store: EmbeddedStore, operation: Callable[..., Any], key: Any) -> Any:
        async with slots:
            loop = asyncio.get_running_loop()
            due = loop.time() + SERVICE
            answer = await quick(store, operation, key)
            await asyncio.sleep(due - loop.time())  # the disk's share is part of SERVICE
            return answer

    def submit(store: EmbeddedStore, operation: Callable[..., Any], key: Any = None) -> asyncio.Future[Any]:
        return asyncio.ensure_future(slow(store, operation, key))

    EmbeddedStore.submit = submit  # type: ignore[assignment, method-assign]
    return process.main()


if __name__ == "__main__":
    sys.exit(main())
