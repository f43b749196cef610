"""What operators read: health, metrics, the description of the interface."""

from __future__ import annotations

import functools
from collections.abc import Mapping
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
            rate_limits=registrar.limits.is_on,
            database=registrar.store.kind,
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
    waiting = {'for="place"': float(civil.waiting), 'for="registry"': float(registrar.pending.known)}
    gauges: list[openmetrics.Family] = [
        ("registrar_in_flight", "Requests under way.", float(admission.in_flight)),
        ("registrar_in_flight_limit", "Requests that may be under way now.", float(admission.limit)),
        ("registrar_write_queue", "Writes not acknowledged yet.", float(registrar.store.depth)),
        (
            "registrar_civil_waiting",
            "Checks that wait for a place at the civil registry, or for it to be back.",
            waiting,
        ),
        ("registrar_civil_breaker", "State of the breaker before it.", {f'state="{civil.breaker.state}"': 1.0}),
        ("registrar_defects", "Defects that the laboratory injects now.", _defects(registrar)),
    ]
    if not registrar.settings.postgresql:
        sizes = openmetrics.store_sizes(registrar.settings.path)
        gauges.append(("registrar_store_bytes", "Size of the store's files.", sizes))
    counters: list[openmetrics.Family] = [
        ("registrar_shed", "Requests told to come back.", _labelled("reason", admission.shed_by)),
        ("registrar_civil_checks", "Checks of the civil registry.", float(civil.checks)),
        ("registrar_civil_refused", "Checks that the civil registry did not take.", float(civil.refused)),
        ("registrar_civil_breaker_openings", "Times the breaker opened.", float(civil.breaker.openings)),
    ]
    return Reply(200, registrar.metrics.render(gauges, counters), openmetrics.CONTENT_TYPE)


def _labelled(label: str, counts: Mapping[str, int]) -> dict[str, float]:
    return {f'{label}="{value}"': float(count) for value, count in counts.items()}


def _defects(registrar: Registrar) -> dict[str, float]:
    return {f'defect="{name}"': 1.0 for name in registrar.defects.names}


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
