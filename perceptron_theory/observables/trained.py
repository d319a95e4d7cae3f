"""A trained student as NumPy numbers, and averages over its kept examples: what all observables start from.

Notation as in ``regularised``: the student has the part m in the teacher-probe plane and a part of length s outside
it; omega = y m.u + s g is the output times label that it would have given a kept example without training on it, h its
output times label after.  Every student is h = prox(omega) of some loss; that of the max-margin student is a wall at
output 1, h = max(omega, 1), with lambda = 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from data_pruning.compilation import quickly_compiled
from data_pruning.keep_rules import KeepRule
from data_pruning.keep_weighted import without_weights
from perceptron_theory.labels import Labels, truth_direction
from perceptron_theory.solution import against_truth
from perceptron_theory.solver.limits import solve_points
from perceptron_theory.solver.loss_channels import LOGISTIC_STEPS
from perceptron_theory.solver.max_margin import across_moments
from perceptron_theory.solver.points import broadcast_shape, check_types, checked_numbers, flat_points, kind_and_lam
from perceptron_theory.solver.quadrature import FAR, REACH, STEP, Strips, kept_lines
from perceptron_theory.students import Student

__all__ = [
    "Gauss",
    "Lines",
    "Trained",
    "bends",
    "gauss",
    "kinks_of",
    "lines_of",
    "one_number",
    "one_row",
    "train",
    "truth_of",
]


Floats = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_PANELS = np.linspace(-REACH, REACH, 9)


class Trained(NamedTuple):
    """A trained student on the scale on which its loss is that of ``loss``; all numbers are scalars."""

    loss: str
    lam: float
    alpha_prune: float
    r: float  # |m|
    omega: float  # angle of m to the teacher
    s: float
    v: float  # V
    error: float
    fraction: float
    theta: float
    aligned: bool
    strips: Strips


class Lines(NamedTuple):
    """``KeptLines`` with the second field always v, across the student; arrays of shape (num_lines,)."""

    t: Floats
    weight: Floats
    u0: Floats
    across1: Floats
    across2: Floats


class Gauss(NamedTuple):
    """Quadrature of a standard normal; arrays of shape (..., num_nodes)."""

    at: Floats
    weight: Floats  # Gaussian density included


def one_row(tree: Any) -> Any:
    """The only row of flattened points, margins measured from 0."""
    return jax.tree.map(lambda a: a[0], tree)._replace(origin=np.zeros(()))


def one_number(alpha_tot: Any, keep: Any, theta: Any, student: Student, labels: Labels) -> tuple[Floats, Floats]:
    """alpha_tot and theta, after a check that everything is one number."""
    alpha, angle = checked_numbers(alpha_tot, theta)
    shape = broadcast_shape(alpha, keep, angle, student, labels)
    if shape != ():
        raise ValueError(f"one point at a time: alpha_tot, keep, theta, student and labels have shape {shape}")
    return alpha, angle


def train(alpha_tot: Any, keep: Any, theta: Any, student: Student, labels: Labels) -> Trained:
    """Solve one point; the max-margin student comes out on the scale of margin 1."""
    check_types(keep, student, labels)
    without_weights(keep)
    alpha, angle = one_number(alpha_tot, keep, theta, student, labels)
    loss, lam = kind_and_lam(student)
    if loss != "max-margin" and float(lam) == 0:
        raise ValueError(f"lam must be positive here, got {student!r}: use a small lam, or MaxMargin()")
    aligned = bool(angle == 0) and isinstance(keep, KeepRule)
    points, fraction = flat_points(alpha, keep, angle, student, labels, (), aligned=aligned)
    found = {name: float(value[0]) for name, value in solve_points(loss, points, aligned=aligned).items()}
    if found["converged"] != 1:
        raise RuntimeError(f"no convergence at alpha_tot = {float(alpha):.6g}, theta = {float(angle):.6g}, {keep}")
    strips, alpha_prune = one_row(points.strips), float(points.alpha_prune[0])
    r, omega, s, v, lam = found["r"], found["omega"], found["s"], found["v"], float(lam)
    if loss == "max-margin":  # to margin 1 and lambda = 1
        r, s, lam = r / v, 1 / v, 1.0
        lines = lines_of(strips, float(angle), omega, *bends(loss, r, s, 1.0), aligned=aligned)
        v = 1 - alpha_prune * float(lines.weight @ (ndtr((1 - r * lines.t) / s) * lines.u0))
    error = float(np.exp(found["log_error"]))
    trained = Trained(loss, lam, alpha_prune, r, omega, s, v, error, float(fraction[0]), float(angle), aligned, strips)
    if labels.truth_is_teacher:
        return trained
    return trained._replace(
        error=float(against_truth(trained.r, trained.omega, trained.s, truth_of(trained, labels))[0])
    )


def truth_of(trained: Trained, labels: Labels) -> tuple[float, float, float]:
    """Components of the truth along the teacher, the rest of the probe, and outside."""
    if labels.truth_is_teacher:
        return 1.0, 0.0, 0.0
    found = truth_direction(trained.theta, labels.truth_angle, labels.probe_truth_angle)
    return float(found[0]), float(found[1]), float(found[2])


@quickly_compiled(static_argnames="aligned")
def _compiled_lines(strips: Strips, theta: Any, omega: Any, steps: Any, top: Any, *, aligned: bool) -> Any:
    line = kept_lines(strips, theta, omega, steps, top, aligned=aligned)
    return line.t, line.weight, line.u0, *across_moments(line, theta, omega, aligned=aligned)


def lines_of(strips: Strips, theta: float, omega: float, steps: Floats, top: float, *, aligned: bool) -> Lines:
    """Lines of kept examples for a function of the field that bends at ``steps`` and ends at ``top`` (see there)."""
    steps = np.clip(steps, -REACH, REACH)
    with jax.enable_x64(True):
        # of one type always, or there would be a second program
        found = _compiled_lines(strips, theta, omega, steps, float(min(top, FAR)), aligned=aligned)
        return Lines(*(np.asarray(field) for field in found))


def bends(loss: str, r: float, s: float, v: float) -> tuple[Floats, float]:
    """Fields t between which averages over g are smooth, and beyond which the loss is flat."""
    kinks = kinks_of(loss, v)
    if loss == "square":
        return np.zeros(1), REACH
    steps = kinks if loss == "logistic" else (kinks[:, None] + s * STEP * np.array([-1.0, 0.0, 1.0])).ravel()
    return steps / r, (float(kinks[-1]) + s * REACH) / r


def kinks_of(loss: str, v: float) -> Floats:
    """Outputs omega between which M' is smooth."""
    kinks = {"max-margin": np.ones(1), "hinge": np.array([1 - v, 1.0]), "square": np.zeros(0)}
    return kinks[loss] if loss in kinks else np.asarray(LOGISTIC_STEPS - v * expit(-LOGISTIC_STEPS))


def gauss(breaks: Floats | None = None) -> Gauss:
    """Nodes of a standard normal on panels that end at ``breaks``, shape (..., num_breaks)."""
    ends = _PANELS
    if breaks is not None:
        uniform = np.broadcast_to(_PANELS, (*breaks.shape[:-1], _PANELS.size))
        ends = np.sort(np.concatenate([uniform, np.clip(breaks, -REACH, REACH)], axis=-1), axis=-1)
    half = 0.5 * np.diff(ends, axis=-1)[..., None]
    at = (ends[..., :-1, None] + half * (1 + _NODES)).reshape(*ends.shape[:-1], -1)
    weight = (half * _WEIGHTS).reshape(at.shape) * np.exp(-0.5 * at * at) / np.sqrt(2 * np.pi)
    return Gauss(at, weight)
