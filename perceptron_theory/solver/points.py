"""The points of a question: arguments checked, broadcast, and laid out one point a row."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import is_traced, real_array
from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_rules import KeepRule
from perceptron_theory.features import Features
from perceptron_theory.labels import Labels
from perceptron_theory.solver.kept_set import kept_set
from perceptron_theory.solver.saddle_point import Point
from perceptron_theory.students import MaxMargin, RegularisedStudent, Student

__all__ = [
    "ALPHA_PRUNE_RANGE",
    "FRACTION_RANGE",
    "Floats",
    "Part",
    "broadcast_shape",
    "check_not_traced",
    "check_types",
    "checked_numbers",
    "flat_points",
    "kind_and_lam",
    "lanes_of",
    "numbers_in",
    "parts_of",
    "unflatten",
]

Floats = NDArray[np.float64]

ALPHA_PRUNE_RANGE = (1e-3, 1e5)
FRACTION_RANGE = (1e-4, 1.0)


def check_types(keep: Any, student: Any, labels: Any, features: Any = None) -> None:
    """Raise a ``TypeError`` that names the argument unless these are a keep rule, a student, labels and features."""
    if not isinstance(keep, KeepRule | KeepByLabel):
        raise TypeError(f"keep must be a keep rule such as KeepHard(0.2), got {keep!r}")
    if not isinstance(student, MaxMargin | RegularisedStudent):
        raise TypeError(
            f"student must be MaxMargin(), SquareLoss(lam), LogisticLoss(lam) or HingeLoss(lam), got {student!r}"
        )
    if not isinstance(labels, Labels):
        raise TypeError(f"labels must be Labels(...), got {labels!r}")
    if features is not None and not isinstance(features, Features):
        raise TypeError(f"features must be SeenFeatures(...), PowerLawFeatures(...) or None, got {features!r}")


def check_not_traced(function: str, *things: Any) -> None:
    """Raise a ``TypeError`` if a number, or one in a dataclass, is traced by JAX."""
    if is_traced(*(number for thing in things for number in numbers_in(thing))):
        raise TypeError(f"{function} is not available under a JAX transformation; solve is")


def numbers_in(thing: Any) -> list[Any]:
    """All values in a keep rule, student or labels."""
    if dataclasses.is_dataclass(thing):
        return [x for field in dataclasses.fields(thing) for x in numbers_in(getattr(thing, field.name))]
    return [thing]


def checked_numbers(alpha_tot: Any, theta: Any) -> tuple[Floats, Floats]:
    """``alpha_tot`` and ``theta`` as arrays, after a check that they are numbers and the angle an angle.

    Up to single precision beyond pi/2 (np.float32(np.pi / 2) is 4e-8 above it) counts as pi/2.
    """
    alpha_tot, theta = real_array("alpha_tot", alpha_tot), real_array("theta", theta)
    if is_traced(theta):
        return alpha_tot, theta
    outside = (theta < 0) | (theta > np.pi / 2 + 1e-7)
    if np.any(outside):
        worst = float(theta[outside].flat[0])
        degrees = f": did you mean np.deg2rad({worst:g})?" if 2 <= worst <= 90 else ""
        raise ValueError(f"theta is in radians and must lie in [0, pi/2], got {worst!r}{degrees}")
    return alpha_tot, np.minimum(theta, np.pi / 2)


def broadcast_shape(
    alpha_tot: Any, keep: Any, theta: Any, student: Any, labels: Labels, features: Features | None = None
) -> tuple[int, ...]:
    """Broadcast shape of all arguments."""
    parts = (keep.agree, keep.disagree) if isinstance(keep, KeepByLabel) else (keep,)
    shapes = [("alpha_tot", np.shape(alpha_tot)), ("theta", np.shape(theta))]
    shapes += [("keep", part.shape) for part in parts if part is not None]
    shapes += [("student", np.shape(getattr(student, "lam", 0.0)))]
    shapes += [("labels", np.shape(x)) for x in numbers_in(labels) if x is not None]
    shapes += [] if features is None else [("features", features.shape)]
    try:
        return np.broadcast_shapes(*(shape for _, shape in shapes))
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes)
        raise ValueError(f"shapes do not broadcast: {listed}") from None


def kind_and_lam(student: Student) -> tuple[str, Any]:
    """What the solvers call the student, and its lambda."""
    return (student.loss, student.lam) if isinstance(student, RegularisedStudent) else ("max-margin", 0.0)


class Part(NamedTuple):
    """Points that one compiled solver takes.

    Attributes:
        aligned: theta = 0 and the rule does not look at labels: one coordinate less.
        rows: which of all flattened points these are, shape (num_points,).
        points: the points, arrays of shape (num_points, ...).
        fraction: fraction kept at each.
    """

    aligned: bool
    rows: NDArray[np.int64]
    points: Point
    fraction: Floats


def parts_of(
    alpha_tot: Any,
    keep: Any,
    theta: Any,
    student: Student,
    labels: Labels,
    shape: tuple[int, ...],
    features: Features | None = None,
) -> list[Part]:
    """All points, those at theta = 0 apart from the others, each where it belongs whatever stands beside it.

    Args:
        alpha_tot: as checked; so the others.
        keep: see there.
        theta: see there.
        student: see there.
        labels: see there.
        shape: broadcast shape of all.
        features: see there.

    Returns:
        One or two parts, none where there are no points.
    """
    angles = np.broadcast_to(theta, shape)
    at_zero = (angles == 0).reshape(-1) & isinstance(keep, KeepRule)
    parts = []
    for aligned in (True, False):
        rows = np.flatnonzero(at_zero == aligned)
        if rows.size:
            points, fraction = flat_points(alpha_tot, keep, angles, student, labels, shape, features, aligned=aligned)
            points, fraction = jax.tree.map(lambda a: a[rows], (points, fraction))  # noqa: B023
            parts.append(Part(aligned, rows, points, fraction))
    return parts


def flat_points(
    alpha_tot: Any,
    keep: Any,
    theta: Any,
    student: Student,
    labels: Labels,
    shape: tuple[int, ...],
    features: Features | None = None,
    *,
    aligned: bool,
    xp: Any = np,
) -> tuple[Point, Any]:
    """All points, flattened, and the fraction kept; ``alpha_tot=None`` means alpha_prune = 1."""
    kept = kept_set(keep, theta, labels, aligned=aligned, xp=xp)
    alpha_prune = xp.ones(()) if alpha_tot is None else kept.fraction * alpha_tot
    if xp is np:
        for name, value, (low, high) in (
            ("f, the fraction kept,", np.asarray(kept.fraction), FRACTION_RANGE),
            ("alpha_prune = f alpha_tot", np.asarray(alpha_prune), ALPHA_PRUNE_RANGE),
        ):
            outside = (value < low * (1 - 1e-9)) | (value > high * (1 + 1e-9))
            if np.any(outside):
                raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {value[outside].flat[0]:.6g}")
    kind, lam = kind_and_lam(student)
    pool = alpha_prune / kept.share
    # the length at which alpha <G(-r p)> = 1 for that density; where kept examples are few, the length of Hebb's rule
    start_r = xp.maximum(0.25 * alpha_prune * kept.boundary_density, 0.5 * xp.sqrt(xp.minimum(alpha_prune, 1.0)))
    strips = kept.strips
    if kind != "max-margin":
        strips = strips._replace(origin=xp.zeros(()))
    aslant = xp.asarray(0.5 if isinstance(keep, KeepByLabel) and labels.noisy else 0.0)
    nothing = xp.zeros(())  # no student nearby is known yet
    point = Point(
        alpha_prune,
        strips,
        kept.theta,
        xp.asarray(lam),
        kept.mean_bound,
        start_r,
        aslant,
        0.25 * pool,
        nothing,
        nothing,
        None if features is None else features.structure(xp.asarray(theta), shape, xp=xp),
    )

    def flat(values: Any, *trailing: int) -> Any:
        values = xp.broadcast_to(values, (*shape, *trailing)).reshape(-1, *trailing)
        return values if values.dtype == bool else values.astype(float)

    num_strips = strips.lower.shape[-1]
    per_strip = jax.tree.map(lambda a: flat(a, num_strips), strips._replace(origin=None))
    flattened = Point(
        alpha_prune=flat(point.alpha_prune),
        strips=per_strip._replace(origin=flat(strips.origin)),
        theta=flat(point.theta),
        lam=flat(point.lam),
        mean_bound=flat(point.mean_bound),
        start_r=flat(point.start_r),
        start_omega=flat(point.start_omega),
        longest=flat(point.longest),
        near_r=flat(point.near_r),
        near_x=flat(point.near_x),
        features=jax.tree.map(lambda a: flat(a, *a.shape[len(shape) :]), point.features),
    )
    return flattened, flat(kept.fraction)


def lanes_of(kind: str, points: Point, aligned: bool) -> int:
    """Points solved side by side: as many as fill the vector units, fewer where a point has many strips."""
    num_strips = points.strips.lower.shape[-1]
    lanes = {"max-margin": 32 if aligned else 8, "square": 8, "hinge": 1, "logistic": 1}[kind]
    return max(1, lanes * 2 // max(2, num_strips))


def unflatten(values: np.ndarray, shape: tuple[int, ...]) -> Any:
    """One value per point in the shape of the arguments, a plain number where that is ()."""
    return values.reshape(shape) if shape else values[0].item()
