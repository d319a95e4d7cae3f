"""A 200 x 200 phase diagram (alpha_tot, f) at theta = 20 degrees on all cores, beside plain scipy.

    python benchmarks/phase_diagram.py

alpha_tot log-uniform in [1, 100], f log-uniform in [0.02, 1], keep-hard and keep-easy: 40,000 points each, from no
start, compilation included in the first pass and stated.  scipy (``scipy_theory.py``) solves a few of the same points
on one core, from the exact solution with every unknown 5 per cent off, before and after each pass of ours; the ratio is
between its time per point times 40,000, divided by the number of cores, and ours.  Accuracy: a sample is solved once
more with twice the quadrature nodes.  Takes about 5 minutes.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ["JAX_PLATFORMS"] = "cpu"

import platform
import time
import warnings
from importlib import metadata

import numpy as np
import scipy_theory
from scipy.integrate import IntegrationWarning

from perceptron_theory import KeepEasy, KeepHard, Solution, solve
from perceptron_theory.solver import batch, quadrature

SIZE, THETA_DEG, NUM_SCIPY, SEED = 200, 20, 4, 0
START_OFF_BY = 0.05


def scipy_seconds(rule: type, alpha_tot: np.ndarray, f: np.ndarray, exact: Solution, rng: np.random.Generator) -> float:
    """Mean time of the points that scipy solves among a few random ones."""
    theta, taken = float(np.radians(THETA_DEG)), []
    while len(taken) < NUM_SCIPY:
        i, j = rng.integers(SIZE, size=2)
        lower, upper = (0.0, f[j]) if rule is KeepHard else (1 - f[j], 1.0)
        start = scipy_theory.student(exact.teacher_overlap[i, j], exact.probe_overlap[i, j], exact.margin[i, j], theta)
        start *= 1 + START_OFF_BY * rng.choice([-1, 1], start.size)
        begin = time.perf_counter()
        _, success = scipy_theory.solve(f[j] * alpha_tot[i], lower, upper, theta, start)
        if success:
            taken.append(time.perf_counter() - begin)
    return float(np.mean(taken))


def main() -> None:
    """Print times, ratios and accuracy."""
    rng = np.random.default_rng(SEED)
    theta, cores = float(np.radians(THETA_DEG)), len(os.sched_getaffinity(0))
    alpha_tot, f = np.geomspace(1, 100, SIZE), np.geomspace(0.02, 1, SIZE)
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "jaxlib", "numpy", "scipy")))
    for rule in (KeepHard, KeepEasy):
        begin = time.perf_counter()
        exact = solve(alpha_tot[:, None], rule(f), theta)
        first = time.perf_counter() - begin
        ratios, ours = [], []
        before = scipy_seconds(rule, alpha_tot, f, exact, rng)
        for _ in range(3):
            begin = time.perf_counter()
            solve(alpha_tot[:, None], rule(f), theta)
            ours.append(time.perf_counter() - begin)
            after = scipy_seconds(rule, alpha_tot, f, exact, rng)
            ratios.append((before + after) / 2 * SIZE**2 / cores / ours[-1])
            before = after
        print(
            f"{rule.__name__}: {first:.1f} s with compilation, then {np.median(ours):.1f} s for {SIZE}^2 points, "
            f"scipy/ours on as many cores: {np.median(ratios):.0f} ({min(ratios):.0f} - {max(ratios):.0f})",
            flush=True,
        )
        rows, columns = rng.integers(SIZE, size=(2, 400))
        nodes = quadrature.NODES, quadrature.WEIGHTS
        quadrature.NODES, quadrature.WEIGHTS = np.polynomial.legendre.leggauss(2 * nodes[0].size)
        batch._grouped.cache_clear()
        refined = solve(alpha_tot[rows], rule(f[columns]), theta).error
        quadrature.NODES, quadrature.WEIGHTS = nodes
        batch._grouped.cache_clear()
        change = np.abs(refined / exact.error[rows, columns] - 1)
        print(
            f"  twice the quadrature nodes change the test error by at most {change.max():.1e} (relative, 400 points)"
        )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IntegrationWarning)  # scipy's, on its way from the start
        warnings.simplefilter("ignore", RuntimeWarning)
        main()
