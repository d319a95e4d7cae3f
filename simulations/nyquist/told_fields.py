"""Perceptrons told the field: N parameters, n kept examples with the label T.x, learned by minimum-norm least squares.

Examples are x ~ N(0, I_N), ranked by the margin |z|, z = J.x, of a probe J at the angle theta to the teacher T of norm
1, and kept by a rule.  The student is the solution w of least norm of X w = X T.  (``perceptron_theory.SquareLoss`` is
another student: it is told sign(T.x), and fits that by least squares.)

**What is left.**  w = P T with P the projector on the span of the rows of X, so that |w - T|^2 = T (I - P) T = sin^2 of
the angle between student and teacher.  From n = N on rows in general position span everything: zero, for every rule.
Below, a row is z along J and independent normal numbers along the N - 1 directions orthogonal to J.  With W = G G^T of
the latter, the Sherman-Morrison formula gives J (I - P) J = 1 / (1 + z W^-1 z), and z W^-1 z = |z|^2 / chi^2 with chi^2
of N - n degrees of freedom (inverse Wishart), |z|^2 the sum over kept examples.  So exactly, for given margins,

    E J (I - P) J = E chi^2 / (chi^2 + |z|^2),       E K (I - P) K = (N - n - E J (I - P) J) / (N - 1),

the second for each K orthogonal to J, by symmetry and tr(I - P) = N - n.  For N to infinity at a = n/N

    E sin^2 = cos^2 theta (1 - a) / (1 - a + a v) + sin^2 theta (1 - a),

v the mean square of the kept margins: 1 - a for random examples (v = 1), more for hard ones, less for easy ones.  What
makes an example worth keeping for its class, that it lies near the border, makes its field worth less.

**Noise** of standard deviation sigma on T.x adds sigma^2 E tr (X X^T)^-1 (above n = N: (X^T X)^-1).  The same steps,
with E tr W^-1 = n/(N - n - 2) and Schur complements, give for given margins

    (n - 1 + (N - 2) E 1/(chi^2 + |z|^2)) / (N - n - 1)  for n <= N - 2,
    (N - 1 + (n - 2) / |z|^2) / (n - N - 1)              for n >= N + 2,

for N to infinity a / (1 - a) and 1 / (a - 1), whatever the rule: the peak of double descent, infinite in between.  A
share u of |T|^2 along features that the student does not see is such noise for random examples: of variance u, beside a
teacher of norm^2 1 - u.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import erfinv
from tqdm import trange

from data_pruning import KeepRule
from data_pruning.arguments import check_real, integer
from simulations.nyquist.laws import CUTOFF

__all__ = ["ToldFields", "expected_square_distance", "kept_margin_square", "square_distance_law", "tell_fields"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ToldFields:
    """Students told the field, one entry per trial.

    Attributes:
        square_distances: |w - T|^2, T the part of the teacher that the student sees; sin^2 of the angle without noise.
        errors: angle between w and T over pi, the test error on classes.
        margin_squares: sum of z^2 over the kept examples.
        num_kept: kept examples, n.
        num_features: parameters of a student, N.
    """

    square_distances: Floats
    errors: Floats
    margin_squares: Floats
    num_kept: int
    num_features: int


def tell_fields(
    alpha_tot: float,
    keep: KeepRule,
    theta: float = 0.0,
    num_features: int = 200,
    num_trials: int = 40,
    seed: int = 0,
    *,
    noise: float = 0.0,
    unseen: float = 0.0,
    progress: bool = False,
) -> ToldFields:
    """Train students on fields T.x of pruned examples.

    As in ``simulations.ensemble`` margins are drawn for the whole pool, the other coordinates for what is kept.

    Args:
        alpha_tot: examples per parameter before pruning, > 0.
        keep: one keep rule without weights.
        theta: angle between probe and teacher in radians, in [0, pi/2]; they differ in features that the student sees.
        num_features: N, features that the student sees, at least 2.
        num_trials: independent trials, at least 1.
        seed: non-negative integer.
        noise: standard deviation of the noise of a label, at least 0.
        unseen: share of |T|^2 along features that the student does not see, in [0, 1); the probe sees them.
        progress: show a progress bar on stderr.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or a rule that keeps nothing.
    """
    num_features, num_trials = integer("num_features", num_features, 2), integer("num_trials", num_trials, 1)
    for name, value, interval in (("alpha_tot", alpha_tot, "(0, inf)"), ("noise", noise, "[0, inf)")):
        check_real(name, value, interval)
    check_real("unseen", unseen, "[0, 1)")
    _check_theta(theta)
    _check_rule(keep)
    num_examples = max(1, round(alpha_tot * num_features))
    seen_part, hidden_part = np.sqrt(1 - unseen), np.sqrt(unseen)
    columns: dict[str, list[float]] = {"square_distances": [], "errors": [], "margin_squares": []}
    rngs = np.random.default_rng(integer("seed", seed, 0)).spawn(num_trials)
    for trial in trange(num_trials, desc="trials", unit="trial", disable=not progress, leave=False):
        rng = rngs[trial]
        p, q, hidden = rng.standard_normal((3, num_examples))
        field = seen_part * p + hidden_part * hidden
        z = np.cos(theta) * field + np.sin(theta) * q
        kept = np.argsort(np.abs(z))[keep.kept_positions(num_examples, rng)]
        rest = rng.standard_normal((kept.size, num_features - 2))
        told = field[kept] + noise * rng.standard_normal(kept.size)
        w = np.linalg.lstsq(np.column_stack([p[kept], q[kept], rest]), told, rcond=CUTOFF)[0]
        across = np.hypot(np.linalg.norm(w[1:]), hidden_part * w[0])  # of w, to all of T
        columns["square_distances"].append(float((w[0] - seen_part) ** 2 + w[1:] @ w[1:]))
        columns["errors"].append(float(np.arctan2(across, seen_part * w[0]) / np.pi))
        columns["margin_squares"].append(float(z[kept] @ z[kept]))
    arrays = {name: np.array(values) for name, values in columns.items()}
    return ToldFields(**arrays, num_kept=keep.num_kept(num_examples), num_features=num_features)


def kept_margin_square(keep: KeepRule) -> float:
    """Mean square v of the probe's margins that a rule keeps, in an infinite pool.

    The integral of z^2 over the normal density up to b is u/2 - b phi(b) for the rank u = erf(b / sqrt 2).

    Raises:
        TypeError, ValueError: not one rule without weights.
    """
    _check_rule(keep)
    lower, upper, probability = keep.windows()
    mass = _second_moment(upper) - _second_moment(lower)
    return float((probability * mass).sum() / keep.fraction)


def square_distance_law(
    alpha_prune: float, margin_square: float = 1.0, theta: float = 0.0, *, noise: float = 0.0
) -> float:
    """E |w - T|^2 for N to infinity; infinite at alpha_prune = 1 with noise.

    Args:
        alpha_prune: kept examples per parameter, a > 0.
        margin_square: mean square v of the kept margins, > 0, from ``kept_margin_square``; 1 for random examples.
        theta: angle between probe and teacher in radians, in [0, pi/2].
        noise: standard deviation of the noise of a label, at least 0.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range.

    Source: derivation in the docstring of this module.
    """
    check_real("alpha_prune", alpha_prune, "(0, inf)")
    check_real("margin_square", margin_square, "(0, inf)")
    check_real("noise", noise, "[0, inf)")
    _check_theta(theta)
    a = alpha_prune
    if a >= 1:
        excess = np.inf if a == 1 else 1 / (a - 1)
        return float(noise**2 * excess) if noise > 0 else 0.0
    along = (1 - a) / (1 - a + a * margin_square)
    return float(np.cos(theta) ** 2 * along + np.sin(theta) ** 2 * (1 - a) + noise**2 * a / (1 - a))


def expected_square_distance(
    margin_square_sum: float, num_kept: int, num_features: int, theta: float = 0.0, *, noise: float = 0.0
) -> float:
    """E |w - T|^2, exact at finite N, over everything but the margins of the kept examples.

    Args:
        margin_square_sum: sum of z^2 over the kept examples, |z|^2 > 0.
        num_kept: n, at least 1.
        num_features: N, at least 2.
        theta: angle between probe and teacher in radians, in [0, pi/2].
        noise: standard deviation of the noise of a label, at least 0; with noise the answer is infinite for
            |n - N| < 2.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range.

    Source: derivation in the docstring of this module; E 1/(chi^2 + s) is the integral over t > 0 of
        exp(-s t) (1 + 2t)^(-k/2), k the degrees of freedom.
    """
    check_real("margin_square_sum", margin_square_sum, "(0, inf)")
    check_real("noise", noise, "[0, inf)")
    n, size, s = integer("num_kept", num_kept, 1), integer("num_features", num_features, 2), margin_square_sum
    _check_theta(theta)
    if noise > 0 and abs(n - size) < 2:
        return float("inf")
    if n >= size:
        return float(noise**2 * (size - 1 + (n - 2) / s) / (n - size - 1)) if noise > 0 else 0.0
    inverse = quad(lambda t: np.exp(-t - (size - n) / 2 * np.log1p(2 * t / s)), 0, np.inf, epsabs=0, epsrel=1e-11)[0]
    along = 1 - inverse  # inverse = s E 1/(chi^2 + s)
    left = np.cos(theta) ** 2 * along + np.sin(theta) ** 2 * (size - n - along) / (size - 1)
    if noise > 0:
        left += noise**2 * (n - 1 + (size - 2) * inverse / s) / (size - n - 1)
    return float(left)


def _second_moment(rank: Floats) -> Floats:
    """Mean of z^2 over |z| up to a rank, times the rank."""
    inside = np.minimum(rank, 1 - 1e-16)  # b phi(b) vanishes at rank 1, where b is infinite
    b = np.sqrt(2) * erfinv(inside)
    return np.where(rank < 1, rank - 2 * b * np.exp(-(b**2) / 2) / np.sqrt(2 * np.pi), 1.0)


def _check_theta(theta: float) -> None:
    check_real("theta", theta, "[0, inf)")
    if theta > np.pi / 2:
        raise ValueError(f"theta is in radians and must lie in [0, pi/2], got {theta!r}")


def _check_rule(keep: KeepRule) -> None:
    if not isinstance(keep, KeepRule):
        raise TypeError(f"keep must be a keep rule such as KeepHard(0.2), got {keep!r}")
    if keep.shape != () or keep.weight_power != 0:
        raise ValueError(f"keep must be one rule without importance weights, got {keep!r}")
