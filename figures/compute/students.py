"""Students compared on pruned data, and pruning under label noise."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
from tqdm import tqdm

from data_pruning import KeepByLabel, KeepEasy, KeepHard, KeepRandom, KeepRule, Results
from data_pruning.records.results import stored
from figures.compute.software import software
from figures.draw.students import STUDENT_LABELS
from perceptron_theory import (
    HingeLoss,
    Labels,
    LogisticLoss,
    MaxMargin,
    SquareLoss,
    Student,
    separability_threshold,
    solve,
)
from simulations import Point

__all__ = ["compute_label_noise", "compute_students", "points_to_simulate"]

Folder = str | os.PathLike[str]

STUDENTS: tuple[Student, ...] = (MaxMargin(), SquareLoss(0.1), LogisticLoss(0.1), HingeLoss(0.1))
NOISY_STUDENT = HingeLoss(0.1)
FRACTION, THETA_DEG = 0.3, 20.0
RULES: dict[str, KeepRule | KeepByLabel] = {
    "hard": KeepHard(FRACTION),
    "easy": KeepEasy(FRACTION),
    "random": KeepRandom(FRACTION),
    "bylabel": KeepByLabel(KeepHard(FRACTION)),
}
PLAIN = ("hard", "easy", "random")  # rules that do not look at labels
SIMULATED_ALPHAS = (3.0, 10.0, 30.0)  # examples per parameter before pruning
SIMULATED_FLIPS = (0.02, 0.1, 0.25)
NOISY_ALPHA = 20.0  # examples per parameter before pruning, with flipped labels


def compute_students(folder: Folder, num_alphas: int = 33, *, progress: bool = False) -> Results:
    """Test errors of four students against alpha_tot, for keep-hard, keep-easy and random.

    Args:
        folder: where each student is saved as it is finished; those there are not computed again.
        num_alphas: values of alpha_tot, from 1 to 100.
        progress: show a progress bar on stderr.

    Returns:
        ``error`` (student, rule, alpha_tot) and the coordinates.

    Raises:
        KeyboardInterrupt: interrupted; finished students are saved.
        As ``solve``.
    """
    alpha_tot, theta = np.geomspace(1, 100, num_alphas), np.deg2rad(THETA_DEG)

    def one(student: Student) -> Results:
        results = Results(f"Test error of {student} on pruned data")
        error = [solve(alpha_tot, RULES[rule], theta, student=student).error for rule in PLAIN]
        results.add("error", ("rule", "alpha_tot"), error, "1", "test error")
        return results

    settings = {"theta_deg": THETA_DEG, "f": FRACTION, "num_alphas": num_alphas, "software": software()}
    errors = [
        stored(folder, "student", {**settings, "student": str(student)}, partial(one, student))["error"]
        for student in tqdm(STUDENTS, desc="students", unit="student", disable=not progress)
    ]
    results = Results("Test error of different students on pruned data", settings)
    results.add("student", "student", list(STUDENT_LABELS), "", "student")
    results.add("lam", "student", [getattr(s, "lam", 0.0) for s in STUDENTS], "1", "ridge lambda; 0 for max-margin")
    results.add("rule", "rule", list(PLAIN), "", "keep rule")
    results.add("alpha_tot", "alpha_tot", alpha_tot, "1", "examples per parameter before pruning")
    results.add("f", (), FRACTION, "1", "fraction kept")
    results.add("theta", (), theta, "rad", "angle between probe and teacher")
    results.add("error", ("student", "rule", "alpha_tot"), errors, "1", "test error")
    return results


def compute_label_noise(folder: Folder, num_flips: int = 31, *, progress: bool = False) -> Results:
    """Test error and separability threshold against the share of flipped labels, for four rules.

    Args:
        folder: where each rule is saved as it is finished; those there are not computed again.
        num_flips: values of the flip probability, from 0 to 0.3.
        progress: show a progress bar on stderr.

    Returns:
        ``error``, ``fraction`` and ``alpha_c`` (rule, flip_probability; alpha_c is infinite where no label is
        flipped) and the coordinates.

    Raises:
        KeyboardInterrupt: interrupted; finished rules are saved.
        As ``solve`` and ``separability_threshold``.
    """
    flips, theta = np.linspace(0, 0.3, num_flips), np.deg2rad(THETA_DEG)
    labels = Labels(flip_probability=flips)

    def one(rule: KeepRule | KeepByLabel) -> Results:
        found = solve(NOISY_ALPHA, rule, theta, student=NOISY_STUDENT, labels=labels)
        results = Results(f"Flipped labels and {rule}")
        results.add("error", "flip_probability", found.error, "1", "test error")
        fraction = np.broadcast_to(found.fraction, flips.shape)
        results.add("fraction", "flip_probability", fraction, "1", "fraction kept")
        alpha_c = separability_threshold(rule, theta, labels)
        description = "kept examples per parameter up to which they are separable"
        results.add("alpha_c", "flip_probability", alpha_c, "1", description)
        return results

    settings = {
        "theta_deg": THETA_DEG,
        "f": FRACTION,
        "alpha_tot": NOISY_ALPHA,
        "student": str(NOISY_STUDENT),
        "num_flips": num_flips,
        "software": software(),
    }
    parts = [
        stored(folder, "noise", {**settings, "rule": str(rule)}, partial(one, rule))
        for rule in tqdm(RULES.values(), desc="label noise", unit="rule", disable=not progress)
    ]
    results = Results("Test error and separability with flipped labels on pruned data", settings)
    results.add("rule", "rule", list(RULES), "", "keep rule")
    results.add("flip_probability", "flip_probability", flips, "1", "share of flipped labels")
    results.add("alpha_tot", (), NOISY_ALPHA, "1", "examples per parameter before pruning")
    results.add("f", (), FRACTION, "1", "fraction kept; by-label rules keep the part of it where labels agree")
    results.add("theta", (), theta, "rad", "angle between probe and teacher")
    for name, variable in parts[0].variables.items():
        values = np.stack([part[name] for part in parts])
        results.add(name, ("rule", "flip_probability"), values, variable.units, variable.description)
    return results


def points_to_simulate(num_features: int, num_trials: int) -> list[Point]:
    """The simulated points of both pictures."""
    theta = float(np.deg2rad(THETA_DEG))
    clean = [
        Point(alpha, RULES[rule], theta, num_features, num_trials, student)
        for student in STUDENTS
        for rule in PLAIN
        for alpha in SIMULATED_ALPHAS
    ]
    noisy = [
        Point(NOISY_ALPHA, rule, theta, num_features, num_trials, NOISY_STUDENT, Labels(flip_probability=flip))
        for rule in RULES.values()
        for flip in SIMULATED_FLIPS
    ]
    return clean + noisy
