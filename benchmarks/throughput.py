"""Certified trials per second on each kind of device at hand, beside its ceiling; where a GPU overtakes a CPU.

    python benchmarks/throughput.py

For a range of N, trials at 3 kept examples per parameter (keep-hard, f = 0.2, perfect probe) run as in ``simulate``, on
all CPU cores and, if JAX has one, on one accelerator: drawing, pruning, solving and certifying, compilation apart.  The
ceiling is a trial that consists of nothing but the arithmetic of its linear systems, half a symmetric product of 2 N
rows and one Cholesky factorisation for each of 16 iterations in single precision, at the rate of matrix products that
is measured on the device just before (one product of 2048 x 2048 float32 matrices, repeated).
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from perceptron_theory import KeepHard
from simulations.pruned_students import PrunedStudents
from simulations.trials.devices import Devices
from simulations.trials.run import run_trials

ALPHA_PRUNE, FRACTION = 3, 0.2
ITERATIONS = 16
SIZE, REPEATS = 2048, 8
CALLS = 4  # of each call that an accelerator takes on at once


def product_rate(device: jax.Device) -> float:
    """Floating-point operations per second of float32 matrix products on a device."""
    with jax.default_matmul_precision("highest"):
        square = jax.device_put(jnp.ones((SIZE, SIZE), jnp.float32), device)
        many = jax.jit(lambda a: jax.lax.fori_loop(0, REPEATS, lambda _, b: a @ b / SIZE, a))
        many(square).block_until_ready()
        best = np.inf
        for _ in range(3):
            start = time.perf_counter()
            many(square).block_until_ready()
            best = min(best, time.perf_counter() - start)
    return REPEATS * 2 * SIZE**3 / best


def operations(num_features: int) -> float:
    """Floating-point operations of the linear systems of a trial."""
    return ITERATIONS * (2 * num_features * num_features**2 + num_features**3 / 3)


class Run:
    """As many trials as a device takes on at once, a few times over."""

    def __init__(self, device: jax.Device, num_features: int):
        self.mesh = Mesh(np.array([device]), ("trials",))
        self.trials = PrunedStudents(ALPHA_PRUNE / FRACTION, KeepHard(FRACTION), 0.0, num_features)
        plan = Devices(self.mesh).plan(self.trials.footprint(), 100_000)
        self.batch = plan.batch
        self.count = plan.batch * plan.calls_at_once * (1 if device.platform == "cpu" else CALLS)

    def __call__(self) -> None:
        """Run them."""
        run_trials(self.trials, self.count, mesh=self.mesh)

    def trials_per_second(self, seconds: float) -> float:
        """Rate of finished trials."""
        start, rounds = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self()
            rounds += 1
        return rounds * self.count / (time.perf_counter() - start)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200, 500], help="N")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured time of each rate")
    parser.add_argument("--json", type=Path, help="file that the numbers are written to as well")
    options = parser.parse_args()
    devices = {device.platform: device for device in (jax.devices("cpu")[0], jax.devices()[0])}
    print(f"Python {platform.python_version()}, jax {metadata.version('jax')}, {os.cpu_count()} cores, ", end="")
    print(", ".join(f"{name}: {device.device_kind}" for name, device in devices.items()))
    rates = {name: product_rate(device) for name, device in devices.items()}
    for name, rate in rates.items():
        print(f"{name}: {rate / 1e9:.0f} GFlop/s in float32 matrix products")
    print("    N  device  trials/s  per call  of the ceiling")
    overtaken = None
    rows = []
    runs = {(size, name): Run(device, size) for size in options.sizes for name, device in devices.items()}
    with ThreadPoolExecutor() as pool:
        list(pool.map(Run.__call__, runs.values()))  # compiles all programs at once
    for size in options.sizes:
        found = {name: runs[size, name].trials_per_second(options.seconds) for name in devices}
        for name, rate in found.items():
            share = rate * operations(size) / rates[name]
            batch = runs[size, name].batch
            print(f"{size:5d}  {name:6s}  {rate:8.1f}  {batch:8d}  {100 * share:6.1f} %", flush=True)
            rows.append({"num_features": size, "device": name, "trials_per_second": rate, "share_of_ceiling": share})
            if options.json:  # after each row: what is there is kept if time runs out
                options.json.write_text(json.dumps(rows))
        best = max(found, key=lambda name: found[name])
        overtaken = size if best != "cpu" and overtaken is None else overtaken
    if len(devices) > 1:
        print(f"the accelerator overtakes the CPU at N = {overtaken}" if overtaken else "the CPU is ahead throughout")


if __name__ == "__main__":
    main()
