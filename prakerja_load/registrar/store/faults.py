"""What a store can fail with, told apart by what the client should be told."""

from __future__ import annotations

import apsw

from prakerja_load.registrar.problems import RefusalError

STORE_FAULTS = (apsw.Error, OSError)


def refusal_of(fault: BaseException) -> RefusalError:
    """Return the answer to a request whose write did not reach the disk: 507 when there is no room, else 503."""
    if isinstance(fault, apsw.FullError) or (isinstance(fault, OSError) and fault.errno in (28, 122)):
        return RefusalError("store-full")
    if isinstance(fault, apsw.BusyError | apsw.LockedError):
        return RefusalError("store-busy", retry_after=1)
    return RefusalError("store-unavailable", retry_after=5)


def concerns_everybody(fault: BaseException) -> bool:
    """Tell whether a fault lies in the store itself, so that the other operations of a group would meet it too."""
    return isinstance(fault, STORE_FAULTS) and not isinstance(
        fault, apsw.ConstraintError | apsw.MismatchError | apsw.TooBigError | apsw.RangeError | apsw.SQLError
    )
