"""Time and accuracy of the max-margin solver beside general solvers, on one core and the same data.

    python benchmarks/simulation.py

For 0.5, 1, 3 and 10 kept examples per parameter, kept at random and hard (f = 0.2, perfect probe), N = 200, and for
3 at N = 1000, every solver solves the same data sets.  Rounds are interleaved (ours, daqp, piqp, ours, ...) and ratios
are taken within a round, so that a slow moment of the machine hits all alike.  Quality is one formula for all, the gap
1 - [min(A w)/|w|] / bound with the upper bound on the margin that our multipliers prove: arccos(1 - gap) is the angle
by which w may be off.

How each is run.  Ours: as in ``simulate``, one compiled ``lax.map`` over the data sets, rows padded to the array sizes
that ``simulate`` uses; compilation is stated apart.  daqp, piqp and quadprog: dense interface, default settings, called
once per data set with setup included, as anyone would.  clarabel: sparse matrices, since it takes no others, all
tolerances 1e-11; where it is slow it is given one data set, and none at N = 1000.  libsvm, on request (``--libsvm``):
scikit-learn's ``SVC(kernel="linear", C=1e10)``; it always fits a bias, so it gets each row twice, (x, y) and (-x, -y),
which makes the best bias zero and doubles its data; it is cut off after a million steps, which the output then says.

The floor is what our linear systems would cost if nothing but their arithmetic took time: half a symmetric product of
the rows near the margin (2 N; all, once, where there are at most N) and one Cholesky factorisation per iteration, over
the rate of matrix products, in single precision (double where there are at most N), measured in the same run.
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

import clarabel  # noqa: E402
import daqp  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import piqp  # noqa: E402
import quadprog  # noqa: E402
from scipy import sparse  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.svm import SVC  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from perceptron_theory import KeepHard, KeepRandom, KeepRule  # noqa: E402
from simulations.ensemble import draw_kept_examples  # noqa: E402
from simulations.pruned_students import array_size  # noqa: E402
from simulations.students.interior_point import max_margin  # noqa: E402

ALPHA_PRUNE = (0.5, 1, 3, 10)
RULES = (KeepRandom(0.2), KeepHard(0.2))
SEED = 0
SVC_STEPS = 1_000_000


def draw(num_features: int, alpha_prune: float, keep: KeepRule, num_problems: int) -> tuple[np.ndarray, int]:
    """Padded data sets, shape (num_problems, kept_size, N), and the number of their rows that are examples."""
    num_examples = round(alpha_prune / keep.fraction * num_features)
    positions = np.stack(
        [keep.kept_positions(num_examples, np.random.default_rng([SEED, i])) for i in range(num_problems)]
    )
    num_kept = positions.shape[1]
    size = array_size(num_kept) if num_kept > num_features else min(array_size(num_kept), num_features)
    padded = np.pad(positions, ((0, 0), (0, size - num_kept)))
    keys = jax.random.split(jax.random.key(SEED), num_problems)

    def trial(key: jax.Array, row: jax.Array) -> jax.Array:
        pool = {"pool_size": array_size(num_examples), "num_features": num_features}
        return draw_kept_examples(key, row, num_kept, num_examples, 0.0, **pool)

    return np.array(jax.jit(jax.vmap(trial))(keys, padded)), num_kept


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


def solve_quadprog(rows: np.ndarray) -> np.ndarray:
    """W of quadprog, the dual active-set method of Goldfarb and Idnani."""
    count, size = rows.shape
    return quadprog.solve_qp(np.eye(size), np.zeros(size), rows.T, np.ones(count))[0]


def solve_clarabel(rows: np.ndarray) -> np.ndarray:
    """W of clarabel, an interior-point solver."""
    count, size = rows.shape
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
    cone = [clarabel.NonnegativeConeT(count)]
    identity, constraints = sparse.eye(size, format="csc"), sparse.csc_matrix(-rows)
    found = clarabel.DefaultSolver(identity, np.zeros(size), constraints, -np.ones(count), cone, settings).solve()
    solved = found.status in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved)
    return np.array(found.x) if solved else np.full(size, np.nan)


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


def product_rates() -> dict[str, float]:
    """Floating-point operations per second of matrix products, by precision."""
    rates = {}
    for name in ("float32", "float64"):
        matrix = jnp.asarray(np.random.default_rng(SEED).normal(size=(1000, 1000)), name)
        multiply = jax.jit(jnp.matmul)
        jax.block_until_ready(multiply(matrix, matrix))
        seconds = min(timed(lambda m=matrix, f=multiply: jax.block_until_ready(f(m, m)))[0] for _ in range(5))
        rates[name] = 2e9 / seconds
    return rates


def compare(
    num_features: int,
    alpha_prune: float,
    keep: KeepRule,
    num_problems: int,
    num_rounds: int,
    rates: dict[str, float],
    *,
    libsvm: bool,
) -> None:
    """One block of the table."""
    data, num_kept = draw(num_features, alpha_prune, keep, num_problems)
    problems = [np.ascontiguousarray(rows[:num_kept]) for rows in data]
    compiling, solve = timed(lambda: jax.jit(partial(jax.lax.map, max_margin)).lower(data).compile())
    assert callable(solve)
    ours = jax.block_until_ready(solve(data))
    bounds = np.asarray(ours.margin_bound)

    def run_ours() -> None:
        jax.block_until_ready(solve(data))

    large, many = num_features > 500, num_kept > 2 * num_features
    slow = (1, 1) if large else (max(num_problems // 4, 1), 1) if many else (num_problems, num_rounds)
    solvers = {
        "daqp": (solve_daqp, 1 if large else num_problems, num_rounds),
        "piqp": (solve_piqp, 1 if large else num_problems, num_rounds),
        "quadprog": (solve_quadprog, *slow),
    }
    if not large:
        solvers["clarabel"] = (solve_clarabel, 1 if many else num_problems, 1)
        if libsvm:
            solvers["libsvm"] = (solve_svc, 1, 1)
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *solvers)}
    ratios: dict[str, list[float]] = {name: [] for name in solvers}
    weights = {"ours": list(np.asarray(ours.weights))}
    run_ours()
    for number in range(num_rounds):
        seconds["ours"].append(timed(run_ours)[0] / num_problems)
        for name, (solver, count, rounds) in solvers.items():
            if number < rounds:
                taken, found = timed(lambda solver=solver, count=count: [solver(rows) for rows in problems[:count]])
                seconds[name].append(taken / count)
                ratios[name].append(seconds["ours"][-1] / seconds[name][-1])
                weights[name] = found  # type: ignore[assignment]

    mean_iterations = float(np.mean(ours.num_iterations))
    if num_kept > num_features:
        system = num_features**2 * min(num_kept, 2 * num_features) + num_features**3 / 3
        floor = mean_iterations * system / rates["float32"]
    else:
        floor = (num_kept**2 * num_features + mean_iterations * num_kept**3 / 3) / rates["float64"]
    fastest = min(ratios, key=lambda name: -np.median(ratios[name]))
    print(f"\nN = {num_features}, alpha_prune = {alpha_prune}, {keep}: ", end="")
    print(f"{num_kept} examples, {num_problems} data sets; ", end="")
    print(f"compiled once in {compiling:.1f} s; {mean_iterations:.1f} iterations of ours, floor {1e3 * floor:.2f} ms")
    for name, found in weights.items():
        gaps = [
            1 - np.min(rows @ w) / np.linalg.norm(w) / bound
            for rows, w, bound in zip(problems, found, bounds, strict=False)
        ]
        ratio = "             1           " if name == "ours" else spread(ratios[name])
        unsolved = f", {np.isnan(gaps).sum()} not solved" if np.isnan(gaps).any() else ""
        few = "" if len(found) == num_problems else f"   ({len(found)} data set, {len(seconds[name])} round)"
        first = "   <- fastest other" if name == fastest else ""
        print(
            f"  {name:8s} ours/theirs {ratio}   {1e3 * np.median(seconds[name]):9.2f} ms"
            f"   worst gap {np.nanmax(gaps) if not np.isnan(gaps).all() else np.nan:8.1e}{unsolved}{few}{first}",
            flush=True,
        )


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{np.median(values):7.3f} ({min(values):6.3f} - {max(values):6.3f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=8, help="data sets per row of the table")
    parser.add_argument("--rounds", type=int, default=2, help="interleaved repeats")
    parser.add_argument("--libsvm", action="store_true", help="libsvm too (slow)")
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
            f"{name} {metadata.version(name)}"
            for name in ("jax", "jaxlib", "numpy", "daqp", "piqp", "quadprog", "clarabel")
        )
    )
    print("Time per data set: median ratio within a round (min - max), median ms.  ", end="")
    print("Below 1 ours is faster.  Worst gap: of all data sets.")
    start = time.perf_counter()
    with jax.enable_x64(True), threadpool_limits(1, user_api="blas"):
        rates = product_rates()
        print("matrix products: " + ", ".join(f"{1e-9 * rate:.0f} GFlop/s in {name}" for name, rate in rates.items()))
        for num_features, alphas, problems in ((200, ALPHA_PRUNE, options.problems), (1000, (3,), 2)):
            for alpha_prune in alphas:
                for keep in RULES:
                    compare(num_features, alpha_prune, keep, problems, options.rounds, rates, libsvm=options.libsvm)
    print(f"\n{time.perf_counter() - start:.0f} s in all; load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
