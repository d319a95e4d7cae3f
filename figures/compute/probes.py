"""Probes that were trained: how good must the ranking be, and what does it take to learn it?"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from data_pruning import KeepEasy, KeepHard, KeepRandom, KeepRule, Results
from data_pruning.records.results import stored
from figures.compute.software import software
from perceptron_theory import MaxMargin, Student, solve
from simulations import PerceptronRule, Point, TrainedProbe, Validation

__all__ = ["compute_probes", "points_to_simulate", "validation_of_probes"]

Folder = str | os.PathLike[str]

ALPHA_TOT, FRACTION = 10.0, 0.3
RULES: dict[str, KeepRule] = {"hard": KeepHard(FRACTION), "easy": KeepEasy(FRACTION)}
BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # examples per parameter on which probes are trained
PROBES: dict[str, Student | PerceptronRule] = {
    "max margin": MaxMargin(),
    "perceptron rule, 3 passes": PerceptronRule(3),
    "perceptron rule, 1 pass": PerceptronRule(1),
}


def compute_probes(folder: Folder, num_budgets: int = 49, num_angles: int = 46) -> Results:
    """Angle of a max-margin probe against its training set, and test error of the students that it prunes for.

    Args:
        folder: where the results are saved; if they are there they are not computed again.
        num_budgets: values of alpha_probe, from 0.2 to 20.
        num_angles: angles, from 0 to 90 degrees.

    Returns:
        ``probe_angle`` (alpha_probe), ``error`` (rule, alpha_probe), ``error_at_angle`` (rule, angle), ``random_error``
        and the coordinates.

    Raises:
        As ``solve``.
    """
    settings = {
        "alpha_tot": ALPHA_TOT,
        "f": FRACTION,
        "num_budgets": num_budgets,
        "num_angles": num_angles,
        "software": software(),
    }

    def compute() -> Results:
        alpha_probe, angle = np.geomspace(0.2, 20, num_budgets), np.deg2rad(np.linspace(0, 90, num_angles))
        probe_angle = np.pi * solve(alpha_probe, KeepRandom(1.0), 0.0).error
        results = Results("Test error after pruning by max-margin probes, in theory")
        results.add("rule", "rule", list(RULES), "", "keep rule")
        results.add("alpha_tot", (), ALPHA_TOT, "1", "examples per parameter before pruning")
        results.add("f", (), FRACTION, "1", "fraction kept")
        results.add("alpha_probe", "alpha_probe", alpha_probe, "1", "examples per parameter to train the probe")
        results.add("probe_angle", "alpha_probe", probe_angle, "rad", "angle between max-margin probe and teacher")
        results.add("angle", "angle", angle, "rad", "angle between probe and teacher")
        for name, theta, dim in (("error", probe_angle, "alpha_probe"), ("error_at_angle", angle, "angle")):
            error = [solve(ALPHA_TOT, rule, theta).error for rule in RULES.values()]
            results.add(name, ("rule", dim), error, "1", "test error")
        random_error = solve(ALPHA_TOT, KeepRandom(FRACTION), 0.0).error
        results.add("random_error", (), random_error, "1", "test error with random examples")
        return results

    return stored(folder, "probes", settings, compute)


def points_to_simulate(num_features: int, num_trials: int) -> list[Point]:
    """The simulated points: each kind of probe on each training set, for each rule."""
    return [
        Point(ALPHA_TOT, rule, TrainedProbe(budget, student), num_features, num_trials)
        for student in PROBES.values()
        for rule in RULES.values()
        for budget in BUDGETS
    ]


def validation_of_probes(validation: Validation) -> Results:
    """The comparison of trained probes with the theory at their measured angles, and the probes themselves.

    Args:
        validation: of ``points_to_simulate``.

    Returns:
        ``Validation.results()`` with ``alpha_probe``, ``probe_kind`` and ``angle_error``, the standard error of the
        mean angle ``theta``; all of shape (point,).
    """
    results = validation.results()
    kinds = {student: kind for kind, student in PROBES.items()}
    trained: list[Any] = [point.theta for point in validation.points]
    angle_error = [found.probe_angles.std(ddof=1) / found.num_trials**0.5 for found in validation.largest]
    results.add("alpha_probe", "point", [probe.alpha for probe in trained], "1", "examples per parameter of the probe")
    results.add("probe_kind", "point", [kinds[probe.student] for probe in trained], "", "how the probe was trained")
    results.add("angle_error", "point", angle_error, "rad", "standard error of theta")
    return results


_DASH: dict[str, Any] = {"marker": "_", "markersize": 11, "markeredgewidth": 1.2, "linestyle": "none", "zorder": 2}
