"""The Universal Scalability Law fitted to measured points: a model, labeled as one, never a pass.

    X(N) = γ·N / (1 + α·(N − 1) + β·N·(N − 1))        N* = √((1 − α) / β)

X is throughput (1/s) at N registrants owed an answer, γ what one alone would get, α contention, β crosstalk; beyond
N* more load brings less throughput (Gunther, Guerrilla Capacity Planning, 2007). N/X is linear in 1/γ, α/γ, β/γ, so
the fit is a linear least squares of the relative errors, and its bounds come from Student's t and the delta method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prakerja_load.judgement.tails import student_quantile
from prakerja_load.units import PerSecond

FEWEST = 6  # points
GAMMA_ERROR, PEAK_ERROR = 0.05, 0.10  # half widths of the bounds beyond which a parameter is not identifiable
REACH = 2.0  # nothing is said beyond so many times the measured range
NOISE = 0.02  # of one throughput, at least: few points that agree by chance are no proof of small errors
ALPHA = 0.005  # each side of the parameters' bounds, which are thus 99 % bounds


@dataclass(frozen=True)
class Point:
    """One sound step: registrants owed an answer on average, and registrants served per second."""

    owed: float
    served: PerSecond


@dataclass(frozen=True)
class Unidentified:
    """Why no law can be told from these points."""

    reason: str


@dataclass(frozen=True)
class Projected:
    """A number of the model, never a measurement."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ScalabilityLaw:
    """A fitted law with its 99 % bounds; a projection, good up to `reach` registrants owed an answer."""

    gamma: Projected
    contention: float  # α
    crosstalk: float  # β
    peak_at: Projected  # N*
    points: int
    residual: float  # relative error of one point, standard deviation
    reach: float
    covariance: tuple[tuple[float, ...], ...]  # of (1/γ, α/γ, β/γ)
    freedom: int

    def throughput(self, owed: float) -> Projected:
        """Return the projected throughput with 95 % bounds; raises ValueError beyond twice the measured range."""
        if not 0 < owed <= self.reach:
            raise ValueError(f"{owed:.4g} registrants: the law reaches to {self.reach:.4g}, twice the measured range")
        terms = _terms(np.array([owed]))[0]
        slowness = float(terms @ self._coefficients)
        error = math.sqrt(float(terms @ np.array(self.covariance) @ terms)) / slowness
        margin = student_quantile(0.95, self.freedom) * error
        value = owed / slowness
        return Projected(value, value * max(0.0, 1 - margin), value * (1 + margin))

    @property
    def peak(self) -> Projected:
        """Return the highest throughput that the law knows, at N*."""
        return self.throughput(self.peak_at.value)

    @property
    def _coefficients(self) -> NDArray[np.float64]:
        return np.array([1.0, self.contention, self.crosstalk]) / self.gamma.value


def fit(points: Sequence[Point]) -> ScalabilityLaw | Unidentified:
    """Return the law of at least 6 points that reach beyond its peak, or why there is none to be told.

    γ must be known to ±5 % and N* to ±10 %, N* must lie inside what was measured, and α and β must not be negative
    beyond their errors.
    """
    usable = [point for point in points if point.owed > 0 and point.served > 0]
    if len(usable) < FEWEST:
        return Unidentified(f"{len(usable)} sound points, at least {FEWEST} are needed")
    n, x = (np.array([getattr(point, name) for point in usable]) for name in ("owed", "served"))
    solved = _solve(n, x)
    if isinstance(solved, Unidentified):
        return solved
    reason = _shape_problem(solved.coefficients, n) or _error_problem(solved)
    return Unidentified(reason) if reason else _law(solved, float(n.max()))


@dataclass(frozen=True)
class _Solved:
    """Coefficients (1/γ, α/γ, β/γ) with their covariance, and the relative error of one point."""

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    residual: float
    points: int

    @property
    def peak(self) -> float:
        a, b, c = self.coefficients.tolist()
        return math.sqrt((a - b) / c)

    @property
    def margin(self) -> float:
        """Return how many standard errors the parameters' bounds lie apart from their values."""
        return student_quantile(1 - ALPHA, self.points - 3)

    @property
    def gamma_error(self) -> float:
        return self.margin * math.sqrt(self.covariance[0, 0]) / float(self.coefficients[0])

    @property
    def peak_error(self) -> float:
        a, b, c = self.coefficients.tolist()
        slope = np.array([0.5 / (a - b), -0.5 / (a - b), -0.5 / c])  # of ln N*
        return self.margin * math.sqrt(float(slope @ self.covariance @ slope))


def _solve(n: NDArray[np.float64], x: NDArray[np.float64]) -> _Solved | Unidentified:
    weighted = _terms(n) * (x / n)[:, None]  # every row times the coefficients is 1, but for the relative error
    scale = np.linalg.norm(weighted, axis=0)
    if np.linalg.matrix_rank(weighted / scale, tol=1e-6) < 3:
        return Unidentified("the points do not differ enough in the number of registrants owed an answer")
    inverse = np.linalg.pinv(weighted / scale) / scale[:, None]
    coefficients = inverse @ np.ones(n.size)
    residuals = 1 - weighted @ coefficients
    residual = math.sqrt(float(residuals @ residuals) / (n.size - 3))
    return _Solved(coefficients, inverse @ inverse.T * max(residual, NOISE) ** 2, residual, n.size)


def _terms(n: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.ones_like(n), n - 1, n * (n - 1)])


def _shape_problem(coefficients: NDArray[np.float64], n: NDArray[np.float64]) -> str:
    """Return why these coefficients have no peak that was measured, empty when they have."""
    a, b, c = coefficients.tolist()
    if c <= 0 or a <= max(b, 0):
        return "throughput does not fall beyond any peak in these points"
    peak = math.sqrt((a - b) / c)
    if not n.min() < peak < n.max():
        return f"the peak, N* = {peak:.3g}, lies outside what was measured, {n.min():.3g} to {n.max():.3g}"
    return ""


def _error_problem(solved: _Solved) -> str:
    """Return which parameter is not known well enough, empty when all are."""
    found = solved.gamma_error, solved.peak_error
    if found[0] > GAMMA_ERROR or found[1] > PEAK_ERROR:
        return f"γ is known to ±{found[0]:.2%}, N* to ±{found[1]:.2%}; needed: ±{GAMMA_ERROR:.0%}, ±{PEAK_ERROR:.0%}"
    if solved.coefficients[1] < -solved.margin * math.sqrt(solved.covariance[1, 1]):
        return "α is below 0: these points do not follow the law"
    return ""


def _law(solved: _Solved, most: float) -> ScalabilityLaw:
    a, b, c = solved.coefficients.tolist()
    return ScalabilityLaw(
        gamma=_around(1 / a, solved.gamma_error),
        contention=b / a,
        crosstalk=c / a,
        peak_at=_around(solved.peak, solved.peak_error),
        points=solved.points,
        residual=solved.residual,
        reach=REACH * most,
        covariance=tuple(map(tuple, solved.covariance.tolist())),
        freedom=solved.points - 3,
    )


def _around(value: float, error: float) -> Projected:
    return Projected(value, value * (1 - error), value * (1 + error))
