"""The *Ramp* tab of Locust's web UI, and the UI on loopback unless it is told otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from locust import events
from locust.env import Environment

Rows: TypeAlias = Sequence[tuple[str, str]]

KEY = "ramp"
LOOPBACK = "127.0.0.1"
_STATISTICS = "/stats/requests"
"""What the UI asks for every two seconds while a test runs; its answer may carry rows for tabs of others."""


def add_tab(environment: Environment, look: Callable[[], Rows]) -> None:
    """Let the web UI, if there is one, show what `look` returns as a tab of its own."""
    ui: Any = environment.web_ui
    if ui is None:
        return
    # Locust keeps these beside its own arguments of the page, and makes a tab with a table of each
    ui.template_args["extended_tabs"] = [{"title": "Ramp", "key": KEY}]
    columns = [{"key": "what", "title": "What"}, {"key": "now", "title": "Now"}]
    ui.template_args["extended_tables"] = [{"key": KEY, "structure": columns}]

    @ui.app.after_request  # type: ignore[untyped-decorator]
    def extend(response: Any) -> Any:
        from flask import request

        if request.path.endswith(_STATISTICS) and response.is_json:
            shown = {"key": KEY, "data": [{"what": what, "now": now} for what, now in look()]}
            response.set_data(json.dumps({**response.get_json(), "extended_stats": [shown]}))
        return response


def stay_on_loopback() -> None:
    """Let the UI bind to loopback unless it is told otherwise; Locust's own default is every interface."""
    parsing: Any = events.init_command_line_parser  # untyped in Locust
    parsing.add_listener(lambda parser: parser.set_defaults(web_host=LOOPBACK))
