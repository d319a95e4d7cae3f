"""Time of hinge and logistic students over that of max-margin ones, along a curve and at points far from each other.

    python benchmarks/losses.py

Keep-hard and keep-easy, f = 0.3, theta = 20 degrees, lambda = 0.1.  The curve: 61 numbers of examples, even in their
logarithm, from 1 to 1000 per parameter, where each student starts from the one before; apart: as many, each in a call
of its own.  One core; compilation apart; the students take turns in each round, and ratios are taken within a round.
Takes half a minute.
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
from importlib import metadata  # noqa: E402

import numpy as np  # noqa: E402

from data_pruning.arguments import check_integer  # noqa: E402
from perceptron_theory import HingeLoss, KeepEasy, KeepHard, KeepRule, LogisticLoss, MaxMargin, Student, solve  # noqa: E402

STUDENTS: dict[str, Student] = {"max-margin": MaxMargin(), "hinge": HingeLoss(0.1), "logistic": LogisticLoss(0.1)}
RULES: dict[str, KeepRule] = {"keep-hard": KeepHard(0.3), "keep-easy": KeepEasy(0.3)}
ALPHA_TOT = np.geomspace(1, 1000, 61)
THETA = np.deg2rad(20)


def seconds_per_point(student: Student, keep: KeepRule, *, apart: bool) -> float:
    """Time of one student."""
    begin = time.perf_counter()
    if apart:
        for alpha_tot in ALPHA_TOT:
            solve(alpha_tot, keep, THETA, student=student)
    else:
        solve(ALPHA_TOT, keep, THETA, student=student)
    return (time.perf_counter() - begin) / ALPHA_TOT.size


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved repeats")
    rounds = parser.parse_args().rounds
    check_integer("rounds", rounds, 1)
    print(f"{platform.processor() or platform.machine()}, one core of {os.cpu_count()}, ", end="")
    print(
        f"load {os.getloadavg()[0]:.1f} at the start; Python {platform.python_version()}, jax {metadata.version('jax')}"
    )
    print("milliseconds a point: median; over max-margin: median (least to most)")
    for rule, keep in RULES.items():
        for apart in (False, True):
            taken: dict[str, list[float]] = {name: [] for name in STUDENTS}
            for turn in range(rounds + 1):
                for name, student in STUDENTS.items():
                    seconds = seconds_per_point(student, keep, apart=apart)
                    if turn:  # the first compiles
                        taken[name].append(seconds)
            for name, seconds in taken.items():
                ratio = np.divide(seconds, taken["max-margin"])
                print(
                    f"{rule:10} {'apart' if apart else 'curve':6} {name:11} {1e3 * np.median(seconds):8.2f} ms"
                    f"  {np.median(ratio):6.1f} ({ratio.min():.1f} to {ratio.max():.1f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
