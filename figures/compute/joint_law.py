"""The joint law: error against examples and features, its sources, where pruning pays, and at what cost."""

from __future__ import annotations

import os

import numpy as np

from data_pruning import KeepRandom, KeepWindow, Results
from data_pruning.records.results import stored
from figures.compute.software import software
from perceptron_theory import (
    PowerLawFeatures,
    SquareLoss,
    best_ridge,
    compute_optimal,
    error_sources,
)
from perceptron_theory.students import LOSSES
from simulations import Point

__all__ = ["compute_joint_law", "points_to_simulate"]

Folder = str | os.PathLike[str]

DECAY, TEACHER_DECAY, NUM_FEATURES = 1.5, 1.8, 2**17
THETA_DEG, FRACTION = 10.0, 0.3
SIZES = (8, 32, 128)  # features of the students whose curves are drawn
SIZE_OF_SOURCES = 128
SIMULATED = (64, 256, 1024, 4096)  # kept examples
SCORING_COSTS = (0.0, 100.0)
LEAST_COPIES = 4  # of each variance: with two, students of few examples err 1 to 2 % less than in theory
LEAST_LAM = 1e-5  # of simulated students: the certificate of ridge regression takes a gradient over lambda


def _features(num_seen: np.ndarray | int) -> PowerLawFeatures:
    return PowerLawFeatures(DECAY, TEACHER_DECAY, num_seen, NUM_FEATURES)


def compute_joint_law(
    folder: Folder, num_examples: int = 19, num_places: int = 29, num_sizes: int = 21, num_budgets: int = 13
) -> Results:
    """Errors over power-law features, with the best ridge everywhere.

    Args:
        folder: where the results are saved; if they are there they are not computed again.
        num_examples: numbers of kept examples, from 32 to 16384.
        num_places: places of the window of difficulty.
        num_sizes: sizes of the student in the diagram of the best place, from 2 to 2048.
        num_budgets: budgets, from 1e3 to 1e9.

    Returns:
        ``error``, ``lam`` and ``lower`` (rule, m, n) of random examples and of the best window; ``source`` (part, n)
        and ``logistic_error`` (n); ``place`` and ``gain`` (m_phase, pool); ``frontier_error`` (cost, budget) and
        ``unpruned_error`` (budget); and the coordinates.

    Raises:
        As ``best_ridge``.
    """
    settings = {
        "num_examples": num_examples,
        "num_places": num_places,
        "num_sizes": num_sizes,
        "num_budgets": num_budgets,
        "software": software(),
    }

    def compute() -> Results:
        theta = np.deg2rad(THETA_DEG)
        places = np.linspace(0, 1 - FRACTION, num_places)
        results = Results("Joint law of examples, features and pruning, in theory", settings)
        for name, value, units, description in (
            ("decay", DECAY, "1", "exponent of the variances of the features"),
            ("teacher_decay", TEACHER_DECAY, "1", "exponent of the teacher's parts"),
            ("num_features", NUM_FEATURES, "1", "features altogether"),
            ("theta", theta, "rad", "angle between probe and teacher"),
            ("f", FRACTION, "1", "fraction that windows keep"),
        ):
            results.add(name, (), value, units, description)

        def window_errors(n: np.ndarray, m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            """Error of the best window, its place and lambda; n and m broadcast to one shape."""
            at = places.reshape(-1, *(1,) * np.broadcast(n, m).ndim)
            keep = KeepWindow(at, np.minimum(at + FRACTION, 1.0))
            ridge = best_ridge(n / m / FRACTION, keep, theta, features=_features(m))
            best = np.argmin(ridge.error, axis=0)[None]
            error, lam = (np.take_along_axis(x, best, 0)[0] for x in (ridge.error, ridge.lam))
            return error, places[best[0]], lam

        n, m = np.geomspace(32, 16384, num_examples), np.array(SIZES)
        everything = best_ridge(n / m[:, None], KeepRandom(1.0), 0.0, features=_features(m[:, None]))
        error, lower, lam = window_errors(n, m[:, None])
        results.add("rule", "rule", ["random", "window"], "", "keep rule")
        results.add("m", "m", m, "1", "features of the student")
        results.add("n", "n", n, "1", "kept examples")
        results.add("error", ("rule", "m", "n"), [everything.error, error], "1", "test error")
        results.add("lam", ("rule", "m", "n"), [everything.lam, lam], "1", "best ridge lambda")
        results.add("lower", ("rule", "m", "n"), [0 * lower, lower], "1", "hardest rank kept")

        alpha, features = n / SIZE_OF_SOURCES, _features(SIZE_OF_SOURCES)
        errors = {}
        for loss in ("square", "logistic"):
            ridge = best_ridge(alpha, KeepRandom(1.0), 0.0, loss=loss, features=features)
            errors[loss] = error_sources(alpha, student=LOSSES[loss](ridge.lam), features=features)
        square = errors["square"]
        results.add("part", "part", ["realizability", "uncertainty", "learning deficiency"], "", "source of the error")
        parts = [np.broadcast_to(x, n.shape) for x in (square.realizability, square.uncertainty)]
        description = "its part of the square loss's error"
        results.add("source", ("part", "n"), [*parts, square.learning_deficiency], "1", description)
        results.add("logistic_error", "n", errors["logistic"].error, "1", "test error of logistic loss")
        results.add("size_of_sources", (), SIZE_OF_SOURCES, "1", "features of the student whose error is split")

        pool = np.geomspace(100, 1e5, num_sizes)
        sizes = np.unique(np.round(np.geomspace(2, 2048, num_sizes))).astype(int)
        kept = FRACTION * pool
        error, lower, _ = window_errors(kept, sizes[:, None])
        random = best_ridge(kept / sizes[:, None], KeepRandom(1.0), 0.0, features=_features(sizes[:, None])).error
        results.add("pool", "pool", pool, "1", "examples before pruning")
        results.add("m_phase", "m_phase", sizes, "1", "features of the student in the diagram")
        results.add("place", ("m_phase", "pool"), lower / (1 - FRACTION), "1", "place of the best window, 0 = hardest")
        results.add("gain", ("m_phase", "pool"), random / error, "1", "error of random examples / of the best window")

        budget = np.geomspace(1e3, 1e9, num_budgets)
        found = [
            compute_optimal(
                budget,
                theta,
                decay=DECAY,
                teacher_decay=TEACHER_DECAY,
                num_features=NUM_FEATURES,
                scoring_cost=cost,
            )
            for cost in SCORING_COSTS
        ]
        results.add("budget", "budget", budget, "1", "kept examples times features, plus what scoring costs")
        results.add("cost", "cost", SCORING_COSTS, "1", "cost of scoring one example of the pool")
        results.add("frontier_error", ("cost", "budget"), [x.best.error for x in found], "1", "lowest test error")
        results.add("frontier_fraction", ("cost", "budget"), [x.best.fraction for x in found], "1", "fraction kept")
        results.add(
            "frontier_size", ("cost", "budget"), [x.best.num_seen for x in found], "1", "features of the student"
        )
        results.add("unpruned_error", "budget", found[0].unpruned.error, "1", "lowest test error without pruning")
        results.add("unpruned_size", "budget", found[0].unpruned.num_seen, "1", "features of that student")
        return results

    return stored(folder, "joint-law", settings, compute)


def points_to_simulate(law: Results, num_features: int, num_trials: int) -> list[Point]:
    """The simulated points: random examples and the best window for each size and four numbers of examples.

    Args:
        law: from ``compute_joint_law``.
        num_features: about as many parameters as a simulated student has: so many features share each variance, at
            least 4.
        num_trials: trials of each point.
    """
    points = []
    for i, m in enumerate(SIZES):
        copies = max(LEAST_COPIES, round(num_features / m))
        for n in SIMULATED:
            at = int(np.argmin(np.abs(law["n"] - n)))
            for r, (fraction, angle) in enumerate(((1.0, 0.0), (FRACTION, np.deg2rad(THETA_DEG)))):
                lower = float(law["lower"][r, i, at])
                keep = KeepRandom(1.0) if r == 0 else KeepWindow(lower, min(lower + FRACTION, 1.0))
                student = SquareLoss(max(float(law["lam"][r, i, at]), LEAST_LAM))
                points.append(
                    Point(
                        n / m / fraction, keep, angle, copies * NUM_FEATURES, num_trials, student, features=_features(m)
                    )
                )
    return points
