"""The version space of the kept examples, and the bits that one more tells about the teacher: ``information_gain``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root
from scipy.special import log_ndtr

from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_rules import KeepRule
from data_pruning.keep_weighted import without_weights
from perceptron_theory.labels import Labels
from perceptron_theory.observables.trained import gauss, lines_of, one_number, one_row
from perceptron_theory.solver.points import check_types, flat_points
from perceptron_theory.solver.quadrature import REACH
from perceptron_theory.students import MaxMargin

__all__ = ["information_gain"]


Floats = NDArray[np.float64]


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
    check_types(keep, student, labels)
    without_weights(keep)
    alpha, angle = one_number(alpha_tot, keep, theta, student, labels)
    aligned = bool(angle == 0) and isinstance(keep, KeepRule)
    points, _ = flat_points(alpha, keep, angle, student, labels, (), aligned=aligned)
    strips, alpha_prune = one_row(points.strips), float(points.alpha_prune[0])
    g = gauss()

    def averages(unknowns: Floats) -> tuple[Floats, float]:
        """E_g log Phi and its derivatives by (m, s) over kept examples."""
        r, omega, s = np.hypot(*unknowns[:2]), np.arctan2(unknowns[1], unknowns[0]), unknowns[2]
        spread = np.hypot(1.0, s)
        steps = np.array([-REACH, -3.0, 0.0, 3.0, REACH]) * spread / r
        lines = lines_of(strips, float(angle), omega, steps, REACH * spread / r, aligned=aligned)
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
        """(A, B, s) at coordinates (log r, 1 + omega, log s), the angle left out where it is 0.

        Steps of numerical derivatives are in proportion to a coordinate, which an angle of rounding errors has not.
        """
        log_r, turned, log_s = (coordinates[0], 1.0, coordinates[1]) if aligned else coordinates
        omega = turned - 1
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
    size = np.sqrt(2 / np.pi * step_alpha)
    plane = step_alpha * averages(np.array([step_alpha * size, 0.0, size]))[0][:2]
    length, size = np.log(np.hypot(*plane)), np.log(size)
    here = np.array([length, size]) if aligned else np.array([length, 1 + np.arctan2(plane[1], plane[0]), size])
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


def _settle(balance: Callable[[Floats], Floats], start: Floats, alpha: float, keep: Any) -> Floats:
    with np.errstate(all="ignore"):  # a trial far from the solution counts as a failure
        found = root(balance, start, tol=1e-13)
    if not (np.all(np.isfinite(found.x)) and np.max(np.abs(found.fun)) < 1e-9):
        raise RuntimeError(f"no convergence of the version space at alpha_prune = {alpha:.6g}, {keep}")
    return found.x
