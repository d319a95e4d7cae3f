"""Regularised students: the saddle point for square, logistic and hinge loss, and a Newton method that finds it.

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

Read from right to left, with the old values on the right, these equations are the state evolution of approximate
message passing for this convex problem (Donoho and Montanari 2016), which tends to the solution from anywhere, but
slowly where lambda is small.  ``minimise_loss`` takes Newton steps where they come closer, steps of the state evolution
where they do not, and goes from strong regularisation down to lambda in stages.
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
SETTLED = 1e-13  # relative change of the error that the next Newton step would make, below which the search ends
RESTLESS = 1e-10  # the same where rounding stops the steps from shrinking further: three in a row end the search
CLOSE = 0.1  # size of the next Newton step below which a stage is done
STAGE = 4.0  # factor between the values of lambda of two stages

# outputs h between which the logistic loss is smooth on the scale of a panel
LOGISTIC_STEPS = np.array([-36.0, -20.0, -12.0, -7.0, -3.5, 0.0, 3.5, 7.0, 12.0, 20.0, 36.0])
_LOGISTIC_GRID = np.arange(-40.0, 41.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


class Channel(NamedTuple):
    """Averages over g of an example with student field a times label, omega = a + s g; arrays like a."""

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
    return Channel((1 - a) / (1 + v), ((1 - a) ** 2 + s * s) / (1 + v) ** 2, jnp.ones_like(a) / (1 + v))


def hinge_channel(a: Array, s: Array, v: Array) -> Channel:
    """l(h) = max(0, 1 - h): h = omega + V below 1 - V, 1 up to 1, omega above."""
    # with w = (far - g)_+ and so on; where far is positive most forces are 1, and the rest is the small number
    near, far, width = (1 - a) / s, (1 - v - a) / s, v / s
    flat = far > 0
    top, bottom = jnp.where(flat, -far, near), jnp.where(flat, -near, far)
    p_top, p_bottom = normal_cdf(top), normal_cdf(bottom)
    d_top, d_bottom = normal_pdf(top), normal_pdf(bottom)
    first_top, first_bottom = top * p_top + d_top, bottom * p_bottom + d_bottom
    first = (first_top - first_bottom) / width
    second = (1 + top * top) * p_top + top * d_top - (1 + bottom * bottom) * p_bottom - bottom * d_bottom
    second = second / width**2
    return Channel(
        jnp.where(flat, 1 - first, first),
        jnp.where(flat, 1 - 2 * first_top / width + second, second - 2 * first_bottom / width),
        (p_top - p_bottom) / v,
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

    def mean(values: Array) -> Array:
        return jnp.sum(weight * values, axis=(1, 2))

    return Channel(mean(force), mean(force * force), mean(bend / (1 + v * bend)))


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
) -> Array:
    """The change that one (in the plane cautious) step of the state evolution makes; it vanishes at the solution.

    Args:
        loss: "square", "hinge" or "logistic".
        alpha_prune: kept examples per parameter, scalar.
        strips: what is kept, with origin 0.
        theta: angle between probe and teacher in radians, scalar.
        lam: lambda, scalar.
        unknowns: (A, B, log s, log V), shape (4,); m = (A, B).
        aligned: as ``kept_lines``; then B = 0.

    Returns:
        Changes of the four unknowns, shape (4,).
    """
    a, b, s, v = unknowns[0], unknowns[1], jnp.exp(unknowns[2]), jnp.exp(unknowns[3])
    r, omega = (a, jnp.zeros_like(a)) if aligned else (jnp.hypot(a, b), jnp.arctan2(b, a))
    line = _kept_lines(loss, strips, theta, r, omega, s, v, aligned)
    channel = CHANNELS[loss](r * line.t, s, v)

    def mean(values: Array) -> Array:
        return jnp.sum(line.weight * values)

    curvature, squared = mean(channel.curvature * line.u0), mean(channel.force_squared * line.u0)
    next_v = 1 / (lam + alpha_prune * curvature)
    # in the plane the examples are not isotropic, and where windows lie far out they are long
    spread = mean(channel.curvature * (line.u0 * (1 + line.t * line.t) + line.u2))
    step = 1 / (lam + alpha_prune * spread)
    force_t = mean(channel.force * line.u0 * line.t)
    along = step * (alpha_prune * force_t - lam * r)
    if aligned:
        change_a, change_b = along, -b
    else:
        frame = Frame.of(theta, omega)
        force_u = mean(channel.force * line.u1)
        sine = jnp.where(frame.probe, frame.sin_psi, 1.0)
        across = step * alpha_prune * jnp.where(frame.probe, (force_u - frame.cos_psi * force_t) / sine, force_u)
        cosine, sine = jnp.cos(omega), jnp.sin(omega)
        change_a, change_b = cosine * along - sine * across, sine * along + cosine * across
    next_log_s = 0.5 * jnp.log(alpha_prune * squared) + unknowns[3]
    return jnp.stack([change_a, change_b, next_log_s - unknowns[2], jnp.log(next_v) - unknowns[3]])


def _log_error(unknowns: Array) -> Array:
    return jnp.log(jnp.arctan2(jnp.hypot(jnp.exp(unknowns[2]), unknowns[1]), unknowns[0]) / jnp.pi)


class _Search(NamedTuple):
    """The best student so far, the next student to be evaluated, and whether it is judged."""

    best: Array  # (A, B, log s, log V)
    distance: Array  # size of the state evolution's next change
    change: Array  # that change
    trial: Array
    newton: Array  # the trial is a Newton step, kept only if it comes closer
    patience: Array  # steps of the state evolution to take before Newton is tried again
    lam: Array  # lambda of this stage
    residual: Array
    num_quiet: Array
    settled: Array
    num_steps: Array


def minimise_loss(
    loss: str, alpha_prune: Array, strips: Strips, theta: Array, lam: Array, *, aligned: bool
) -> LossMinimum:
    """Solve one point; arguments as ``conditions``."""

    def turn(state: _Search) -> _Search:
        def changes(unknowns: Array) -> tuple[Array, Array]:
            found = conditions(loss, alpha_prune, strips, theta, state.lam, unknowns, aligned=aligned)
            return found, found

        trial = state.trial
        jacobian, change = jax.jacfwd(changes, has_aux=True)(trial)
        # relative to the student's length, for which s alone stands until it has turned to the teacher
        length = jnp.hypot(jnp.hypot(trial[0], trial[1]), jnp.exp(trial[2]))
        scale = jnp.stack([length, length, jnp.ones_like(length), jnp.ones_like(length)])
        step = -scale * jnp.linalg.solve(jacobian * scale / scale[:, None], change / scale)
        size = jnp.linalg.norm(step / scale)
        distance = jnp.linalg.norm(change / scale)
        good = jnp.isfinite(distance) & jnp.all(jnp.isfinite(step))
        log_error_change = jnp.abs(jnp.dot(jax.grad(_log_error)(trial), step))
        # Newton's step must bring the next one down (natural monotonicity, Deuflhard), or the change itself
        closer = (distance < 0.7 * state.distance) | (size < 0.8 * state.residual) | (log_error_change < 1e-7)
        accept = good & (~state.newton | closer)

        last = state.lam == lam
        num_quiet = jnp.where((log_error_change < RESTLESS) & (size < 1e-6) & last, state.num_quiet + 1, 0)
        here = state._replace(
            best=trial,
            distance=distance,
            change=change,
            patience=jnp.maximum(state.patience - 1, 0),
            residual=size,
            num_quiet=num_quiet,
            settled=(log_error_change < SETTLED) & (size < 1e-7) & last | (num_quiet >= 3),
        )
        # a Newton step at most doubles or halves a number
        limit = jnp.minimum(1.0, 0.7 / jnp.maximum(jnp.max(jnp.abs(step / scale)), 1e-300))
        evolved = trial + jnp.concatenate([change[:2], jnp.clip(change[2:], -3.0, 3.0)])
        ready = here.patience == 0
        onwards = here._replace(trial=jnp.where(ready, trial + limit * step, evolved), newton=ready)
        # once the student of this lambda is nearly found, on to a smaller one
        smaller = onwards._replace(
            lam=jnp.maximum(lam, state.lam / STAGE),
            distance=jnp.full_like(distance, jnp.inf),
            residual=jnp.full_like(distance, jnp.inf),
        )
        onwards = _where((size < CLOSE) & ~last, smaller, onwards)
        change_back = jnp.concatenate([state.change[:2], jnp.clip(state.change[2:], -3.0, 3.0)])
        back = state._replace(trial=state.best + change_back, newton=ready & False, patience=0 * state.patience + 4)
        return _where(accept, onwards, back)._replace(num_steps=state.num_steps + 1)

    zero = jnp.zeros_like(alpha_prune)
    strong = STAGE * jnp.maximum(lam, alpha_prune)
    v = 1 / (strong + alpha_prune)
    start = jnp.stack([0.5 * alpha_prune * v, zero, jnp.log(0.5 * jnp.sqrt(alpha_prune) * v), jnp.log(v)])
    never = jnp.zeros_like(alpha_prune, dtype=bool)
    count = jnp.zeros_like(alpha_prune, dtype=int)
    first = _Search(
        best=start,
        distance=zero + jnp.inf,
        change=0 * start,
        trial=start,
        newton=never,
        patience=count + 3,
        lam=strong,
        residual=zero + jnp.inf,
        num_quiet=count,
        settled=never,
        num_steps=count,
    )
    end = jax.lax.while_loop(lambda state: ~state.settled & (state.num_steps < MAX_STEPS), turn, first)
    a, b, log_s, log_v = end.best
    return LossMinimum(
        jnp.hypot(a, b), jnp.arctan2(b, a), jnp.exp(log_s), log_v, end.residual, end.settled, end.num_steps
    )


def _where(condition: Array, yes: _Search, no: _Search) -> _Search:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), yes, no)
