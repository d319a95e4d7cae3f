"""Many nonlinear least squares at once: damped Gauss-Newton steps, side by side for all starts and all data sets."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from data_pruning.compilation import quickly_compiled
from scaling_laws.forms.form import Floats, Form

__all__ = ["Minima", "minimise"]

MOST_STEPS = 2000
_FIRST_DAMPING = 1e-2
_MOST_DAMPING = 1e12
_STILL = 1e-11  # relative decrease of the cost by a step below which a search has arrived
_REACH = 60.0  # coordinates stay this near to their start
_GROUPS = (16, 32, 64, 128, 256)  # searches side by side; more are shared out among the cores
_POINTS = 16  # points are filled up to a multiple of these


class Minima(NamedTuple):
    """Where searches ended.

    Attributes:
        p: coordinates, shape (num_searches, num_parameters).
        cost: half the sum of weighted squares there, or of their Huber function, shape (num_searches,).
        converged: whether no step could lower the cost further, shape (num_searches,).
    """

    p: Floats
    cost: Floats
    converged: Any


def minimise(
    form: Form,
    starts: Floats,
    x: Floats,
    y: Floats,
    weights: Floats,
    *,
    free: Any = None,
    huber: Floats | float | None = None,
    most_steps: int = MOST_STEPS,
) -> Minima:
    """Minimise the sum of w rho(log_error(p, x) - y), rho(r) = r^2 / 2 or Huber's function, from each start.

    Args:
        form: the law.
        starts: coordinates, shape (num_searches, num_parameters).
        x: logarithms of the scales, shape (num_scales, num_points) or (num_searches, num_scales, num_points).
        y: logarithms of the errors, shape (num_points,) or (num_searches, num_points).
        weights: w, shape of y; 0 for points that do not count.
        free: which coordinates are searched for, shape (num_parameters,) or (num_searches, num_parameters); None is
            all.
        huber: residuals beyond this count linearly (Huber 1964), one number or one for each point; None is plain
            squares.
        most_steps: steps after which a search ends, arrived or not.
    """
    num, num_parameters = starts.shape
    num_points = y.shape[-1]
    extra = max(-num_points % _POINTS, _POINTS - num_points)
    shape = (num, num_points)

    def filled(array: Floats, shape: tuple[int, ...]) -> Floats:
        """The array for every search, with points that have no weight."""
        array = np.broadcast_to(array, shape)
        return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, extra)]) if extra else array

    arrays = (
        np.asarray(starts, np.float64),
        np.broadcast_to(np.ones(num_parameters, bool) if free is None else free, starts.shape),
        filled(x, (num, len(form.scales), num_points)),
        filled(y, shape),
        filled(weights, shape),
        filled(np.asarray(np.inf if huber is None else huber), shape),
    )
    # few sizes, so that few programs are compiled
    size = next((size for size in _GROUPS if size >= num), _GROUPS[-1])

    def found(first: int) -> Any:
        group = [array[first : first + size] for array in arrays]
        missing = size - len(group[0])
        if missing:
            group = [np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) for array in group]
        with jax.enable_x64(True):  # of this thread
            result = _minimise(form, *group, most_steps)
            return [np.asarray(array)[: size - missing] for array in result]

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        parts = list(threads.map(found, range(0, num, size)))
    return Minima(*(np.concatenate(each) for each in zip(*parts, strict=True)))


@quickly_compiled(static_argnames="form")
def _minimise(form: Form, starts: Any, free: Any, x: Any, y: Any, weights: Any, huber: Any, most_steps: Any) -> Any:
    return jax.vmap(partial(_search, form, most_steps))(starts, free, x, y, weights, huber)


def _search(form: Form, most_steps: Any, start: Any, free: Any, x: Any, y: Any, weights: Any, huber: Any) -> Any:
    def residuals(p: Any) -> Any:
        # points without weight must not make NaN of it
        return jnp.where(weights > 0, form.log_error(p, x) - y, 0.0)

    def cost_of(r: Any) -> Any:
        size = jnp.abs(r)
        linear = jnp.where(size > huber, huber * size - 0.5 * huber**2, 0.0)
        return jnp.sum(weights * jnp.where(size > huber, linear, 0.5 * r * r))  # NaN stays NaN, which is never better

    tangents = jnp.eye(len(form.parameters))

    def body(state: Any) -> Any:
        p, cost, damping, step, _ = state
        r, columns = jax.vmap(lambda t: jax.jvp(residuals, (p,), (t,)), out_axes=(None, 0))(tangents)
        columns = jnp.where(free[:, None], columns, 0.0)
        inner = weights * jnp.minimum(1.0, huber / jnp.maximum(jnp.abs(r), 1e-300))
        gradient = columns @ (inner * r)
        curvature = (columns * inner) @ columns.T
        scale = jnp.maximum(jnp.diag(curvature), 1e-30 + 1e-12 * jnp.max(jnp.diag(curvature)))
        move = -_solve(curvature + jnp.diag(damping * scale), gradient)
        new = jnp.clip(p + jnp.clip(move, -4.0, 4.0), start - _REACH, start + _REACH)
        new = jnp.where(free, new, p)
        new_cost = cost_of(residuals(new))
        better = new_cost < cost
        gain = cost - new_cost
        done = (better & (gain <= _STILL * cost) & (damping < 1.0)) | (damping > _MOST_DAMPING) | (cost <= 1e-30)
        done &= jnp.isfinite(cost) | (damping > _MOST_DAMPING)
        damping = jnp.where(better, jnp.maximum(damping / 5, 1e-12), damping * 6)
        return jnp.where(better, new, p), jnp.where(better, new_cost, cost), damping, step + 1, done

    def goes_on(state: Any) -> Any:
        return ~state[-1] & (state[-2] < most_steps)

    cost = cost_of(residuals(start))
    cost = jnp.where(jnp.isfinite(cost), cost, jnp.inf)
    state = (start, cost, jnp.asarray(_FIRST_DAMPING), 0, jnp.asarray(False))
    p, cost, _, _, done = lax.while_loop(goes_on, body, state)
    return p, cost, done & jnp.isfinite(cost)


def _solve(matrix: Any, vector: Any) -> Any:
    """The solution of a small positive definite system, written out: LAPACK is slow at many tiny ones on a CPU."""
    size = len(vector)
    lower: list[list[Any]] = [[None] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i, j] - sum((lower[i][k] * lower[j][k] for k in range(j)), 0.0)
            lower[i][j] = jnp.sqrt(jnp.maximum(rest, 1e-300)) if i == j else rest / lower[j][j]
    forward: list[Any] = []
    for i in range(size):
        forward.append((vector[i] - sum((lower[i][k] * forward[k] for k in range(i)), 0.0)) / lower[i][i])
    back: list[Any] = [None] * size
    for i in reversed(range(size)):
        back[i] = (forward[i] - sum((lower[k][i] * back[k] for k in range(i + 1, size)), 0.0)) / lower[i][i]
    return jnp.stack(back)
