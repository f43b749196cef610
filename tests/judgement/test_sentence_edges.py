"""The words that disclose a run: where the target stands, how a ramp was resumed, and what networks were played."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from synthetic import parse

from prakerja_load.evidence.part import KEPT
from prakerja_load.judgement.sentence import disclosures, not_tested, resumed

ELSEWHERE = ("target.url='https://staging.example.id'", "target.authorized_by='Sri'")
SHARED = "generator and system on one machine"


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("http://128.0.0.1", False),
        ("https://staging.example.id", False),
        ("", False),
    ],
)
def test_a_target_on_loopback_shares_the_machine_and_no_other_does(url: str, *, is_here: bool) -> None:
    assert (SHARED in disclosures(parse(*ELSEWHERE), url, {})) is is_here


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("objectives.elapsed_base=1s", "objectives.elapsed_per_step=500ms"), None),
        (("objectives.elapsed_base=1001ms",), "1 s + 500 ms · k"),
        (("objectives.elapsed_per_step=600ms",), "1 s + 600 ms · k"),
        (("objectives.journey_success=99%",), "journey success 99 %"),
        (("objectives.completed_share=98%",), "completed share 98 %"),
        (("objectives.arrivals=4_000",), "4 000 arrivals in 60 s are enough"),
    ],
)
def test_each_limit_that_is_looser_is_told_and_the_default_is_not(
    overrides: tuple[str, ...], words: str | None
) -> None:
    told = [text for text in disclosures(parse(*overrides), "", None) if "looser" in text]

    assert told == ([f"limits looser than the default: {words}"] if words else [])


def evidence(cuts: tuple[float, ...], offsets: tuple[float, ...], **more: Any) -> Any:
    usual = {"carried": {}, "replayed": np.empty(0, np.int64), "kept": np.empty(0, KEPT)}
    ramp = SimpleNamespace(count=100, journey={"nik_typo": more.pop("nik_typo", 0.0)})
    return SimpleNamespace(cut_at=cuts, offsets=offsets, ramp=ramp, **(usual | more))


def test_how_a_ramp_was_resumed_is_told_with_whom_it_concerned() -> None:
    kept = np.zeros(2, KEPT)
    kept["waited"] = 4.0, 7.0
    found = evidence((30.0, 50.0), (60.0, 0.0), carried={"arrivals": 40}, replayed=np.arange(90, 105), kept=kept)

    assert resumed(found) == (
        "cut off 30 s into its schedule and resumed, the rest 60 s after its time, then cut off 50 s into its schedule "
        "and resumed; 40 arrivals before, at most 10 begun anew; 2 kept waiting until then, the longest for 7 s"
    )


def test_a_ramp_in_one_piece_was_not_resumed_and_one_without_counts_had_none() -> None:
    assert resumed(evidence((), ())) == ""
    assert resumed(evidence((30.0,), (0.0,))) == (
        "cut off 30 s into its schedule and resumed; 0 arrivals before, at most 0 begun anew"
    )


def test_a_resumed_part_tells_that_nobody_there_mistypes_where_some_were_to() -> None:
    words = "cut off 30 s into its schedule and resumed; 0 arrivals before, at most 0 begun anew"

    assert resumed(evidence((30.0,), (0.0,), nik_typo=0.03)) == (
        f"{words}; registrants of the resumed part mistype no NIK"
    )
    assert resumed(evidence((), (), nik_typo=0.03)) == ""


def test_parts_and_their_offsets_belong_together() -> None:
    with pytest.raises(ValueError, match="shorter"):
        resumed(evidence((30.0, 40.0), (60.0,)))


def test_networks_that_were_played_are_told_in_megabits_and_are_still_not_the_real_ones() -> None:
    link = "{name='3g', share='100%', latency='150ms', down='1.6Mbit/s', up='768kbit/s'}"
    scenario = parse(f"network.links=[{link}]")

    told = [text for text in disclosures(scenario, "", None) if text.startswith("networks of registrants")]

    assert told == ["networks of registrants: 100 % 3g (1.6 Mbit/s down, 0.768 Mbit/s up, 150 ms)"]
    assert "lost packets in the networks between citizens and the system, and its delivery of e-mail and SMS" in (
        not_tested(scenario)
    )
