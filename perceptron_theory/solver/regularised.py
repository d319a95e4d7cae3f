"""Regularised students: the saddle point for square, logistic and hinge loss; ``loss_search`` finds it.

The student minimises sum_mu l(y_mu w.x_mu) + (lambda N / 2) |w|^2 over the kept examples.  Its part m in the
teacher-probe plane is a pair of numbers, the rest an isotropic vector of length s.  By Gordon's inequality
(Thrampoulidis, Abbasi and Hassibi 2018; the replica calculation gives the same) the minimum per parameter is that of
the convex function

    F(m, s) = max_V  alpha_prune <M_V(omega)> - s^2 / (2 V) + (lambda / 2) (|m|^2 + s^2),    omega = y m.u + s g,

where u holds an example's coordinates in the plane, g is a standard normal and
M_V(omega) = min_h l(h) + (h - omega)^2 / (2V) the Moreau envelope; h, where the minimum is taken, is the proximal
operator: the student's output after training on an example that it would have given the output omega without.  With
the force -M' = (h - omega)/V,

    lambda m = alpha_prune <force y u>     1/V = lambda + alpha_prune <M''>     s^2 = alpha_prune V^2 <force^2>.

Where the loss of an example carries an importance weight w, its Moreau envelope is that of w l, which is w times that
of l at w V: the forces are w times, their slopes w times those of l at w V.

F is strictly convex for lambda > 0, so the solution is unique and moves smoothly with lambda.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from perceptron_theory.features import Hidden, Spectrum
from perceptron_theory.solver import quadrature
from perceptron_theory.solver.evaluation import pointwise, with_slopes
from perceptron_theory.solver.feature_response import Plane, Response, response_of, with_slope
from perceptron_theory.solver.loss_channels import CHANNELS, LOGISTIC_STEPS, Channel
from perceptron_theory.solver.max_margin import across_moments
from perceptron_theory.solver.quadrature import Panels, Strips, kept_panels, lines_on

__all__ = ["Conditions", "conditions", "equations", "newton_step"]

BLOCK = 4  # panels taken at a time


def _bends(loss: str, r: Array, s: Array, v: Array) -> tuple[Array, Array]:
    """Fields of the student between which the force is smooth, and the one above which there is none."""
    top = jnp.asarray(quadrature.REACH)
    if loss == "square":
        steps = jnp.zeros(1)
    elif loss == "hinge":
        steps = (
            jnp.stack(
                [
                    1 - v - s * quadrature.STEP,
                    1 - v,
                    1 - v + s * quadrature.STEP,
                    1 - s * quadrature.STEP,
                    jnp.ones_like(s),
                    1 + s * quadrature.REACH,
                ]
            )
            / r
        )
        top = (1 + s * quadrature.REACH) / r
    else:
        outputs = jnp.asarray(LOGISTIC_STEPS)
        steps = (outputs - v * jax.nn.sigmoid(-outputs)) / r
        top = (LOGISTIC_STEPS[-1] + s * quadrature.REACH) / r
    return steps, top


class Conditions(NamedTuple):
    """The four equations at a student, in the directions along it and across it (or the probe's), log s and log V."""

    value: Array  # shape (4,); vanishes at the solution
    jacobian: Array  # shape (4, 4): derivatives by displacements along and across the student, log s and log V


class _Student(NamedTuple):
    """A student and its frame, scalars."""

    theta: Array
    r: Array
    omega: Array
    s: Array
    v: Array
    frame: quadrature.Frame
    cosine: Array  # components of the second direction along and across the student
    sine: Array


def _student(theta: Array, unknowns: Array, aligned: bool) -> _Student:
    a, b, s, v = unknowns[0], unknowns[1], jnp.exp(unknowns[2]), jnp.exp(unknowns[3])
    r, omega = (a, jnp.zeros_like(a)) if aligned else (jnp.hypot(a, b), jnp.arctan2(b, a))
    frame = quadrature.Frame.of(theta, omega)
    if aligned:
        frame = frame._replace(probe=jnp.zeros_like(frame.probe))
    cosine, sine = jnp.where(frame.probe, frame.cos_psi, 0.0), jnp.where(frame.probe, frame.sin_psi, 1.0)
    return _Student(theta, r, omega, s, v, frame, cosine, sine)


class _Sums(NamedTuple):
    """What the equations need to know of the kept examples: averages of the channel times alpha_prune, scalars.

    t is the student's field per length, second that of the first equation's second component, across that across the
    student; _s and _v are derivatives by log s and log V.
    """

    force_t: Array
    force_second: Array
    squared: Array  # of force^2
    curvature: Array


class _Slopes(NamedTuple):
    """The same of their derivatives; see ``_Sums``."""

    curvature_tt: Array
    curvature_t_across: Array
    curvature_t_second: Array
    curvature_second_across: Array
    force_t_s: Array
    force_t_v: Array
    force_second_s: Array
    force_second_v: Array
    squared_t: Array
    squared_across: Array
    squared_s: Array
    squared_v: Array
    curvature_t: Array
    curvature_across: Array
    curvature_s: Array
    curvature_v: Array


def _panels(loss: str, strips: Strips, student: _Student, aligned: bool) -> Panels:
    """Panels over the kept examples that end where the loss bends."""
    r, s, v = student.r, student.s, student.v
    if strips.importance is not None and loss != "square":
        steps, top = jax.vmap(lambda importance: _bends(loss, r, s, importance * v))(strips.importance)
        top = top[0]  # the same for all
    else:
        steps, top = _bends(loss, r, s, v)
    steps = jnp.clip(jax.lax.stop_gradient(steps), -quadrature.REACH, quadrature.REACH)
    top = jax.lax.stop_gradient(top)
    return kept_panels(strips, student.theta, student.omega, steps, top, aligned=aligned)


def _sums(
    loss: str, alpha_prune: Array, panels: Panels, student: _Student, *, aligned: bool, sloped: bool
) -> tuple[_Sums, _Slopes | None]:
    """The averages over the examples on these panels."""
    line = lines_on(panels, student.theta, student.omega, aligned=aligned)
    across1, across2 = across_moments(line, student.theta, student.omega, aligned=aligned)
    weight, t, frame = alpha_prune * line.weight, line.t, student.frame
    w0, w1, second = weight * line.u0, weight * across1, weight * line.u1
    compute = with_slopes(CHANNELS[loss]) if sloped else CHANNELS[loss]
    importance = panels.strip.importance
    if importance is None:
        found = pointwise(compute, student.r * t, student.s, student.v)
        v = student.v
    else:
        a = (student.r * t).reshape(importance.size, -1)
        found = jax.vmap(lambda a, w: pointwise(compute, a, student.s, w * student.v))(a, importance)
        found = jax.tree.map(jnp.ravel, found)
        w = jnp.repeat(importance, a.shape[1])
        found = jax.tree.map(
            lambda c: Channel(w * c.force, w * w * c.force_squared, w * c.curvature),
            found,
            is_leaf=lambda c: isinstance(c, Channel),
        )
        v = w * student.v  # where each line's channel is taken
    channel, slopes = found if sloped else (found, None)
    sums = _Sums(
        force_t=jnp.sum(channel.force * w0 * t),
        force_second=jnp.zeros_like(student.r) if aligned else jnp.sum(channel.force * second),
        squared=jnp.sum(channel.force_squared * w0),
        curvature=jnp.sum(channel.curvature * w0),
    )
    if slopes is None:
        return sums, None
    by_a, by_s, by_v = slopes
    by_s, by_v = (Channel(*(scale * f for f in by)) for scale, by in ((student.s, by_s), (v, by_v)))
    second_across = weight * jnp.where(frame.probe, (line.u2 - frame.cos_psi * t * line.u1) / student.sine, across2)
    return sums, _Slopes(
        curvature_tt=jnp.sum(channel.curvature * (w0 * t * t)),
        curvature_t_across=jnp.sum(channel.curvature * (w1 * t)),
        curvature_t_second=jnp.sum(channel.curvature * (second * t)),
        curvature_second_across=jnp.sum(channel.curvature * second_across),
        force_t_s=jnp.sum(by_s.force * (w0 * t)),
        force_t_v=jnp.sum(by_v.force * (w0 * t)),
        force_second_s=jnp.sum(by_s.force * second),
        force_second_v=jnp.sum(by_v.force * second),
        squared_t=jnp.sum(by_a.force_squared * w0 * t),
        squared_across=jnp.sum(by_a.force_squared * w1),
        squared_s=jnp.sum(by_s.force_squared * w0),
        squared_v=jnp.sum(by_v.force_squared * w0),
        curvature_t=jnp.sum(by_a.curvature * w0 * t),
        curvature_across=jnp.sum(by_a.curvature * w1),
        curvature_s=jnp.sum(by_s.curvature * w0),
        curvature_v=jnp.sum(by_v.curvature * w0),
    )


def _sums_in_blocks(
    loss: str, alpha_prune: Array, panels: Panels, student: _Student, *, aligned: bool
) -> tuple[_Sums, _Slopes]:
    """The same over all panels that are crossed by kept examples, a few at a time: most are not."""
    order = jnp.argsort(~panels.crossed)
    missing = -order.size % BLOCK
    count = jnp.sum(panels.crossed)
    order = jnp.pad(order, (0, missing), mode="edge")

    def add(state: Any) -> Any:
        i, sums = state
        some = panels.at(jax.lax.dynamic_slice_in_dim(order, i * BLOCK, BLOCK))
        there = i * BLOCK + jnp.arange(BLOCK) < count
        some = some._replace(right=jnp.where(there, some.right, some.left))
        more = _sums(loss, alpha_prune, some, student, aligned=aligned, sloped=True)
        return i + 1, jax.tree.map(jnp.add, sums, more)

    zero = jnp.zeros_like(student.r)
    nothing = (_Sums(*[zero] * len(_Sums._fields)), _Slopes(*[zero] * len(_Slopes._fields)))
    return jax.lax.while_loop(lambda state: state[0] * BLOCK < count, add, (jnp.zeros_like(count), nothing))[1]


def equations(
    loss: str,
    alpha_prune: Array,
    strips: Strips,
    theta: Array,
    lam: Array,
    unknowns: Array,
    features: Hidden | Spectrum | None = None,
    *,
    aligned: bool,
) -> Array:
    """The equations, as alpha_prune <force y u> - lambda m and logarithms of the ratios of the sides of the others.

    The components of the first are those along the student and, where the student is far from the probe's axis, along
    the probe; else across the student.  Where only a thin strip of probe margins z is kept, lambda alone holds the
    student in the direction of the probe: <force y z> is as small as z there, but would be the difference of two large
    components in any other frame, and rounding would move the student.

    Args:
        loss: "square", "hinge" or "logistic".
        alpha_prune: kept examples per parameter, scalar.
        strips: what is kept, with origin 0.
        theta: angle between probe and teacher in radians, scalar.
        lam: lambda, scalar.
        unknowns: (A, B, log s, log V), shape (4,); m = (A, B).
        features: what the student sees of the features; None is all of them, of equal variance.
        aligned: as ``kept_lines``; then B = 0.

    Returns:
        What vanishes at the solution, shape (4,).
    """
    student = _student(theta, unknowns, aligned)
    panels = _panels(loss, strips, student, aligned)
    sums, _ = _sums(loss, alpha_prune, panels, student, aligned=aligned, sloped=False)
    return _balance(student, sums, lam, unknowns, features, aligned)


def _balance(
    student: _Student, sums: _Sums, lam: Array, unknowns: Array, features: Hidden | Spectrum | None, aligned: bool
) -> Array:
    """``equations`` from the averages."""
    r = student.r
    if features is not None:
        answer = response_of(features, lam, sums.curvature)
        drag, excess = _in_frame(student, answer)
        pull = drag.times(r, jnp.zeros_like(r))
        square = answer.spread * sums.squared + excess.along * r * r
        return jnp.stack(
            [
                sums.force_t - pull[0],
                jnp.zeros_like(r) if aligned else sums.force_second - _second(student, *pull),
                0.5 * jnp.log(square) - unknowns[2],
                jnp.log(answer.v) - unknowns[3],
            ]
        )
    return jnp.stack(
        [
            sums.force_t - lam * r,
            jnp.zeros_like(r) if aligned else sums.force_second - lam * r * student.cosine,
            0.5 * jnp.log(sums.squared) + unknowns[3] - unknowns[2],
            -jnp.log(lam + sums.curvature) - unknowns[3],
        ]
    )


def _in_frame(student: _Student, answer: Response) -> tuple[Plane, Plane]:
    """The matrices D and E, or their derivatives, in the frame of the student."""
    frame = (student.frame.cos_psi, student.frame.sin_psi)
    drag = Plane.of(answer.drag_along, answer.drag_across, *frame)
    return drag, Plane.of(answer.excess_along, answer.excess_across, *frame)


def _second(student: _Student, along: Array, across: Array) -> Array:
    """Component in the second direction of a vector with these components along and across the student."""
    return student.cosine * along + student.sine * across


def conditions(
    loss: str,
    alpha_prune: Array,
    strips: Strips,
    theta: Array,
    lam: Array,
    unknowns: Array,
    features: Hidden | Spectrum | None = None,
    *,
    aligned: bool,
    in_blocks: bool = False,
) -> Conditions:
    """``equations`` with their derivatives; the same arguments.

    Args:
        loss: as in ``equations``; so the others.
        alpha_prune: see there.
        strips: see there.
        theta: see there.
        lam: see there.
        unknowns: see there.
        features: see there.
        aligned: see there.
        in_blocks: in a loop over what matters: several times as fast, and not to be differentiated.
    """
    student = _student(theta, unknowns, aligned)
    panels = _panels(loss, strips, student, aligned)
    if in_blocks:
        sums, by = _sums_in_blocks(loss, alpha_prune, panels, student, aligned=aligned)
    else:
        sums, by = _sums(loss, alpha_prune, panels, student, aligned=aligned, sloped=True)  # type: ignore[assignment]
    value = _balance(student, sums, lam, unknowns, features, aligned)
    by_squared = jnp.stack([by.squared_t, by.squared_across, by.squared_s, by.squared_v])
    by_curvature = jnp.stack([by.curvature_t, by.curvature_across, by.curvature_s, by.curvature_v])
    along = jnp.stack([-by.curvature_tt, -by.curvature_t_across, by.force_t_s, by.force_t_v])
    second = jnp.stack([-by.curvature_t_second, -by.curvature_second_across, by.force_second_s, by.force_second_v])
    r, zero, one = student.r, jnp.zeros_like(student.r), jnp.ones_like(student.r)
    if features is not None:
        answer, slope = with_slope(features, lam, sums.curvature)
        (drag, excess), (more_drag, more_excess) = _in_frame(student, answer), _in_frame(student, slope)
        more = more_drag.times(r, zero)
        column = [_second(student, *drag.times(one, zero)), _second(student, *drag.times(zero, one))]
        square = answer.spread * sums.squared + excess.along * r * r
        by_square = answer.spread * by_squared
        by_square = by_square + (slope.spread * sums.squared + more_excess.along * r * r) * by_curvature
        by_square = by_square + 2 * r * jnp.stack([excess.along, excess.mixed, zero, zero])
        rows = jnp.stack(
            [
                along - jnp.stack([drag.along, drag.mixed, zero, zero]) - more[0] * by_curvature,
                second - jnp.stack([*column, zero, zero]) - _second(student, *more) * by_curvature,
                by_square / (2 * square) - jnp.array([0.0, 0.0, 1.0, 0.0]),
                slope.v / answer.v * by_curvature - jnp.array([0.0, 0.0, 0.0, 1.0]),
            ]
        )
        return Conditions(value, rows)
    rows = jnp.stack(
        [
            along - lam * jnp.array([1.0, 0.0, 0.0, 0.0]),
            second - lam * jnp.stack([student.cosine, student.sine, zero, zero]),
            by_squared / (2 * sums.squared) + jnp.array([0.0, 0.0, -1.0, 1.0]),
            -by_curvature / (lam + sums.curvature) - jnp.array([0.0, 0.0, 0.0, 1.0]),
        ]
    )
    return Conditions(value, rows)


def _turned(unknowns: Array, step: Array) -> Array:
    """A step along and across the student as a step of (A, B, log s, log V)."""
    length = jnp.hypot(unknowns[0], unknowns[1])
    cosine, sine = unknowns[0] / length, unknowns[1] / length
    return jnp.stack([cosine * step[0] - sine * step[1], sine * step[0] + cosine * step[1], step[2], step[3]])


def newton_step(equations: Conditions, change: Array, unknowns: Array) -> Array:
    """The step of (A, B, log s, log V) that cancels ``change`` of the equations to first order."""
    length = jnp.hypot(jnp.hypot(unknowns[0], unknowns[1]), jnp.exp(unknowns[2]))
    scale = jnp.stack([length, length, jnp.ones_like(length), jnp.ones_like(length)])
    scaled = equations.jacobian * scale
    weight = 1 / jnp.max(jnp.abs(scaled), axis=1)
    return _turned(unknowns, -scale * jnp.linalg.solve(scaled * weight[:, None], change * weight))
