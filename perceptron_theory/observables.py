"""What else the order parameters tell: margins of examples, information per example, spread over finite data sets.

``margin_distribution`` gives the margins of kept and of dropped examples, ``information_gain`` the bits that one more
kept example tells about the teacher, ``error_standard_deviation`` how much the error of students of N parameters
varies from one data set to the next.

Notation as in ``regularised``: the student has the part m in the teacher-probe plane and a part of length s outside
it; omega = y m.u + s g is the output times label that it would have given a kept example without training on it, h its
output times label after.  Every student is h = prox(omega) of some loss; that of the max-margin student is a wall at
output 1, h = max(omega, 1), with lambda = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import root
from scipy.special import expit, log_ndtr, ndtr, owens_t

from perceptron_theory import quadrature
from perceptron_theory.keep_rules import KeepByLabel, KeepRule, _real_array
from perceptron_theory.kept_set import probe_margin
from perceptron_theory.labels import Labels, truth_direction
from perceptron_theory.order_parameters import (
    _check_types,
    _checked,
    _kind,
    _points,
    _shape,
    _solve_rows,
    against_truth,
)
from perceptron_theory.quadrature import FAR, REACH, STEP, Strips, kept_lines
from perceptron_theory.regularised import LOGISTIC_STEPS
from perceptron_theory.students import MaxMargin, Student

__all__ = ["MarginDistribution", "error_standard_deviation", "information_gain", "margin_distribution"]

Floats = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_PANELS = np.linspace(-REACH, REACH, 9)
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


class _Trained(NamedTuple):
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
    x = _real_array("margin", margin)
    trained = _train(alpha_tot, keep, theta, student, labels)
    norm, flat = float(np.hypot(trained.r, trained.s)), x.reshape(-1)
    level, slope = _untrained_output(trained, flat * norm)
    density, cumulative = _fields(trained, level)
    atom, atom_margin = 0.0, float("nan")
    kept, kept_cumulative = density * slope * norm, cumulative
    if trained.loss in ("max-margin", "hinge"):
        atom_margin = 1 / norm
        atom = float(_fields(trained, np.ones(1))[1][0])
        if trained.loss == "hinge":
            atom -= float(_fields(trained, np.array([1 - trained.v]))[1][0])
        else:
            kept = np.where(flat * norm < 1, 0.0, kept)
            kept_cumulative = np.where(flat * norm < 1, 0.0, kept_cumulative)
    dropped = dropped_cumulative = np.full(flat.size, np.nan)
    if 1 - trained.fraction > _SMALLEST_SHARE:
        before, before_cumulative = _fields(trained, flat * norm)
        everyone, everyone_cumulative = _new_examples(trained, float(labels.flip_probability), flat)
        dropped = (everyone - trained.fraction * before * norm) / (1 - trained.fraction)
        dropped_cumulative = (everyone_cumulative - trained.fraction * before_cumulative) / (1 - trained.fraction)
    arrays = {"margin": flat, "kept": kept, "kept_cumulative": kept_cumulative}
    arrays |= {"dropped": dropped, "dropped_cumulative": dropped_cumulative}
    shaped = {name: value.reshape(x.shape)[()] for name, value in arrays.items()}
    return MarginDistribution(**shaped, atom_margin=atom_margin, atom=atom, fraction=trained.fraction)


def information_gain(alpha_tot: float, keep: KeepRule | KeepByLabel, theta: float) -> float:
    """Bits that one more kept example tells about the teacher: -log2 of the share of the version space that it leaves.

    The version space holds all students that classify every kept example correctly, at margin 0, whatever their
    margin; the example is a fresh one of the same keep rule.  By the replica calculation (replica symmetric, which is
    exact here because the version space is convex) the logarithm of its volume per parameter is the extremum of

        S(m, s) = -log(1 + m^2 + s^2)/2 + s^2/2 + alpha_prune <E_g log Phi(m.u + s g)>,

    where m and s are, over the root of 1 - q, the in-plane part of the centre of mass of the version space (in the
    scale of unit students, q its squared length) and the length of the rest of it.  S moves by
    dS/d alpha_prune = <E_g log Phi(m.u + s g)> at fixed f, so the gain in bits is -<E_g log2 Phi(m.u + s g)>.

    It is 1 bit at alpha_prune -> 0, where a label is a fair coin to the version space.  For randomly kept examples it
    falls from there, to 1 / (alpha_prune log 2) where they are plentiful.  It can exceed 1 bit: the members of the
    version space do not know how the examples were chosen, and on hard ones they can vote for the wrong label more
    often than not.  The student of this function is a random member of the version space, not the max-margin one.

    Args:
        alpha_tot: examples per parameter before pruning, one number; alpha_prune = f alpha_tot in [1e-3, 1e5].
        keep: one keep rule.
        theta: angle between probe and teacher in radians, in [0, pi/2], one number.

    Returns:
        Bits per kept example, > 0.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or not one number.
        RuntimeError: the saddle point did not converge.

    Source: the information per example I(alpha) of Sorscher et al. 2022, section 2 and appendix, after Seung, Opper
        and Sompolinsky, "Query by committee" (COLT 1992); the volume from Gyorgyi and Tishby (1990) and Gardner (1988).
    """
    labels, student = Labels(), MaxMargin()
    _check_types(keep, student, labels)
    alpha, angle = _one_number(alpha_tot, keep, theta, student, labels)
    aligned = bool(angle == 0) and isinstance(keep, KeepRule)
    points, _ = _points(alpha, keep, angle, student, labels, (), aligned=aligned)
    strips, alpha_prune = _one(points.strips), float(points.alpha_prune[0])
    g = _gauss()

    def averages(unknowns: Floats) -> tuple[Floats, float]:
        """E_g log Phi and its derivatives by (m, s) over kept examples."""
        r, omega, s = np.hypot(*unknowns[:2]), np.arctan2(unknowns[1], unknowns[0]), unknowns[2]
        spread = np.hypot(1.0, s)
        steps = np.array([-REACH, -3.0, 0.0, 3.0, REACH]) * spread / r
        lines = _lines(strips, float(angle), r, omega, steps, REACH * spread / r, aligned=aligned)
        x = (r * lines.t)[:, None] + s * g.at
        log_phi = log_ndtr(x)
        mills = np.exp(-0.5 * x * x - log_phi) / np.sqrt(2 * np.pi)
        force, across = mills @ g.weight, lines.weight @ ((mills @ g.weight) * lines.across1)
        along = lines.weight @ (force * lines.t * lines.u0)
        cosine, sine = np.cos(omega), np.sin(omega)
        plane = np.array([along * cosine - across * sine, along * sine + across * cosine])
        by_s = lines.weight @ ((mills @ (g.weight * g.at)) * lines.u0)
        return np.append(plane, by_s), float(lines.weight @ ((log_phi @ g.weight) * lines.u0))

    def student_of(coordinates: Floats) -> Floats:
        """(A, B, s) at coordinates (log r, omega, log s), omega left out where it is 0."""
        log_r, omega, log_s = (coordinates[0], 0.0, coordinates[1]) if aligned else coordinates
        r, s = np.exp(np.clip([log_r, log_s], -300, 100))
        return np.array([r * np.cos(omega), r * np.sin(omega), s])

    def balance(coordinates: Floats, alpha: float) -> Floats:
        unknowns = student_of(coordinates)
        gradient, _ = averages(unknowns)
        m, s, n = unknowns[:2], unknowns[2], 1 + np.sum(unknowns**2)
        # by m: alpha <lambda u> = m / n; by s: alpha <lambda g> + s = s / n
        residual = np.append((n * alpha * gradient[:2] - m) / np.sqrt(n), 1 + alpha * gradient[2] / s - 1 / n)
        scale = max(np.hypot(*m), 1e-300) / np.sqrt(n)
        residual = residual / np.array([scale, scale, max((n - 1) / n, 1e-300)])
        return residual[[0, 2]] if aligned else residual

    # follow the solution from few examples: there m = alpha <lambda(0) u>, s^2 = alpha lambda(0)^2
    step_alpha = min(alpha_prune, 1e-3)
    length = np.log(np.sqrt(2 / np.pi) * step_alpha * float(points.mean_bound[0]) * 0.5)
    size = np.log(np.sqrt(2 / np.pi * step_alpha))
    here = np.array([length, size]) if aligned else np.array([length, 0.0, size])
    here = _settle(partial(balance, alpha=step_alpha), here, step_alpha, keep)
    previous, stride, done = here, np.log(2.0), np.log(step_alpha)
    target, before = np.log(alpha_prune), done
    while done < target:
        stride = min(stride, target - done)
        guess = here + (here - previous) * (stride / (done - before) if done > before else 0.0)
        try:
            found = _settle(partial(balance, alpha=np.exp(done + stride)), guess, np.exp(done + stride), keep)
        except RuntimeError:
            stride /= 3
            if stride < 1e-3:
                raise
            continue
        previous, here, before, done = here, found, done, done + stride
        stride = 2 * stride if stride < np.log(4.0) else stride
    return -float(averages(student_of(here))[1]) / float(np.log(2))


def error_standard_deviation(
    alpha_tot: float,
    keep: KeepRule,
    theta: float,
    num_features: ArrayLike,
    *,
    student: Student = MaxMargin(),  # noqa: B008
    labels: Labels = Labels(),  # noqa: B008
) -> Any:
    """Standard deviation of the test error over independent data sets at finite N: leading order in 1/N.

    What one trial of ``simulations.simulate`` scatters by.  Derivation: let E(c) be the least training loss with c N
    times an observable O of (m, s^2) added.  O is its derivative by c, so N Var(O) is d^2/dc dc' of the covariance of
    E(c) and E(c') over data sets, which the replica calculation with two groups of replicas of different c on the same
    data gives as the extremum over the overlap q of their parts outside the plane of

        K = alpha_prune Cov_(u,g)(M_1(omega_1), M_2(omega_2)) - q^2 / (2 V_1 V_2),    E g_1 g_2 = q / (s_1 s_2).

    With (dm, dsigma, dV) the response of (m, s^2, V) to c, minus the inverse Hessian of F in ``regularised`` applied to
    the gradient of O, and D = M' y dm.u + M'' dsigma/2 - M'^2 dV/2 the change of an example's loss,

        N Var(O) = alpha_prune Var(D) - s^4 dV^2 / (2 V^4) + L^2 / (1/V^2 - alpha_prune <M''^2>) + T,
        L = alpha_prune <D' M'> + s^2 dV / V^3.

    A keep rule takes whole numbers of examples by rank, not by fixed thresholds: Var(D) is taken within each window,
    and T adds what the ends of the windows, order statistics of the pool, contribute,

        T = sum_ij c_i c_j (min(u_i, u_j) - u_i u_j) / alpha_tot,    c_i = alpha_prune d<D>/du_i.

    O is the logarithm of the error here.  A truth outside the plane adds the scatter of the student along it.

    Args:
        alpha_tot: examples per parameter before pruning, one number; ranges as in ``solve``.
        keep: one keep rule that does not look at the label.
        theta: angle between probe and teacher in radians, in [0, pi/2], one number.
        num_features: N, at least 1; any shape.
        student: what is minimised; lambda > 0 for regularised students.
        labels: the labels; all fields single numbers.

    Returns:
        The standard deviation, of the shape of ``num_features``.  It is small against the error where the theory of
        N -> infinity is good; corrections are of relative order 1/N, larger where the error changes steeply.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or not one number.
        RuntimeError: the saddle point did not converge.

    Source: own derivation, checked against simulations in the tests.
    """
    if isinstance(keep, KeepByLabel):
        raise TypeError(f"keep must be a rule that does not look at the label, such as KeepHard(0.2), got {keep!r}")
    n = _real_array("num_features", num_features)
    if np.any(n < 1):
        raise ValueError(f"num_features must be at least 1, got {num_features!r}")
    trained = _train(alpha_tot, keep, theta, student, labels)
    variance = _log_error_variance(trained, keep, labels)
    if not (np.isfinite(variance) and variance > 0):
        raise RuntimeError(f"N Var(log error) = {variance:.3g}: lost to rounding at this extreme point, {trained.loss}")
    return (trained.error * np.sqrt(variance / n))[()]


class _Lines(NamedTuple):
    """``KeptLines`` with the second field always v, across the student; arrays of shape (num_lines,)."""

    t: Floats
    weight: Floats
    u0: Floats
    across1: Floats
    across2: Floats


class _Gauss(NamedTuple):
    at: Floats
    weight: Floats  # Gaussian density included


class _Channel(NamedTuple):
    """Averages over g at each output a = y m.u of products of f = M' and b = M''; arrays of the shape of a."""

    f: Floats
    ff: Floats
    fff: Floats
    ffff: Floats
    b: Floats
    bb: Floats
    fb: Floats
    ffb: Floats
    gb: Floats
    ggb: Floats
    gfb: Floats


def _one(tree: Any) -> Any:
    """The only row of flattened points, margins measured from 0."""
    return jax.tree.map(lambda a: a[0], tree)._replace(origin=np.zeros(()))


def _one_number(alpha_tot: Any, keep: Any, theta: Any, student: Student, labels: Labels) -> tuple[Floats, Floats]:
    alpha, angle = _checked(alpha_tot, theta)
    shape = _shape(alpha, keep, angle, student, labels)
    if shape != ():
        raise ValueError(f"one point at a time: alpha_tot, keep, theta, student and labels have shape {shape}")
    return alpha, angle


def _train(alpha_tot: Any, keep: Any, theta: Any, student: Student, labels: Labels) -> _Trained:
    _check_types(keep, student, labels)
    alpha, angle = _one_number(alpha_tot, keep, theta, student, labels)
    loss, lam = _kind(student)
    if loss != "max-margin" and float(lam) == 0:
        raise ValueError(f"lam must be positive here, got {student!r}: use a small lam, or MaxMargin()")
    aligned = bool(angle == 0) and isinstance(keep, KeepRule)
    points, fraction = _points(alpha, keep, angle, student, labels, (), aligned=aligned)
    found = {name: float(value[0]) for name, value in _solve_rows(loss, points, labels, aligned=aligned).items()}
    if found["converged"] != 1:
        raise RuntimeError(f"no convergence at alpha_tot = {float(alpha):.6g}, theta = {float(angle):.6g}, {keep}")
    strips, alpha_prune = _one(points.strips), float(points.alpha_prune[0])
    r, omega, s, v, lam = found["r"], found["omega"], found["s"], found["v"], float(lam)
    if loss == "max-margin":  # to margin 1 and lambda = 1
        r, s, lam = r / v, 1 / v, 1.0
        lines = _lines(strips, float(angle), r, omega, *_bends(loss, r, s, 1.0), aligned=aligned)
        v = 1 - alpha_prune * float(lines.weight @ (ndtr((1 - r * lines.t) / s) * lines.u0))
    error = float(np.exp(found["log_error"]))
    trained = _Trained(loss, lam, alpha_prune, r, omega, s, v, error, float(fraction[0]), float(angle), aligned, strips)
    if labels.truth_is_teacher:
        return trained
    return trained._replace(error=float(against_truth(trained.r, trained.omega, trained.s, _truth(trained, labels))[0]))


@partial(jax.jit, static_argnames="aligned")
def _compiled_lines(strips: Strips, theta: Any, r: Any, omega: Any, steps: Any, top: Any, *, aligned: bool) -> Any:
    return kept_lines(strips, theta, r, omega, steps, top, aligned=aligned), quadrature.Frame.of(theta, omega)


def _lines(strips: Strips, theta: float, r: float, omega: float, steps: Floats, top: float, *, aligned: bool) -> _Lines:
    """Lines of kept examples for a function of the field that bends at ``steps`` and ends at ``top`` (see there)."""
    steps = np.clip(steps, -REACH, REACH)
    with jax.enable_x64(True):
        line, frame = jax.tree.map(
            np.asarray, _compiled_lines(strips, theta, r, omega, steps, min(top, FAR), aligned=aligned)
        )
    if aligned or not frame.probe:
        return _Lines(line.t, line.weight, line.u0, line.u1, line.u2)
    field = frame.cos_psi * line.t
    across1 = (line.u1 - field * line.u0) / frame.sin_psi
    across2 = (line.u2 - 2 * field * line.u1 + field * field * line.u0) / frame.sin_psi**2
    return _Lines(line.t, line.weight, line.u0, across1, across2)


def _bends(loss: str, r: float, s: float, v: float) -> tuple[Floats, float]:
    """Fields t between which averages over g are smooth, and beyond which the loss is flat."""
    kinks = _kinks(loss, v)
    if loss == "square":
        return np.zeros(1), REACH
    steps = kinks if loss == "logistic" else (kinks[:, None] + s * STEP * np.array([-1.0, 0.0, 1.0])).ravel()
    return steps / r, (float(kinks[-1]) + s * REACH) / r


def _kinks(loss: str, v: float) -> Floats:
    """Outputs omega between which M' is smooth."""
    kinks = {"max-margin": np.ones(1), "hinge": np.array([1 - v, 1.0]), "square": np.zeros(0)}
    return kinks[loss] if loss in kinks else np.asarray(LOGISTIC_STEPS - v * expit(-LOGISTIC_STEPS))


def _gauss(breaks: Floats | None = None) -> _Gauss:
    """Nodes of a standard normal on panels that end at ``breaks``, shape (..., num_breaks)."""
    ends = _PANELS
    if breaks is not None:
        uniform = np.broadcast_to(_PANELS, (*breaks.shape[:-1], _PANELS.size))
        ends = np.sort(np.concatenate([uniform, np.clip(breaks, -REACH, REACH)], axis=-1), axis=-1)
    half = 0.5 * np.diff(ends, axis=-1)[..., None]
    at = (ends[..., :-1, None] + half * (1 + _NODES)).reshape(*ends.shape[:-1], -1)
    weight = (half * _WEIGHTS).reshape(at.shape) * np.exp(-0.5 * at * at) / np.sqrt(2 * np.pi)
    return _Gauss(at, weight)


def _untrained_output(trained: _Trained, h: Floats) -> tuple[Floats, Floats]:
    """omega(h), the output before training of an example that ends at h, and its slope."""
    v = trained.v
    if trained.loss == "square":
        return (1 + v) * h - v, np.full_like(h, 1 + v)
    if trained.loss == "logistic":
        return h - v * expit(-h), 1 + v * expit(h) * expit(-h)
    return (np.where(h < 1, h - v, h) if trained.loss == "hinge" else h), np.ones_like(h)


def _fields(trained: _Trained, level: Floats) -> tuple[Floats, Floats]:
    """Density and cumulative distribution at each ``level`` of omega over kept examples."""
    r, s = trained.r, trained.s
    density, cumulative = np.zeros(level.size), np.zeros(level.size)
    for i, x in enumerate(level):
        steps = (x + s * np.array([-STEP, -STEP / 3, 0.0, STEP / 3])) / r
        top = (x + s * REACH) / r
        lines = _lines(trained.strips, trained.theta, r, trained.omega, steps, top, aligned=trained.aligned)
        d, mass = (x - r * lines.t) / s, lines.weight * lines.u0
        density[i] = mass @ np.exp(-0.5 * d * d) / (np.sqrt(2 * np.pi) * s)
        cumulative[i] = mass @ ndtr(d)
    return density, cumulative


def _new_examples(trained: _Trained, eta: float, x: Floats) -> tuple[Floats, Floats]:
    """Density and cumulative distribution of the margin of all new examples, kept or not."""
    along = trained.r * np.cos(trained.omega)
    slope = along / np.hypot(trained.s, trained.r * np.sin(trained.omega))
    right, skew = ndtr(slope * x), 2 * owens_t(x, slope)
    density = 2 * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi) * ((1 - eta) * right + eta * (1 - right))
    return density, ndtr(x) - (1 - 2 * eta) * skew


def _settle(balance: Callable[[Floats], Floats], start: Floats, alpha: float, keep: Any) -> Floats:
    with np.errstate(all="ignore"):  # a trial far from the solution counts as a failure
        found = root(balance, start, tol=1e-13)
    if not (np.all(np.isfinite(found.x)) and np.max(np.abs(found.fun)) < 1e-9):
        raise RuntimeError(f"no convergence of the version space at alpha_prune = {alpha:.6g}, {keep}")
    return found.x


def _channel(trained: _Trained, a: Floats) -> _Channel:
    s, v = trained.s, trained.v
    kinks = _kinks(trained.loss, v)
    g = _gauss((kinks - a[:, None]) / s if kinks.size else np.zeros((a.size, 1)))
    omega = a[:, None] + s * g.at
    if trained.loss == "square":
        f, b = (omega - 1) / (1 + v), np.full_like(omega, 1 / (1 + v))
    elif trained.loss == "logistic":
        h = _logistic_prox(omega, v)
        bend = expit(h) * expit(-h)
        f, b = -expit(-h), bend / (1 + v * bend)
    else:
        f, b = -np.maximum(1 - omega, 0) / v, (omega < 1) / v
        if trained.loss == "hinge":
            f, b = np.maximum(f, -1.0), b * (omega > 1 - v)
    one, x = np.ones_like(f), g.at
    products = (f, f * f, f**3, f**4, b, b * b, f * b, f * f * b, x * b, (x * x - one) * b, x * f * b)
    return _Channel(*(np.sum(g.weight * product, axis=1) for product in products))


def _logistic_prox(omega: Floats, v: float) -> Floats:
    """The h with h - V / (1 + exp h) = omega; Newton's method within a shrinking bracket."""
    low, high = omega.copy(), omega + v
    h = np.clip(omega + 0.5 * v, low, high)
    for _ in range(60):
        excess = h - v * expit(-h) - omega
        low, high = np.where(excess < 0, h, low), np.where(excess < 0, high, h)
        new = h - excess / (1 + v * expit(h) * expit(-h))
        new = np.where((new > low) & (new < high), new, 0.5 * (low + high))
        if np.all(np.abs(new - h) <= 1e-15 * (1 + np.abs(h))):
            break
        h = new
    return h


def _truth(trained: _Trained, labels: Labels) -> tuple[float, float, float]:
    """Components of the truth along the teacher, the rest of the probe, and outside."""
    if labels.truth_is_teacher:
        return 1.0, 0.0, 0.0
    found = truth_direction(trained.theta, labels.truth_angle, labels.probe_truth_angle)
    return float(found[0]), float(found[1]), float(found[2])


def _log_error_variance(trained: _Trained, keep: KeepRule, labels: Labels) -> float:
    """N times the variance of the logarithm of the error."""
    alpha, r, s, v = trained.alpha_prune, trained.r, trained.s, trained.v
    error, (teacher, rest, outside) = trained.error, _truth(trained, labels)
    along = teacher * np.cos(trained.omega) + rest * np.sin(trained.omega)
    across = rest * np.cos(trained.omega) - teacher * np.sin(trained.omega)
    norm, sine = np.hypot(r, s), np.sin(np.pi * error)
    # gradient of log error by (m along and across the student, s^2, V)
    of_cosine = np.array([along * s * s / norm**3, across / norm, -r * along / (2 * norm**3), 0.0])
    by_cosine = -1 / (np.pi * error * sine)

    num_strips, num_windows = trained.strips.lower.shape[-1], keep.windows()[0].shape[-1]
    steps, top = _bends(trained.loss, r, s, v)
    lines = _lines(trained.strips, trained.theta, r, trained.omega, steps, top, aligned=trained.aligned)
    channel = _channel(trained, r * lines.t)
    window = np.repeat(np.arange(num_strips) % num_windows, lines.t.size // num_strips)

    mass, along1 = lines.weight * lines.u0, lines.weight * lines.t * lines.u0
    across1 = lines.weight * lines.across1
    along2, mixed, across2 = along1 * lines.t, across1 * lines.t, lines.weight * lines.across2
    ch = channel
    m_b, t_b, v_b = (float(w @ ch.b) for w in (along2, mixed, across2))
    hessian = np.zeros((4, 4))
    hessian[:2, :2] = alpha * np.array([[m_b, t_b], [0.0, v_b]]) + trained.lam * np.eye(2)
    hessian[:2, 2] = alpha * np.array([along1 @ ch.gb, across1 @ ch.gb]) / (2 * s)
    hessian[:2, 3] = -alpha * np.array([along1 @ ch.fb, across1 @ ch.fb])
    hessian[2, 2] = alpha * (mass @ ch.ggb) / (4 * s * s)
    hessian[2, 3] = 1 / (2 * v * v) - alpha * (mass @ ch.gfb) / (2 * s)
    hessian[3, 3] = alpha * (mass @ ch.ffb) - s * s / v**3
    hessian = hessian + np.triu(hessian, 1).T
    scale = np.array([norm, norm, s * s, v])
    response = -scale * np.linalg.solve(scale[:, None] * hessian * scale, scale * of_cosine * by_cosine)
    dt, dv, dsigma, dV = response

    def change(t_weight: Floats, v_weight: Floats, weight: Floats, ch: _Channel) -> Floats:
        """Terms of the mean of D."""
        return (dt * t_weight + dv * v_weight) * ch.f + weight * (0.5 * dsigma * ch.b - 0.5 * dV * ch.ff)

    first = change(along1, across1, mass, ch)
    square = (dt * dt * along2 + 2 * dt * dv * mixed + dv * dv * across2) * ch.ff
    square += (dt * along1 + dv * across1) * (dsigma * ch.fb - dV * ch.fff)
    square += mass * (0.25 * dsigma**2 * ch.bb - 0.5 * dsigma * dV * ch.ffb + 0.25 * dV * dV * ch.ffff)
    share, mean, second = (np.bincount(window, x, num_windows) for x in (mass, first, square))
    spread = float(np.sum(second - mean**2 / share))

    cross = np.sum((dt * along1 + dv * across1) * ch.fb)
    cross += np.sum(mass * (0.5 * dsigma * (ch.gfb / s - ch.bb) - dV * ch.ffb))
    cross = alpha * cross + s * s * dV / v**3
    stability = 1 / (v * v) - alpha * float(mass @ ch.bb)
    variance = alpha * spread - (s * dV / v) ** 2 * (s / v) ** 2 / 2 + cross**2 / stability

    # the ends of the windows move with the pool
    lower, upper, _ = keep.windows()
    ranks = np.concatenate([lower, upper])
    inner = (ranks > 0) & (ranks < 1)
    eta = float(labels.flip_probability)
    at_edge = np.zeros(ranks.size)
    for i in np.flatnonzero(inner):
        t, across_t, weight = _edge_examples(trained, float(probe_margin(ranks[i])))
        for sign, chance in ((1.0, 1 - eta), (-1.0, eta)):
            if chance:
                parts = change(weight * sign * t, weight * sign * across_t, weight, _channel(trained, r * sign * t))
                at_edge[i] += chance * float(np.sum(parts))
    shift = np.where(np.arange(ranks.size) < lower.size, -1.0, 1.0) * (at_edge - np.tile(mean / share, 2))
    shift = np.where(inner, alpha * np.tile(share / (upper - lower), 2) * shift, 0.0)
    covariance = np.minimum(ranks[:, None], ranks) - ranks[:, None] * ranks
    variance += shift @ covariance @ shift * trained.fraction / alpha
    return float(variance + (by_cosine * outside * s / norm) ** 2)


def _edge_examples(trained: _Trained, z: float) -> tuple[Floats, Floats, Floats]:
    """Fields along and across the student times label, and weights, of the examples of probe margin +-z."""
    psi, r, s = trained.theta - trained.omega, trained.r, trained.s
    breaks = np.append(_bends(trained.loss, r, s, trained.v)[0], 0.0)
    # x is the coordinate orthogonal to the probe: t = z cos(psi) + x sin(psi), p = z cos(theta) + x sin(theta)
    at = np.concatenate([breaks, -breaks]) - z * np.cos(psi)
    ends = at / np.sin(psi) if abs(np.sin(psi)) > 1e-12 else np.zeros(1)
    boundary = -z * np.cos(trained.theta) / np.sin(trained.theta) if trained.theta > 0 else -FAR
    x = _gauss(np.append(ends, [boundary, 0.0]))
    label = np.where(x.at > boundary, 1.0, -1.0)
    t, across = z * np.cos(psi) + x.at * np.sin(psi), z * np.sin(psi) - x.at * np.cos(psi)
    return label * t, label * across, x.weight
