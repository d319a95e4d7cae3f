"""Time and accuracy of the max-margin solver beside general solvers, on one core and the same data.

    python benchmarks/simulation.py

For 1, 3 and 10 kept examples per parameter, kept at random and hard (f = 0.2, perfect probe), N = 200, every solver
solves the same data sets.  Rounds are interleaved (ours, daqp, piqp, libsvm, ours, ...) and ratios are taken within a
round, so that a slow moment of the machine hits all alike.  Quality is one formula for all, the gap
1 - [min(A w)/|w|] / bound with the upper bound on the margin that our multipliers prove: arccos(1 - gap) is the angle
by which w may be off.  Takes about 100 seconds.

How each is run.  Ours: as in ``simulate``, one compiled ``lax.map`` over the data sets, rows padded to the array sizes
that ``simulate`` uses; compilation is stated apart.  daqp and piqp: dense interface, default settings, called once per
data set with setup included, as anyone would.  libsvm: scikit-learn's ``SVC(kernel="linear", C=1e10)``; it always
fits a bias, so it gets each row twice, (x, y) and (-x, -y), which makes the best bias zero and doubles its data; it is
given one data set because it is slow, and cut off after a million steps, which the output then says.
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
from collections.abc import Callable  # noqa: E402
from functools import partial  # noqa: E402
from importlib import metadata  # noqa: E402
from pathlib import Path  # noqa: E402

import daqp  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
import piqp  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.svm import SVC  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from perceptron_theory import KeepHard, KeepRandom, KeepRule  # noqa: E402
from simulations.experiment import _draw, _size, _train  # noqa: E402
from simulations.interior_point import max_margin  # noqa: E402

NUM_FEATURES = 200
ALPHA_PRUNE = (1, 3, 10)
RULES = (KeepRandom(0.2), KeepHard(0.2))
SEED = 0
SVC_STEPS = 1_000_000


def draw(alpha_prune: float, keep: KeepRule, num_problems: int) -> tuple[np.ndarray, int]:
    """Padded data sets, shape (num_problems, kept_size, N), and the number of their rows that are examples."""
    num_examples = round(alpha_prune / keep.fraction * NUM_FEATURES)
    positions = np.stack(
        [keep.kept_positions(num_examples, np.random.default_rng([SEED, i])) for i in range(num_problems)]
    )
    num_kept = positions.shape[1]
    padded = np.pad(positions, ((0, 0), (0, _size(num_kept) - num_kept)))
    keys = jax.random.split(jax.random.key(SEED), num_problems)
    data = _draw(_size(num_examples), NUM_FEATURES)(keys, padded, num_kept, num_examples, 0.0)
    return np.array(data), num_kept


def solve_daqp(rows: np.ndarray) -> np.ndarray:
    """W of daqp, an active-set solver."""
    count, size = rows.shape
    w, _, status, _ = daqp.solve(np.eye(size), np.zeros(size), rows, np.full(count, 1e30), np.ones(count))
    return w if status == 1 else np.full(size, np.nan)


def solve_piqp(rows: np.ndarray) -> np.ndarray:
    """W of piqp, an interior-point solver."""
    count, size = rows.shape
    solver = piqp.DenseSolver()
    solver.setup(np.eye(size), np.zeros(size), None, None, rows, np.ones(count), np.full(count, np.inf))
    return solver.result.x if solver.solve() == piqp.PIQP_SOLVED else np.full(size, np.nan)


def solve_svc(rows: np.ndarray) -> np.ndarray:
    """W of libsvm."""
    label = np.repeat([1, -1], len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = SVC(kernel="linear", C=1e10, max_iter=SVC_STEPS).fit(np.concatenate([rows, -rows]), label)
    if model.fit_status_:
        print(f"  (libsvm: cut off after {SVC_STEPS} steps)")
    return model.coef_[0]


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def compare(alpha_prune: float, keep: KeepRule, num_problems: int, num_rounds: int) -> None:
    """One block of the table."""
    data, num_kept = draw(alpha_prune, keep, num_problems)
    problems = [np.ascontiguousarray(rows[:num_kept]) for rows in data]
    compiling, train = timed(lambda: _train(side_by_side=False).lower(data).compile())
    assert callable(train)
    ours = jax.block_until_ready(jax.jit(partial(jax.lax.map, max_margin))(data))
    bounds = np.asarray(ours.margin_bound)

    def run_ours() -> None:
        jax.block_until_ready(train(data))

    solvers = {"daqp": (solve_daqp, num_problems, num_rounds), "piqp": (solve_piqp, num_problems, num_rounds)}
    solvers["libsvm"] = (solve_svc, 1, 1)
    weights: dict[str, list[np.ndarray]] = {"ours": list(np.asarray(ours.weights))}
    seconds: dict[str, list[float]] = {"ours": []} | {name: [] for name in solvers}
    ratios: dict[str, list[float]] = {name: [] for name in solvers}
    run_ours()
    for number in range(num_rounds):
        seconds["ours"].append(timed(run_ours)[0] / num_problems)
        for name, (solver, count, rounds) in solvers.items():
            if number < rounds:
                taken, found = timed(lambda solver=solver, count=count: [solver(rows) for rows in problems[:count]])
                seconds[name].append(taken / count)
                ratios[name].append(seconds["ours"][-1] / seconds[name][-1])
                weights[name] = found  # type: ignore[assignment]

    print(f"\nalpha_prune = {alpha_prune}, {keep}: {num_kept} examples, {num_problems} data sets; ", end="")
    print(f"compiled once in {compiling:.1f} s; {np.mean(ours.num_iterations):.1f} iterations of ours")
    for name, found in weights.items():
        gaps = [
            1 - np.min(rows @ w) / np.linalg.norm(w) / bound
            for rows, w, bound in zip(problems, found, bounds, strict=False)
        ]
        ratio = "             1           " if name == "ours" else spread(ratios[name])
        unsolved = f", {np.isnan(gaps).sum()} not solved" if np.isnan(gaps).any() else ""
        few = "" if len(found) == num_problems else f"   ({len(found)} data set, {len(seconds[name])} round)"
        print(
            f"  {name:7s} ours/theirs {ratio}   {1e3 * np.median(seconds[name]):9.2f} ms"
            f"   worst gap {np.nanmax(gaps) if not np.isnan(gaps).all() else np.nan:8.1e}{unsolved}{few}",
            flush=True,
        )


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{np.median(values):7.3f} ({min(values):6.3f} - {max(values):6.3f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=16, help="data sets per row of the table")
    parser.add_argument("--rounds", type=int, default=2, help="interleaved repeats")
    options = parser.parse_args()
    info = Path("/proc/cpuinfo")
    models = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    print(f"{models[0] if models else platform.processor()}, one core ({CORE}) of {os.cpu_count()}, ", end="")
    print(f"load {os.getloadavg()[0]:.1f} at the start; Python {platform.python_version()}, ", end="")
    print(
        ", ".join(
            f"{name} {metadata.version(name)}" for name in ("jax", "jaxlib", "numpy", "daqp", "piqp", "scikit-learn")
        )
    )
    print(
        f"N = {NUM_FEATURES}.  Time per data set: median ratio within a round (min - max), median ms.  ",
        end="",
    )
    print("Below 1 ours is faster.  Worst gap: of all data sets.")
    start = time.perf_counter()
    with jax.enable_x64(True), threadpool_limits(1, user_api="blas"):
        for alpha_prune in ALPHA_PRUNE:
            for keep in RULES:
                compare(alpha_prune, keep, options.problems, options.rounds)
    print(f"\n{time.perf_counter() - start:.0f} s in all; load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
