"""What operators read: health, metrics, the description of the interface."""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, version

import apsw

from prakerja_load.registrar import metrics as openmetrics
from prakerja_load.registrar.composition import Registrar
from prakerja_load.registrar.messages import Health
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import Reply, json_reply
from prakerja_load.registrar.routes import Call


async def health(registrar: Registrar, _call: Call) -> Reply:
    """Say that the server is well, and what of it a reader of its figures should know."""
    return json_reply(
        200,
        Health(
            status="ok",
            lab=registrar.settings.is_lab,
            defects=[str(defect) for defect in registrar.defects.active],
            password_hash=str(registrar.passwords),
            database="sqlite",
            journal=registrar.store.journal,
            synchronous=registrar.store.synchronous,
            sqlite=apsw.sqlite_lib_version(),
            version=_version(),
        ),
    )


async def consent(registrar: Registrar, _call: Call) -> Reply:
    """Show the file that allows load from other hosts as it is now; its owner takes it away to stop the load."""
    path = registrar.settings.consent
    try:
        if path is None:
            raise RefusalError("not-found")
        return Reply(200, path.read_bytes())
    except OSError as missing:
        raise RefusalError("not-found") from missing


async def metrics(registrar: Registrar, _call: Call) -> Reply:
    """Show counters and histograms."""
    admission, civil = registrar.admission, registrar.civil_registry
    gauges = [
        ("registrar_in_flight", "Requests under way.", float(admission.in_flight)),
        ("registrar_write_queue", "Writes not acknowledged yet.", float(registrar.store.writer.depth)),
    ]
    counters = [
        ("registrar_shed", "Requests told to come back.", float(admission.shed)),
        ("registrar_civil_checks", "Checks of the civil registry.", float(civil.checks)),
        ("registrar_civil_refused", "Checks that the civil registry did not take.", float(civil.refused)),
    ]
    return Reply(200, registrar.metrics.render(gauges, counters), openmetrics.CONTENT_TYPE)


async def description(_registrar: Registrar, _call: Call) -> Reply:
    """Show the OpenAPI document."""
    from prakerja_load.registrar.openapi import document

    return Reply(200, document(_version()))


@functools.cache
def _version() -> str:
    try:
        return version("prakerja-load")
    except PackageNotFoundError:
        return "0"
