"""Probes that learned: a perceptron trained on examples of its own, whose angle to the teacher is measured.

Difficulty is the distance to the probe's hyperplane, so of all that the probe has learned only its direction counts,
and of that, the pool being isotropic, only the angle to the teacher.  Once the angle is measured, the pool is drawn as
for a probe at this exact angle, which is exact in distribution because the pool does not contain the probe's examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from data_pruning.arguments import integer, number
from perceptron_theory import MaxMargin, Student
from simulations.students.solvers import quick_solver_of, solver_of

__all__ = ["PerceptronRule", "TrainedProbe", "learned_angle"]


@dataclass(frozen=True)
class PerceptronRule:
    """Rosenblatt's perceptron: w <- w + y x for each example that w gets wrong, one after the other, from w = 0.

    Attributes:
        epochs: passes through the examples, at least 1.

    Source: Rosenblatt, Psychological Review 65 (1958).
    """

    epochs: int = 1

    def __post_init__(self) -> None:
        integer("epochs", self.epochs, 1)


@dataclass(frozen=True)
class TrainedProbe:
    """A probe trained on labelled examples of its own.

    Attributes:
        alpha: examples per parameter it is trained on, > 0; they are not part of the pool.
        student: how it is trained: a student, trained to its optimum, or ``PerceptronRule(epochs)``.
    """

    alpha: float
    student: Student | PerceptronRule = MaxMargin()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        if number("alpha", self.alpha) <= 0:
            raise ValueError(f"alpha, the probe's examples per parameter, must be positive, got {self.alpha!r}")
        if not isinstance(self.student, PerceptronRule):
            solver_of(self.student)

    def num_examples(self, num_features: int) -> int:
        """Examples in the training set of a probe with so many parameters.

        Raises:
            ValueError: none.
        """
        count = round(self.alpha * num_features)
        if count < 1:
            raise ValueError(f"alpha = {self.alpha:g} of the probe with num_features = {num_features} gives no example")
        return count


def learned_angle(
    key: Array, probe: TrainedProbe, num_features: int, flip_probability: Array | float, *, quick: bool = False
) -> tuple[Array, Array]:
    """Train a probe and measure its angle to the teacher.

    Args:
        key: JAX random key.
        probe: how the probe is trained.
        quick: whether to take a solver that compiles faster and may end without a certificate, where there is one.
        num_features: N.
        flip_probability: probability that a label of its examples is not the teacher's.

    Returns:
        The angle in radians, in [0, pi], and the certificate of the probe's optimality, 0 for one that is not to be
        optimal.

    Pure and traceable; call it under ``jax.enable_x64``.
    """
    num_examples = probe.num_examples(num_features)
    inputs_key, flips_key = jax.random.split(key)
    inputs = jax.random.normal(inputs_key, (num_examples, num_features), float)
    flipped = jax.random.uniform(flips_key, (num_examples,), float) < flip_probability
    label = jnp.sign(inputs[:, 0]) * jnp.where(flipped, -1.0, 1.0)  # the first coordinate is along the teacher
    examples = label[:, None] * inputs / jnp.sqrt(num_features)
    if isinstance(probe.student, PerceptronRule):
        w, gap = _perceptron(examples, probe.student.epochs), jnp.zeros((), inputs.dtype)
    else:
        fit, lam = solver_of(probe.student)
        if quick:
            fit = quick_solver_of(probe.student) or fit
        found = fit(examples, jnp.asarray(lam, inputs.dtype))
        w, gap = found.weights, found.gap
    return jnp.arctan2(jnp.linalg.norm(w[1:]), w[0]), gap


def _perceptron(examples: Array, epochs: int) -> Array:
    def learn(w: Array, example: Array) -> tuple[Array, None]:
        return w + jnp.where(w @ example > 0, 0.0, example), None

    def epoch(_: int, w: Array) -> Array:
        return jax.lax.scan(learn, w, examples)[0]

    return jax.lax.fori_loop(0, epochs, epoch, jnp.zeros(examples.shape[1], examples.dtype))
