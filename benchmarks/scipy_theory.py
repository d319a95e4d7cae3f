"""The saddle point of the max-margin student as a competent scipy user would solve it: the peer of ``theory.py``.

The three equations for the student (A, B, 1) with margin k, p and q the example's coordinates along the teacher and
across it in the plane of the probe, d = k - A p - B q, n = 1 + A^2 + B^2, <.> the average over kept examples, p > 0:

    alpha_prune <G(d)> = 1        <G'(d) (p - k A / n)> = 0        <G'(d) (q - k B / n)> = 0

Averages by adaptive quadrature (``quad`` for a perfect probe, where B = 0; ``dblquad`` otherwise), the root by
``fsolve``.  Ranges of integration end and are split where the integrand dies or has a kink, so that every piece is
smooth.  Shares no code with ``perceptron_theory``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from scipy.integrate import dblquad, quad
from scipy.optimize import fsolve
from scipy.special import ndtri

__all__ = ["error", "probe_margin", "residuals", "solve", "student"]

DEAD = 8.0  # G(-8) and the Gaussian density at 8 are below 1e-14 of what they multiply
RELATIVE, ABSOLUTE = 1e-7, 1e-9  # of quad and dblquad: as loose as keeps the test error right to 1e-10

Integrand = Callable[[float, float], float]
Strip = tuple[float, float]


def big_g(d: float) -> float:
    """G(d) = (1 + d^2) Phi(d) + d phi(d)."""
    return (1 + d * d) * 0.5 * math.erfc(-d / math.sqrt(2)) + d * density(d)


def slope_of_g(d: float) -> float:
    """G'(d) = 2 (d Phi(d) + phi(d))."""
    return 2 * (d * 0.5 * math.erfc(-d / math.sqrt(2)) + density(d))


def density(x: float) -> float:
    """Standard normal density."""
    return math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def probe_margin(rank: float) -> float:
    """|z| at difficulty rank erf(|z| / sqrt 2)."""
    return float(ndtri(0.5 + 0.5 * rank)) if rank < 1 else math.inf


def average_aligned(integrand: Integrand, a: float, k: float, inner: float, outer: float) -> float:
    """<integrand(p, 0)> over inner < p < outer, not yet divided by f; perfect probe."""
    last = min(outer, DEAD, (k + DEAD) / a)
    if last <= inner:
        return 0.0
    middle = [k / a] if inner < k / a < last else None
    return quad(
        lambda p: 2 * density(p) * integrand(p, 0.0),
        inner,
        last,
        points=middle,
        epsrel=RELATIVE,
        epsabs=ABSOLUTE,
        limit=200,
    )[0]


def average_oblique(
    integrand: Integrand, a: float, b: float, k: float, inner: float, outer: float, theta: float
) -> float:
    """<integrand(p, q)> over inner < |z| < outer and p > 0, not yet divided by f.

    Coordinates: z along the probe, w across it; p = z cos(theta) - w sin(theta), so that w < z cot(theta).
    """
    cosine, sine = math.cos(theta), math.sin(theta)
    along, across = a * cosine + b * sine, b * cosine - a * sine  # the student's field is along z + across w

    def dies(z: float) -> float:  # w at which d = -DEAD
        return (k + DEAD - along * z) / across

    def first(z: float) -> float:
        return min(max(-DEAD, dies(z)), last(z)) if across < 0 else -DEAD

    def last(z: float) -> float:
        end = min(DEAD, z * cosine / sine)
        return max(-DEAD, end if across < 0 else min(end, dies(z)))

    def integrate(start: float, stop: float) -> float:
        return dblquad(
            lambda w, z: 2 * density(z) * density(w) * integrand(z * cosine - w * sine, z * sine + w * cosine),
            start,
            stop,
            first,
            last,
            epsrel=RELATIVE,
            epsabs=ABSOLUTE,
        )[0]

    kinks = [0.0, DEAD * sine / cosine, -DEAD * sine / cosine]
    kinks += [(k + DEAD + across * DEAD) / along, (k + DEAD - across * DEAD) / along]
    kinks.append((k + DEAD) / (along + across * cosine / sine))
    strips: list[Strip] = [(-outer, outer)] if inner == 0 else [(inner, outer), (-outer, -inner)]
    total = 0.0
    for low, high in strips:
        low, high = max(low, -DEAD), min(high, DEAD)
        ends = sorted({low, high, *(z for z in kinks if low < z < high)})
        for start, stop in pairwise(ends):
            if first(0.5 * (start + stop)) < last(0.5 * (start + stop)):
                total += integrate(start, stop)
    return total


def residuals(unknowns: Sequence[float], alpha_prune: float, lower: float, upper: float, theta: float) -> list[float]:
    """The equations at (A, k) for theta = 0, at (A, B, k) otherwise; ``lower`` and ``upper`` are difficulty ranks."""
    inner, outer, f = probe_margin(lower), probe_margin(upper), upper - lower
    a, *rest, k = unknowns
    b = rest[0] if rest else 0.0
    n = 1 + a * a + b * b

    def average(integrand: Integrand) -> float:
        if theta == 0:
            return average_aligned(integrand, a, k, inner, outer) / f
        return average_oblique(integrand, a, b, k, inner, outer, theta) / f

    equations = [
        alpha_prune * average(lambda p, q: big_g(k - a * p - b * q)) - 1,
        average(lambda p, q: slope_of_g(k - a * p - b * q) * (p - k * a / n)),
    ]
    if theta != 0:
        equations.append(average(lambda p, q: slope_of_g(k - a * p - b * q) * (q - k * b / n)))
    return equations


def solve(
    alpha_prune: float, lower: float, upper: float, theta: float, start: Sequence[float]
) -> tuple[np.ndarray, bool]:
    """The student (A, k) or (A, B, k) and whether ``fsolve`` is satisfied, from a start of the same length."""
    found, _, status, _ = fsolve(
        residuals, start, args=(alpha_prune, lower, upper, theta), xtol=1e-10, full_output=True
    )
    return found, status == 1


def error(unknowns: Sequence[float]) -> float:
    """Test error of the student (A, k) or (A, B, k)."""
    a, *rest, _ = unknowns
    return math.atan2(math.hypot(1.0, *rest[:1]), a) / math.pi


def student(teacher_overlap: float, probe_overlap: float, margin: float, theta: float) -> np.ndarray:
    """(A, k) for theta = 0, else (A, B, k): the unknowns of scipy, from overlaps and margin."""
    across = (probe_overlap - teacher_overlap * np.cos(theta)) / np.sin(theta) if theta else 0.0
    outside = np.sqrt(1 - teacher_overlap**2 - across**2)
    return np.array([teacher_overlap, across, margin] if theta else [teacher_overlap, margin]) / outside
