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

from data_pruning.compilation import compiler_options

__all__ = ["for_each_point"]

CHUNK = 256  # points sent to the device at once

GROUPS_FOLLOWED = 160  # groups of one call where each starts from the one before
LEAST_FOLLOWED = 1024  # points of the whole domain from which on neighbours are close enough to start from

OnePoint = Callable[..., dict[str, jax.Array]]
Follow = Callable[[Any, dict[str, jax.Array]], Any]


def for_each_point(
    one: OnePoint,
    arguments: Any,
    *,
    lanes: int,
    follow: Follow | None = None,
    order: Callable[[int], np.ndarray] | None = None,
    least_followed: int = LEAST_FOLLOWED,
) -> dict[str, np.ndarray]:
    """Apply ``one`` to each row of ``arguments`` in double precision.

    Args:
        one: function of scalars (of one row) that returns a dictionary of scalars; compiled once per function object
            and shape, so pass the same object again, not a new closure.
        arguments: tuple of pytrees of NumPy arrays with a common first axis.
        lanes: points solved side by side on a CPU: enough to fill the vector units, few enough to wait for little.
        follow: takes the arguments of a group of points and what was found for the group before, and returns the
            arguments with a hint from there; on a CPU.
        order: for the number of points that a lane takes one after the other, the rows in an order in which
            neighbours stand beside each other; they are then worked off in that order.
        least_followed: number of points below which neither of these two is used.

    Returns:
        Dictionary of float64 arrays, one row per point.
    """
    backend = jax.default_backend()
    device = jax.devices("cpu")[0] if backend == "tpu" else jax.devices()[0]  # TPUs have no double precision
    on_cpu = device.platform == "cpu"
    chunk = CHUNK if on_cpu else 16 * CHUNK
    num_points = jax.tree.leaves(arguments)[0].shape[0]
    if not on_cpu or num_points < least_followed:
        follow = order = None
    num_threads = _num_cores() if on_cpu else 1
    a_call = min(chunk, max(lanes, -(-num_points // num_threads)))
    if follow is not None:
        chunk = lanes * GROUPS_FOLLOWED
        a_call = min(chunk, -(-num_points // num_threads))
    run = _grouped(one, lanes if on_cpu else chunk, follow, device.platform)
    rows_of = np.arange(num_points) if order is None else order(-(-min(a_call, num_points) // lanes))

    def work(start: int) -> dict[str, np.ndarray]:
        rows = rows_of[start : start + a_call]
        num_groups = -(-rows.size // lanes) if on_cpu else 1
        in_turn = np.arange(rows.size)
        if follow is not None:  # every lane takes a run of neighbours
            in_turn = np.minimum(np.arange(num_groups * lanes), rows.size - 1).reshape(lanes, -1).T.ravel()
        padded = rows[np.pad(in_turn, (0, chunk - in_turn.size), mode="edge")]
        with jax.enable_x64(True), jax.default_device(device):
            found = run(num_groups, *jax.tree.map(lambda a: a[padded], arguments))
            back = np.empty(rows.size, np.int64)
            back[in_turn] = np.arange(in_turn.size)
            return {name: np.asarray(value)[back] for name, value in found.items()}

    with ThreadPoolExecutor(num_threads) as pool:
        done = list(pool.map(work, range(0, num_points, a_call)))
    everything = {name: np.concatenate([found[name] for found in done]) for name in done[0]}
    if order is None:
        return everything
    back = np.argsort(rows_of)
    return {name: values[back] for name, values in everything.items()}


def _num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _grouped(one: OnePoint, lanes: int, follow: Follow | None, platform: str) -> Callable[..., dict[str, jax.Array]]:
    """``one`` over the first ``num_groups`` groups of ``lanes`` points."""

    def run(num_groups: jax.Array, *arguments: Any) -> dict[str, jax.Array]:
        many = jax.vmap(one)

        def group(start: Any) -> Any:
            return jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, start, lanes), arguments)

        def turn(i: jax.Array, carry: Any) -> Any:
            out, before = carry
            here = group(i * lanes)
            found = {n: value.astype(float) for n, value in many(*(follow(here, before) if follow else here)).items()}
            out = {
                name: jax.lax.dynamic_update_slice_in_dim(out[name], value, i * lanes, 0)
                for name, value in found.items()
            }
            return out, found

        num_points = jax.tree.leaves(arguments)[0].shape[0]
        empty = {
            name: jnp.zeros((num_points, *value.shape[1:]))  # rows beyond the groups are dropped; NaN would alarm JAX
            for name, value in jax.eval_shape(many, *group(0)).items()
        }
        nothing = {name: value[:lanes] for name, value in empty.items()}
        return jax.lax.fori_loop(0, num_groups, turn, (empty, nothing))[0]

    return jax.jit(run, compiler_options=compiler_options(platform))
