"""What a process of ours tells whoever started it: one JSON object a line on its standard output."""

from __future__ import annotations

import json
import os
import sys


def say(event: str, **facts: object) -> None:
    """Print one event as a line of JSON; nobody listening is no reason to stop."""
    try:
        sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
