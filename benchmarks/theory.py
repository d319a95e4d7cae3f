"""Time and accuracy of ``perceptron_theory.solve`` beside plain scipy, on one core and the same points.

    python benchmarks/theory.py

10,000 points, half keep-hard and half keep-easy, alpha_prune log-uniform in [0.3, 30], f log-uniform in [0.05, 1], at
theta = 0 and at theta = 20 degrees.  Ours solves all of them in two calls, one per rule, from no start; compilation is
stated apart.  scipy (``scipy_theory.py``) solves a random sample of the same points, one after the other, from a start
given to it: the exact solution with every unknown 5 per cent off, up or down at random.  Its quadrature
tolerances are as loose as keeps its errors right to 1e-10, and points that it fails to solve do not count.  Rounds are
interleaved and ratios are taken within a round, so that a slow moment of the machine hits both.  Takes 100 seconds.
"""

from __future__ import annotations

import os

CORE = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
if CORE is not None:
    os.sched_setaffinity(0, {CORE})  # before any library starts threads: all that follows has one core
os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse  # noqa: E402
import platform  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from importlib import metadata  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import scipy_theory  # noqa: E402
from scipy.integrate import IntegrationWarning  # noqa: E402

from perceptron_theory import KeepEasy, KeepHard, solve  # noqa: E402
from perceptron_theory.solution import Solution  # noqa: E402

ALPHA_PRUNE, FRACTION = (0.3, 30.0), (0.05, 1.0)
START_OFF_BY = 0.05
SAMPLE = {0: 20, 20: 5}  # points given to scipy, by theta in degrees
SEED = 0


def ours(alpha_prune: np.ndarray, f: np.ndarray, theta: float) -> list[Solution]:
    """Solutions of the first half of the points with keep-hard, of the second half with keep-easy."""
    half = f.size // 2
    hard, easy = slice(None, half), slice(half, None)
    return [
        solve(alpha_prune[hard] / f[hard], KeepHard(f[hard]), theta),
        solve(alpha_prune[easy] / f[easy], KeepEasy(f[easy]), theta),
    ]


def compare(theta_deg: int, num_points: int, num_rounds: int) -> None:
    """One block of the output."""
    rng = np.random.default_rng([SEED, theta_deg])
    alpha_prune, f = (np.exp(rng.uniform(*np.log(ends), num_points)) for ends in (ALPHA_PRUNE, FRACTION))
    theta = float(np.radians(theta_deg))

    begin = time.perf_counter()
    ours(alpha_prune[[0, -1]], f[[0, -1]], theta)
    compiling = time.perf_counter() - begin

    found = ours(alpha_prune, f, theta)
    fields = ("error", "teacher_overlap", "probe_overlap", "margin", "num_steps")
    exact = {name: np.concatenate([getattr(s, name) for s in found]) for name in fields}
    jobs = []
    for i in rng.choice(num_points, SAMPLE[theta_deg], replace=False):
        lower, upper = (0.0, f[i]) if i < num_points // 2 else (1 - f[i], 1.0)
        start = scipy_theory.student(exact["teacher_overlap"][i], exact["probe_overlap"][i], exact["margin"][i], theta)
        start *= 1 + START_OFF_BY * rng.choice([-1, 1], start.size)
        jobs.append((i, (alpha_prune[i], lower, upper, theta, start)))

    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(num_rounds):
        begin = time.perf_counter()
        ours(alpha_prune, f, theta)
        seconds["ours"].append((time.perf_counter() - begin) / num_points)
        solved, taken = {}, []
        for i, job in jobs:
            begin = time.perf_counter()
            unknowns, success = scipy_theory.solve(*job)
            if success:
                solved[i] = unknowns
                taken.append(time.perf_counter() - begin)
        seconds["theirs"].append(float(np.mean(taken)))
    begin = time.perf_counter()
    for i in range(10):
        solve(alpha_prune[i] / f[i], KeepHard(f[i]), theta)
    single = (time.perf_counter() - begin) / 10

    ratios = np.divide(seconds["theirs"], seconds["ours"])
    differences = [abs(scipy_theory.error(unknowns) / exact["error"][i] - 1) for i, unknowns in solved.items()]
    print(
        f"\ntheta = {theta_deg} degrees\n"
        f"  ours    {1e6 * np.median(seconds['ours']):10.1f} us per point, {num_points} points, "
        f"{exact['num_steps'].mean():.1f} quadratures each; "
        f"compiled once in {compiling:.1f} s; a call for one point takes {1e3 * single:.1f} ms\n"
        f"  scipy   {1e6 * np.median(seconds['theirs']):10.1f} us per point, {len(jobs)} points, "
        f"of which it solved {len(solved)}\n"
        f"  scipy/ours, median of {num_rounds} rounds (min - max): "
        f"{np.median(ratios):.0f} ({ratios.min():.0f} - {ratios.max():.0f})\n"
        f"  largest relative difference of the test errors: {max(differences):.1e}",
        flush=True,
    )


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=10_000, help="points of ours at each theta")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved repeats")
    options = parser.parse_args()
    info = Path("/proc/cpuinfo")
    models = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    print(f"{models[0] if models else platform.processor()}, one core ({CORE}) of {os.cpu_count()}, ", end="")
    print(f"load {os.getloadavg()[0]:.1f} at the start; Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "jaxlib", "numpy", "scipy")))
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IntegrationWarning)  # scipy's, on its way from the start
        warnings.simplefilter("ignore", RuntimeWarning)
        for theta_deg in SAMPLE:
            compare(theta_deg, options.points, options.rounds)
    print(f"\n{time.perf_counter() - start:.0f} s in all; load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
