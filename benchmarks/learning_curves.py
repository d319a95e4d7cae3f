"""Scaling laws on public tables: Chinchilla, 92 learning curves, Gemstones; and the search beside SciPy's.

    python benchmarks/learning_curves.py FOLDER

FOLDER has the tables, which are not ours to hand on: ``chinchilla.csv`` (repository
epoch-research/analyzing-chinchilla, columns model_size, training_tokens, loss), ``benchmark.vision.csv`` and
``benchmark.lang.csv`` (google-research/google-research, folder revisiting_neural_scaling_laws/data) and
``gemstones_fineweb_edu.jsonl`` (mcleish7/gemstone-scaling-laws, folder benchmarks).  SciPy's ``least_squares``
minimises the same costs from the same starts, one after another, on every eighth curve; passes of ours stand before
and after.  Three minutes on two cores.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ["JAX_PLATFORMS"] = "cpu"

import platform
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from scaling_laws import extrapolate, fit_law, run_benchmark
from scaling_laws.benchmark import curves_of
from scaling_laws.forms.catalogue import form_named
from scaling_laws.observations import Observations
from scaling_laws.search import best_of_each
from scaling_laws.tables import read_columns

EVERY = 8
STEPS = 100
FORMS = ("power+constant", "m3", "envelope", "broken")  # those whose errors NumPy can be given in a line


def plain_log_error(name: str, p: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The forms in NumPy, as SciPy's users write them."""
    if name == "power+constant":
        return np.logaddexp(p[0] - np.exp(p[1]) * x, p[2])
    if name == "m3":
        return p[0] + np.exp(p[1]) * np.logaddexp(-x, p[2])
    if name == "envelope":
        t = np.logaddexp(p[0] - np.exp(p[1]) * x, p[2])
        return p[3] + t - 0.5 * np.logaddexp(2 * t, 0.0)
    width = np.exp(p[5])
    return np.logaddexp(p[0], p[1] - p[2] * x - p[3] * width * np.logaddexp(0.0, (x - p[4]) / width))


def deviations(p: np.ndarray, name: str, x: np.ndarray, y: np.ndarray, root: np.ndarray) -> np.ndarray:
    """What SciPy minimises the squares of."""
    return root * (plain_log_error(name, p, x) - y)


def chinchilla(folder: Path) -> None:
    """The fit of Besiroglu et al. 2024: without the five models with the fewest tokens per parameter, Huber 0.001."""
    columns = read_columns(folder / "chinchilla.csv", ["training_tokens", "model_size"], "loss")
    tokens, size, loss = columns.values()
    kept = np.argsort(tokens / size)[5:]
    scales = {"training_tokens": tokens[kept], "model_size": size[kept]}
    start = time.perf_counter()
    fit = fit_law("additive", scales, loss[kept], huber=1e-3, num_resamples=4000)
    print(
        f"\nChinchilla, {fit.num_points} models, {time.perf_counter() - start:.1f} s\n{fit}\nHuber sum {fit.cost:.9f}"
    )
    for form in ("additive", "envelope", "kaplan+constant", "p-norm+constant"):
        compute = np.log(scales["training_tokens"] * scales["model_size"])
        small = compute <= np.quantile(compute, 0.8)
        print(extrapolate(form, scales, loss[kept], fitted=small, intervals="none"))


def gemstones(folder: Path) -> None:
    """Models of fewer than 6e8 parameters, up to 1.5e11 tokens, against the larger ones."""
    for sizes in (["params_active_precise"], ["width", "depth"]):
        names = ["tokens", *dict.fromkeys([*sizes, "params_active_precise"])]
        columns = read_columns(folder / "gemstones_fineweb_edu.jsonl", names, "final_loss")
        small = (columns["params_active_precise"] < 6e8) & (columns["tokens"] < 1.5e11)
        scales = {name: columns[name] for name in ["tokens", *sizes]}
        print(f"\nGemstones, {', '.join(sizes)}")
        for form in ("additive", "kaplan+constant", "p-norm+constant"):
            print(extrapolate(form, scales, columns["final_loss"], fitted=small, intervals="none"))


def beside_scipy(curves: dict, names: list[str]) -> None:
    """The same searches by SciPy, one by one."""
    data = [Observations.checked({"n": c.scale}, c.errors).thinned(48) for c in (curves[name][0] for name in names)]
    print(f"\nbeside SciPy, {len(data)} curves, all starts to the end")
    for name in FORMS:
        form = form_named(name, ("n",))
        passes, costs = [], np.zeros((2, len(data)))
        for _ in range(2):  # the first compiles
            best_of_each(form, data, most_steps=STEPS)
        begin = time.perf_counter()
        for number, one in enumerate(data):
            x0 = one.x.mean()
            starts = form.starts(one.x - x0, one.y)
            found = [
                least_squares(
                    deviations, start, max_nfev=STEPS, args=(name, one.x[0] - x0, one.y, np.sqrt(one.weights))
                )
                for start in starts
            ]
            costs[0, number] = min(result.cost for result in found)
        theirs = time.perf_counter() - begin
        for _ in range(2):
            begin = time.perf_counter()
            ours = best_of_each(form, data, most_steps=STEPS)
            passes.append(time.perf_counter() - begin)
        costs[1] = [one.cost for one in ours]
        worse = int(np.sum(costs[1] > costs[0] * 1.001))
        better = int(np.sum(costs[1] < costs[0] / 1.001))
        print(
            f"{name}: SciPy takes {theirs / min(passes):.0f} times our time; "
            f"our cost lower on {better}, higher on {worse}"
        )


def main(folder: Path) -> None:
    """Run all, and print where."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "scipy", "numpy"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    print(f"load {os.getloadavg()[0]:.1f}")
    chinchilla(folder)
    gemstones(folder)
    tables = [folder / f"benchmark.{name}.csv" for name in ("vision", "lang")]
    curves, groups = curves_of(tables, "Seen Examples", "Loss", ["Domain", "Task", "Model"], "Training")
    start = time.perf_counter()
    found = run_benchmark(curves, groups)
    print(f"\n{found}\n{time.perf_counter() - start:.0f} s with compilation")
    beside_scipy(curves, list(curves)[::EVERY])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
