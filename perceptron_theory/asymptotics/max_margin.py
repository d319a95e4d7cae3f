"""Limits of the max-margin student's test error, in closed form or as one-dimensional roots.

Every limit starts from the saddle point of ``solve`` (A, B, 1 the student's components along the teacher, along Q and
outside their plane, k its margin; p = T.x > 0, q = Q.x, and J = cos(theta) T + sin(theta) Q the probe):

    alpha_prune <G(d)> = 1      <G'(d) (n p - k A)> = 0      <G'(d) (n q - k B)> = 0      d = k - A p - B q,

with n = 1 + A^2 + B^2, <.> the average over kept examples, G(d) = (1 + d^2) Phi(d) + d phi(d), Phi and phi the standard
normal distribution and density, and error = atan2(sqrt(1 + B^2), A) / pi.  Two primitives recur, both 0 at -infinity:

    H(d) = int G   = ((d^3 + 3 d) Phi(d) + (d^2 + 2) phi(d)) / 3
    F(d) = int G' d = d G(d) - H(d) = 2 (d^3 Phi(d) + (d^2 - 1) phi(d)) / 3
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import erf, erfc, erfcinv, erfinv, ndtr

from data_pruning.arguments import real_array
from data_pruning.keep_rules import KeepRandom, KeepRule
from perceptron_theory.solution import solve

__all__ = [
    "amplitude",
    "hard_frontier_error",
    "hard_frontier_fraction",
    "hard_limit_critical_alpha_prune",
    "hard_limit_error",
    "hard_limit_error_over_f",
    "hebb_coefficient",
    "max_stability_amplitude",
    "saturation_fraction",
]

Floats = NDArray[np.float64]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)
DEPTH = 13.0  # G is below double precision at k - DEPTH for every k in [0, 1]


def max_stability_amplitude() -> float:
    """C0 = 0.50048893...: error -> C0 / alpha for all data (f = 1), alpha -> infinity.

    There B = 0 and A -> infinity.  With p = (k - d)/A the kept density 2 phi(p) dp becomes 2 phi(0) dd / A on d < k,
    and n p - k A -> -A d, so that

        F(k) = 0, that is k^3 Phi(k) = (1 - k^2) phi(k)        A = 2 phi(0) alpha H(k)        error = 1 / (pi A).

    At this k, H = k G (from F = 0) and G = phi / k^3, hence C0 = 1 / (2 pi phi(0) H) = k^2 exp(k^2 / 2).  Corrections
    are of relative order alpha^-2.

    Returns:
        C0, to double precision.

    Source: the constant of the max-stability perceptron (Opper and Kinzel 1996); the closed form is derived here.
    """
    k = _max_stability_margin()
    return float(k**2 * np.exp(k**2 / 2))


def amplitude(keep: KeepRule, theta: ArrayLike) -> Any:
    """C in error -> C / alpha_prune, alpha_prune -> infinity at fixed rule and theta.

    theta > 0: only examples with p = (k - d - B q)/A -> 0 matter, where z = q sin(theta).  Their density is
    2 phi(0) phi(q) pi(z)/f, even in q.  At B = 0 the third equation is the mean of q over this density times a function
    of d alone: it vanishes by symmetry, and the solution is unique.  The other two are those of all data with 2 phi(0)
    times P(kept | p = 0)/f, so that

        C = C0 f / P(kept | p = 0)        P(kept | p = 0) = sum over windows of pi (erf(x_upper) - erf(x_lower)),

    x = |z| / (sqrt 2 sin(theta)), C0 = ``max_stability_amplitude``.  Corrections are of relative order alpha_prune^-2,
    with a large coefficient where few examples near the teacher's boundary are kept: for small f, keep-hard needs
    alpha_prune >> sin(theta)^2 cos(theta) / f^2 (see ``hard_frontier_fraction``).

    theta = 0: the student sees the smallest kept p, p0 = |z| at the hardest rank kept, and d < k - A p0 takes the place
    of d < k: the same equations, with density 2 phi(p0) pi/f there.  So C = C0 f exp(p0^2 / 2) / pi(hardest kept), with
    corrections of relative order 1/alpha_prune if p0 > 0.  This is not the limit theta -> 0 of C when p0 > 0: rare
    examples near the teacher's boundary rule as soon as theta > 0, and C then grows like exp(p0^2 / (2 theta^2)).

    Args:
        keep: keep rule.
        theta: angle between probe and teacher in radians, in [0, pi/2]; broadcast against the fields of ``keep``.

    Returns:
        C, of the broadcast shape; inf where it exceeds the largest double.  Its relative accuracy is that of the widths
        of the windows, about 1e-16 / width.

    Raises:
        TypeError: ``keep`` is no keep rule.
        ValueError: theta out of range or not finite, or shapes that do not broadcast.
    """
    (lower, upper, probability), f, angle = _rule_and_angle(keep, theta)
    low, high = (_edge(rank, angle[..., None]) for rank in (lower, upper))
    share = np.where(low > 0.5, erfc(low) - erfc(high), erf(high) - erf(low))
    first = np.where(probability > 0, lower, 1.0).min(axis=-1, keepdims=True)
    at_hardest = np.where(lower == first, np.exp(-(_scaled_margin(lower) ** 2)), 0.0)
    density = np.sum(probability * np.where(angle[..., None] == 0, at_hardest, share), axis=-1)
    with np.errstate(divide="ignore", over="ignore"):
        return (max_stability_amplitude() * f / density)[()]


def hard_limit_critical_alpha_prune() -> float:
    """Kept examples per parameter below which the hardest examples of a perfect probe teach nothing: exactly 2.

    Keep-hard, theta = 0, f -> 0: all p -> 0, and off the teacher's axis the labels are random.  A student with A = O(1)
    has d = k, so that alpha_prune G(k) = 1, which has a solution with k >= 0 up to alpha_prune = 1 / G(0) = 2, Cover's
    capacity for random labels (1965).  Beyond it only students with A = O(1/f) separate the kept examples:
    ``hard_limit_error_over_f``.
    """
    return 2.0


def hard_limit_error_over_f(alpha_prune: ArrayLike) -> Any:
    """Limit of error / f for keep-hard, theta = 0, f -> 0 at fixed alpha_prune.

    The kept p are uniform on [0, c], c = f sqrt(pi/2).  With A = a/c, d = k - a u, u uniform on [0, 1], and n -> A^2:

        F(k) = F(k - a)        alpha_prune (H(k) - H(k - a)) = a        error / f = 1 / (sqrt(2 pi) a).

    Critical point: for small a, write d = delta + a x with x uniform on [-1/2, 1/2].  Then <G' d> = 0 gives
    delta = -a^2 / (24 phi(0)), and <G> = 1/2 - a^2/24, so that a^2 = 12 (alpha_prune - 2)/alpha_prune -> 0 at 2:

        error / f -> 1 / sqrt(12 pi (alpha_prune - 2))        alpha_prune -> 2+.

    At 2 exactly, keeping the 1 of n = 1 + A^2 gives a^3 = 24 phi(0) c^2 and error -> c^(1/3) / (pi (24 phi(0))^(1/3)).
    Below 2, A = c / (2 k) with alpha_prune G(k) = 1 and error -> 1/2 - c / (2 pi k).  For large alpha_prune,
    error / f -> C0 / alpha_prune: no more than alpha_tot matters.

    Args:
        alpha_prune: kept examples per parameter, > 0.

    Returns:
        The limit, of the shape of ``alpha_prune``; inf at and below 2, where the error does not vanish like f.

    Raises:
        ValueError: alpha_prune not positive or not finite.
    """
    alphas = _positive("alpha_prune", alpha_prune)
    slopes = [_hard_limit_slope(alpha) if alpha > 2 else 0.0 for alpha in alphas.flat]
    with np.errstate(divide="ignore"):
        return (1 / (np.sqrt(2 * np.pi) * np.reshape(slopes, alphas.shape)))[()]


def hard_limit_error(alpha_prune: ArrayLike, theta: ArrayLike) -> Any:
    """Limit of the error for keep-hard, theta > 0, f -> 0 at fixed alpha_prune.

    The kept examples have z = 0: (p, q) = v (sin theta, -cos theta) with v > 0 half normal.  To the student, v is the
    field of a teacher V orthogonal to the probe, and nothing is pruned; so it has overlap R1 = cos(pi error1) with V,
    error1 the error of all data at the same alpha_prune, none with J by symmetry, and

        R = sin(theta) R1        error = arccos(sin(theta) cos(pi error1)) / pi  ->  1/2 - theta / pi

    as alpha_prune -> infinity.  Corrections are of order f^2.

    Args:
        alpha_prune: kept examples per parameter, in [1e-3, 1e5].
        theta: angle between probe and teacher in radians, in (0, pi/2].

    Returns:
        The limit, of the broadcast shape.

    Raises:
        ValueError: an argument out of range or not finite, or shapes that do not broadcast.
    """
    angle = _angle(theta)
    if np.any(angle == 0):
        raise ValueError("theta must lie in (0, pi/2], got 0: use hard_limit_error_over_f")
    alpha = real_array("alpha_prune", alpha_prune)
    _common_shape(alpha_prune=alpha, theta=angle)
    unpruned = np.asarray(solve(alpha, KeepRandom(1.0), 0.0).error)
    # arccos(R) as arctan2, which keeps its digits near R = 1: 1 - R^2 = sin^2(pi e) + (cos(theta) cos(pi e))^2
    along, outside = np.cos(np.pi * unpruned), np.sin(np.pi * unpruned)
    return (np.arctan2(np.hypot(outside, np.cos(angle) * along), np.sin(angle) * along) / np.pi)[()]


def saturation_fraction(theta: ArrayLike) -> Any:
    """Fraction kept below which picking harder examples hardly pays however many are kept: sin(theta).

    In ``amplitude``, C(f) = C0 f / erf(erfinv(f) / sin(theta)) for keep-hard rises with f, from C0 sin(theta) at
    f -> 0 (an imperfect probe cannot see closer to the boundary) along C0 f at f >> sin(theta).  These two asymptotes
    cross at f = sin(theta).  Below it at most 21 % of the error is left to gain: there C / (C0 sin theta) is
    1 / erf(erfinv(s)/s) with s = sin(theta), which falls from 1 / erf(sqrt(pi)/2) = 1.266 at s -> 0 to 1 at s = 1.
    The other candidate, the point where d log C / d log f = 1/2, lies at 1.12 sin(theta) for small theta, but is no
    closed form, and means little at large theta, where C hardly changes at all.

    At theta = 0 it is 0: pruning harder always pays (above alpha_prune = 2).  At theta > 0 and finite alpha_prune the
    error has its minimum at ``hard_frontier_fraction`` and rises below it, towards ``hard_limit_error``.

    Args:
        theta: angle between probe and teacher in radians, in [0, pi/2].

    Returns:
        The fraction, of the shape of ``theta``.

    Raises:
        ValueError: theta out of range or not finite.
    """
    return np.sin(_angle(theta))[()]


def hard_frontier_fraction(alpha_prune: ArrayLike, theta: ArrayLike) -> Any:
    """Leading form of the best fraction for keep-hard, theta > 0, alpha_prune -> infinity.

    sqrt(2/pi) sin(theta) (3 sqrt(3/2) pi C0 / alpha_prune)^(1/3) = 1.4317 sin(theta) alpha_prune^(-1/3): what
    ``pareto_frontier(..., rule="hard").fraction`` tends to, with corrections of relative order alpha_prune^(-2/3).

    Two effects compete in a thin slab |z| < c = f sqrt(pi/2).  A thicker one costs density at the boundary:

        C = C0 sin(theta) (1 + c^2 cot(theta)^2 / 6)        (``amplitude`` for small f).

    A thinner one turns the student towards the direction orthogonal to the probe: given p, q is uniform on an interval
    of half-width c / sin(theta) about -p cot(theta), and <G' q> = 0 with small B reads
    -cot(theta) <G' p> = B <G'' q^2>.  There <G' p> / <G''> = k G(k) / (A G'(k)), from F(k) = 0, and this is 1 / (2 A),
    because G = phi / k^3 and G' = 2 phi / k^2 at this k.  Hence

        B = -(3/2) sin(theta) cos(theta) / (A c^2)        A = alpha_prune / (pi C0 sin(theta)),

    and the error, C sqrt(1 + B^2) / alpha_prune, is least at c^6 = sin(theta)^6 (27/2) (pi C0 / alpha_prune)^2.

    Args:
        alpha_prune: kept examples per parameter, > 0; large (a value above 1 is outside the asymptotic regime).
        theta: angle between probe and teacher in radians, in (0, pi/2).

    Returns:
        The fraction, of the broadcast shape.

    Raises:
        ValueError: an argument out of range or not finite, or shapes that do not broadcast.
    """
    alpha, angle = _frontier_arguments(alpha_prune, theta)
    return (np.sqrt(2 / np.pi) * np.sin(angle) * _thickness(alpha))[()]


def hard_frontier_error(alpha_prune: ArrayLike, theta: ArrayLike) -> Any:
    """Leading form and first correction of the least error of keep-hard, theta > 0, alpha_prune -> infinity.

    The value at the optimum of ``hard_frontier_fraction``, with t = c / sin(theta) = (3 sqrt(3/2) pi C0 / alpha)^(1/3):

        error = (C0 sin(theta) / alpha) (1 + cos(theta)^2 t^2 / 4),        alpha = alpha_prune;

    a third of the correction comes from the turn B, two thirds from the thickness.  The next one is of relative order
    alpha_prune^(-4/3).  So an imperfect probe never beats 1/alpha_prune: it gains the factor sin(theta).

    Args:
        alpha_prune: kept examples per parameter, > 0; large.
        theta: angle between probe and teacher in radians, in (0, pi/2).

    Returns:
        The error, of the broadcast shape.

    Raises:
        ValueError: an argument out of range or not finite, or shapes that do not broadcast.
    """
    alpha, angle = _frontier_arguments(alpha_prune, theta)
    floor = max_stability_amplitude() * np.sin(angle) / alpha
    return (floor * (1 + (np.cos(angle) * _thickness(alpha)) ** 2 / 4))[()]


def hebb_coefficient(keep: KeepRule, theta: ArrayLike) -> Any:
    """The b of error -> 1/2 - b sqrt(alpha_prune), alpha_prune -> 0 at fixed rule and theta: <|p|> / pi.

    There k -> infinity, G -> d^2, G' -> 2 d, A and B are small: k = alpha_prune^(-1/2) and A = <p>/k, the Hebb rule.
    Corrections are of relative order alpha_prune.  With s = sin(theta), c = cos(theta), the mean of |p| given z is that
    of |c z + s g|, g normal; integrated over |z| < Z it gives

        M(Z) = sqrt(2/pi) (erf(Z / (sqrt 2 s)) - c exp(-Z^2/2) erf(Z c / (sqrt 2 s))),

    and <|p|> is the sum over windows of pi (M(Z_upper) - M(Z_lower)) / f.  All data: b = sqrt(2/pi^3) = 0.2540.

    Args:
        keep: keep rule.
        theta: angle between probe and teacher in radians, in [0, pi/2]; broadcast against the fields of ``keep``.

    Returns:
        b, of the broadcast shape; absolute accuracy about 1e-16 / f.

    Raises:
        TypeError: ``keep`` is no keep rule.
        ValueError: theta out of range or not finite, or shapes that do not broadcast.
    """
    (lower, upper, probability), f, angle = _rule_and_angle(keep, theta)
    cosine = np.cos(angle)[..., None]

    def below(rank: Floats) -> Floats:
        """M / sqrt(2/pi), written so that it keeps its digits for small Z and theta."""
        edge = _edge(rank, angle[..., None])
        near = erf(cosine * edge)
        return erf(edge) - near - near * np.expm1(np.log(cosine) - _scaled_margin(rank) ** 2)

    return (np.sqrt(2 / np.pi**3) * np.sum(probability * (below(upper) - below(lower)), axis=-1) / f)[()]


@cache
def _max_stability_margin() -> float:
    """The k > 0 with F(k) = 0."""
    return float(brentq(lambda k: k**3 * ndtr(k) - (1 - k * k) * _normal_pdf(k), 0.5, 0.8, xtol=1e-16, rtol=1e-15))


def _hard_limit_slope(alpha_prune: float) -> float:
    """The a of ``hard_limit_error_over_f``; averages by quadrature, since F and H cancel for small a."""

    def mean_excess(a: float) -> float:
        reach = min(1.0, DEPTH / a) if a > 0 else 1.0
        u, weight = reach * (1 + NODES) / 2, reach * WEIGHTS / 2

        def balance(ratio: float) -> float:  # <G'(d) d> / a at k = a ratio; increasing
            d = a * (ratio - u)
            return float(np.sum(weight * 2 * (d * ndtr(d) + _normal_pdf(d)) * (ratio - u)))

        d = a * (brentq(balance, 0.0, 0.6, xtol=1e-300, rtol=1e-15) - u)
        return alpha_prune * float(np.sum(weight * ((1 + d * d) * ndtr(d) + d * _normal_pdf(d)))) - 1

    # H(k) - H(k - a) is below H at the root of F, 1 / (sqrt(2 pi) C0)
    highest = (1 + 1e-6) * alpha_prune / (np.sqrt(2 * np.pi) * max_stability_amplitude())
    return float(brentq(mean_excess, 0.0, highest, xtol=1e-300, rtol=1e-15, maxiter=300))


def _thickness(alpha_prune: Floats) -> Floats:
    """Best half-width of the slab of the hardest examples, over sin(theta)."""
    return np.cbrt(3 * np.sqrt(1.5) * np.pi * max_stability_amplitude() / alpha_prune)


def _normal_pdf(x: Any) -> Any:
    return np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def _scaled_margin(rank: Floats) -> Floats:
    """|z| / sqrt 2 at difficulty rank erf(|z| / sqrt 2); inf at 1."""
    return np.where(rank > 0.5, erfcinv(1 - rank), erfinv(rank))


def _edge(rank: Floats, theta: Floats) -> Floats:
    """|z| / (sqrt 2 sin(theta)) at a rank: where the edge crosses p = 0, in units of sqrt 2."""
    margin, sine = _scaled_margin(rank), np.sin(theta)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.where(margin == 0, 0.0, margin / sine)


def _angle(theta: ArrayLike) -> Floats:
    angle = real_array("theta", theta)
    if np.any((angle < 0) | (angle > np.pi / 2)):
        raise ValueError(f"theta is in radians and must lie in [0, pi/2], got {theta!r}")
    return angle


def _positive(name: str, value: ArrayLike) -> Floats:
    array = real_array(name, value)
    if np.any(array <= 0):
        raise ValueError(f"{name} must be positive, got {value!r}")
    return array


def _frontier_arguments(alpha_prune: ArrayLike, theta: ArrayLike) -> tuple[Floats, Floats]:
    alpha, angle = _positive("alpha_prune", alpha_prune), _angle(theta)
    if np.any((angle == 0) | (angle == np.pi / 2)):
        raise ValueError(f"theta must lie in (0, pi/2), got {theta!r}: at 0 harder is better, at pi/2 nothing matters")
    _common_shape(alpha_prune=alpha, theta=angle)
    return alpha, angle


def _rule_and_angle(keep: KeepRule, theta: ArrayLike) -> tuple[tuple[Floats, Floats, Floats], Floats, Floats]:
    """The rule's windows, its fraction, and theta, the latter of the broadcast shape."""
    if not isinstance(keep, KeepRule):
        raise TypeError(f"keep must be a keep rule such as KeepHard(0.2), got {keep!r}")
    angle, f = _angle(theta), np.asarray(keep.fraction)
    return keep.windows(), f, np.broadcast_to(angle, _common_shape(theta=angle, keep=f))


def _common_shape(**arrays: np.ndarray) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"shapes do not broadcast: {shapes}") from None
