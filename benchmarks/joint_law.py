"""60 x 60 numbers of examples and features, each with its best ridge, on all cores, beside the same in scipy.

    python benchmarks/joint_law.py

Square loss on power-law features (decay 1.5, teacher_decay 1.8), 100 to 100,000 kept examples, 8 to 8,269 features, the
hardest 30 % of a pool by a probe at 10 degrees.  The scipy version shares no code: moments of the kept examples by
``quad`` once for all, sums over features one by one, V by ``brentq``, lambda by bounded ``minimize_scalar`` from 1e-9
to 1e3 times the mean variance; it solves random points of the grid on one core before and after each pass of ours; the
ratio is between its time per point times 3,600, divided by the number of cores, and ours.  About a minute.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ["JAX_PLATFORMS"] = "cpu"

import platform
import time
from importlib import metadata

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtr, ndtri, zeta

from perceptron_theory import KeepHard, PowerLawFeatures, best_ridge

SIZE, NUM_SCIPY, SEED = 60, 20, 0
DECAY, TEACHER_DECAY, NUM_FEATURES = 1.5, 1.8, 2**17
FRACTION, THETA = 0.3, np.deg2rad(10.0)


def kept_moments() -> tuple[np.ndarray, float]:
    """<y u> of the kept examples along and across the probe, and <z^2>; <v^2> = 1 and <z v> = 0."""
    edge = ndtri(0.5 + 0.5 * FRACTION)

    def density(z: float) -> float:
        return 2 * np.exp(-z * z / 2) / np.sqrt(2 * np.pi) / FRACTION

    # the label is the sign of z cos(theta) - v sin(theta), v a standard normal
    ratio = 1 / np.tan(THETA)
    along = quad(lambda z: density(z) * z * (2 * ndtr(z * ratio) - 1), 0, edge, epsabs=1e-13, epsrel=1e-12)[0]
    across = quad(
        lambda z: density(z) * -2 * np.exp(-((z * ratio) ** 2) / 2) / np.sqrt(2 * np.pi),
        0,
        edge,
        epsabs=1e-13,
        epsrel=1e-12,
    )[0]
    square = quad(lambda z: density(z) * z * z, 0, edge, epsabs=1e-13, epsrel=1e-12)[0]
    return np.array([along, across]), square


def scipy_error(n: float, m: int, mean: np.ndarray, square: float) -> tuple[float, float]:
    """Lowest test error over lambda, and that lambda."""
    k = np.arange(1, m + 1.0)
    variance = k**-DECAY
    share = k**-TEACHER_DECAY / (zeta(TEACHER_DECAY) - zeta(TEACHER_DECAY, NUM_FEATURES + 1))
    second = np.array([square, 1.0])

    def error(log_lam: float) -> float:
        ridge = np.exp(log_lam) * m
        v_hat = np.exp(
            brentq(
                lambda x: n - np.exp(x) - np.sum(variance * np.exp(x) / (ridge + variance * np.exp(x))),
                np.log(1e-12 * n),
                np.log(n),
                xtol=1e-13,
            )
        )
        answer = variance / (ridge + variance * v_hat)
        gamma, gamma2, spread = np.sum(share * answer), np.sum(share * answer**2), np.sum(answer**2)
        v = n / v_hat - 1
        w = n * mean / (1 + v) / (n * second / (1 + v) + 1 / gamma - v_hat)
        squares = n * (1 - 2 * w @ mean + w**2 @ second) / (1 + v) ** 2
        s_squared = (squares * spread + (gamma2 / gamma**2 - 1) * w @ w) / (1 - n * spread / (1 + v) ** 2)
        a = w[0] * np.cos(THETA) - w[1] * np.sin(THETA)
        b = w[0] * np.sin(THETA) + w[1] * np.cos(THETA)
        return float(np.arctan2(np.sqrt(s_squared + b * b), a) / np.pi)

    scale = variance.mean()
    bounds = np.log(1e-9 * scale), np.log(1e3 * (1 + n / m) * scale)
    found = minimize_scalar(error, bounds=bounds, method="bounded", options={"xatol": 1e-5})
    return float(found.fun), float(np.exp(found.x))


def main() -> None:
    """Print times, the ratio and the agreement."""
    rng = np.random.default_rng(SEED)
    cores = len(os.sched_getaffinity(0))
    n = np.geomspace(100, 1e5, SIZE)
    m = np.unique(np.round(np.geomspace(8, 8269, SIZE + 4))).astype(int)[:SIZE]
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "jaxlib", "numpy", "scipy")))
    features = PowerLawFeatures(DECAY, TEACHER_DECAY, m, NUM_FEATURES)

    def ours() -> tuple[float, np.ndarray]:
        begin = time.perf_counter()
        best = best_ridge(n[:, None] / m / FRACTION, KeepHard(FRACTION), THETA, features=features)
        return time.perf_counter() - begin, best.error

    mean, square = kept_moments()
    differences: list[float] = []

    def theirs(errors: np.ndarray) -> float:
        begin = time.perf_counter()
        points = rng.integers(0, (n.size, m.size), (NUM_SCIPY, 2))
        found = [scipy_error(n[i], int(m[j]), mean, square)[0] for i, j in points]
        taken = (time.perf_counter() - begin) / NUM_SCIPY
        differences.extend(found / errors[points[:, 0], points[:, 1]] - 1)
        return taken

    first, errors = ours()
    before, ratios, times = theirs(errors), [], []
    for _ in range(3):
        taken, errors = ours()
        after = theirs(errors)
        ratios.append((before + after) / 2 * errors.size / cores / taken)
        times.append(taken)
        before = after
    print(
        f"{n.size} x {m.size} points with best ridge: {first:.1f} s with compilation, then {np.median(times):.2f} s; "
        f"scipy/ours on as many cores: {np.median(ratios):.0f} ({min(ratios):.0f} - {max(ratios):.0f})"
    )
    # scipy may stop in a local minimum: its errors may be higher, not lower
    print(
        f"scipy's errors over ours - 1, {len(differences)} points: median {np.median(differences):.1e}, "
        f"lowest {min(differences):.1e}, highest {max(differences):.1e}"
    )


if __name__ == "__main__":
    main()
