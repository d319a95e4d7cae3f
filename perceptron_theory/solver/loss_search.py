"""The search for a regularised student, along lambda or from a student nearby; the mathematics is in ``regularised``.

The student moves smoothly with lambda.  ``minimise_loss`` follows it by Newton's method from strong regularisation,
where it is Hebb's rule, down to lambda, in stages that shrink where Newton's method does not converge at once and grow
where it does.  Where the student of a point nearby is known, Newton's method is tried there first: there is one
student, so wherever it converges is the answer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from perceptron_theory.features import Hidden, Spectrum
from perceptron_theory.solver.feature_response import response_of
from perceptron_theory.solver.least_squares import mean_example, mean_square_importance
from perceptron_theory.solver.max_margin import select
from perceptron_theory.solver.quadrature import Strips
from perceptron_theory.solver.regularised import conditions, newton_step

__all__ = ["LossMinimum", "Nearby", "minimise_loss"]

MAX_STEPS = 1500
SETTLED = 1e-13  # relative change of the error that the next Newton step would make, below which the search ends
RESTLESS = 1e-10  # the same where rounding stops the steps from shrinking further: three in a row end the search
ILL_CONDITIONED = 1e-8  # the same for thin strips, wrong labels and tiny lambda, whose equations are nearly dependent:
MOST_QUIET = 20  # so many in a row, none of which was smaller by more than chance, end the search
CLOSE = 1e-3  # size of the next Newton step below which a stage is done
STRONG = 100.0  # lambda of the first stage over that at which outputs are of order 1
FIRST_STAGE, LONGEST_STAGE = np.log(8.0), np.log(100.0)  # of log lambda


class LossMinimum(NamedTuple):
    """Solution of one point."""

    unknowns: Array  # (A, B, log s, log V), shape (4,); m = (A, B)
    residual: Array
    converged: Array
    num_steps: Array


class Nearby(NamedTuple):
    """The student of a point nearby."""

    unknowns: Any  # as in ``LossMinimum``
    there: Any  # whether they are known
    close: Any  # whether that point is near enough


def _log_error(unknowns: Array) -> Array:
    """Logarithm of the test error against the teacher."""
    return jnp.log(jnp.arctan2(jnp.hypot(jnp.exp(unknowns[2]), unknowns[1]), unknowns[0]) / jnp.pi)


class _Path(NamedTuple):
    """The student at the end of the last stage, and the one that is on its way to the end of this stage."""

    base: Array  # (A, B, log s, log V)
    base_lam: Array
    stage: Array  # length of this stage in log lambda
    lam: Array  # its end
    trial: Array
    size: Array  # of the last Newton step
    tries: Array  # Newton steps in this stage
    num_quiet: Array
    settled: Array
    num_steps: Array


def minimise_loss(
    loss: str,
    alpha_prune: Array,
    strips: Strips,
    theta: Array,
    lam: Array,
    features: Hidden | Spectrum | None = None,
    known: tuple[Array, Array] | None = None,
    near: Nearby | None = None,
    *,
    aligned: bool,
) -> LossMinimum:
    """Solve one point of hinge or logistic loss.

    Args:
        loss: as in ``conditions``; so the others.
        alpha_prune: see there.
        strips: see there.
        theta: see there.
        lam: see there.
        features: see there.
        known: unknowns of this point at a larger lambda, and that lambda, from which the path goes on; None starts
            it at strong regularisation.
        near: the student of a point nearby, at which Newton's method is tried first.
        aligned: see there.
    """

    def turn(path: _Path) -> _Path:
        trial = path.trial
        equations = conditions(
            loss, alpha_prune, strips, theta, path.lam, trial, features, aligned=aligned, in_blocks=True
        )
        step = newton_step(equations, equations.value, trial)
        length = jnp.hypot(jnp.hypot(trial[0], trial[1]), jnp.exp(trial[2]))
        size = jnp.max(jnp.abs(step) / jnp.stack([length, length, jnp.ones_like(length), jnp.ones_like(length)]))
        good = jnp.all(jnp.isfinite(step))
        log_error_change = jnp.abs(jnp.dot(jax.grad(_log_error)(trial), step))
        last = path.lam <= lam
        num_quiet = jnp.where((log_error_change < ILL_CONDITIONED) & (size < 1e-6) & last, path.num_quiet + 1, 0)
        quiet = ((log_error_change < RESTLESS) & (num_quiet >= 3)) | (num_quiet >= MOST_QUIET)
        settled = good & last & (((log_error_change < SETTLED) & (size < 1e-7)) | quiet)

        limit = jnp.minimum(1.0, 1.5 / jnp.maximum(size, 1e-300))  # no number changes out of all proportion
        if aligned:  # the student never turns away from the teacher
            limit = jnp.minimum(limit, 0.9 * trial[0] / jnp.maximum(-step[0], 1e-300))
        onwards = path._replace(trial=trial + limit * step, size=size, tries=path.tries + 1)
        lost = ~good | ((size > 1e-5) & (((size > 0.7 * path.size) & (path.tries >= 2)) | (path.tries >= 12)))

        def begin(base: Array, base_lam: Array, stage: Array) -> _Path:
            return path._replace(
                base=base,
                base_lam=base_lam,
                stage=stage,
                lam=jnp.maximum(lam, base_lam * jnp.exp(-stage)),
                trial=base,
                size=jnp.full_like(size, jnp.inf),
                tries=jnp.zeros_like(path.tries),
            )

        arrived = good & ~last & (size < CLOSE)
        chosen = select(lost, begin(path.base, path.base_lam, path.stage / 3), onwards)
        chosen = select(
            arrived, begin(trial + limit * step, path.lam, jnp.minimum(2 * path.stage, LONGEST_STAGE)), chosen
        )
        stopped = path._replace(trial=trial, size=size)
        return select(settled, stopped, chosen)._replace(
            num_quiet=num_quiet, settled=settled, num_steps=path.num_steps + 1
        )

    zero = jnp.zeros_like(alpha_prune)
    pull, second_moment = strips, jnp.ones_like(alpha_prune)
    if strips.importance is not None:
        pull = strips._replace(weight=strips.weight * strips.importance)
        second_moment = mean_square_importance(strips, theta, aligned=aligned)
    mean_teacher, mean_rest = mean_example(pull, theta, aligned=aligned)
    strong = jnp.maximum(lam, STRONG * alpha_prune * (1 + mean_teacher**2 + mean_rest**2))
    force = 0.5 if loss == "logistic" else 1.0  # at output 0
    weak = response_of(features, strong, zero)
    cosine, sine = jnp.cos(theta), jnp.sin(theta)  # of the probe
    along = force * alpha_prune * (cosine * mean_teacher + sine * mean_rest) / weak.drag_along
    across = force * alpha_prune * (cosine * mean_rest - sine * mean_teacher) / weak.drag_across
    free = weak.spread * force**2 * alpha_prune * second_moment
    bound = weak.excess_along * along**2 + weak.excess_across * across**2
    start = jnp.stack(
        [
            cosine * along - sine * across,
            sine * along + cosine * across,
            0.5 * jnp.log(free + bound),
            jnp.log(weak.v),
        ]
    )
    stage, end_of_stage = zero + FIRST_STAGE, strong
    if known is not None:
        start, strong = known
        stage, end_of_stage = zero + LONGEST_STAGE, jnp.maximum(lam, strong * jnp.exp(-LONGEST_STAGE))
    count = jnp.zeros_like(alpha_prune, dtype=int)
    first = _Path(
        base=start,
        base_lam=strong,
        stage=stage,
        lam=end_of_stage,
        trial=start,
        size=zero + jnp.inf,
        tries=count,
        num_quiet=count,
        settled=jnp.zeros_like(alpha_prune, dtype=bool),
        num_steps=count,
    )
    if near is not None:  # a last stage that, where it is lost, is begun anew as the first
        tried = first._replace(stage=3 * stage, lam=lam, trial=near.unknowns)
        first = select(near.there & near.close, tried, first)
    end = jax.lax.while_loop(lambda path: ~path.settled & (path.num_steps < MAX_STEPS), turn, first)
    return LossMinimum(end.trial, end.size, end.settled, end.num_steps)
