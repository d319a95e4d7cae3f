"""Theory against simulation, point by point: ``validate``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jax.sharding import Mesh
from numpy.typing import NDArray

from data_pruning import KeepByLabel, KeepRule, Results
from data_pruning.arguments import integer
from data_pruning.records.writable import check_folder
from perceptron_theory import Labels, Student, solve
from simulations.probe import TrainedProbe
from simulations.simulation import Simulation, simulate
from simulations.validation.point import Point
from simulations.validation.progress import Progress
from simulations.validation.significance import Estimate, Extrapolation, chi_square, combine, common_shift, extrapolate

__all__ = ["Theory", "Validation", "validate"]

Floats = NDArray[np.float64]


class Theory(Protocol):
    """A theory of the test error, called as ``perceptron_theory.solve`` is."""

    def __call__(
        self, alpha_tot: float, keep: KeepRule | KeepByLabel, theta: Any, *, student: Student, labels: Labels
    ) -> Any:
        """Test error at infinite N: a number, or an object with the attribute ``error``.

        Args:
            alpha_tot: examples per parameter before pruning.
            keep: keep rule.
            theta: angle between probe and teacher in radians, in [0, pi/2]; for trained probes an array of shape
                (num_trials,), for which the error has this shape too.
            student: what is minimised.
            labels: flips of labels, and the truth that counts.

        Where the student does not see all features it is also given them, as ``features``.
        """


@dataclass(frozen=True, eq=False)
class Validation:
    """Theory and simulation on the same points; arrays have the shape (num_points,).

    Attributes:
        points: the points.
        simulations: of each point, one per size.
        theory: test error of the theory at the largest size: at alpha_tot and f as rounded to whole examples, and for
            trained probes the mean over trials, each at its measured angle.
        mean: simulated test errors at the largest size.
        standard_error: standard errors of ``mean``.
        z: normal scores of mean - theory at the largest size: of (error - theory) averaged over trials, over its
            standard error, corrected for the number of trials by Student's distribution.
        extrapolated: test errors at infinite N, by the law r_inf + c/N for error - theory; NaN for points of one size.
        extrapolated_error: standard errors of ``extrapolated``.
        z_extrapolated: normal scores of extrapolated - theory.
        chi_square: sum of z squared.
        p_value: probability of a larger chi-square if the theory were exact at the largest N.
        chi_square_extrapolated: sum of z_extrapolated squared over points of several sizes; NaN if there is none.
        p_value_extrapolated: probability of a larger one if the theory is exact at infinite N and the law holds.
        chi_square_law: what the law leaves of the points of three and more sizes; NaN if there is none.
        p_value_law: probability of a larger one if the law holds: small where a size is too small for it.
        shift: common relative shift of the simulated errors at the largest size, the weighted mean of
            mean / theory - 1.  The theory is for infinite N; at finite N a shift of about 0.5/N is expected, and many
            trials will show it.
        shift_error: standard error of ``shift``.
        p_value_about_shift: p-value of the chi-square that is left around the common shift; 1 for a single point.
    """

    points: tuple[Point, ...]
    simulations: tuple[tuple[Simulation, ...], ...]
    theory: Floats
    mean: Floats
    standard_error: Floats
    z: Floats
    extrapolated: Floats
    extrapolated_error: Floats
    z_extrapolated: Floats
    chi_square: float
    p_value: float
    chi_square_extrapolated: float
    p_value_extrapolated: float
    chi_square_law: float
    p_value_law: float
    shift: float
    shift_error: float
    p_value_about_shift: float

    @property
    def largest(self) -> tuple[Simulation, ...]:
        """The simulations of the largest size of each point."""
        return tuple(sizes[-1] for sizes in self.simulations)

    @property
    def worst_gap(self) -> float:
        """Largest optimality gap of all trials, those of trained probes included."""
        found = [simulation for sizes in self.simulations for simulation in sizes]
        gaps = [each.gaps.max() for each in found]
        gaps += [each.probe_gaps.max() for each in found if each.probe_gaps is not None]
        return float(max(gaps))

    def summary(self) -> str:
        """One paragraph: agreement and certificates."""
        num_trials = sum(simulation.num_trials for sizes in self.simulations for simulation in sizes)
        worst = int(np.argmax(np.abs(self.z)))
        extrapolated = ""
        several = ~np.isnan(self.z_extrapolated)
        if several.any():
            highest = int(np.nanargmax(np.abs(self.z_extrapolated)))
            law = "" if np.isnan(self.p_value_law) else f", 1/N law p = {self.p_value_law:.3g}"
            extrapolated = (
                f"extrapolated to infinite N, {several.sum()} points: chi-square {self.chi_square_extrapolated:.1f} "
                f"(p = {self.p_value_extrapolated:.3g}), largest |z| {abs(self.z_extrapolated[highest]):.2f} at "
                f"{_label(self.points[highest])}{law}; "
            )
        return (
            f"{len(self.points)} points, {num_trials} trials: {extrapolated}"
            f"{'at the largest N: ' if extrapolated else ''}chi-square {self.chi_square:.1f} "
            f"(p = {self.p_value:.3g}), largest |z| {abs(self.z[worst]):.2f} at {_label(self.points[worst])}; "
            f"common shift {100 * self.shift:+.2f} +- {100 * self.shift_error:.2f} % from finite N, about it "
            f"p = {self.p_value_about_shift:.3g}; worst certificate: gap {self.worst_gap:.1e}"
        )

    def results(self) -> Results:
        """The table as results that can be saved; of several sizes the largest, where nothing else is said."""
        overall = ["chi_square", "p_value"]
        overall += [] if np.isnan(self.chi_square_extrapolated) else ["chi_square_extrapolated", "p_value_extrapolated"]
        overall += [] if np.isnan(self.chi_square_law) else ["chi_square_law", "p_value_law"]
        overall += ["shift", "shift_error", "p_value_about_shift"]
        results = Results(
            "Test error of students on pruned data: theory against simulation",
            {"points": [point.settings() for point in self.points], **{name: getattr(self, name) for name in overall}},
        )
        points, largest = self.points, self.largest
        theta = [s.probe_angles.mean() for s in largest]
        fraction = [
            p.keep.fraction if isinstance(p.keep, KeepRule) else s.fraction
            for p, s in zip(points, largest, strict=True)
        ]
        probe_truth = [
            angle if p.labels.truth_is_teacher else p.labels.probe_truth_angle
            for p, angle in zip(points, theta, strict=True)
        ]
        columns: list[tuple[str, Any, str, str]] = [
            ("rule", [type(p.keep).__name__.removeprefix("Keep").lower() for p in points], "", "keep rule"),
            ("f", fraction, "1", "fraction kept, as asked for; as found where the rule looks at labels"),
            ("theta", theta, "rad", "angle between probe and teacher; mean over trials for trained probes"),
            (
                "probe",
                [str(p.theta) if isinstance(p.theta, TrainedProbe) else "" for p in points],
                "",
                "how the probe was trained; empty where its angle is given",
            ),
            ("alpha_tot", [s.alpha_tot for s in largest], "1", "examples per parameter before pruning"),
            ("alpha_prune", [s.num_kept / s.num_parameters for s in largest], "1", "kept examples per parameter"),
            ("student", [getattr(p.student, "loss", "max-margin") for p in points], "", "student"),
            ("lam", [getattr(p.student, "lam", 0.0) for p in points], "1", "ridge lambda; 0 for max-margin"),
            ("flip_probability", [p.labels.flip_probability for p in points], "1", "share of flipped labels"),
            ("truth_angle", [p.labels.truth_angle for p in points], "rad", "angle between teacher and truth"),
            ("probe_truth_angle", probe_truth, "rad", "angle between probe and truth"),
            ("num_features", [s.num_features for s in largest], "1", "features of the examples, N; the largest size"),
            ("num_parameters", [s.num_parameters for s in largest], "1", "parameters of the student: features it sees"),
            (
                "features",
                ["" if s.features is None else str(s.features) for s in largest],
                "",
                "what it sees; empty: all",
            ),
            ("num_trials", [s.num_trials for s in largest], "1", "independent trials"),
            ("seed", [s.seed for s in largest], "1", "seed of the trials"),
            ("sizes", [" ".join(map(str, p.sizes)) for p in points], "", "all sizes N"),
            (
                "trials_of_sizes",
                [" ".join(str(s.num_trials) for s in sizes) for sizes in self.simulations],
                "",
                "independent trials at each of these sizes",
            ),
            ("theory", self.theory, "1", "test error, theory for infinite N"),
            ("mean", self.mean, "1", "test error, mean over trials"),
            ("standard_error", self.standard_error, "1", "standard error of mean"),
            ("z", self.z, "1", "normal score of mean - theory"),
            ("extrapolated", self.extrapolated, "1", "test error at infinite N; NaN where there is one size"),
            ("extrapolated_error", self.extrapolated_error, "1", "standard error of extrapolated"),
            ("z_extrapolated", self.z_extrapolated, "1", "normal score of extrapolated - theory"),
            (
                "gap",
                [max(s.gaps.max() for s in sizes) for sizes in self.simulations],
                "1",
                "largest optimality gap of the trials of all sizes",
            ),
        ]
        for name, values, units, description in columns:
            results.add(name, "point", values, units, description)
        return results

    def to_xarray(self) -> Any:
        """The same as an ``xarray.Dataset`` with the dimension ``point``, units and descriptions."""
        return self.results().to_xarray()


def validate(
    points: Sequence[Point],
    *,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
    theory: Theory | None = None,
) -> Validation:
    """Compare theory and simulation on a list of points.

    Every size of every point has random numbers of its own, derived from ``seed`` and its settings, so the z-scores are
    independent and a point's result does not depend on the others.  With ``out`` each finished batch of trials is saved
    there at once; the same call continues where an interrupted one stopped, with the same result, and one that asks
    for more trials adds to those that are there.

    Args:
        points: at least one point, no two of which share trials.
        seed: non-negative integer.
        out: folder for the trials, a sub-folder per point and size; None saves nothing.
        mesh: JAX mesh whose devices share the trials; default all devices.
        progress: show a progress bar over all trials, with the time left, on stderr.
        theory: the theory to check, called as ``solve`` is; default ``solve`` itself.  It is asked at the numbers of
            examples as rounded at each size, and for trained probes at the measured angle of every trial, in one call
            with an array of angles.

    Returns:
        The comparison.

    Raises:
        TypeError, ValueError: no points, two that share trials, an argument of the wrong type or out of range, or a
            theory that returns something else than finite positive errors of the right shape.
        KeyboardInterrupt: interrupted; the message says what is saved.
        As ``simulate`` and ``solve``.

    The statistics, with their sources, are in ``simulations.validation.significance``.  With "auto" the number of
    trials depends on their variance, which makes standard errors a little too small: of true theories (1 + O(1/n))
    times as many are rejected with n trials.

    Example:
        >>> from perceptron_theory import KeepHard
        >>> from simulations import Point, validate
        >>> found = validate([Point(4, KeepHard(0.5), 0.0, num_features=20, num_trials=8)])
        >>> print(f"p = {found.results().config['p_value']:.1f}")
        p = 0.4
    """
    points = _checked(points)
    seed = integer("seed", seed, 0)
    if out is not None and Path(out).is_file():
        raise ValueError(f"out must be a folder, but {out} is a file")
    if theory is not None and not callable(theory):
        raise TypeError(f"theory must be a function that is called as solve is, got {theory!r}")

    if out is not None:
        check_folder("out", out)
    found: list[tuple[Simulation, ...]] = []
    with Progress([point.num_trials for point in points for _ in point.sizes], shown=progress) as bar:
        try:
            for point in points:
                found.append(tuple(_simulated(point, size, seed, out, mesh, bar) for size in point.sizes))
        except KeyboardInterrupt:
            where = f"saved in {out}; run the same again to continue" if out else "nothing saved: no out folder"
            raise KeyboardInterrupt(f"{bar.n} of {bar.total} trials finished, {where}") from None
    return _compared(points, found, theory or solve)


def _checked(points: Sequence[Point]) -> tuple[Point, ...]:
    if not isinstance(points, Sequence) or not all(isinstance(point, Point) for point in points):
        raise TypeError(f"points must be a sequence of Point, got {points!r}")
    if len(points) == 0:
        raise ValueError("points is empty: give at least one Point")
    seen = set()
    for point in points:
        for size in point.sizes:
            key = json.dumps(point.students(size).point(), sort_keys=True)
            if key in seen:
                raise ValueError(f"points must differ, or their trials would count twice: N = {size} of {point}")
            seen.add(key)
    return tuple(points)


def _simulated(
    point: Point, size: int, seed: int, out: str | os.PathLike[str] | None, mesh: Mesh | None, bar: Progress
) -> Simulation:
    students = point.students(size, seed)
    found = simulate(
        point.alpha_tot,
        point.keep,
        point.theta,
        size,
        point.num_trials,
        students.seed,
        student=point.student,
        labels=point.labels,
        features=point.features,
        target=point.target,
        out=out,
        mesh=mesh,
        bar=bar,
    )
    bar.next()
    return found


def _compared(points: tuple[Point, ...], found: Sequence[tuple[Simulation, ...]], theory: Theory) -> Validation:
    errors: list[float] = []  # of the theory, at the largest size
    largest: list[Estimate] = []
    infinite: list[Extrapolation | None] = []
    for point, sizes in zip(points, found, strict=True):
        expected = [_theory(theory, point, simulation) for simulation in sizes]
        residuals = [simulation.errors - error for simulation, error in zip(sizes, expected, strict=True)]
        try:
            largest.append(combine([1.0], residuals[-1:]))
            infinite.append(extrapolate(point.sizes, residuals) if len(sizes) > 1 else None)
        except ValueError as problem:
            problem.add_note(f"the point is {point}")
            raise
        errors.append(float(expected[-1].mean()))
    predicted = np.array(errors)
    limits = [None if each is None else each.limit for each in infinite]
    value, error, z_extrapolated = (
        np.array([np.nan if each is None else getattr(each, name) for each in limits])
        for name in ("value", "error", "z")
    )
    z = np.array([each.z for each in largest])
    at_largest, at_infinity = chi_square(z), chi_square(z_extrapolated[~np.isnan(z_extrapolated)])
    law = chi_square([score for each in infinite if each is not None for score in each.law_z])
    common = common_shift(predicted, largest)
    return Validation(
        points=points,
        simulations=tuple(found),
        theory=predicted,
        mean=np.array([sizes[-1].mean for sizes in found]),
        standard_error=np.array([sizes[-1].standard_error for sizes in found]),
        z=z,
        extrapolated=predicted + value,
        extrapolated_error=error,
        z_extrapolated=z_extrapolated,
        chi_square=at_largest.value,
        p_value=at_largest.p_value,
        chi_square_extrapolated=at_infinity.value,
        p_value_extrapolated=at_infinity.p_value,
        chi_square_law=law.value,
        p_value_law=law.p_value,
        shift=common.shift,
        shift_error=common.error,
        p_value_about_shift=common.p_value,
    )


def _theory(theory: Theory, point: Point, simulation: Simulation) -> Floats:
    """Test error of the theory for every trial, shape (num_trials,).

    At the numbers of examples as they were rounded; for a rule that looks at labels, of the rule as asked for.
    """
    keep = point.keep.with_fraction(simulation.fraction) if isinstance(point.keep, KeepRule) else point.keep

    def ask(keep: KeepRule | KeepByLabel, theta: float | Floats) -> Floats:
        seen = {} if point.features is None else {"features": simulation.features}
        call: Any = theory
        given = call(simulation.alpha_tot, keep, theta, student=point.student, labels=point.labels, **seen)
        error = np.asarray(getattr(given, "error", given))
        if error.dtype.kind not in "fiu" or error.shape not in ((), np.shape(theta)):
            raise ValueError(f"the theory must give an error of shape {np.shape(theta)} at {point}, gave {given!r}")
        if not np.all(np.isfinite(error) & (error > 0)):
            raise ValueError(f"the theory must give positive finite errors, gave {error!r} at {point}")
        return np.broadcast_to(error.astype(float), np.shape(theta))

    if not isinstance(point.theta, TrainedProbe):
        return np.full(simulation.num_trials, ask(keep, float(point.theta)))
    angles = simulation.probe_angles
    if isinstance(keep, KeepRule):
        return ask(keep, np.minimum(angles, np.pi - angles))  # J and -J rank alike
    # and where J predicts a label, -J does not
    mirrored, error = KeepByLabel(keep.disagree, keep.agree, keep.weight_power), np.empty(angles.size)
    for rule, angle, rows in ((keep, angles, angles <= np.pi / 2), (mirrored, np.pi - angles, angles > np.pi / 2)):
        if rows.any():
            error[rows] = ask(rule, angle[rows])
    return error


def _label(point: Point) -> str:
    shown = point.settings()
    theta = point.theta if isinstance(point.theta, TrainedProbe) else f"{np.rad2deg(point.theta):g} degrees"
    beyond = "".join(f", {getattr(point, name)}" for name in ("student", "labels", "features") if name in shown)
    return f"alpha_tot = {point.alpha_tot:g}, {point.keep}, theta = {theta}{beyond}"
