"""A whole run against an HTTPS target: verified against an authority by option, else refused in words at once."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from command import SCENARIOS, command, the_run, verdict_of
from tiny_system import TinySystem

SMALL = ["ramps.1.hold=2s", "load.warm_up=1s", "journey.funnel=none"]
SMALL += [f"journey.behavior.{habit}=0" for habit in ("nik_typo", "under_age", "someone_elses_nik")]  # none is refused


class SafeSystem:
    """A tiny system behind TLS, and the file with the authority that vouches for it."""

    def __init__(self, folder: Path, host: str) -> None:
        ca = trustme.CA()
        self.ca = folder / "ca.pem"
        ca.cert_pem.write_to_path(str(self.ca))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert(host).configure_cert(context)
        self.system = TinySystem(0.0, context)

    def run(self, reports: Path, *settings: str) -> tuple[int, str]:
        arguments = [part for setting in settings for part in ("--set", setting)]
        target = ("--target", self.system.url, "--reports", reports, "--undecidable")
        said = command("run", SCENARIOS / "smoke.toml", *target, *arguments)
        return said.code, said.out + said.err


@pytest.fixture
def safe(tmp_path: Path) -> Iterator[SafeSystem]:
    opened = SafeSystem(tmp_path, "localhost")
    yield opened
    opened.system.close()


def test_a_ramp_over_https_is_played_with_a_handshake_for_each_registrant(safe: SafeSystem, tmp_path: Path) -> None:
    code, said = safe.run(tmp_path / "reports", f"target.ca={safe.ca}", *SMALL)

    (ramp,) = verdict_of(the_run(tmp_path / "reports"))["ramps"]
    assert code == 3, said  # a system without a laboratory: whether what it acknowledged is stored stays unknown
    assert ramp["counts"]["started"] == 180
    requests = sum(step["requests"] for step in ramp["steps"])
    assert sum(step["outcomes"].get("error", 0) for step in ramp["steps"]) == 0
    assert safe.system.served >= requests > 1_000
    assert safe.system.accepted >= 180


@pytest.mark.parametrize(
    ("settings", "reason"),
    [((), "an authority unknown here signed it"), (("target.ca=nowhere.pem",), "allowed: a file of certificates")],
    ids=["unknown", "missing"],
)
def test_a_certificate_that_is_not_believed_ends_the_run_before_it_begins(
    safe: SafeSystem, tmp_path: Path, settings: tuple[str, ...], reason: str
) -> None:
    code, said = safe.run(tmp_path / "reports", *settings)

    assert code in (2, 4)
    assert reason in said
    assert safe.system.served == 0
