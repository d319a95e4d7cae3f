"""Students that pick their examples, beside the theory of one ranking for all."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from data_pruning import KeepHard, KeepRandom, Results
from figures.compute.software import software
from perceptron_theory import solve
from simulations import select_queries

__all__ = ["CASES", "compute_queries", "summary"]

Folder = str | os.PathLike[str]

CASES = ((20.0, 0.2, 4), (20.0, 0.2, 16), (50.0, 0.2, 4), (50.0, 0.2, 16))  # alpha_tot, f, rounds
NUM_CURVE_POINTS = 61


def compute_queries(
    folder: Folder,
    cases: Sequence[tuple[float, float, int]] = CASES,
    *,
    num_features: int = 200,
    num_trials: int = 40,
    seed: int = 0,
    progress: bool = False,
) -> Results:
    """Simulate adaptive selection, and compute what the theory says of rankings made once.

    Args:
        folder: where every finished batch of trials is saved; those there are not run again.
        cases: alpha_tot, the fraction picked in the end, and the number of rounds.
        num_features: N.
        num_trials: trials of each case, at least 2.
        seed: seed of the trials.
        progress: show progress bars on stderr.

    Returns:
        ``alpha_kept``, ``mean``, ``standard_error``, ``gap``, and the theories ``one_ranking`` (by the student of the
        first round), ``perfect_ranking`` and ``random`` (case, round), NaN beyond the last round of a case; curves of
        the theory ``curve_*`` (case, kept), ``all_error`` (case), the error with the whole pool; and the coordinates.

    Raises:
        KeyboardInterrupt: interrupted; the message says what is saved.
        As ``select_queries`` and ``solve``.
    """
    rounds, columns = max(case[2] for case in cases), ("alpha_kept", "mean", "standard_error", "gap")
    tables = {name: np.full((len(cases), rounds), np.nan) for name in (*columns, *THEORIES)}
    curves = {name: np.empty((len(cases), NUM_CURVE_POINTS)) for name in ("alpha_kept", *THEORIES)}
    angle, everything = np.empty(len(cases)), np.empty(len(cases))
    for i, (alpha_tot, f, num_rounds) in enumerate(tqdm(cases, desc="cases", unit="case", disable=not progress)):
        found = select_queries(alpha_tot, f, num_rounds, num_features, num_trials, seed, out=folder, progress=progress)
        angle[i] = np.pi * found.mean[0]
        everything[i] = solve(alpha_tot, KeepRandom(1.0), 0.0).error
        curves["alpha_kept"][i] = np.geomspace(found.alpha_kept[0] / 2, f * alpha_tot, NUM_CURVE_POINTS)
        values = {"alpha_kept": found.alpha_kept, "mean": found.mean, "standard_error": found.standard_error}
        values["gap"] = found.gaps.max(axis=0)
        values |= _theories(alpha_tot, found.alpha_kept, angle[i])
        for name, row in values.items():
            tables[name][i, :num_rounds] = row
        for name, row in _theories(alpha_tot, curves["alpha_kept"][i], angle[i]).items():
            curves[name][i] = row
    settings = {
        "cases": [list(case) for case in cases],
        "num_features": num_features,
        "num_trials": num_trials,
        "seed": seed,
        "software": software(),
    }
    results = Results("Test error of students that pick their examples, and of one ranking in theory", settings)
    for name, values, description in zip(
        ("alpha_tot", "f", "num_rounds"),
        np.array(cases).T,
        ("examples per parameter in the pool", "fraction picked in the end", "rounds in which it is picked"),
        strict=True,
    ):
        results.add(name, "case", values, "1", description)
    results.add("num_features", (), num_features, "1", "parameters of the student, N")
    results.add("first_angle", "case", angle, "rad", "mean angle between teacher and the student of the first round")
    results.add("all_error", "case", everything, "1", "test error with the whole pool, theory")
    descriptions = {
        "alpha_kept": "examples picked per parameter",
        "mean": "test error of students that pick their examples, mean over trials",
        "standard_error": "standard error of mean",
        "gap": "largest optimality gap of the trials",
    } | THEORIES
    for name, table in tables.items():
        results.add(name, ("case", "round"), table, "1", descriptions[name])
    for name, curve in curves.items():
        results.add(f"curve_{name}", ("case", "kept"), curve, "1", descriptions[name])
    return results


THEORIES = {
    "one_ranking": "test error if the student of the first round had ranked the pool once, theory",
    "perfect_ranking": "test error of keep-hard with a perfect probe, theory",
    "random": "test error with random examples, theory",
}


def _theories(alpha_tot: float, alpha_kept: np.ndarray, angle: float) -> dict[str, np.ndarray]:
    f = alpha_kept / alpha_tot
    return {
        "one_ranking": solve(alpha_tot, KeepHard(f), angle).error,
        "perfect_ranking": solve(alpha_tot, KeepHard(f), 0.0).error,
        "random": solve(alpha_tot, KeepRandom(f), 0.0).error,
    }


def summary(results: Results) -> str:
    """What was found at the end of each case, one line each.

    Args:
        results: from ``compute_queries``.
    """
    lines = []
    for i, rounds in enumerate(results["num_rounds"].astype(int)):
        mean, bar, one, perfect, random = (
            float(results[name][i, rounds - 1]) for name in ("mean", "standard_error", *THEORIES)
        )
        lines.append(
            f"alpha_tot = {results['alpha_tot'][i]:g}, f = {results['f'][i]:g}, {rounds} rounds: test error {mean:.5f} "
            f"+- {bar:.5f}; theory of one ranking: {one:.5f} by the student of the first round, {perfect:.5f} by a "
            f"perfect probe; {random:.5f} with random examples, {results['all_error'][i]:.5f} with the whole pool"
        )
    return "\n".join(lines)
