"""Margins of kept and of dropped examples under a trained student: ``margin_distribution``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, ndtr, owens_t

from data_pruning.arguments import real_array
from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_rules import KeepRule
from perceptron_theory.labels import Labels
from perceptron_theory.observables.trained import Trained, lines_of, train
from perceptron_theory.solver.quadrature import REACH, STEP
from perceptron_theory.students import MaxMargin, Student

__all__ = ["MarginDistribution", "margin_distribution"]


Floats = NDArray[np.float64]
_SMALLEST_SHARE = 1e-9  # fraction dropped below which there is no distribution of dropped examples


@dataclass(frozen=True)
class MarginDistribution:
    """Distribution of the normalised margin y w.x / |w|, x ~ N(0, I_N), of a trained student.

    Attributes:
        margin: where it was asked for; the next four have its shape.
        kept: density of the margins of kept examples after training, the atom left out; integrates to 1 - atom.
        kept_cumulative: fraction of the kept examples with margin at most ``margin``, the atom included.
        dropped: density of the margins of dropped examples; NaN where all are kept.
        dropped_cumulative: fraction of the dropped examples with margin at most ``margin``; NaN where all are kept.
        atom_margin: the margin that a finite fraction of the kept examples share: that of the support vectors of the
            max-margin student (kappa) or of the hinge loss (1 / |w|); NaN for smooth losses.
        atom: fraction of the kept examples there; 0 for smooth losses.
        fraction: f, the fraction of the examples kept.
    """

    margin: Any
    kept: Any
    kept_cumulative: Any
    dropped: Any
    dropped_cumulative: Any
    atom_margin: float
    atom: float
    fraction: float


def margin_distribution(
    alpha_tot: float,
    keep: KeepRule | KeepByLabel,
    theta: float,
    margin: ArrayLike,
    *,
    student: Student = MaxMargin(),  # noqa: B008  (frozen)
    labels: Labels = Labels(),  # noqa: B008
) -> MarginDistribution:
    """Margins of kept examples, which the student has fitted, and of dropped ones, which it has never seen.

    A kept example has margin h / n, n = |w|, so that with <.> the average over kept examples of label +1

        kept_cumulative(x) = <Phi((omega(x n) - m.u) / s)>,    omega(h) = h + V l'(h) the inverse of h = prox(omega).

    Max margin: omega(h) = h above h = 1, and all weight below is pushed to 1, the atom.  Hinge: omega(h) = h - V below
    1 and h above, the weight between pushed to 1.  Square: omega(h) = (1 + V) h - V.  Logistic: h - V / (1 + exp h).
    Dropped examples have not moved the student: their margins are those of all new examples less f times those of kept
    ones before training, omega / n, over 1 - f.  All new examples together have the density
    2 phi(x) Phi(x R / sqrt(1 - R^2)), R the teacher overlap, if no label is flipped.

    Args:
        alpha_tot: examples per parameter before pruning, one number; ranges as in ``solve``.
        keep: one keep rule.
        theta: angle between probe and teacher in radians, in [0, pi/2], one number.
        margin: where to evaluate, finite, any shape, in standard deviations of w.x / |w|.
        student: what was minimised; lambda > 0 for regularised students.
        labels: the labels; margins are y w.x with y as labelled, and the truth does not matter.

    Returns:
        The densities and cumulative distributions; absolute accuracy about 1e-11, over 1 - f for dropped examples.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or not one number.
        RuntimeError: the saddle point did not converge.

    Source: for the max-margin student Gardner (J. Phys. A 21, 1988) and Kepler and Abbott (J. Physique 49, 1988);
        in general h = prox(omega) of Thrampoulidis, Abbasi and Hassibi (IEEE Trans. Inf. Theory 64, 2018).
    """
    x = real_array("margin", margin)
    trained = train(alpha_tot, keep, theta, student, labels)
    norm, flat = float(np.hypot(trained.r, trained.s)), x.reshape(-1)
    level, slope = _untrained_output(trained, flat * norm)
    density, cumulative = numbers_in(trained, level)
    atom, atom_margin = 0.0, float("nan")
    kept, kept_cumulative = density * slope * norm, cumulative
    if trained.loss in ("max-margin", "hinge"):
        atom_margin = 1 / norm
        atom = float(numbers_in(trained, np.ones(1))[1][0])
        if trained.loss == "hinge":
            atom -= float(numbers_in(trained, np.array([1 - trained.v]))[1][0])
        else:
            kept = np.where(flat * norm < 1, 0.0, kept)
            kept_cumulative = np.where(flat * norm < 1, 0.0, kept_cumulative)
    dropped = dropped_cumulative = np.full(flat.size, np.nan)
    if 1 - trained.fraction > _SMALLEST_SHARE:
        before, before_cumulative = numbers_in(trained, flat * norm)
        everyone, everyone_cumulative = _new_examples(trained, float(labels.flip_probability), flat)
        dropped = (everyone - trained.fraction * before * norm) / (1 - trained.fraction)
        dropped_cumulative = (everyone_cumulative - trained.fraction * before_cumulative) / (1 - trained.fraction)
    arrays = {"margin": flat, "kept": kept, "kept_cumulative": kept_cumulative}
    arrays |= {"dropped": dropped, "dropped_cumulative": dropped_cumulative}
    shaped = {name: value.reshape(x.shape)[()] for name, value in arrays.items()}
    return MarginDistribution(**shaped, atom_margin=atom_margin, atom=atom, fraction=trained.fraction)


def _untrained_output(trained: Trained, h: Floats) -> tuple[Floats, Floats]:
    """omega(h), the output before training of an example that ends at h, and its slope."""
    v = trained.v
    if trained.loss == "square":
        return (1 + v) * h - v, np.full_like(h, 1 + v)
    if trained.loss == "logistic":
        return h - v * expit(-h), 1 + v * expit(h) * expit(-h)
    return (np.where(h < 1, h - v, h) if trained.loss == "hinge" else h), np.ones_like(h)


def numbers_in(trained: Trained, level: Floats) -> tuple[Floats, Floats]:
    """Density and cumulative distribution at each ``level`` of omega over kept examples."""
    r, s = trained.r, trained.s
    density, cumulative = np.zeros(level.size), np.zeros(level.size)
    for i, x in enumerate(level):
        steps = (x + s * np.array([-STEP, -STEP / 3, 0.0, STEP / 3])) / r
        top = (x + s * REACH) / r
        lines = lines_of(trained.strips, trained.theta, trained.omega, steps, top, aligned=trained.aligned)
        d, mass = (x - r * lines.t) / s, lines.weight * lines.u0
        density[i] = mass @ np.exp(-0.5 * d * d) / (np.sqrt(2 * np.pi) * s)
        cumulative[i] = mass @ ndtr(d)
    return density, cumulative


def _new_examples(trained: Trained, eta: float, x: Floats) -> tuple[Floats, Floats]:
    """Density and cumulative distribution of the margin of all new examples, kept or not."""
    along = trained.r * np.cos(trained.omega)
    slope = along / np.hypot(trained.s, trained.r * np.sin(trained.omega))
    right, skew = ndtr(slope * x), 2 * owens_t(x, slope)
    density = 2 * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi) * ((1 - eta) * right + eta * (1 - right))
    return density, ndtr(x) - (1 - 2 * eta) * skew
