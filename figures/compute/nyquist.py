"""Nyquist learners: errors on the torus against examples per coefficient, and perceptrons told field or class."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from tqdm import tqdm

from data_pruning import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow, Results
from data_pruning.records.results import stored
from data_pruning.records.software import source_digest
from figures.compute.software import software
from perceptron_theory import bayes_error, solve
from simulations import NyquistExperiment, measure_nyquist, tell_fields
from simulations.nyquist.told_fields import kept_margin_square, square_distance_law
from simulations.nyquist.torus import num_coefficients

__all__ = ["EXPERIMENTS", "RULES", "compute_nyquist", "summary"]

Folder = str | os.PathLike[str]

BAND, WIDER_BAND, NOISE = 20, 30, 1e-3
KNOWING, OTHERS = ("band", f"band@{WIDER_BAND}"), ("gaussian", "laplace", "ntk")
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "grid": {"design": "grid", "learners": KNOWING + OTHERS},
    "random": {"design": "random", "learners": KNOWING + OTHERS},
    "noise": {"design": "random", "learners": ("band", "ridge"), "noise": NOISE},
    "grid_noise": {"design": "grid", "learners": ("band",), "noise": NOISE},
    "classes": {"design": "random", "learners": ("band",), "labels": "classes"},
}
DENSITIES = (0.25, 0.4, 0.6, 0.75, 0.85, 0.93, 0.98, 1.0, 1.1, 1.17, 1.25, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0, 6.0)
THETA_DEG, FRACTION = 20.0, 0.3
RULES: dict[str, KeepRule] = {
    "random": KeepRandom(FRACTION),
    "hard": KeepHard(FRACTION),
    "easy": KeepEasy(FRACTION),
    "window": KeepWindow(FRACTION, 2 * FRACTION),
}
ALPHAS = (0.1, 0.2, 0.35, 0.55, 0.75, 0.9, 0.97, 1.0, 1.5, 3.0, 6.0)  # kept examples per parameter
NUM_CURVE_POINTS = 61
LARGEST_ALPHA = 30.0


def compute_nyquist(
    folder: Folder,
    *,
    num_features: int = 200,
    num_trials: int = 40,
    seed: int = 0,
    densities: tuple[float, ...] = DENSITIES,
    alphas: tuple[float, ...] = ALPHAS,
    progress: bool = False,
) -> Results:
    """Measure learners on the torus, and perceptrons told T.x, and compute what they would be told sign(T.x).

    Args:
        folder: where every finished density and point is saved; those there are not computed again.
        num_features: parameters of a perceptron, N.
        num_trials: draws of each density, and trials of each point.
        seed: seed of all random numbers.
        densities: examples per coefficient on the torus.
        alphas: kept examples per parameter of the perceptron.
        progress: show progress bars on stderr.

    Returns:
        For each of ``EXPERIMENTS``: ``*_n`` and ``*_error`` (*_density, *_learner, draw), ``*_law`` (*_density, draw)
        and ``*_ridge_law`` where there is one, and the coordinates; ``told_error`` (rule, alpha, trial); theory of
        perceptrons told the field, ``told_law`` (rule, told_alpha), and the class, ``class_error`` (rule,
        class_alpha), and ``bayes_error`` (class_alpha).

    Raises:
        KeyboardInterrupt: interrupted; the message says what is saved.
        As ``measure_nyquist``, ``tell_fields`` and ``solve``.
    """
    source = source_digest("simulations.nyquist")
    settings = {
        "experiments": {name: {**each, "learners": list(each["learners"])} for name, each in EXPERIMENTS.items()},
        "densities": list(densities),
        "alphas": list(alphas),
        "num_features": num_features,
        "num_trials": num_trials,
        "seed": seed,
        "software": software() | {"source_of_nyquist": source},
    }
    results = Results("Nyquist learners on the torus, and perceptrons told field or class", settings)
    for name, value, units, description in (
        ("band", BAND, "1", "band of the target"),
        ("num_coefficients", num_coefficients(BAND), "1", "coefficients of the target, D"),
        ("wider_band", WIDER_BAND, "1", "band that a learner assumes"),
        ("noise", NOISE, "1", "standard deviation of the noise of a label"),
        ("theta", math.radians(THETA_DEG), "rad", "angle between probe and teacher"),
        ("f", FRACTION, "1", "fraction kept"),
        ("num_features", num_features, "1", "parameters of the perceptron, N"),
    ):
        results.add(name, (), value, units, description)
    bar = tqdm(total=len(EXPERIMENTS) + len(RULES), desc="experiments", unit="experiment", disable=not progress)
    told: dict[str, list[np.ndarray]] = {}
    done = 0
    try:
        for name, options in EXPERIMENTS.items():
            experiment = NyquistExperiment(band=BAND, densities=densities, draws=num_trials, seed=seed, **options)
            _add_experiment(results, name, measure_nyquist(experiment, out=folder, progress=progress))
            bar.update()
            done += 1
        sizes = {"num_features": num_features, "num_trials": num_trials, "seed": seed}
        for name, keep in RULES.items():
            told[name] = [_told(folder, keep, alpha, sizes, source) for alpha in alphas]
            bar.update()
            done += 1
    except KeyboardInterrupt:
        finished = f"{done} of {len(EXPERIMENTS) + len(RULES)} experiments finished"
        raise KeyboardInterrupt(f"{finished}, saved in {folder}; run the same again to continue") from None
    finally:
        bar.close()
    results.add("rule", "rule", list(RULES), "", "keep rule")
    results.add("alpha", "alpha", np.array(alphas), "1", "kept examples per parameter")
    description = "test error on classes of a student told the field: its angle to the teacher over pi"
    results.add("told_error", ("rule", "alpha", "trial"), list(told.values()), "1", description)
    _add_theory(results)
    return results


def _add_experiment(results: Results, name: str, found: Results) -> None:
    density, learner = f"{name}_density", f"{name}_learner"
    results.add(density, density, found["n_per_coefficient"], "1", "examples per coefficient, n/D")
    results.add(learner, learner, found["learner"], "", "learner")
    results.add(f"{name}_n", density, found["n"], "1", "examples")
    error = found.variables["error"]
    results.add(f"{name}_error", (density, learner, "draw"), error.values, error.units, error.description)
    for law in ("law", "ridge_law"):
        if law in found.variables:
            variable = found.variables[law]
            results.add(f"{name}_{law}", (density, "draw"), variable.values, variable.units, variable.description)


def _told(folder: Folder, keep: KeepRule, alpha: float, sizes: dict[str, int], source: str) -> np.ndarray:
    """Test errors of students told the field, simulated or found."""
    settings = {"keep": repr(keep), "theta_deg": THETA_DEG, "alpha_prune": alpha, **sizes, "source": source}

    def compute() -> Results:
        found = tell_fields(alpha / keep.fraction, keep, math.radians(THETA_DEG), *sizes.values())
        results = Results("Test errors of students told the field", settings)
        results.add("error", "trial", found.errors, "1", "angle between student and teacher over pi")
        return results

    return stored(folder, "told", settings, compute)["error"]


def _add_theory(results: Results) -> None:
    theta = math.radians(THETA_DEG)
    below = 1 - np.geomspace(0.9, 1e-9, NUM_CURVE_POINTS)
    told = [
        [math.sqrt(square_distance_law(a, kept_margin_square(keep), theta)) for a in below] for keep in RULES.values()
    ]
    results.add("told_alpha", "told_alpha", below, "1", "kept examples per parameter")
    results.add("told_law", ("rule", "told_alpha"), np.arcsin(told) / np.pi, "1", "test error, told the field, theory")
    alpha = np.geomspace(ALPHAS[0], LARGEST_ALPHA, NUM_CURVE_POINTS)
    classes = [solve(alpha / FRACTION, keep, theta).error for keep in RULES.values()]
    results.add("class_alpha", "class_alpha", alpha, "1", "kept examples per parameter")
    results.add("class_error", ("rule", "class_alpha"), classes, "1", "test error of max margin on classes, theory")
    results.add("bayes_error", "class_alpha", bayes_error(alpha), "1", "lowest test error of random examples' classes")


def summary(results: Results) -> str:
    """What was measured at the threshold and at twice as many examples, a line for each experiment.

    Args:
        results: from ``compute_nyquist``.
    """
    lines = []
    for name in EXPERIMENTS:
        density, error = results[f"{name}_density"], np.median(results[f"{name}_error"], axis=-1)
        at = [int(np.argmin(np.abs(density - wanted))) for wanted in (1.0, 2.0)]
        for i, learner in enumerate(results[f"{name}_learner"].tolist()):
            values = " and ".join(f"{error[k, i]:.1e} at n/D = {density[k]:.2f}" for k in at)
            lines.append(f"{name.replace('_', ' with ')}, {learner}: median relative error {values}")
    above = results["told_error"][:, results["alpha"] >= 1]
    told = f"at most {above.max():.1e}, median {np.median(above):.1e}, from one kept example per parameter on"
    lines.append(f"perceptron told the field, all rules: test error {told}")
    return "\n".join(lines)
