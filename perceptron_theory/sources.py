"""Where the error of a student comes from: what it cannot see, what the examples do not say, wrong labels, its loss.

A student of M of the features, trained on alpha M examples that were not selected, errs for four reasons, named as in
Rosenfeld's thesis (Scaling Laws for Deep Learning, 2021):

    realizability         psi / pi                   the best student in the class: the part of the teacher that is seen
    uncertainty           B(alpha, 0) - psi / pi     too few examples to tell which it is
    noise                 B(alpha, eta) - B(alpha, 0)  wrong labels
    learning deficiency   error - B(alpha, eta)      what the loss does not make of the examples

B is the test error of the Bayes-optimal student, which knows how the teacher was drawn: each is at least 0, and they
add up to the error.  With a teacher whose parts tau_k are seen but for a sum h that is hidden, the unseen part of its
field being noise, the Bayes-optimal overlap q with the teacher solves (Opper and Haussler 1991; Barbier et al. 2019
prove it)

    1 - q = h + sum tau_k / (1 + tau_k Q)         Q = n / (1 - q) E_g sum_y phi(x)^2 (1 - 2 eta)^2 / P_y(x)

with x = sqrt(q / (1 - q)) g, g a standard normal, P_y(x) = eta + (1 - 2 eta) Phi(y x) and n examples;
B = arccos(sqrt q) / pi.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize.elementwise import find_root
from scipy.special import log_ndtr

from data_pruning.keep_rules import KeepRandom
from perceptron_theory.features import Features, SeenFeatures, Spectrum
from perceptron_theory.labels import Labels
from perceptron_theory.solution import solve
from perceptron_theory.solver.points import (
    ALPHA_PRUNE_RANGE,
    Floats,
    broadcast_shape,
    check_not_traced,
    check_types,
    checked_numbers,
)
from perceptron_theory.students import MaxMargin, Student

__all__ = ["ErrorSources", "bayes_error", "error_sources"]

FARTHEST, STEP = 12.0, 0.0625  # of the trapezoidal rule for a Gaussian average: exact to rounding
LEAST_LOG = -90.0  # of log(1 - q)


@dataclass(frozen=True)
class ErrorSources:
    """The parts of a test error; every field has the broadcast shape of the arguments of ``error_sources``.

    Attributes:
        realizability: error of the best student that sees these features.
        uncertainty: what the Bayes-optimal student adds with these examples if no label is wrong.
        noise: what wrong labels add to that.
        learning_deficiency: what the student adds to the Bayes-optimal one.
        bayes: the Bayes-optimal error, the sum of the first three.
        error: the student's error, the sum of all four.
    """

    realizability: Any
    uncertainty: Any
    noise: Any
    learning_deficiency: Any
    bayes: Any
    error: Any


def error_sources(
    alpha_tot: ArrayLike,
    *,
    student: Student = MaxMargin(),  # noqa: B008  (frozen)
    labels: Labels = Labels(),  # noqa: B008
    features: Features | None = None,
) -> ErrorSources:
    """The exact parts of the test error of a student that is trained on examples which were not selected.

    A probe that selects examples knows something of the teacher, so that a student of what it kept may err less than
    the Bayes-optimal student of as many examples: for pruned data there is no such split.

    Args:
        alpha_tot: examples per parameter of the student.
        student: what is minimised, for instance with the lambda of ``best_ridge``.
        labels: the labels, given by the truth itself (flipped or not).
        features: what the student sees of the features; None is all of them, of equal variance.

    Returns:
        The parts.

    Raises:
        TypeError, ValueError, RuntimeError: as ``solve``, or labels by a teacher other than the truth.
    """
    check_types(KeepRandom(1.0), student, labels, features)
    bayes = bayes_error(alpha_tot, labels=labels, features=features)
    right = bayes_error(alpha_tot, features=features)
    # the probe is not asked: it may be any that can be
    found = solve(
        alpha_tot,
        KeepRandom(1.0),
        np.pi / 2 if _own_probe(features) else 0.0,
        student=student,
        labels=labels,
        features=features,
    )
    hidden = np.asarray(0.0 if features is None else features.hidden_part())
    realizability = np.arctan2(np.sqrt(hidden), np.sqrt(1 - hidden)) / np.pi
    parts = np.broadcast_arrays(
        realizability, right - realizability, bayes - right, found.error - bayes, bayes, found.error
    )
    return ErrorSources(*(np.array(part) if part.shape else part.item() for part in parts))


def bayes_error(
    alpha_tot: ArrayLike,
    *,
    labels: Labels = Labels(),  # noqa: B008  (frozen)
    features: Features | None = None,
) -> Any:
    """The lowest test error that any student of these features can have, given examples that were not selected.

    Args:
        alpha_tot: examples per feature that is seen, in [1e-3, 1e5].
        labels: the labels, given by the truth itself (flipped or not).
        features: what is seen of the features; None is all of them, of equal variance.  Their variances do not matter,
            only the teacher's parts.

    Returns:
        The error, in (0, 1/2); of the broadcast shape of the arguments, a plain number if that is ().

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or labels by a teacher other than the
            truth.
        RuntimeError: no solution was found.
    """
    check_types(KeepRandom(1.0), MaxMargin(), labels, features)
    check_not_traced("bayes_error", alpha_tot, labels, features)
    if not labels.truth_is_teacher:
        raise ValueError(f"the Bayes error is that against the teacher, got {labels!r}")
    alpha, _ = checked_numbers(alpha_tot, 0.0)
    low, high = ALPHA_PRUNE_RANGE
    if not np.all((alpha >= low) & (alpha <= high)):
        raise ValueError(f"alpha_tot must lie in [{low:g}, {high:g}], got {alpha_tot!r}")
    shape = broadcast_shape(alpha, KeepRandom(1.0), 0.0, MaxMargin(), labels, features)
    if 0 in shape:
        return np.zeros(shape)
    alpha, eta = (np.broadcast_to(x, shape).reshape(-1) for x in (alpha, labels.flip_probability))
    share, per_seen, hidden = (a.reshape(alpha.size, -1) for a in _parts(features, shape))
    hidden = hidden[:, 0]

    def excess(log_rest: Floats, row: Any) -> Floats:
        at, rest = np.asarray(row, int), np.exp(log_rest)  # rest = 1 - q
        told = alpha[at] / rest * _information(rest, eta[at])
        unknown = np.sum(share[at] / (1 + per_seen[at] * told[..., None]), axis=-1)
        return np.log(hidden[at] + unknown) - log_rest

    rows = np.arange(alpha.size)
    found = find_root(excess, (np.full(alpha.size, LEAST_LOG), np.zeros(alpha.size)), args=(rows,))
    if not np.all(found.success):
        i = int(np.argmin(found.success))
        raise RuntimeError(f"no Bayes error found at alpha_tot = {alpha[i]:g}, {features}, {labels}")
    rest = np.exp(found.x)
    error = (np.arctan2(np.sqrt(rest), np.sqrt(1 - rest)) / np.pi).reshape(shape)
    return error if shape else error.item()


def _own_probe(features: Features | None) -> bool:
    """Whether the probe sees what the student sees, and so cannot be the teacher."""
    return isinstance(features, SeenFeatures) and features.probe == "seen"


def _parts(features: Features | None, shape: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    """Teacher's parts summed over the features that each node stands for, M times that of one of them, and h."""
    if features is None or isinstance(features, SeenFeatures):
        hidden = np.broadcast_to(0.0 if features is None else features.hidden_part(), shape)
        return 1 - hidden, 1 - hidden, hidden
    spectrum = features.structure(0.0, shape)
    assert isinstance(spectrum, Spectrum)
    one = np.where(spectrum.count > 0, spectrum.count, 1.0)
    return spectrum.share, spectrum.share / one, spectrum.hidden


def _information(rest: Floats, eta: Floats) -> Floats:
    """E_g sum_y phi(x)^2 (1 - 2 eta)^2 / P_y(x), with rest = 1 - q.

    Both Gaussian densities together are one in x / sqrt q, in which P and the rest of the density are smooth.
    """
    z = np.arange(-FARTHEST, FARTHEST + STEP / 2, STEP)
    x = np.sqrt(1 - rest)[..., None] * z
    eta = eta[..., None]
    with np.errstate(divide="ignore"):
        log_p = np.logaddexp(np.log(eta), np.log1p(-2 * eta) + log_ndtr(x))
    density = np.exp(-0.5 * (z * z + x * x) - log_p) / (2 * np.pi)
    return (1 - 2 * eta[..., 0]) ** 2 * np.sqrt(2 * rest / np.pi) * STEP * density.sum(-1)
