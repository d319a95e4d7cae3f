"""Theory behind the figures: curves, frontiers and crossovers as results that can be saved and redrawn."""

from __future__ import annotations

import numpy as np

from data_pruning import KeepEasy, KeepHard, Results
from perceptron_theory import crossover, pareto_frontier, solve

__all__ = ["FRACTIONS", "compute_curves"]

RULES = {"hard": KeepHard, "easy": KeepEasy}
FRACTIONS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
SMALLEST_FRACTION = 0.01  # of the frontier: pools of up to a hundred times what is kept


def compute_curves(
    theta_deg: tuple[float, ...] = (0.0, 10.0, 20.0),
    fractions: tuple[float, ...] = FRACTIONS,
    num_alphas: int = 61,
    num_crossover_fractions: int = 24,
) -> Results:
    """Test errors against alpha_prune for both rules, their frontiers, and the hard/easy crossover.

    Args:
        theta_deg: angles between probe and teacher in degrees.
        fractions: fractions kept, in (0, 1].
        num_alphas: values of alpha_prune, from 0.1 to 20.
        num_crossover_fractions: values of f of the crossover, from 0.03 to 0.95.

    Returns:
        ``error`` (theta, rule, f, alpha_prune), ``frontier_error``, ``frontier_fraction`` (theta, rule, alpha_prune),
        ``crossover_alpha_tot`` (theta, crossover_f; NaN where there is none), and the coordinates.

    Raises:
        ValueError: as ``solve``.
    """
    theta = np.deg2rad(theta_deg)
    alpha_prune = np.geomspace(0.1, 20, num_alphas)
    f = np.asarray(fractions)
    crossover_f = np.linspace(0.03, 0.95, num_crossover_fractions)
    error = np.stack(
        [solve(alpha_prune / f[:, None], rule(f[:, None]), theta[:, None, None]).error for rule in RULES.values()], 1
    )
    frontiers = [
        [
            pareto_frontier(alpha_prune, angle, rule=rule, f_min=SMALLEST_FRACTION, num_grid=24)
            for rule in ("hard", "easy")
        ]
        for angle in theta
    ]
    crossings = crossover(crossover_f, theta[:, None])
    results = Results(
        "Theory of data pruning: test error of the max-margin student",
        {"theta_deg": list(theta_deg), "f_min": SMALLEST_FRACTION},
    )
    curve = ("theta", "rule", "alpha_prune")
    add = results.add
    add("theta", "theta", theta, "rad", "angle between probe and teacher")
    add("rule", "rule", list(RULES), "", "keep rule")
    add("f", "f", f, "1", "fraction kept")
    add("alpha_prune", "alpha_prune", alpha_prune, "1", "kept examples per parameter")
    add("f_min", (), SMALLEST_FRACTION, "1", "smallest fraction of the frontier")
    add("error", ("theta", "rule", "f", "alpha_prune"), error, "1", "test error")
    add(
        "frontier_error", curve, [[c.error for c in row] for row in frontiers], "1", "lowest test error over f >= f_min"
    )
    add("frontier_fraction", curve, [[c.fraction for c in row] for row in frontiers], "1", "fraction that reaches it")
    add("crossover_f", "crossover_f", crossover_f, "1", "fraction kept, of the crossover")
    add(
        "crossover_alpha_tot",
        ("theta", "crossover_f"),
        crossings.alpha_tot,
        "1",
        "examples per parameter at which keep-hard overtakes keep-easy; NaN where it never does",
    )
    return results
