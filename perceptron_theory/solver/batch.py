"""A compiled one-point solver over many points: on a CPU in small groups on every core, on a GPU side by side."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["for_each_point"]

CHUNK = 256  # points sent to the device at once

OnePoint = Callable[..., dict[str, jax.Array]]


def for_each_point(one: OnePoint, arguments: Any, *, lanes: int) -> dict[str, np.ndarray]:
    """Apply ``one`` to each row of ``arguments`` in double precision.

    Args:
        one: function of scalars (of one row) that returns a dictionary of scalars; compiled once per function object
            and shape, so pass the same object again, not a new closure.
        arguments: tuple of pytrees of NumPy arrays with a common first axis.
        lanes: points solved side by side on a CPU: enough to fill the vector units, few enough to wait for little.

    Returns:
        Dictionary of float64 arrays, one row per point.
    """
    backend = jax.default_backend()
    device = jax.devices("cpu")[0] if backend == "tpu" else jax.devices()[0]  # TPUs have no double precision
    on_cpu = device.platform == "cpu"
    chunk = CHUNK if on_cpu else 16 * CHUNK
    run = _grouped(one, lanes if on_cpu else chunk)
    num_points = jax.tree.leaves(arguments)[0].shape[0]

    def work(start: int) -> dict[str, np.ndarray]:
        rows = np.arange(start, min(start + chunk, num_points))
        padded = np.concatenate([rows, np.full(chunk - rows.size, rows[-1])])
        with jax.enable_x64(True), jax.default_device(device):
            found = run(-(-rows.size // lanes) if on_cpu else 1, *jax.tree.map(lambda a: a[padded], arguments))
            return {name: np.asarray(value)[: rows.size] for name, value in found.items()}

    with ThreadPoolExecutor(os.cpu_count() if on_cpu else 1) as pool:
        done = list(pool.map(work, range(0, num_points, chunk)))
    return {name: np.concatenate([found[name] for found in done]) for name in done[0]}


@cache
def _grouped(one: OnePoint, lanes: int) -> Callable[..., dict[str, jax.Array]]:
    """``one`` over the first ``num_groups`` groups of ``lanes`` points."""

    def run(num_groups: jax.Array, *arguments: Any) -> dict[str, jax.Array]:
        many = jax.vmap(one)

        def group(start: Any) -> Any:
            return jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, start, lanes), arguments)

        def turn(i: jax.Array, out: dict[str, jax.Array]) -> dict[str, jax.Array]:
            found = many(*group(i * lanes))
            return {
                name: jax.lax.dynamic_update_slice_in_dim(out[name], value.astype(float), i * lanes, 0)
                for name, value in found.items()
            }

        num_points = jax.tree.leaves(arguments)[0].shape[0]
        empty = {
            name: jnp.zeros((num_points, *value.shape[1:]))  # rows beyond the groups are dropped; NaN would alarm JAX
            for name, value in jax.eval_shape(many, *group(0)).items()
        }
        return jax.lax.fori_loop(0, num_groups, turn, empty)

    return jax.jit(run)
