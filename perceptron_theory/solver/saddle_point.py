"""The saddle point of one student as a differentiable function: search, equations and implicit differentiation.

``student_unknowns`` finds the student of one point by the search of its kind (``margin_search`` or ``loss_search``);
its derivatives follow from the equations that the student meets: they stay met when the point moves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from perceptron_theory.features import Spectrum
from perceptron_theory.solver import max_margin, regularised, separation
from perceptron_theory.solver.feature_response import length_of
from perceptron_theory.solver.least_squares import least_squares
from perceptron_theory.solver.loss_search import minimise_loss
from perceptron_theory.solver.margin_search import maximise_margin
from perceptron_theory.solver.quadrature import Strips

__all__ = [
    "Point",
    "balance",
    "coordinates",
    "log_error_slope",
    "order_parameters",
    "response",
    "student_unknowns",
    "unknowns_of",
]


class Point(NamedTuple):
    """What a solver knows of one point: scalars inside the compiled code, one row per point on the host."""

    alpha_prune: Any
    strips: Strips
    theta: Any
    lam: Any
    mean_bound: Any
    start_r: Any
    start_omega: Any
    longest: Any
    near_r: Any
    near_x: Any
    features: Any = None  # what the student sees of the features; None is all of them, of equal variance
    known: Any = None  # unknowns of a regularised student at a larger lambda, and that lambda; None where there is none
    near: Any = None  # the regularised student of a point nearby (``loss_search.Nearby``); None where there is none


def order_parameters(kind: str, aligned: bool, point: Point) -> dict[str, jax.Array]:
    """The student of one point, differentiable: r and omega in polar coordinates of the plane, s outside of it.

    The max-margin student has s = 1, v is its margin k in that unit, and x that minus its field at the origin; for the
    others v is the V of ``regularised``.
    """
    unknowns, status = student_unknowns(kind, aligned, point)
    converged, residual, num_steps = status
    r, omega, s = coordinates(kind, unknowns)
    v = unknowns[2] if kind == "max-margin" else jnp.exp(unknowns[3])
    uneven = isinstance(point.features, Spectrum)
    norm = length_of(point.features, point.lam, r, s, v) if uneven else jnp.hypot(r, s)
    return {
        "r": r,
        "omega": omega,
        "s": s,
        "v": v,
        "x": v - r * jnp.cos(point.theta - omega) * point.strips.origin,
        "norm": norm / v if kind == "max-margin" else norm,
        "log_error": max_margin.log_error(r / s, omega),
        "converged": converged,
        "residual": residual,
        "num_steps": num_steps,
    }


def coordinates(kind: str, unknowns: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(r, omega, s) of the unknowns of ``student_unknowns``."""
    if kind == "max-margin":
        return jnp.exp(unknowns[0]), unknowns[1], jnp.ones_like(unknowns[0])
    return jnp.hypot(unknowns[0], unknowns[1]), jnp.arctan2(unknowns[1], unknowns[0]), jnp.exp(unknowns[2])


def unknowns_of(kind: str, r: Any, omega: Any, s: Any, v: Any) -> Any:
    """The unknowns of students at the coordinates of ``order_parameters``, NumPy arrays of shape (num_points,)."""
    if kind == "max-margin":
        return np.column_stack([np.log(r), omega, v])
    return np.column_stack([r * np.cos(omega), r * np.sin(omega), np.log(s), np.log(v)])


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def student_unknowns(kind: str, aligned: bool, point: Point) -> tuple[jax.Array, jax.Array]:
    """Unknowns of the saddle point, (log r, omega, k) or (A, B, s, log V), and (converged, residual, num_steps)."""
    if kind == "max-margin":
        start_r, start_omega, longest = point.start_r, point.start_omega, point.longest
        if point.strips.flipped is not None or point.features is not None:
            still = point.strips._replace(origin=jnp.zeros_like(start_r))
            nearest = separation.most_separating(
                still, point.theta, start_r, start_omega, 0.9 / point.alpha_prune, point.features, aligned=aligned
            )
            start_r, start_omega, longest = nearest.r, nearest.omega, jnp.zeros_like(start_r)
        found = maximise_margin(
            point.alpha_prune,
            point.strips,
            point.theta,
            point.mean_bound,
            start_r,
            start_omega,
            longest,
            point.near_r,
            point.near_x,
            point.features,
            aligned=aligned,
        )
        unknowns = jnp.stack([jnp.log(found.r), found.omega, found.k])
        status = jnp.stack([found.converged.astype(float), found.residual, found.num_steps.astype(float)])
    elif kind == "square":
        unknowns = least_squares(
            point.alpha_prune, point.strips, point.theta, point.lam, point.features, aligned=aligned
        )
        finite = jnp.all(jnp.isfinite(unknowns)).astype(float)
        status = jnp.stack([finite, jnp.zeros_like(finite), jnp.ones_like(finite)])
    else:
        least = minimise_loss(
            kind,
            point.alpha_prune,
            point.strips,
            point.theta,
            point.lam,
            point.features,
            point.known,
            point.near,
            aligned=aligned,
        )
        unknowns = least.unknowns
        status = jnp.stack([least.converged.astype(float), least.residual, least.num_steps.astype(float)])
    return jnp.where(status[0] == 1, unknowns, jnp.nan), status


def _student_jvp(kind: str, aligned: bool, primals: Any, tangents: Any) -> Any:
    """Implicit differentiation: the unknowns move so that the equations stay met."""
    (point,), (tangent,) = primals, tangents
    unknowns, status = student_unknowns(kind, aligned, point)
    leaves, tree = jax.tree.flatten(point._replace(theta=None))
    directions = jax.tree.leaves(tangent._replace(theta=None), is_leaf=_at_rest)
    moving = [i for i, direction in enumerate(directions) if not _at_rest(direction)]
    change = jnp.zeros_like(unknowns)
    if moving:  # nothing is differentiated by what stands still

        def moved(some: list[jax.Array]) -> jax.Array:
            replaced = dict(zip(moving, some, strict=True))
            at = jax.tree.unflatten(tree, [replaced.get(i, leaf) for i, leaf in enumerate(leaves)])
            return balance(kind, aligned, at._replace(theta=point.theta), unknowns)

        change = jax.jvp(moved, ([leaves[i] for i in moving],), ([directions[i] for i in moving],))[1]
    if not (aligned or _at_rest(tangent.theta)):
        change = change + tangent.theta * _turn_of_probe(kind, point, unknowns)
    return (unknowns, status), (response(kind, aligned, point, unknowns)(change), jnp.zeros_like(status))


student_unknowns.defjvp(_student_jvp, symbolic_zeros=True)


def _at_rest(tangent: Any) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _turn_of_probe(kind: str, point: Point, unknowns: jax.Array) -> jax.Array:
    """Derivative of the equations by theta.

    Where the student lies on the probe's axis exactly, the strips' edges are infinitely steep along it: there it is
    taken a little beside, on the scale on which it varies.
    """
    r, omega, s = coordinates(kind, unknowns)
    near = 3e-8 / (1 + r / s) * jnp.sin(point.theta)
    aside = jnp.where(jnp.abs(jnp.sin(point.theta - omega)) < near, -near, 0.0)
    if kind == "max-margin":
        beside = unknowns.at[1].add(aside)
    else:
        beside = unknowns.at[0].add(-unknowns[1] * aside).at[1].add(unknowns[0] * aside)
    return jax.jvp(
        lambda theta: balance(kind, False, point._replace(theta=theta), beside), (point.theta,), (jnp.ones_like(omega),)
    )[1]


def log_error_slope(
    kind: str, aligned: bool, point_at: Callable[[jax.Array], Point], at: jax.Array, unknowns: jax.Array
) -> jax.Array:
    """Derivative of log(error) along a path of points, at the point ``point_at(at)`` whose student is known.

    Without the search for the student, the program is smaller and faster than the derivative of ``order_parameters``.
    """
    change = jax.jvp(lambda x: balance(kind, aligned, point_at(x), unknowns), (at,), (jnp.ones_like(at),))[1]
    moved = response(kind, aligned, point_at(at), unknowns)(change)

    def log_error(unknowns: jax.Array) -> jax.Array:
        r, omega, s = coordinates(kind, unknowns)
        return max_margin.log_error(r / s, omega)

    return jax.jvp(log_error, (unknowns,), (moved,))[1]


def balance(kind: str, aligned: bool, point: Point, unknowns: jax.Array) -> jax.Array:
    """The saddle-point equations as a function that vanishes at the solution; shape (3,) or (4,)."""
    strips = point.strips._replace(origin=jnp.zeros_like(point.theta))
    if kind == "max-margin":
        student = coordinates(kind, unknowns)[:2]
        return max_margin.balance(
            point.alpha_prune, strips, point.theta, *student, unknowns[2], point.features, aligned=aligned
        )
    return regularised.equations(
        kind, point.alpha_prune, strips, point.theta, point.lam, unknowns, point.features, aligned=aligned
    )


def response(kind: str, aligned: bool, point: Point, unknowns: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """How the unknowns answer a small change of the equations, as a linear function."""
    strips = point.strips._replace(origin=jnp.zeros_like(point.theta))
    if kind != "max-margin":
        here = regularised.conditions(
            kind, point.alpha_prune, strips, point.theta, point.lam, unknowns, point.features, aligned=aligned
        )
        return lambda change: regularised.newton_step(here, change, unknowns)
    r, omega, k = jnp.exp(unknowns[0]), unknowns[1], unknowns[2]
    scale = jnp.stack([r, r, jnp.ones_like(r)])  # log r and omega from displacements
    rows = max_margin.jacobian(point.alpha_prune, strips, point.theta, r, omega, k, point.features, aligned=aligned)
    scaled = rows * scale
    weight = 1 / jnp.max(jnp.abs(scaled), axis=1)
    return lambda change: -jnp.linalg.solve(scaled * weight[:, None], change * weight)
