"""Theory against simulation, point by point: ``validate``."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2
from tqdm import tqdm

from perceptron_theory import KeepByLabel, KeepRule, Labels, MaxMargin, Results, Student, solve
from perceptron_theory.results import stored
from simulations.experiment import Simulation, simulate

__all__ = ["Point", "Validation", "validate"]


@dataclass(frozen=True)
class Point:
    """One comparison of theory and simulation; the fields are the arguments of ``simulate``."""

    alpha_tot: float
    keep: KeepRule | KeepByLabel
    theta: float
    num_features: int = 200
    num_trials: int = 100
    student: Student = MaxMargin()  # noqa: RUF009 (frozen)
    labels: Labels = Labels()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        if not isinstance(self.keep, KeepRule | KeepByLabel):
            raise TypeError(f"keep must be a keep rule such as KeepHard(0.2), got {self.keep!r}")
        if self.keep.shape != ():
            raise ValueError(f"keep must be one rule, got an array of rules of shape {self.keep.shape}")
        for name in ("alpha_tot", "theta"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
                raise TypeError(f"{name} must be a number, got {value!r}")
        if not isinstance(self.student, Student):
            raise TypeError(f"student must be a student such as SquareLoss(0.1), got {self.student!r}")
        if not isinstance(self.labels, Labels):
            raise TypeError(f"labels must be Labels(...), got {self.labels!r}")

    def settings(self) -> dict[str, Any]:
        """The point as a JSON value; student and labels only where they are not the default."""
        settings: dict[str, Any] = {
            "alpha_tot": float(self.alpha_tot),
            "keep": {"rule": type(self.keep).__name__} | _values(self.keep),
            "theta": float(self.theta),
            "num_features": int(self.num_features),
            "num_trials": int(self.num_trials),
        }
        if self.student != MaxMargin():
            settings["student"] = {"student": type(self.student).__name__} | _values(self.student)
        if _values(self.labels) != _values(Labels()):
            settings["labels"] = _values(self.labels)
        return settings


@dataclass(frozen=True)
class Validation:
    """Theory and simulation on the same points.

    Attributes:
        points: the points.
        simulations: one per point.
        theory: test error of the theory at alpha_tot and f as rounded to whole examples, shape (num_points,).
        mean: simulated test errors, shape (num_points,).
        standard_error: standard errors of ``mean``, shape (num_points,).
        z: (mean - theory) / standard_error, shape (num_points,).
        chi_square: sum of z squared.
        p_value: probability of a larger chi-square if the theory were exact at this N and the errors normal.
        shift: common relative shift of the simulated errors, the weighted mean of mean / theory - 1.  The theory is
            for infinite N; at finite N a shift of about 0.5/N is expected, and many trials will show it.
        shift_error: standard error of ``shift``.
        p_value_about_shift: p-value of the chi-square that is left around the common shift; 1 for a single point.
    """

    points: tuple[Point, ...]
    simulations: tuple[Simulation, ...]
    theory: np.ndarray
    mean: np.ndarray
    standard_error: np.ndarray
    z: np.ndarray
    chi_square: float
    p_value: float
    shift: float
    shift_error: float
    p_value_about_shift: float

    @property
    def worst_gap(self) -> float:
        """Largest optimality gap of all trials."""
        return max(float(simulation.gaps.max()) for simulation in self.simulations)

    def summary(self) -> str:
        """One paragraph: agreement and certificates."""
        num_trials = sum(simulation.errors.size for simulation in self.simulations)
        worst = int(np.argmax(np.abs(self.z)))
        return (
            f"{len(self.points)} points, {num_trials} trials: chi-square {self.chi_square:.1f} "
            f"(p = {self.p_value:.3g}), largest |z| {abs(self.z[worst]):.2f} at {_label(self.points[worst])}; "
            f"common shift {100 * self.shift:+.2f} +- {100 * self.shift_error:.2f} % from finite N, about it "
            f"p = {self.p_value_about_shift:.3g}; worst certificate: gap {self.worst_gap:.1e}"
        )

    def results(self) -> Results:
        """The table as results that can be saved."""
        results = Results(
            "Test error of students on pruned data: theory against simulation",
            {
                "points": [point.settings() for point in self.points],
                "chi_square": self.chi_square,
                "p_value": self.p_value,
                "shift": self.shift,
                "shift_error": self.shift_error,
                "p_value_about_shift": self.p_value_about_shift,
            },
        )
        columns: list[tuple[str, Any, str, str]] = [
            ("rule", [_rule_name(point.keep) for point in self.points], "", "keep rule"),
            (
                "f",
                [
                    p.keep.fraction if isinstance(p.keep, KeepRule) else s.fraction
                    for p, s in zip(self.points, self.simulations, strict=True)
                ],
                "1",
                "fraction kept, as asked for; as found where the rule looks at labels",
            ),
            ("theta", [point.theta for point in self.points], "rad", "angle between probe and teacher"),
            ("alpha_tot", [s.alpha_tot for s in self.simulations], "1", "examples per parameter before pruning"),
            (
                "alpha_prune",
                [s.num_kept / s.num_features for s in self.simulations],
                "1",
                "kept examples per parameter",
            ),
            ("student", [_student_name(point.student) for point in self.points], "", "student"),
            ("lam", [getattr(p.student, "lam", 0.0) for p in self.points], "1", "ridge lambda; 0 for max-margin"),
            ("flip_probability", [p.labels.flip_probability for p in self.points], "1", "share of flipped labels"),
            ("truth_angle", [p.labels.truth_angle for p in self.points], "rad", "angle between teacher and truth"),
            (
                "probe_truth_angle",
                [p.theta if p.labels.truth_is_teacher else p.labels.probe_truth_angle for p in self.points],
                "rad",
                "angle between probe and truth",
            ),
            ("num_features", [point.num_features for point in self.points], "1", "parameters of the student, N"),
            ("num_trials", [s.errors.size for s in self.simulations], "1", "independent trials"),
            ("seed", [s.seed for s in self.simulations], "1", "seed of the trials"),
            ("theory", self.theory, "1", "test error, theory for infinite N"),
            ("mean", self.mean, "1", "test error, mean over trials"),
            ("standard_error", self.standard_error, "1", "standard error of mean"),
            ("z", self.z, "1", "(mean - theory) / standard_error"),
            ("gap", [s.gaps.max() for s in self.simulations], "1", "largest optimality gap of the trials"),
        ]
        for name, values, units, description in columns:
            results.add(name, "point", values, units, description)
        return results


def validate(
    points: Sequence[Point],
    *,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Validation:
    """Compare theory and simulation on a list of points.

    Every point has random numbers of its own, derived from ``seed`` and its settings, so the z-scores are independent
    and a point's result does not depend on the others.  With ``out`` each finished point is saved there at once;
    the same call continues where an interrupted one stopped, with the same result.

    Args:
        points: at least one point, all different.
        seed: non-negative integer.
        out: folder for one file per point; None saves nothing.
        progress: show a progress bar on stderr.

    Returns:
        The comparison.

    Raises:
        TypeError, ValueError: no points, twice the same, or an argument of the wrong type or out of range.
        KeyboardInterrupt: interrupted; the message says what is saved.
        As ``simulate`` and ``solve``.
    """
    if isinstance(points, Point) or not all(isinstance(point, Point) for point in points):
        raise TypeError(f"points must be a sequence of Point, got {points!r}")
    points = tuple(points)
    if not points:
        raise ValueError("points is empty: give at least one Point")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"seed must be an integer, got {seed!r}")
    if seed < 0:
        raise ValueError(f"seed must be non-negative, got {seed!r}")
    if out is not None and Path(out).is_file():
        raise ValueError(f"out must be a folder, but {out} is a file")
    keys = [json.dumps(point.settings(), sort_keys=True) for point in points]
    if len(set(keys)) < len(keys):
        twice = next(point for point, key in zip(points, keys, strict=True) if keys.count(key) > 1)
        raise ValueError(f"points must differ, or their trials would count twice: {twice}")
    simulations: list[Simulation] = []
    try:
        for point in tqdm(points, desc="simulation", unit="point", disable=not progress):
            simulations.append(_stored_or_simulated(point, seed, out))
    except KeyboardInterrupt:
        where = f"saved in {out}; run the same again to continue" if out else "nothing was saved: no out folder given"
        raise KeyboardInterrupt(f"{len(simulations)} of {len(points)} points finished, {where}") from None

    # the theory of the numbers of examples that whole examples allowed
    theory = np.array([_theory(point, simulation) for point, simulation in zip(points, simulations, strict=True)])
    mean = np.array([simulation.mean for simulation in simulations])
    standard_error = np.array([simulation.standard_error for simulation in simulations])
    z = (mean - theory) / standard_error
    chi_square = float(z @ z)
    relative, weight = mean / theory - 1, (theory / standard_error) ** 2
    shift = float(np.average(relative, weights=weight))
    left = float(weight @ (relative - shift) ** 2)
    return Validation(
        points=points,
        simulations=tuple(simulations),
        theory=theory,
        mean=mean,
        standard_error=standard_error,
        z=z,
        chi_square=chi_square,
        p_value=float(chi2.sf(chi_square, z.size)),
        shift=shift,
        shift_error=float(1 / np.sqrt(weight.sum())),
        p_value_about_shift=float(chi2.sf(left, z.size - 1)) if z.size > 1 else 1.0,
    )


def _stored_or_simulated(point: Point, seed: int, out: str | os.PathLike[str] | None) -> Simulation:
    settings = point.settings()
    digest = hashlib.sha256(json.dumps([int(seed), settings], sort_keys=True).encode()).digest()
    trial_seed = int.from_bytes(digest[:4], "big") >> 1  # 31 bits: a seed that every random generator takes

    def run() -> Simulation:
        return simulate(
            point.alpha_tot,
            point.keep,
            point.theta,
            point.num_features,
            point.num_trials,
            trial_seed,
            student=point.student,
            labels=point.labels,
        )

    if out is None:
        return run()
    software = {name: metadata.version(name) for name in ("data-pruning-theory", "jax", "jaxlib", "numpy")}
    saved = stored(
        out, "point", {"point": settings, "seed": trial_seed, "software": software}, lambda: _to_results(run(), point)
    )
    return Simulation(
        errors=saved["errors"],
        gaps=saved["gaps"],
        margins=saved["margins"],
        kept=saved["num_kept"] + np.zeros(point.num_trials, np.int64),  # one number where all trials keep as many
        mean=float(saved["mean"]),
        standard_error=float(saved["standard_error"]),
        num_features=point.num_features,
        num_examples=int(saved["num_examples"]),
        seed=trial_seed,
    )


def _to_results(simulation: Simulation, point: Point) -> Results:
    results = Results(f"Simulated students at {_label(point)}")
    results.add("errors", "trial", simulation.errors, "1", "test error")
    results.add("gaps", "trial", simulation.gaps, "1", "optimality gap: the angle is right to arccos(1 - gap)")
    results.add("margins", "trial", simulation.margins, "1", "margin kappa")
    results.add("mean", (), simulation.mean, "1", "mean of errors")
    results.add("standard_error", (), simulation.standard_error, "1", "standard error of mean")
    results.add("num_examples", (), simulation.num_examples, "1", "examples per trial before pruning")
    if isinstance(point.keep, KeepRule):
        results.add("num_kept", (), int(simulation.num_kept), "1", "examples per trial after pruning")
    else:
        results.add("num_kept", "trial", simulation.kept, "1", "examples after pruning")
    return results


def _theory(point: Point, simulation: Simulation) -> float:
    """Test error of the theory; for a rule that looks at labels, of the rule as asked for."""
    keep = point.keep.with_fraction(simulation.fraction) if isinstance(point.keep, KeepRule) else point.keep
    return solve(simulation.alpha_tot, keep, point.theta, student=point.student, labels=point.labels).error


def _beyond_default(point: Point) -> dict[str, Any]:
    return {name: getattr(point, name) for name in ("student", "labels") if name in point.settings()}


def _values(item: Any) -> dict[str, Any]:
    """Fields of a rule, student or labels as JSON values."""
    return {field.name: _value(getattr(item, field.name)) for field in fields(item)}


def _value(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, KeepRule):
        return {"rule": type(value).__name__} | _values(value)
    array = np.asarray(value, float)
    return float(array) if array.ndim == 0 else array.tolist()


def _student_name(student: Student) -> str:
    return getattr(student, "loss", "max-margin")


def _rule_name(keep: KeepRule | KeepByLabel) -> str:
    return type(keep).__name__.removeprefix("Keep").lower()


def _label(point: Point) -> str:
    beyond = "".join(f", {value}" for value in _beyond_default(point).values())
    return f"alpha_tot = {point.alpha_tot:g}, {point.keep}, theta = {np.rad2deg(point.theta):g} degrees{beyond}"
