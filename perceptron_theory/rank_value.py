"""What examples of each difficulty rank are worth: ``value_function``.

For a fixed number of examples the error is a functional of the keep probability pi(u) over difficulty rank.  Its
derivative, by implicit differentiation of the saddle point, is the value function

    v(u) = - d log(error) / d pi(u):

what one more example of rank u is worth, in relative error, per fraction of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.arguments import real_array, real_number
from data_pruning.keep_rules import KeepHard, KeepRule
from data_pruning.keep_weighted import without_weights
from perceptron_theory.labels import Labels, truth_direction
from perceptron_theory.solution import against_truth
from perceptron_theory.solver import saddle_point
from perceptron_theory.solver.batch import OnePoint, for_each_point
from perceptron_theory.solver.kept_set import probe_margin
from perceptron_theory.solver.limits import solved_unknowns
from perceptron_theory.solver.points import broadcast_shape, check_types, checked_numbers, flat_points, kind_and_lam
from perceptron_theory.solver.quadrature import Strips
from perceptron_theory.solver.saddle_point import Point
from perceptron_theory.students import MaxMargin, Student

__all__ = ["NUM_CELLS", "Problem", "one_of_each", "value_function"]

Floats = NDArray[np.float64]

NUM_CELLS = 256  # of rank, on which the value function is averaged


def value_function(
    alpha_tot: float,
    keep: KeepRule,
    theta: float,
    *,
    ranks: ArrayLike | None = None,
    student: Student = MaxMargin(),  # noqa: B008
    labels: Labels = Labels(),  # noqa: B008
) -> tuple[Floats, Floats]:
    """What examples of each rank are worth: - d log(error) / d pi(u) at a fixed number of examples, alpha_tot.

    Args:
        alpha_tot: examples per parameter before pruning, scalar.
        keep: one keep rule.
        theta: angle between probe and teacher in radians, scalar.
        ranks: edges of the cells of rank over which the value is averaged, increasing within [0, 1]; by default 256
            equal cells.
        student: the student, with scalar numbers.
        labels: the labels, with scalar numbers.

    Returns:
        ``ranks`` and the mean value over each cell, shapes (num_cells + 1,) and (num_cells,).

    Raises:
        As ``solve``; ValueError for ranks that do not increase within [0, 1].

    Example:
        >>> from math import radians
        >>> from perceptron_theory import KeepRandom, value_function
        >>> ranks, value = value_function(5, KeepRandom(0.5), radians(20), ranks=[0, 0.1, 0.5, 1])
        >>> value.round(2)  # here the middle ranks are worth most
        array([1.5 , 1.74, 1.08])
    """
    edges = np.linspace(0, 1, NUM_CELLS + 1) if ranks is None else real_array("ranks", ranks)
    if edges.ndim != 1 or edges.size < 2 or edges[0] < 0 or edges[-1] > 1 or np.any(np.diff(edges) <= 0):
        raise ValueError(f"ranks must increase within [0, 1], at least two of them, got {ranks!r}")
    problem = Problem.of(alpha_tot, theta, student, labels)
    if not isinstance(keep, KeepRule):
        raise TypeError(f"keep must be a keep rule such as KeepHard(0.2), got {keep!r}")
    without_weights(keep)
    return edges, problem.cell_values(keep._single(), edges[:-1], edges[1:])


@dataclass(frozen=True)
class Problem:
    """One point at which rules are compared."""

    alpha_tot: float
    theta: float
    student: Student
    labels: Labels

    @classmethod
    def of(cls, alpha_tot: Any, theta: Any, student: Student, labels: Labels) -> Self:
        """The point, after a check that it is one."""
        one_of_each(student, labels)
        return cls(real_number("alpha_tot", alpha_tot), real_number("theta", theta), student, labels)

    def cell_values(self, keep: KeepRule, start: Floats, stop: Floats) -> Floats:
        """Mean value over cells of rank [start, stop] under a rule."""
        aligned = self.theta == 0
        checked = checked_numbers(self.alpha_tot, self.theta)
        points, f = flat_points(checked[0], keep, checked[1], self.student, self.labels, (), aligned=aligned)
        kind, lam = kind_and_lam(self.student)
        if kind != "max-margin" and not np.all(np.asarray(lam) > 0):
            raise ValueError(f"lam must be positive for values and policies, got {self.student!r}")
        unknowns = solved_unknowns(kind, points, aligned=aligned)
        truth = np.array([[1.0, 0.0, 0.0]])
        if not self.labels.truth_is_teacher:
            truth = np.array([truth_direction(self.theta, self.labels.truth_angle, self.labels.probe_truth_angle)])
        num_cells = -(-start.size // NUM_CELLS) * NUM_CELLS
        pad = np.full(num_cells - start.size, 0.5)
        cells = [np.concatenate([edge, pad])[None] for edge in (start, stop)]
        inner, outer = probe_margin(cells[0]), probe_margin(cells[1])
        values = []
        for i in range(0, num_cells, NUM_CELLS):
            part = slice(i, i + NUM_CELLS)
            eta = np.full(1, float(self.labels.flip_probability))
            cell_slopes = for_each_point(
                _cell_slopes(kind, aligned, self.labels.noisy),
                (points, unknowns, inner[:, part], outer[:, part], eta, truth),
                lanes=1,
            )
            values.append(cell_slopes["slopes"][0])
        slopes = np.concatenate(values)[: start.size]
        return np.asarray(-slopes / (f[0] * (stop - start)))


def one_of_each(student: Student, labels: Labels) -> None:
    """Check that student and labels are of the right type and hold single numbers."""
    check_types(KeepHard(0.5), student, labels)
    shape = broadcast_shape(0.0, KeepHard(0.5), 0.0, student, labels)
    if shape != ():
        raise ValueError(f"the numbers of student and labels must be scalars here, got shape {shape}")


@cache
def _cell_slopes(kind: str, aligned: bool, noisy: bool) -> OnePoint:
    """Derivatives of log(error) by the weight of cells of |z| added to what is kept."""

    def one(
        point: Point, unknowns: jax.Array, inner: jax.Array, outer: jax.Array, eta: jax.Array, truth: jax.Array
    ) -> dict[str, jax.Array]:
        still = point._replace(strips=point.strips._replace(origin=jnp.zeros_like(point.theta)))

        def log_error(unknowns: jax.Array) -> jax.Array:
            r, omega, s = saddle_point.coordinates(kind, unknowns)
            return jnp.log(against_truth(r, omega, s, (truth[0], truth[1], truth[2]), jnp)[0])

        def promise(weight: jax.Array) -> jax.Array:
            sides = [(inner, outer)] if aligned else [(inner, outer), (-outer, -inner)]
            parts = [(*side, weight * chance, flip) for side in sides for chance, flip in _chances(eta, noisy)]
            strips = still.strips
            wrong = None
            if strips.flipped is not None:
                wrong = jnp.concatenate([strips.flipped, *(jnp.full(inner.shape, part[3]) for part in parts)])
            lower, upper, density = (
                jnp.concatenate([old, *(part[i] for part in parts)])
                for i, old in enumerate((strips.lower, strips.upper, strips.weight))
            )
            with_cells = point._replace(strips=Strips(lower, upper, density, wrong, strips.origin))
            return saddle_point.balance(kind, aligned, with_cells, unknowns)

        # response of log(error) to a change of the equations, then of the equations to the cells
        slope = jax.grad(log_error)(unknowns)
        answer = saddle_point.response(kind, aligned, still, unknowns)
        response = jax.vmap(lambda change: jnp.dot(slope, answer(change)))(jnp.eye(unknowns.size))
        slopes = jax.grad(lambda weight: jnp.dot(response, promise(weight)))(jnp.zeros_like(inner))
        return {"slopes": slopes}

    return one


def _chances(eta: Any, noisy: bool) -> list[tuple[Any, bool]]:
    return [(1 - eta, False), (eta, True)] if noisy else [(1.0, False)]
