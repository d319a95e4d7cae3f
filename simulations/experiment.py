"""Finite perceptrons trained on pruned data: ``simulate``."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg  # noqa: F401  (loads the BLAS whose threads are limited below)
from jax import Array
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from perceptron_theory import KeepRule
from simulations.ensemble import draw_kept_examples
from simulations.interior_point import max_margin

__all__ = ["Simulation", "simulate"]

LARGEST_GAP = 1e-10  # certified: the error of the returned angle is below sqrt(2 LARGEST_GAP)/pi = 5e-6
CPU_CHUNK = 10  # trials per call of the compiled solver on a CPU
CPU_BYTES, GPU_BYTES = 2**28, 2**32  # data of one call


@dataclass(frozen=True)
class Simulation:
    """Test errors of independent trials, each with its certificate of optimality.

    Attributes:
        errors: test error arccos(R)/pi of each trial against the teacher, exact (no test set), shape (num_trials,).
        gaps: relative width of the bracket around the largest margin of each trial, shape (num_trials,); the angle
            of the student is right to arccos(1 - gap).
        margins: margin kappa of each trial, min y w.x / |w| for x ~ N(0, I_N), shape (num_trials,).
        mean: mean of ``errors``.
        standard_error: standard error of ``mean``.
        num_features: N.
        num_examples: examples per trial before pruning.
        num_kept: examples per trial after pruning.
        seed: seed of the trials.
    """

    errors: np.ndarray
    gaps: np.ndarray
    margins: np.ndarray
    mean: float
    standard_error: float
    num_features: int
    num_examples: int
    num_kept: int
    seed: int

    @property
    def alpha_tot(self) -> float:
        """Examples per parameter before pruning, with numbers of examples as they were rounded."""
        return self.num_examples / self.num_features

    @property
    def fraction(self) -> float:
        """Fraction kept, with numbers of examples as they were rounded."""
        return self.num_kept / self.num_examples


def simulate(
    alpha_tot: float,
    keep: KeepRule,
    theta: float,
    num_features: int = 200,
    num_trials: int = 100,
    seed: int = 0,
    *,
    progress: bool = False,
) -> Simulation:
    """Train max-margin students on pruned data sets and measure their test error.

    Each trial draws round(alpha_tot N) examples, ranks them by the probe, keeps what the rule says by rank, and finds
    the max-margin separator of the rest with a certificate.  Trials are independent, and trial i of a seed is the
    same whatever the number of trials.

    Args:
        alpha_tot: examples per parameter before pruning, > 0.
        keep: one keep rule.
        theta: angle between probe and teacher in radians, in [0, pi/2].
        num_features: N, at least 2.
        num_trials: number of trials, at least 2 (for a standard error).
        seed: non-negative integer.
        progress: show a progress bar on stderr.

    Returns:
        The simulation.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or a rule that keeps no example.
        RuntimeError: a trial whose gap stayed above 1e-10; no trial is ever left out.

    Source: the model of Sorscher et al. 2022, section 2.
    """
    num_features, num_trials, seed = (
        _integer(name, value, low)
        for name, value, low in (("num_features", num_features, 2), ("num_trials", num_trials, 2), ("seed", seed, 0))
    )
    alpha_tot, theta = _number("alpha_tot", alpha_tot), _number("theta", theta)
    if alpha_tot <= 0:
        raise ValueError(f"alpha_tot must be positive, got {alpha_tot!r}")
    if not 0 <= theta <= np.pi / 2:
        raise ValueError(f"theta is in radians and must lie in [0, pi/2], got {theta!r}")
    if not isinstance(keep, KeepRule):
        raise TypeError(f"keep must be a keep rule such as KeepHard(0.2), got {keep!r}")
    num_examples = round(alpha_tot * num_features)
    if num_examples < 1:
        raise ValueError(f"alpha_tot = {alpha_tot:g} with num_features = {num_features} gives no example")

    positions = np.stack(
        [keep.kept_positions(num_examples, np.random.default_rng([seed, i])) for i in range(num_trials)]
    )
    num_kept = positions.shape[1]
    # at most N examples are solved in their own dimension: padding must not push them past it
    kept_size = min(_size(num_kept), num_features) if num_kept <= num_features else _size(num_kept)
    padded = np.pad(positions, ((0, 0), (0, kept_size - num_kept)))
    outcome = _run(padded, num_kept, num_examples, num_features, theta, seed, progress=progress)

    errors, gaps = outcome["errors"], outcome["gaps"]
    if not np.all(gaps <= LARGEST_GAP):
        bad = int(np.flatnonzero(~(gaps <= LARGEST_GAP))[0])
        raise RuntimeError(
            f"trial {bad} of seed {seed} has no certificate below {LARGEST_GAP:g}: gap {gaps[bad]:.2g} at "
            f"{num_kept} examples of {num_examples}, {keep}, N = {num_features}; "
            "repeat it with simulations.interior_point.max_margin to see why"
        )
    return Simulation(
        errors=errors,
        gaps=gaps,
        margins=outcome["margins"],
        mean=float(errors.mean()),
        standard_error=float(errors.std(ddof=1) / math.sqrt(num_trials)),
        num_features=num_features,
        num_examples=num_examples,
        num_kept=num_kept,
        seed=seed,
    )


def _integer(name: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not low <= value < 2**63:
        raise ValueError(f"{name} must lie in [{low}, 2**63), got {value!r}")
    return int(value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def _size(count: int) -> int:
    """Array size for ``count`` rows: one of few, so that few programs are compiled; at most a fifth is padding."""
    step = max(8, 2 ** (max(count, 1).bit_length() - 3))
    return -(-count // step) * step


@cache
def _draw(pool_size: int, num_features: int) -> Callable[..., Array]:
    """Compiled: the data of several trials, shape (num_trials, kept_size, num_features)."""

    def several(keys: Array, positions: Array, num_kept: Array, num_examples: Array, theta: Array) -> Array:
        one = partial(draw_kept_examples, pool_size=pool_size, num_features=num_features)
        return jax.vmap(lambda key, row: one(key, row, num_kept, num_examples, theta))(keys, positions)

    return jax.jit(several)


@cache
def _train(side_by_side: bool) -> Callable[[Array], dict[str, Array]]:
    """Compiled: the students of several data sets, one after the other on a CPU, side by side on an accelerator."""

    def one(examples: Array) -> dict[str, Array]:
        found = max_margin(examples)
        w = found.weights
        error = jnp.arctan2(jnp.linalg.norm(w[1:]), w[0]) / jnp.pi
        # the examples are scaled by 1/sqrt N, the margin is that of x ~ N(0, I_N)
        return {"errors": error, "gaps": found.gap, "margins": found.margin * jnp.sqrt(w.size)}

    def several(data: Array) -> dict[str, Array]:
        return jax.vmap(one)(data) if side_by_side else jax.lax.map(one, data)

    return jax.jit(several)


def _run(
    positions: np.ndarray,
    num_kept: int,
    num_examples: int,
    num_features: int,
    theta: float,
    seed: int,
    *,
    progress: bool,
) -> dict[str, np.ndarray]:
    """All trials, in chunks that fit in memory: on a CPU one chunk per core at a time."""
    num_trials, kept_size = positions.shape
    on_cpu = jax.default_backend() == "cpu"
    fitting = max(1, (CPU_BYTES if on_cpu else GPU_BYTES) // (8 * kept_size * num_features))
    chunk = min(fitting, num_trials, CPU_CHUNK if on_cpu else num_trials)
    chunks = [range(start, min(start + chunk, num_trials)) for start in range(0, num_trials, chunk)]
    draw, train = _draw(_size(num_examples), num_features), _train(side_by_side=not on_cpu)

    def work(rows: range) -> dict[str, np.ndarray]:
        which = np.minimum(np.arange(rows.start, rows.start + chunk), num_trials - 1)
        with jax.enable_x64(True):
            root = jax.random.key(seed, impl="threefry2x32")
            keys = jax.vmap(partial(jax.random.fold_in, root))(which)
            found = train(draw(keys, positions[which], num_kept, num_examples, theta))
            return {name: np.asarray(value)[: len(rows)] for name, value in found.items()}

    # one BLAS thread: small Cholesky factorisations are many times slower with more, and the cores have trials to do
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count() if on_cpu else 1) as pool:
        done: list[dict[str, np.ndarray]] = []
        with tqdm(total=num_trials, desc="trials", disable=not progress, leave=False) as bar:
            for rows, found in zip(chunks, pool.map(work, chunks), strict=True):
                done.append(found)
                bar.update(len(rows))
    return {name: np.concatenate([found[name] for found in done]) for name in done[0]}
