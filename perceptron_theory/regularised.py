"""Regularised students: the saddle point for square, logistic and hinge loss, and a Newton method that finds it.

The student minimises sum_mu l(y_mu w.x_mu) + (lambda N / 2) |w|^2 over the kept examples.  Its part m in the
teacher-probe plane is a pair of numbers, the rest an isotropic vector of length s.  By Gordon's inequality
(Thrampoulidis, Abbasi and Hassibi 2018; the replica calculation gives the same) the minimum per parameter is that of
the convex function

    F(m, s) = max_V  alpha_prune <M_V(omega)> - s^2 / (2 V) + (lambda / 2) (|m|^2 + s^2),    omega = y m.u + s g,

where u holds an example's coordinates in the plane, g is a standard normal and
M_V(omega) = min_h l(h) + (h - omega)^2 / (2V) the Moreau envelope; h, where the minimum is taken, is the proximal
operator: the student's output after training on an example that it would have given the output omega without.  With the force -M' = (h - omega)/V,

    lambda m = alpha_prune <force y u>     1/V = lambda + alpha_prune <M''>     s^2 = alpha_prune V^2 <force^2>.

``minimise_loss`` descends on F by Newton's method with backtracking, from strong regularisation down to lambda in
stages; V is the root of the last equation, which increases in V, found inside the same loop.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from perceptron_theory import quadrature
from perceptron_theory.quadrature import Frame, Strips, kept_lines, normal_cdf, normal_pdf

__all__ = ["LossMinimum", "conditions", "minimise_loss"]

MAX_STEPS = 400
ON_CURVE = 1e-6  # |log(alpha V^2 <force^2> / s^2)| at which F is known to 1e-12 and a trial can be judged
EXACT = 1e-9
SETTLED = 1e-13  # relative change of the error that the next Newton step would make, below which the search ends
RESTLESS = 1e-10  # the same where rounding stops the steps from shrinking further: three in a row end the search
LOG_V_RANGE = (-60.0, 60.0)

# outputs h between which the logistic loss is smooth on the scale of a panel
LOGISTIC_STEPS = np.array([-36.0, -20.0, -12.0, -7.0, -3.5, 0.0, 3.5, 7.0, 12.0, 20.0, 36.0])
_LOGISTIC_GRID = np.arange(-40.0, 41.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


class Channel(NamedTuple):
    """Averages over g of an example with student field a times label, omega = a + s g; arrays like a."""

    energy: Array  # M
    force: Array  # -M' = (h - omega) / V
    force_squared: Array
    curvature: Array  # M''


class LossMinimum(NamedTuple):
    """Solution of one point; scalars.  m = r (cos omega, sin omega)."""

    r: Array
    omega: Array
    s: Array
    log_v: Array
    residual: Array
    converged: Array
    num_steps: Array


def square_channel(a: Array, s: Array, v: Array) -> Channel:
    """l(h) = (1 - h)^2 / 2: h = (omega + V) / (1 + V)."""
    gap, spread = 1 - a, (1 - a) ** 2 + s * s
    return Channel(spread / (2 * (1 + v)), gap / (1 + v), spread / (1 + v) ** 2, jnp.ones_like(a) / (1 + v))


def hinge_channel(a: Array, s: Array, v: Array) -> Channel:
    """l(h) = max(0, 1 - h): h = omega + V below 1 - V, 1 up to 1, omega above."""
    near, far = (1 - a) / s, (1 - v - a) / s
    p_near, p_far = normal_cdf(near), normal_cdf(far)
    first_near, first_far = near * p_near + normal_pdf(near), far * p_far + normal_pdf(far)
    second = (1 + near * near) * p_near + near * normal_pdf(near)
    second = second - (1 + far * far) * p_far - far * normal_pdf(far)
    scale = s / v
    return Channel(
        0.5 * s * scale * second,
        scale * (first_near - first_far),
        scale * (scale * second - 2 * first_far),
        (p_near - p_far) / v,
    )


def logistic_channel(a: Array, s: Array, v: Array) -> Channel:
    """l(h) = log(1 + exp(-h)).  The integral over g is taken over the output h: omega = h - V / (1 + exp(h))."""

    def omega_of(h: Array) -> Array:
        return h - v * jax.nn.sigmoid(-h)

    def output(omega: Array) -> Array:
        grid = jnp.asarray(_LOGISTIC_GRID)
        table = omega_of(grid)
        i = jnp.clip(jnp.searchsorted(table, omega) - 1, 0, grid.size - 2)
        low, high = grid[i], grid[i] + 1
        h = low + (omega - table[i]) / (table[i + 1] - table[i])
        for _ in range(6):
            slope = 1 + v * jax.nn.sigmoid(h) * jax.nn.sigmoid(-h)
            h = jnp.clip(h - (omega_of(h) - omega) / slope, low, high)
        return jnp.where(omega < table[0], omega + v, jnp.where(omega > table[-1], omega, h))

    ends = jax.lax.stop_gradient(
        output(
            a[:, None]
            + s * jnp.array([-quadrature.REACH, -quadrature.REACH / 3, quadrature.REACH / 3, quadrature.REACH])
        )
    )
    first, last = ends[:, :1], ends[:, 3:]
    breaks = jnp.concatenate([ends, jnp.clip(jnp.asarray(LOGISTIC_STEPS), first, last)], axis=1)
    breaks = jnp.sort(breaks, axis=1)
    half = 0.5 * (breaks[:, 1:] - breaks[:, :-1])[..., None]
    h = breaks[:, :-1, None] + half * (1 + _NODES)
    force = jax.nn.sigmoid(-h)
    bend = force * jax.nn.sigmoid(h)
    g = (h - v * force - a[:, None, None]) / s
    weight = half * _WEIGHTS * normal_pdf(g) * (1 + v * bend) / s
    energy = jax.nn.softplus(-h) + 0.5 * v * force * force

    def mean(values: Array) -> Array:
        return jnp.sum(weight * values, axis=(1, 2))

    return Channel(mean(energy), mean(force), mean(force * force), mean(bend / (1 + v * bend)))


CHANNELS = {"square": square_channel, "hinge": hinge_channel, "logistic": logistic_channel}


def _kept_lines(
    loss: str, strips: Strips, theta: Array, r: Array, omega: Array, s: Array, v: Array, aligned: bool
) -> Any:
    """The lines of kept examples, with panels that end where the loss bends."""
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
        steps = (LOGISTIC_STEPS - v * jax.nn.sigmoid(-LOGISTIC_STEPS)) / r
        top = (LOGISTIC_STEPS[-1] + s * quadrature.REACH) / r
    steps = jnp.clip(jax.lax.stop_gradient(steps), -quadrature.REACH, quadrature.REACH)
    return kept_lines(strips, theta, r, omega, steps, jax.lax.stop_gradient(top), aligned=aligned)


def conditions(
    loss: str, alpha_prune: Array, strips: Strips, theta: Array, lam: Array, unknowns: Array, *, aligned: bool
) -> tuple[Array, Array]:
    """What vanishes at the solution, and F.

    Args:
        loss: "square", "hinge" or "logistic".
        alpha_prune: kept examples per parameter, scalar.
        strips: what is kept, with origin 0.
        theta: angle between probe and teacher in radians, scalar.
        lam: lambda, scalar.
        unknowns: (A, B, s, log V), shape (4,); m = (A, B).
        aligned: as ``kept_lines``; then B = 0.

    Returns:
        The derivatives of F by A, B and s, and log(alpha_prune V^2 <force^2> / s^2), shape (4,); and F, scalar.
    """
    a, b, s, v = unknowns[0], unknowns[1], unknowns[2], jnp.exp(unknowns[3])
    r, omega = (a, jnp.zeros_like(a)) if aligned else (jnp.hypot(a, b), jnp.arctan2(b, a))
    line = _kept_lines(loss, strips, theta, r, omega, s, v, aligned)
    channel = CHANNELS[loss](r * line.t, s, v)

    def mean(values: Array) -> Array:
        return jnp.sum(line.weight * values)

    along = lam * r - alpha_prune * mean(channel.force * line.u0 * line.t)
    if aligned:
        gradient_a, gradient_b = along, b
    else:
        frame = Frame.of(theta, omega)
        second = mean(channel.force * line.u1)
        second_z = (second - frame.cos_psi * mean(channel.force * line.u0 * line.t)) / jnp.where(
            frame.probe, frame.sin_psi, 1.0
        )
        across = -alpha_prune * jnp.where(frame.probe, second_z, second)
        cosine, sine = jnp.cos(omega), jnp.sin(omega)
        gradient_a, gradient_b = cosine * along - sine * across, sine * along + cosine * across
    curvature, squared = mean(channel.curvature * line.u0), mean(channel.force_squared * line.u0)
    by_s = s * (lam + alpha_prune * curvature - 1 / v)
    on_curve = jnp.log(alpha_prune * squared) + 2 * (unknowns[3] - jnp.log(s))
    value = alpha_prune * mean(channel.energy * line.u0) - s * s / (2 * v) + 0.5 * lam * (r * r + s * s)
    return jnp.stack([gradient_a, gradient_b, by_s, on_curve]), value


def _log_error(unknowns: Array) -> Array:
    a, b, s = unknowns[0], unknowns[1], unknowns[2]
    return jnp.log(jnp.arctan2(jnp.hypot(s, b), a) / jnp.pi)


class _Descent(NamedTuple):
    """The best student so far, the Newton step from it, and the trial to be evaluated next."""

    best: Array  # (A, B, s, log V)
    value: Array
    slope: Array  # of F along the step
    step: Array
    stride: Array
    taken: Array
    trial: Array
    residual: Array
    lam: Array  # lambda of this stage
    num_quiet: Array
    settled: Array
    num_steps: Array


def minimise_loss(
    loss: str, alpha_prune: Array, strips: Strips, theta: Array, lam: Array, *, aligned: bool
) -> LossMinimum:
    """Solve one point; arguments as ``conditions``."""

    def turn(state: _Descent) -> _Descent:
        def balance(unknowns: Array) -> tuple[Array, tuple[Array, Array]]:
            residuals, value = conditions(loss, alpha_prune, strips, theta, state.lam, unknowns, aligned=aligned)
            return residuals, (residuals, value)

        trial = state.trial
        jacobian, (residuals, value) = jax.jacfwd(balance, has_aux=True)(trial)
        off = residuals[3]
        # too long a step outwards: the training outputs can be fitted at V = infinity, and no V is a root
        hopeless = (off < 0) & (-off > 30 * jacobian[3, 3])
        log_v_move = -off / jnp.maximum(jacobian[3, 3], 1e-3)
        on_curve = jnp.abs(off) < ON_CURVE
        # Newton's step for all four; a scale for each unknown keeps the small system well conditioned
        scale = jnp.stack([jnp.hypot(trial[0], trial[2]), jnp.hypot(trial[0], trial[2]), trial[2], 1.0 + 0 * trial[3]])
        scaled = jacobian * scale
        weight = 1 / jnp.max(jnp.abs(scaled), axis=1)
        step = -scale * jnp.linalg.solve(scaled * weight[:, None], residuals * weight)
        slope = jnp.dot(residuals[:3], step[:3])
        change = jnp.abs(jnp.dot(jax.grad(_log_error)(trial), step))
        size = jnp.abs(value) + 0.5 * state.lam * jnp.dot(trial[:3], trial[:3])
        quiet = change < 1e-6  # there F is flat to rounding, and the step itself is the better judge
        lower = value <= state.value + 1e-4 * state.taken * state.slope + 1e-13 * size
        accept = on_curve & (lower | quiet) & jnp.isfinite(value) & jnp.all(jnp.isfinite(step))
        last = state.lam == lam
        num_quiet = jnp.where((change < RESTLESS) & (jnp.abs(off) < EXACT) & last, state.num_quiet + 1, 0)
        found = state._replace(
            best=trial,
            value=value,
            slope=jnp.minimum(slope, 0.0),
            step=step,
            stride=jnp.minimum(1.0, 4 * state.stride),
            residual=jnp.max(jnp.abs(step / scale)),
            num_quiet=num_quiet,
            settled=((change < SETTLED) & (jnp.abs(off) < EXACT) & last) | (num_quiet >= 3),
        )
        base = _where(accept, found, state._replace(stride=0.25 * state.taken))
        # lengths stay positive, and no number changes by more than a large factor at once
        shrink = jnp.minimum(0.9 * base.best[2] / jnp.maximum(-base.step[2], 1e-300), 1.0)
        reach = 10 * jnp.linalg.norm(base.best[:3]) / jnp.maximum(jnp.linalg.norm(base.step[:3]), 1e-300)
        stride = jnp.minimum(jnp.minimum(base.stride, shrink), reach)
        moved = base.best + stride * base.step
        log_v = base.best[3] + jnp.clip(stride * base.step[3], -3.0, 3.0)
        outer = base._replace(trial=moved.at[3].set(jnp.clip(log_v, *LOG_V_RANGE)), taken=stride)
        inner = state._replace(
            trial=trial.at[3].set(jnp.clip(trial[3] + jnp.clip(log_v_move, -5.0, 5.0), *LOG_V_RANGE))
        )
        # once the student of this lambda is nearly found, on to a smaller one
        near = accept & ~last & (jnp.linalg.norm(step / scale) < 0.3)
        smaller = outer._replace(lam=jnp.maximum(lam, state.lam / 8), value=jnp.full_like(value, jnp.inf))
        chosen = _where(on_curve | hopeless, _where(near, smaller, outer), inner)
        return chosen._replace(num_steps=state.num_steps + 1)

    zero = jnp.zeros_like(alpha_prune)
    # from strong regularisation, where the student is Hebb's rule, in stages down to lambda
    strong = jnp.maximum(lam, alpha_prune)
    v = 1 / (strong + 0.5 * alpha_prune)
    scale = jnp.sqrt(alpha_prune) * v
    start = jnp.stack([0.5 * alpha_prune * v, zero, jnp.maximum(0.5 * scale, 1e-3 * v), jnp.log(v)])
    never = jnp.zeros_like(alpha_prune, dtype=bool)
    count = jnp.zeros_like(alpha_prune, dtype=int)
    first = _Descent(start, zero + jnp.inf, zero, 0 * start, zero + 1, zero, start, zero + jnp.inf, strong, count, never, count)
    end = jax.lax.while_loop(lambda s: ~s.settled & (s.num_steps < MAX_STEPS), turn, first)
    a, b, s, log_v = end.best
    return LossMinimum(jnp.hypot(a, b), jnp.arctan2(b, a), s, log_v, end.residual, end.settled, end.num_steps)


def _where(condition: Array, yes: _Descent, no: _Descent) -> _Descent:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), yes, no)
