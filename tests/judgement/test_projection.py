"""The scalability law: known laws found again within A13's tolerances, or called not identifiable; never far out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from prakerja_load.judgement.projection import Point, ScalabilityLaw, Unidentified, fit


def throughput(n: float, gamma: float, alpha: float, beta: float) -> float:
    return gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1))


def points(ns: list[float], law: tuple[float, float, float], noise: float = 0.0, seed: int = 0) -> list[Point]:
    errors = np.random.default_rng(seed).standard_normal(len(ns)) * noise
    return [Point(n, throughput(n, *law) * (1 + error)) for n, error in zip(ns, errors.tolist(), strict=True)]


LAW = (50.0, 0.02, 0.0005)
SPREAD = [1, 2, 4, 8, 16, 32, 45, 64, 90, 128]


def identified(found: ScalabilityLaw | Unidentified) -> ScalabilityLaw:
    assert isinstance(found, ScalabilityLaw), found
    return found


def test_a_law_without_noise_is_found_again() -> None:
    law = identified(fit(points(SPREAD, LAW)))

    assert law.gamma.value == pytest.approx(50)
    assert law.contention == pytest.approx(0.02)
    assert law.crosstalk == pytest.approx(0.0005)
    assert law.peak_at.value == pytest.approx(math.sqrt(0.98 / 0.0005))
    assert law.residual == pytest.approx(0, abs=1e-9)
    assert law.throughput(45).value == pytest.approx(throughput(45, *LAW))
    assert law.peak.value == pytest.approx(throughput(law.peak_at.value, *LAW))


def test_whatever_is_identified_among_4_000_noisy_laws_is_right() -> None:
    """A13: with 2 % noise γ within ±5 % and N* within ±10 %, else "not identifiable"."""
    chance = np.random.default_rng(13)
    found = 0
    for seed in range(4_000):
        gamma, alpha, peak = math.exp(chance.uniform(0, 7)), chance.uniform(0, 0.2), math.exp(chance.uniform(1.5, 6))
        ns = np.geomspace(0.5, peak * chance.uniform(1.2, 5), int(chance.integers(6, 30))).tolist()
        law = fit(points(ns, (gamma, alpha, (1 - alpha) / peak**2), 0.02, seed))
        if isinstance(law, ScalabilityLaw):
            found += 1
            assert law.gamma.value == pytest.approx(gamma, rel=0.05)
            assert law.peak_at.value == pytest.approx(peak, rel=0.10)

    assert found > 1_000  # it does not refuse everything


def test_the_bounds_of_the_parameters_hold() -> None:
    truth = 50, math.sqrt(0.98 / 0.0005)
    laws = [law for seed in range(600) if isinstance(law := fit(points(SPREAD * 3, LAW, 0.02, seed)), ScalabilityLaw)]

    assert len(laws) > 500
    for name, value in zip(("gamma", "peak_at"), truth, strict=True):
        held = sum(getattr(law, name).low <= value <= getattr(law, name).high for law in laws)
        assert held >= 0.97 * len(laws)


def test_the_bounds_of_a_projection_hold() -> None:
    laws = [law for seed in range(600) if isinstance(law := fit(points(SPREAD * 3, LAW, 0.02, seed)), ScalabilityLaw)]

    for n in (10, 45, 250):
        held = sum(law.throughput(n).low <= throughput(n, *LAW) <= law.throughput(n).high for law in laws)
        assert held >= 0.88 * len(laws)  # two one-sided 95 % bounds


def test_nothing_is_said_beyond_twice_the_measured_range() -> None:
    law = identified(fit(points(SPREAD, LAW)))

    assert law.throughput(256).value == pytest.approx(throughput(256, *LAW))
    with pytest.raises(ValueError, match="twice the measured range"):
        law.throughput(257)


@pytest.mark.parametrize(
    ("ns", "law", "reason"),
    [
        (SPREAD[:5], LAW, "5 sound points, at least 6"),
        (SPREAD[:7], (50.0, 0.02, 0.0001), "outside what was measured"),
        (SPREAD, (50.0, 0.02, 0.0), "does not fall beyond any peak"),
        ([5.0] * 8, LAW, "do not differ enough"),
        ([45 + 0.001 * k for k in range(8)], LAW, "do not differ enough"),
        (SPREAD, (50.0, -0.02, 0.0005), "α is below 0"),
    ],
)
def test_what_the_points_cannot_show_is_not_told(ns: list[float], law: tuple[float, float, float], reason: str) -> None:
    found = fit(points(ns, law))

    assert isinstance(found, Unidentified)
    assert reason in found.reason


def test_noise_that_hides_the_law_is_called_by_its_size() -> None:
    found = fit(points(SPREAD, LAW, 0.1, seed=3))

    assert isinstance(found, Unidentified)
    assert "needed: ±5%, ±10%" in found.reason


def test_points_without_load_or_throughput_count_for_nothing() -> None:
    found = fit([*points(SPREAD[:5], LAW), Point(0.0, 10.0), Point(10.0, 0.0)])

    assert isinstance(found, Unidentified)
    assert found.reason.startswith("5 sound points")
