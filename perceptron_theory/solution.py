"""Exact test error of students trained on pruned data: ``solve``.

Model (Sorscher et al., NeurIPS 2022, section 2): examples x ~ N(0, I_N) with labels sign(T.x), T the teacher; a probe J
at angle theta to T ranks them by |J.x|; a keep rule keeps a fraction f of alpha_tot N examples; the student is trained
on what is kept; N -> infinity at fixed alpha_tot.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from data_pruning.arguments import is_traced, real_array
from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_rules import KeepRule
from data_pruning.keep_weighted import warn_of_ignored_weights
from perceptron_theory.features import Features
from perceptron_theory.labels import Labels, truth_direction
from perceptron_theory.solver.batch import for_each_point
from perceptron_theory.solver.limits import (
    SEPARABLE,
    as_regularised,
    inverse_where,
    least_lam,
    limit_met,
    separability_solver,
    solve_points,
)
from perceptron_theory.solver.points import (
    Floats,
    broadcast_shape,
    check_not_traced,
    check_types,
    checked_numbers,
    flat_points,
    kind_and_lam,
    lanes_of,
    numbers_in,
    parts_of,
    unflatten,
)
from perceptron_theory.solver.saddle_point import order_parameters
from perceptron_theory.students import MaxMargin, Student

__all__ = ["Solution", "separability_threshold", "solve"]


@dataclass(frozen=True)
class Solution:
    """Order parameters of the student; every field has the broadcast shape of the arguments of ``solve``.

    Attributes:
        error: test error in (0, 1): angle between student and truth over pi.
        teacher_overlap: R, cosine of the angle between student and teacher; with features of unequal variance angles
            are those of the fields, their correlation being the cosine.
        probe_overlap: rho, cosine of the angle between student and probe.
        truth_overlap: cosine of the angle between student and truth; R where the teacher is the truth.
        margin: kappa, smallest y w.x / |w| over the kept examples, for x ~ N(0, I_N) or features of the variances
            given; None for regularised students, which have no smallest margin.
        norm: |w|; for the max-margin student that of the w with smallest y w.x = 1, that is 1 / kappa.
        fraction: f, the fraction of the examples kept.
        residual: max margin: largest residual of the saddle-point equations, each relative to the spread of its terms.
            Regularised: relative size of the next Newton step.  A diagnostic, not a bound: for thin windows with rare
            examples deep inside the margin it can be 1e-3 while the error is right to 1e-13; ``converged`` goes by
            the change of the error in the next Newton step.
        converged: whether the search settled; False only with ``on_failure="flag"``, and then the rest is NaN.
        num_steps: quadratures that the search took.
    """

    error: Any
    teacher_overlap: Any
    probe_overlap: Any
    truth_overlap: Any
    margin: Any
    norm: Any
    fraction: Any
    residual: Any
    converged: Any
    num_steps: Any


def solve(
    alpha_tot: ArrayLike,
    keep: KeepRule | KeepByLabel,
    theta: ArrayLike,
    *,
    student: Student = MaxMargin(),  # noqa: B008  (frozen)
    labels: Labels = Labels(),  # noqa: B008
    features: Features | None = None,
    on_failure: Literal["raise", "flag"] = "raise",
) -> Solution:
    """Test error and order parameters of a student trained on pruned data.

    Args:
        alpha_tot: examples per parameter of the student before pruning; alpha_prune = f alpha_tot must lie in
            [1e-3, 1e5].
        keep: keep rule, of fraction f in [1e-4, 1]; a ``KeepWeighted`` rule weighs the loss of each kept example.
        theta: angle between probe and teacher in radians, in [0, pi/2].
        student: what is minimised over the kept examples.  The max-margin student has no loss to be weighted: it
            ignores weights, with a warning.
        labels: how often labels are wrong, and what the truth is.
        features: what the student sees of the features; None is all of them, of equal variance.
        on_failure: "raise", or "flag" to return NaN and ``converged = False`` at points that do not converge.

    All numbers are scalars or arrays, broadcast against each other and against the fields of ``keep``, ``student``,
    ``labels`` and ``features``.  Any of them (except the edges of a ``KeepPolicy`` and ``num_seen``) can be traced by
    JAX: ``solve`` works under jit, vmap, grad and jvp, with derivatives by implicit differentiation of the saddle
    point.  This needs double precision, ``with jax.enable_x64(True):``; values cannot be checked then, and points
    without a solution come out as NaN.  The derivative by theta at theta = 0 is that at theta -> 0+.

    Returns:
        The solution; NumPy arrays of the broadcast shape, or plain numbers if that is (); JAX arrays if traced.

    Raises:
        TypeError: an argument of the wrong type, or traced in single precision.
        ValueError: an argument out of range or not finite, shapes that do not broadcast, examples that are not
            separable (max margin with flipped labels or hidden features), or a limit lambda -> 0 that does not exist.
        RuntimeError: a point did not converge, with ``on_failure="raise"``.

    Source: the saddle points in ``max_margin`` (Sorscher et al. 2022, appendix), ``regularised`` and, with features,
        ``feature_response``.

    Example:
        >>> from math import radians
        >>> from perceptron_theory import KeepEasy, KeepHard, solve
        >>> solve([4, 20], KeepHard(0.2), radians(10)).error.round(4)
        array([0.4367, 0.0393])
        >>> easy = solve(20, KeepEasy(0.2), radians(10))
        >>> print(f"{easy.error:.4f} {easy.converged}")
        0.0734 True
    """
    if on_failure not in ("raise", "flag"):
        raise ValueError(f'on_failure must be "raise" or "flag", got {on_failure!r}')
    check_types(keep, student, labels, features)
    if isinstance(student, MaxMargin):
        warn_of_ignored_weights(keep, student)
    if is_traced(alpha_tot, theta, *numbers_in(keep), *numbers_in(student), *numbers_in(labels), *numbers_in(features)):
        return _solve_traced(alpha_tot, keep, theta, student, labels, features)
    alpha_tot, theta = checked_numbers(alpha_tot, theta)
    shape = broadcast_shape(alpha_tot, keep, theta, student, labels, features)
    kind, lam = kind_and_lam(student)
    lam = np.broadcast_to(lam, shape).reshape(-1)
    theta = np.broadcast_to(theta, shape).reshape(-1)
    out: dict[str, Floats] = {}
    parts = parts_of(alpha_tot, keep, theta.reshape(shape), student, labels, shape, features)
    for aligned, rows, points, fraction in parts:
        found = solve_points(kind, points, aligned=aligned)
        found |= {"fraction": fraction, "alpha_prune": points.alpha_prune}
        for name, value in found.items():
            out.setdefault(name, np.full(theta.size, np.nan))[rows] = value
    if theta.size == 0:
        names = ("r", "omega", "s", "norm", "log_error", "residual", "num_steps", "converged", "fraction")
        out = {name: np.zeros(0) for name in names}
    fields = _observed(out, theta, labels, shape, np)
    converged = (out["converged"] == 1) & np.isfinite(fields["error"])
    if not converged.all() and on_failure == "raise":
        i = int(np.flatnonzero(~converged)[0])
        raise RuntimeError(
            f"{np.sum(~converged)} of {converged.size} points did not converge, the first at alpha_prune = "
            f"{out['alpha_prune'][i]:.6g}, theta = {theta[i]:.6g}, {type(keep).__name__} that keeps "
            f"{out['fraction'][i]:.6g}, {student}: residual {out['residual'][i]:.2g} after "
            f'{out["num_steps"][i]:.0f} steps. Use on_failure="flag" to get the others.'
        )
    fields = {name: np.where(converged, value, np.nan) for name, value in fields.items()}
    fields |= {"residual": np.where(converged, out["residual"], np.nan), "fraction": out["fraction"]}
    fields |= {"converged": converged, "num_steps": out["num_steps"].astype(np.int64)}
    fields = {name: unflatten(value, shape) for name, value in fields.items()}
    return Solution(**fields | ({"margin": 1 / fields["norm"]} if kind == "max-margin" else {"margin": None}))


def separability_threshold(
    keep: KeepRule | KeepByLabel,
    theta: ArrayLike,
    labels: Labels = Labels(),  # noqa: B008
    features: Features | None = None,
) -> Any:
    """The alpha_prune up to which kept examples are linearly separable, where labels are flipped or features hidden.

    alpha_c = 1 / min_m <E_g (-y m.u - g)_+^2> / (1 - m.K m) over the in-plane part m of the student, the Gardner (1988)
    argument at margin 0, K what is hidden from it (``solver.feature_response``); for logistic regression on all data
    the threshold of Candes and Sur (Annals of Statistics 48, 2020).

    Args:
        keep: keep rule, of fraction f in [1e-4, 1]; arrays allowed.
        theta: angle between probe and teacher in radians, in [0, pi/2]; scalar or array.
        labels: the labels.
        features: what the student sees of the features; None is all of them.  Their variances do not matter.

    Returns:
        alpha_c, kept examples per parameter, of the broadcast shape; infinity where no label is flipped and all
        features are seen.

    Raises:
        TypeError, ValueError: as ``solve``.

    Example:
        >>> from math import radians
        >>> from perceptron_theory import KeepHard, Labels, separability_threshold
        >>> print(f"{separability_threshold(KeepHard(0.3), radians(20), Labels(flip_probability=0.1)):.4f}")
        3.0024
    """
    student = MaxMargin()
    check_types(keep, student, labels, features)
    check_not_traced("separability_threshold", theta, keep, labels, features)
    _, theta = checked_numbers(1.0, theta)
    shape = broadcast_shape(np.ones(()), keep, theta, student, labels, features)
    if not (labels.noisy or features) or 0 in shape:
        return unflatten(np.full(int(np.prod(shape)), np.inf), shape)
    points, _ = flat_points(None, keep, theta, student, labels, shape, features, aligned=False)
    found = for_each_point(separability_solver(), (points,), lanes=8)
    noisy = np.broadcast_to(labels.flip_probability, shape).reshape(-1) > 0
    if features is not None:
        noisy = noisy | (np.broadcast_to(features.hidden_part(), shape).reshape(-1) > 0)
    noisy = noisy & ~(found["violation"] < 1 / SEPARABLE)
    if not np.all(found["converged"][noisy] == 1):
        raise RuntimeError(f"no convergence of the separability threshold for {keep}, theta = {theta}, {labels}")
    return unflatten(inverse_where(found["violation"], noisy), shape)


def _observed(out: dict[str, Any], theta: Any, labels: Labels, shape: tuple[int, ...], xp: Any) -> dict[str, Any]:
    """The fields of ``Solution`` that follow from the student's coordinates."""
    r, omega, s = out["r"], out["omega"], out["s"]
    length = xp.hypot(r, s)
    teacher, probe = r / length * xp.cos(omega), r / length * xp.cos(theta - omega)
    if labels.truth_is_teacher:
        error, overlap = xp.exp(out["log_error"]), teacher
    else:
        angles = (xp.broadcast_to(a, shape).reshape(-1) for a in (labels.truth_angle, labels.probe_truth_angle))
        error, overlap = against_truth(r, omega, s, truth_direction(theta, *angles, xp=xp), xp)
    return {
        "error": error,
        "teacher_overlap": teacher,
        "probe_overlap": probe,
        "truth_overlap": overlap,
        "norm": out["norm"],
    }


def against_truth(r: Any, omega: Any, s: Any, truth: tuple[Any, Any, Any], xp: Any = np) -> tuple[Any, Any]:
    """Error and overlap of a student against a truth of those components (``truth_direction``), no digits lost."""
    teacher, rest, outside = truth
    along = teacher * xp.cos(omega) + rest * xp.sin(omega)
    across = rest * xp.cos(omega) - teacher * xp.sin(omega)
    length = xp.hypot(r, s)
    sine = xp.hypot(xp.hypot(s * along, length * across), length * outside)
    return xp.arctan2(sine, r * along) / np.pi, r * along / length


def _solve_traced(
    alpha_tot: Any, keep: Any, theta: Any, student: Student, labels: Labels, features: Features | None
) -> Solution:
    """``solve`` under a JAX transformation."""
    if jnp.result_type(float) != jnp.float64:
        raise TypeError("solve is traced in single precision: put `with jax.enable_x64(True):` around the call")
    kind, lam = kind_and_lam(student)
    if not is_traced(lam) and np.any(np.asarray(lam) == 0) and kind in ("logistic", "hinge"):
        raise ValueError(
            f"lam = 0 is not available under a JAX transformation, got {student!r}: use MaxMargin or lam > 0"
        )
    alpha_tot, theta = real_array("alpha_tot", alpha_tot), real_array("theta", theta)
    shape = broadcast_shape(alpha_tot, keep, theta, student, labels, features)
    at_zero = np.zeros(int(np.prod(shape)), bool)
    if isinstance(keep, KeepRule) and not is_traced(theta):
        at_zero = (np.broadcast_to(theta, shape) == 0).reshape(-1)
    found = []
    for aligned in (True, False):
        rows = np.flatnonzero(at_zero == aligned)
        if rows.size == 0 and at_zero.size:
            continue
        points, fraction = flat_points(
            alpha_tot, keep, theta, student, labels, shape, features, aligned=aligned, xp=jnp
        )
        some = jax.tree.map(lambda a: a[rows], points)  # noqa: B023
        if kind == "square":
            some = some._replace(lam=jnp.maximum(some.lam, least_lam(some)))
        solved, some = as_regularised(kind, some)
        one = partial(order_parameters, solved, aligned)
        here = jax.lax.map(one, some, batch_size=lanes_of(solved, some, aligned))
        if solved != kind:
            met = limit_met(here)
            here = {name: jnp.where(met, value, jnp.nan) for name, value in here.items()} | {
                "converged": here["converged"] * met
            }
        found.append((rows, here))
    back = np.argsort(np.concatenate([rows for rows, _ in found]), kind="stable")
    out = {name: jnp.concatenate([part[name] for _, part in found])[back] for name in found[0][1]}
    fields = _observed(out, points.theta, labels, shape, jnp)
    fields |= {"fraction": fraction, "residual": out["residual"], "converged": out["converged"] == 1}
    fields |= {"num_steps": out["num_steps"]}
    fields = {name: value.reshape(shape) for name, value in fields.items()}
    return Solution(**fields | {"margin": 1 / fields["norm"] if kind == "max-margin" else None})
