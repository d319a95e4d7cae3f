"""Ridge regression on the labels, and its limit of no ridge: minimum-norm least squares."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from simulations.students.certificate import Minimum, angle_gap, minimum, real_rows

__all__ = ["minimum_norm", "ridge"]


def ridge(examples: Array, lam: Array, importance: Array | None = None) -> Minimum:
    """Minimise sum importance (1 - a.v)^2 / 2 + lambda |v|^2 / 2.

    By one Cholesky factorisation and one step of refinement.

    Args:
        examples: label times input over sqrt N, shape (num_examples, num_features), float64; rows of zeros are ignored.
        lam: lambda > 0, scalar.
        importance: weight of each example's loss, >= 0, shape (num_examples,); None weighs all alike.

    Returns:
        The student with its certificate.

    Pure and traceable; call it under ``jax.enable_x64``.
    """
    num_examples, num_features = examples.shape
    original = examples
    target = jnp.ones(
        num_examples, examples.dtype
    )  # for rows of zeros as well: whatever they aim at, they pull nowhere
    if importance is not None:
        target = jnp.sqrt(importance)
        examples = target[:, None] * examples
    if num_examples <= num_features:
        # v = A^T c with (A A^T + lambda) c = 1
        factor = jax.scipy.linalg.cho_factor(examples @ examples.T + lam * jnp.eye(num_examples), lower=True)
        c = jax.scipy.linalg.cho_solve(factor, target)
        c = c + jax.scipy.linalg.cho_solve(factor, target - examples @ (c @ examples) - lam * c)
        v = c @ examples
    else:
        factor = jax.scipy.linalg.cho_factor(examples.T @ examples + lam * jnp.eye(num_features), lower=True)
        v = jax.scipy.linalg.cho_solve(factor, target @ examples)
        v = v + jax.scipy.linalg.cho_solve(factor, (target - examples @ v) @ examples - lam * v)
    return minimum(original, v, _gap(examples, target, lam, v))


def _gap(examples: Array, target: Array, lam: Array, v: Array) -> Array:
    """What any v proves by its gradient."""
    gradient = (examples @ v - target) @ examples + lam * v
    return angle_gap(jnp.linalg.norm(gradient) / lam, v)


def minimum_norm(examples: Array, lam: Array | None = None, importance: Array | None = None) -> Minimum:
    """The shortest v of least sum importance (1 - a.v)^2: ridge regression in the limit lambda -> 0.

    Through the singular values s of A; those below rounding count as zero.  Certificate: on the span of the rows the
    sum of squares is s_min^2-strongly convex, so v is |A^T (A v - 1)| / s_min^2 from the solution at most; where as
    many singular values as examples are left the solution meets A v = 1, and |A v - 1| / s_min is as good.

    Args:
        examples: as for ``ridge``.
        lam: takes no part; all solvers are called alike.
        importance: as for ``ridge``.

    Returns:
        The student with its certificate.
    """
    real = real_rows(examples)
    target, original = real.astype(examples.dtype), examples
    if importance is not None:
        target = jnp.sqrt(importance) * target
        examples = jnp.sqrt(importance)[:, None] * examples
    left, singular, right = jnp.linalg.svd(examples, full_matrices=False)
    used = singular > jnp.finfo(examples.dtype).eps * max(examples.shape) * singular[0]
    inverse = jnp.where(used, 1 / jnp.where(used, singular, 1.0), 0.0)

    v = (inverse * (target @ left)) @ right
    v = v + (inverse * ((target - examples @ v) @ left)) @ right
    v = (jnp.where(used, right @ v, 0.0)) @ right  # rounding may have left the span
    residual = examples @ v - target
    largest = jnp.max(inverse)  # 1 / s_min
    distance = jnp.linalg.norm(residual @ examples) * largest**2
    solvable = jnp.sum(used) == jnp.sum(real)
    distance = jnp.where(solvable, jnp.minimum(distance, jnp.linalg.norm(residual) * largest), distance)
    return minimum(original, v, angle_gap(distance, v))
