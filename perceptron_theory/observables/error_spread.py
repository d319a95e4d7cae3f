"""How much the error of students of N parameters varies from one data set to the next: ``error_standard_deviation``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from data_pruning.arguments import real_array
from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_rules import KeepRule
from perceptron_theory.labels import Labels
from perceptron_theory.observables.trained import Trained, bends, gauss, kinks_of, lines_of, train, truth_of
from perceptron_theory.solver.kept_set import probe_margin
from perceptron_theory.solver.quadrature import FAR
from perceptron_theory.students import MaxMargin, Student

__all__ = ["error_standard_deviation"]


Floats = NDArray[np.float64]


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
    n = real_array("num_features", num_features)
    if np.any(n < 1):
        raise ValueError(f"num_features must be at least 1, got {num_features!r}")
    trained = train(alpha_tot, keep, theta, student, labels)
    variance = _log_error_variance(trained, keep, labels)
    if not (np.isfinite(variance) and variance > 0):
        raise RuntimeError(f"N Var(log error) = {variance:.3g}: lost to rounding at this extreme point, {trained.loss}")
    return (trained.error * np.sqrt(variance / n))[()]


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


def _channel(trained: Trained, a: Floats) -> _Channel:
    s, v = trained.s, trained.v
    kinks = kinks_of(trained.loss, v)
    g = gauss((kinks - a[:, None]) / s if kinks.size else np.zeros((a.size, 1)))
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


def _log_error_variance(trained: Trained, keep: KeepRule, labels: Labels) -> float:
    """N times the variance of the logarithm of the error."""
    alpha, r, s, v = trained.alpha_prune, trained.r, trained.s, trained.v
    error, (teacher, rest, outside) = trained.error, truth_of(trained, labels)
    along = teacher * np.cos(trained.omega) + rest * np.sin(trained.omega)
    across = rest * np.cos(trained.omega) - teacher * np.sin(trained.omega)
    norm, sine = np.hypot(r, s), np.sin(np.pi * error)
    # gradient of log error by (m along and across the student, s^2, V)
    of_cosine = np.array([along * s * s / norm**3, across / norm, -r * along / (2 * norm**3), 0.0])
    by_cosine = -1 / (np.pi * error * sine)

    num_strips, num_windows = trained.strips.lower.shape[-1], keep.windows()[0].shape[-1]
    steps, top = bends(trained.loss, r, s, v)
    lines = lines_of(trained.strips, trained.theta, trained.omega, steps, top, aligned=trained.aligned)
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


def _edge_examples(trained: Trained, z: float) -> tuple[Floats, Floats, Floats]:
    """Fields along and across the student times label, and weights, of the examples of probe margin +-z."""
    psi, r, s = trained.theta - trained.omega, trained.r, trained.s
    breaks = np.append(bends(trained.loss, r, s, trained.v)[0], 0.0)
    # x is the coordinate orthogonal to the probe: t = z cos(psi) + x sin(psi), p = z cos(theta) + x sin(theta)
    at = np.concatenate([breaks, -breaks]) - z * np.cos(psi)
    ends = at / np.sin(psi) if abs(np.sin(psi)) > 1e-12 else np.zeros(1)
    boundary = -z * np.cos(trained.theta) / np.sin(trained.theta) if trained.theta > 0 else -FAR
    x = gauss(np.append(ends, [boundary, 0.0]))
    label = np.where(x.at > boundary, 1.0, -1.0)
    t, across = z * np.cos(psi) + x.at * np.sin(psi), z * np.sin(psi) - x.at * np.cos(psi)
    return label * t, label * across, x.weight
