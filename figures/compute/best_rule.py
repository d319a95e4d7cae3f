"""The best keep rule: phase diagram of the best window, certified policies, and the frontier over all rules."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_pruning import KeepEasy, KeepHard, KeepPolicy, KeepRandom, KeepRule, KeepWindow, Results
from data_pruning.records.results import stored
from figures.compute.software import software
from perceptron_theory import MaxMargin, SquareLoss, Student, best_window, solve, value_function
from perceptron_theory.best_rule import MAX_WINDOWS, optimal_policy
from simulations import Point

__all__ = [
    "CASES",
    "MARKED",
    "compute_frontiers",
    "compute_phase_diagram",
    "compute_policies",
    "points_to_simulate",
]

Folder = str | os.PathLike[str]

RULES: dict[str, Callable[[Any], KeepRule]] = {"hard": KeepHard, "easy": KeepEasy, "random": KeepRandom}
MARKED = ((5.0, 0.3), (20.0, 0.5), (50.0, 0.15))  # alpha_tot and f at which best windows are simulated
CASES: tuple[tuple[float, float, float, Student], ...] = (  # alpha_tot, f, theta in degrees, student
    (10.0, 0.2, 0.0, MaxMargin()),
    (50.0, 0.1, 20.0, MaxMargin()),
    (35.8, 0.563, 20.0, SquareLoss(0.1)),
)
FRONTIER_FRACTIONS = (0.03, 0.06, 0.1, 0.17, 0.28, 0.4, 0.6, 0.85)


def compute_phase_diagram(
    folder: Folder,
    theta_deg: Sequence[float] = (0.0, 10.0, 20.0),
    num_alphas: int = 20,
    num_fractions: int = 16,
    *,
    progress: bool = False,
) -> Results:
    """Place and test error of the best window over alpha_tot and f, and what hard, easy and random give there.

    Args:
        folder: where each angle is saved as it is finished; those there are not computed again.
        theta_deg: angles between probe and teacher in degrees.
        num_alphas: values of alpha_tot, from 2 to 200.
        num_fractions: values of f, from 0.03 to 0.9, evenly in its logarithm.
        progress: show a progress bar on stderr.

    Returns:
        ``lower_rank``, ``place``, ``error``, ``hard_error``, ``easy_error``, ``random_error``
        (theta, alpha_tot, f); ``marked_lower_rank`` (theta, marked) at the points that are simulated.

    Raises:
        KeyboardInterrupt: interrupted; finished angles are saved.
        As ``best_window``.
    """
    alpha_tot, f = np.geomspace(2, 200, num_alphas), np.geomspace(0.03, 0.9, num_fractions)
    marked_alpha, marked_f = np.array(MARKED).T

    def one(angle: float) -> Results:
        theta, alpha = np.deg2rad(angle), alpha_tot[:, None]
        results = Results(f"Best window of difficulty at {angle:g} degrees")
        lower, error = best_window(alpha, f, theta)
        results.add("lower_rank", ("alpha_tot", "f"), lower, "1", "rank at which the best window begins, 0 = hardest")
        results.add("error", ("alpha_tot", "f"), error, "1", "test error of the best window")
        for name, rule in RULES.items():
            error = solve(alpha, rule(f), theta).error
            results.add(f"{name}_error", ("alpha_tot", "f"), error, "1", f"test error of keep-{name}")
        marked, _ = best_window(marked_alpha, marked_f, theta)
        results.add("marked_lower_rank", "marked", marked, "1", "as lower_rank, at the points that are simulated")
        return results

    grid = {"num_alphas": num_alphas, "num_fractions": num_fractions, "marked": MARKED}
    parts = [
        _stored(folder, "phase", {"theta_deg": angle, **grid}, partial(one, angle))
        for angle in tqdm(theta_deg, desc="phase diagram", unit="angle", disable=not progress)
    ]
    results = Results("Phase diagram of the best window of difficulty", {"theta_deg": list(theta_deg), **grid})
    results.add("theta", "theta", np.deg2rad(theta_deg), "rad", "angle between probe and teacher")
    results.add("alpha_tot", "alpha_tot", alpha_tot, "1", "examples per parameter before pruning")
    results.add("f", "f", f, "1", "fraction kept")
    results.add("marked_alpha_tot", "marked", marked_alpha, "1", "alpha_tot of the points that are simulated")
    results.add("marked_f", "marked", marked_f, "1", "f of the points that are simulated")
    _add_stacked(results, "theta", parts)
    place = results["lower_rank"] / (1 - f)
    results.add("place", ("theta", "alpha_tot", "f"), place, "1", "lower_rank / (1 - f): 0 = hardest, 1 = easiest")
    return results


def compute_policies(
    folder: Folder,
    cases: Sequence[tuple[float, float, float, Student]] = CASES,
    num_cells: int = 256,
    *,
    progress: bool = False,
) -> Results:
    """The best rule with its certificate, at a few points.

    Args:
        folder: where each case is saved as it is finished; those there are not computed again.
        cases: alpha_tot, f, theta in degrees and student of each.
        num_cells: cells of rank over which the value function is averaged.
        progress: show a progress bar on stderr.

    Returns:
        ``value`` (case, cell), ``threshold``, ``gap``, ``error``, ``window_error`` and those of the rules (case),
        ``lower``, ``upper`` (case, window) of the best rule, NaN beyond its last window, and the coordinates.

    Raises:
        KeyboardInterrupt: interrupted; finished cases are saved.
        As ``optimal_policy``.
    """

    def one(alpha_tot: float, f: float, angle: float, student: Student) -> Results:
        theta = float(np.deg2rad(angle))
        best = optimal_policy(alpha_tot, f, theta, student=student)
        _, value = value_function(
            alpha_tot, best.policy, theta, ranks=np.linspace(0, 1, num_cells + 1), student=student
        )
        results = Results(f"Best keep rule at alpha_tot = {alpha_tot:g}, f = {f:g}, theta = {angle:g} degrees")
        results.add("value", "cell", value, "1", "value function: - d log(error) / d keep probability, per rank")
        _add_best(results, best)
        return results

    parts = [
        _stored(
            folder,
            "policy",
            {"alpha_tot": case[0], "f": case[1], "theta_deg": case[2], "student": str(case[3]), "cells": num_cells},
            partial(one, *case),
        )
        for case in tqdm(cases, desc="best rules", unit="case", disable=not progress)
    ]
    results = Results("Best keep rules with their certificates", {"cases": [[*c[:3], str(c[3])] for c in cases]})
    results.add("alpha_tot", "case", [case[0] for case in cases], "1", "examples per parameter before pruning")
    results.add("f", "case", [case[1] for case in cases], "1", "fraction kept")
    results.add("theta", "case", np.deg2rad([case[2] for case in cases]), "rad", "angle between probe and teacher")
    results.add("student", "case", [getattr(case[3], "loss", "max-margin") for case in cases], "", "student")
    results.add("lam", "case", [getattr(case[3], "lam", 0.0) for case in cases], "1", "ridge lambda; 0 for max-margin")
    results.add("ranks", "edge", np.linspace(0, 1, num_cells + 1), "1", "edges of the cells of rank, 0 = hardest")
    _add_stacked(results, "case", parts)
    return results


def compute_frontiers(
    folder: Folder,
    theta_deg: Sequence[float] = (0.0, 20.0),
    alpha_tot: float = 20.0,
    fractions: Sequence[float] = FRONTIER_FRACTIONS,
    num_fractions: int = 49,
    *,
    progress: bool = False,
) -> Results:
    """Lowest test error over all rules against alpha_prune at a given number of examples, and simple rules beside it.

    Args:
        folder: where each point is saved as it is finished; those there are not computed again.
        theta_deg: angles between probe and teacher in degrees.
        alpha_tot: examples per parameter before pruning.
        fractions: fractions at which the best of all rules is searched, with its certificate.
        num_fractions: fractions of the curves of best window, hard, easy and random, from 0.02 to 0.95.
        progress: show a progress bar on stderr.

    Returns:
        ``error``, ``gap`` (theta, f), ``lower``, ``upper`` (theta, f, window) of the best rules, the curves
        ``curve_*_error`` (theta, curve_f), and the coordinates.

    Raises:
        KeyboardInterrupt: interrupted; finished points are saved.
        As ``optimal_policy``.
    """
    curve_f = np.geomspace(0.02, 0.95, num_fractions)

    def one(angle: float, f: float) -> Results:
        results = Results(f"Best keep rule at alpha_tot = {alpha_tot:g}, f = {f:g}, theta = {angle:g} degrees")
        _add_best(results, optimal_policy(alpha_tot, f, float(np.deg2rad(angle))))
        return results

    def curves(angle: float) -> Results:
        theta = float(np.deg2rad(angle))
        results = Results(f"Curves beside the frontier at {angle:g} degrees")
        errors = {"window": best_window(alpha_tot, curve_f, theta)[1]}
        errors |= {name: solve(alpha_tot, rule(curve_f), theta).error for name, rule in RULES.items()}
        for name, error in errors.items():
            label = "the best window" if name == "window" else f"keep-{name}"
            results.add(f"curve_{name}_error", "curve_f", error, "1", f"test error of {label}")
        return results

    rows = []
    with tqdm(total=len(theta_deg) * (len(fractions) + 1), desc="frontier", disable=not progress) as bar:
        for angle in theta_deg:
            settings = {"theta_deg": angle, "alpha_tot": alpha_tot}
            row = Results("")
            points = []
            for f in fractions:
                points.append(_stored(folder, "frontier", {**settings, "f": f}, partial(one, angle, f)))
                bar.update()
            _add_stacked(row, "f", points)
            settings["num_fractions"] = num_fractions
            for name, variable in _stored(folder, "curves", settings, partial(curves, angle)).variables.items():
                row.variables[name] = variable
            bar.update()
            rows.append(row)
    config = {"theta_deg": list(theta_deg), "alpha_tot": alpha_tot, "fractions": list(fractions)}
    results = Results("Lowest test error over all keep rules", config)
    results.add("theta", "theta", np.deg2rad(theta_deg), "rad", "angle between probe and teacher")
    results.add("alpha_tot", (), alpha_tot, "1", "examples per parameter before pruning")
    results.add("f", "f", np.array(fractions), "1", "fraction kept, of the best rules")
    results.add("curve_f", "curve_f", curve_f, "1", "fraction kept, of the curves")
    _add_stacked(results, "theta", rows)
    return results


def points_to_simulate(
    phase: Results, policies: Results, frontiers: Results, num_features: int, num_trials: int
) -> list[Point]:
    """The simulated points of the three pictures, without repetition."""
    points = [
        Point(float(alpha), KeepWindow(float(a), min(1.0, float(a + f))), float(theta), num_features, num_trials)
        for theta, row in zip(phase["theta"], phase["marked_lower_rank"], strict=True)
        for alpha, f, a in zip(phase["marked_alpha_tot"], phase["marked_f"], row, strict=True)
    ]
    for i, (alpha, f, theta) in enumerate(zip(policies["alpha_tot"], policies["f"], policies["theta"], strict=True)):
        student = SquareLoss(float(policies["lam"][i])) if policies["student"][i] == "square" else MaxMargin()
        rules = [_policy(policies["lower"][i], policies["upper"][i]), *(rule(float(f)) for rule in RULES.values())]
        points += [Point(float(alpha), rule, float(theta), num_features, num_trials, student) for rule in rules]
    for i, theta in enumerate(frontiers["theta"]):
        points += [
            Point(
                float(frontiers["alpha_tot"]),
                _policy(frontiers["lower"][i, j], frontiers["upper"][i, j]),
                float(theta),
                num_features,
                num_trials,
            )
            for j in range(0, frontiers["f"].size, 2)
        ]
    return list({str(point.settings()): point for point in points}.values())


def _stored(folder: Folder, stem: str, settings: dict[str, Any], compute: Callable[[], Results]) -> Results:
    return stored(folder, stem, {"software": software(), **settings}, compute)


def _add_best(results: Results, best: Any) -> None:
    """The best rule, its certificate and the errors of simple rules."""
    edges = np.full((2, MAX_WINDOWS), np.nan)
    edges[:, : len(best.windows)] = np.array(best.windows).T
    results.add("lower", "window", edges[0], "1", "rank at which each kept window begins; NaN beyond the last window")
    results.add("upper", "window", edges[1], "1", "rank at which it ends")
    for name, value, description in (
        ("error", best.error, "test error of the best rule"),
        ("window_error", best.window_error, "test error of the best window"),
        ("hard_error", best.hard_error, "test error of keep-hard"),
        ("easy_error", best.easy_error, "test error of keep-easy"),
        ("random_error", best.random_error, "test error of keep-random"),
        ("threshold", best.threshold, "value above which ranks are kept"),
        ("gap", best.gap, "certificate: Frank-Wolfe gap in log(error)"),
    ):
        results.add(name, (), value, "1", description)


def _add_stacked(results: Results, dim: str, parts: Sequence[Results]) -> None:
    """The variables of all parts, along a new first dimension."""
    for name, variable in parts[0].variables.items():
        values = np.stack([part[name] for part in parts])
        results.add(name, (dim, *variable.dims), values, variable.units, variable.description)


def _policy(lower: NDArray[Any], upper: NDArray[Any]) -> KeepPolicy:
    """The rule that keeps these windows."""
    lower, upper = lower[np.isfinite(lower)], upper[np.isfinite(upper)]
    lower = np.where(lower < 1e-9, 0.0, lower)
    edges = np.unique(np.concatenate([[0.0, 1.0], lower, upper]))
    middle = (edges[1:] + edges[:-1]) / 2
    return KeepPolicy(edges, np.any((middle[:, None] > lower) & (middle[:, None] < upper), axis=1).astype(float))
