"""Saddle points to 18 digits and more with mpmath, at places where double precision is hardest; not fast.

    python tests/perceptron_theory/extended_precision.py

writes ``extended_precision.json`` (two minutes).  What is solved are the homogeneous equations of the package's
design notes, in the student (A, B, 1) with margin k:

    alpha_prune <G(d)> = 1      <G'(d) (n p - k A)> = 0      <G'(d) (n q - k B)> = 0      d = k - A p - B q

by Newton's method with numerical derivatives at 34 digits, from the double-precision solution.  The averages run over
lines of constant student field, where what is kept is an interval, with many short Gauss-Legendre panels of 40 nodes.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import mpmath as mp
import numpy as np
from mpmath import mpf

from perceptron_theory import KeepWindow, solve

DIGITS, NODES = 34, 40
REACH = 13  # standard deviations; the Gaussian factor there is 2e-37
FILE = Path(__file__).with_suffix(".json")

# alpha_prune, lower and upper difficulty rank, theta in radians
POINTS = [
    (2.0, 0.0, 0.1, 0.0872664625997),
    (1.5910293409205676, 0.0, 0.04521454899899621, 0.006520961900040757),
    (2.376108152521978, 0.0, 0.0278843991471032, 0.003995091718268019),
    (1.1223168052639503, 0.0, 0.00010704208183883461, 8.754367785843978e-06),
    (0.48858089908585195, 0.0, 0.0022407933965522047, 1.96496626470004e-06),
    (0.00109241981779093, 0.0, 0.000146898118740313, 5.0197939686873265e-08),
    (1.729848162139973, 0.0, 0.00015859802334651038, 0.0),
    (0.0239121799572318, 0.0, 0.00011900877029100374, 0.0),
    (1e5, 0.9999, 1.0, 1.7453292519943295e-10),
    (40948.00945494149, 0.9998467144080108, 1.0, 0.4464201093065443),
    (7866.957750180525, 0.5476884616890328, 0.5484164355969233, 0.09180862726428396),
    (71703.69647219747, 0.49929299355733436, 0.4994767767579764, 0.10713244329990809),
    (98495.0, 0.92676, 0.9269457, 0.28975956241609857),
]


@cache
def gauss_legendre(num_nodes: int) -> list[tuple[mpf, mpf]]:
    """Nodes and weights on [-1, 1]."""
    rule = []
    for i in range(num_nodes):
        x = mp.cos(mp.pi * (i + mpf(3) / 4) / (num_nodes + mpf(1) / 2))
        for _ in range(20):
            before, value = mpf(1), x
            for j in range(2, num_nodes + 1):
                before, value = value, ((2 * j - 1) * x * value - (j - 1) * before) / j
            slope = num_nodes * (x * value - before) / (x * x - 1)
            x -= value / slope
        rule.append((x, 2 / ((1 - x * x) * slope * slope)))
    return rule


def pdf(x: mpf) -> mpf:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def cdf(x: mpf) -> mpf:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def probe_margin(rank: float) -> mpf:
    """|z| at difficulty rank erf(|z| / sqrt 2)."""
    return mp.inf if rank == 1 else mp.sqrt(2) * mp.erfinv(mpf(rank))


def residuals(alpha_prune: mpf, strips: list[tuple[mpf, mpf]], f: mpf, theta: mpf, a: mpf, b: mpf, k: mpf) -> list[mpf]:
    """The three equations, the second and third divided by n <G'>."""
    n, r, reach = 1 + a * a + b * b, mp.sqrt(a * a + b * b), mpf(REACH)
    omega = mp.atan2(b, a)
    cos, sin, cos_omega, sin_omega = mp.cos(theta - omega), mp.sin(theta - omega), mp.cos(omega), mp.sin(omega)
    g0 = g1 = gp = gq = mpf(0)
    for low, high in strips:
        first, last = -reach, min(reach, (k + reach) / r)
        edges = [edge for edge in (low, high) if not mp.isinf(edge)]
        ends = {first, last} | {mpf(j) for j in range(-12, 13, 2)}
        ends |= {j * reach / 4 * abs(sin_omega / cos_omega) for j in range(-4, 5)}  # label changes
        ends |= {(k + j * reach / 4) / r for j in range(-4, 5)}
        for edge in edges:
            ends |= {(edge + j * reach / 4 * abs(sin)) / cos for j in range(-4, 5)}  # the edge sweeps across
            ends |= {edge * cos + j * reach / 8 * abs(sin) for j in range(-8, 9)}  # a thin strip's peak
            ends.add(edge * sin_omega / mp.sin(theta) if theta else mpf(0))  # its corner on p = 0
        inside = sorted(t for t in ends if first <= t <= last)
        for left, right in pairwise(inside):
            if right - left < mpf(10) ** -DIGITS:
                continue
            for node, node_weight in gauss_legendre(NODES):
                t = left + (right - left) * (1 + node) / 2
                if sin == 0:
                    if not low < t * cos < high:
                        continue
                    start, stop = -mp.inf, mp.inf
                else:
                    start, stop = sorted(((low - t * cos) / sin, (high - t * cos) / sin))
                if sin_omega > 0:
                    stop = min(stop, t * cos_omega / sin_omega)
                elif sin_omega < 0:
                    start = max(start, t * cos_omega / sin_omega)
                elif t * cos_omega <= 0:
                    continue
                if start >= stop or start > reach + 3 or stop < -reach - 3:
                    continue
                mass = cdf(stop) - cdf(start) if start < 0 else cdf(-start) - cdf(-stop)
                moment = (0 if mp.isinf(start) else pdf(start)) - (0 if mp.isinf(stop) else pdf(stop))
                d = k - r * t
                weight = node_weight * (right - left) / 2 * 2 * pdf(t) / f
                slope = 2 * (d * cdf(d) + pdf(d))
                g0 += weight * ((1 + d * d) * cdf(d) + d * pdf(d)) * mass
                g1 += weight * slope * mass
                gp += weight * slope * (t * cos_omega * mass - sin_omega * moment)
                gq += weight * slope * (t * sin_omega * mass + cos_omega * moment)
    return [alpha_prune * g0 - 1, gp / g1 - k * a / n, gq / g1 - k * b / n]


def refine(alpha_prune: float, lower: float, upper: float, theta: float) -> dict[str, float]:
    """The solution, by Newton's method from the double-precision one."""
    mp.mp.dps = DIGITS
    keep = KeepWindow(lower, upper)
    rough = solve(alpha_prune / keep.fraction, keep, theta)
    across = (rough.probe_overlap - rough.teacher_overlap * np.cos(theta)) / np.sin(theta) if theta else 0.0
    outside = np.sqrt(1 - rough.teacher_overlap**2 - across**2)
    student = [mpf(float(x / outside)) for x in (rough.teacher_overlap, across, rough.margin)]
    inner, outer = probe_margin(lower), probe_margin(upper)
    strips = [(-outer, outer)] if inner == 0 else [(inner, outer), (-outer, -inner)]
    free = [0, 1, 2] if theta else [0, 2]  # B = 0 for a perfect probe
    which = [0, 1, 2] if theta else [0, 1]

    def equations(x: list[mpf]) -> list[mpf]:
        f = mpf(upper) - mpf(lower)
        values = residuals(mpf(float(alpha_prune)), strips, f, mpf(theta), *x)
        return [values[i] for i in which]

    for _ in range(8):
        here = equations(student)
        jacobian = mp.matrix(len(free))
        for column, i in enumerate(free):
            step = mpf(10) ** (2 - DIGITS // 2) * max(abs(student[i]), 1)
            there = equations([x + step * (i == j) for j, x in enumerate(student)])
            for row, (old, new) in enumerate(zip(here, there, strict=True)):
                jacobian[row, column] = (new - old) / step
        change = mp.lu_solve(jacobian, -mp.matrix(here))
        for column, i in enumerate(free):
            student[i] += change[column]
        if max(abs(x) for x in change) < mpf(10) ** -18 * max(abs(x) for x in student):
            break
    else:
        raise RuntimeError(f"no convergence at alpha_prune = {alpha_prune}, [{lower}, {upper}], theta = {theta}")
    a, b, k = student
    root_n = mp.sqrt(1 + a * a + b * b)
    return {
        "error": float(mp.atan2(mp.sqrt(1 + b * b), a) / mp.pi),
        "R": float(a / root_n),
        "rho": float((a * mp.cos(theta) + b * mp.sin(theta)) / root_n),
        "kappa": float(k / root_n),
    }


def main() -> None:
    names = ("alpha_prune", "lower", "upper", "theta")
    points = []
    for point in POINTS:
        points.append(dict(zip(names, point, strict=True)) | refine(*point))
        print(points[-1], flush=True)
    about = "Saddle points solved with 34 digits by extended_precision.py; ranks lower and upper, theta in radians."
    FILE.write_text(json.dumps({"about": about, "points": points}, indent=1) + "\n")


if __name__ == "__main__":
    main()
