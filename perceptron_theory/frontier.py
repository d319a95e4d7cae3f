"""Pareto frontiers over the fraction kept, and the crossover between keeping hard and keeping easy examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize.elementwise import find_root

from data_pruning.arguments import check_real, real_array
from data_pruning.keep_rules import KeepEasy, KeepHard, KeepRule
from perceptron_theory.solution import solve
from perceptron_theory.solver.points import ALPHA_PRUNE_RANGE, FRACTION_RANGE
from perceptron_theory.solver.rule_slope import log_error_slope

__all__ = ["Crossover", "Frontier", "crossover", "pareto_frontier"]

RULES: dict[str, Callable[[ArrayLike], KeepRule]] = {"hard": KeepHard, "easy": KeepEasy}
NEARLY_ALL = 1 - 1e-9  # the largest fraction at which the slope in f is evaluated


@dataclass(frozen=True)
class Frontier:
    """Lowest test error at each number of kept examples; arrays of the shape of ``alpha_prune``.

    Attributes:
        alpha_prune: kept examples per parameter.
        error: lowest test error over the fraction kept.
        fraction: the fraction f that reaches it; the kept examples are the best of alpha_prune / f.
        rule: "hard" or "easy", the rule that reaches it.
        at_limit: whether the fraction is ``f_min``, so that a still larger pool would lower the error.
    """

    alpha_prune: Any
    error: Any
    fraction: Any
    rule: Any
    at_limit: Any


@dataclass(frozen=True)
class Crossover:
    """Where keep-hard overtakes keep-easy; arrays of the broadcast shape of the arguments.

    Attributes:
        alpha_tot: examples per parameter before pruning at which the errors are equal; NaN where not ``exists``.
        error: test error there; NaN where not ``exists``.
        exists: whether keep-hard overtakes keep-easy anywhere in the domain of ``solve``.
    """

    alpha_tot: Any
    error: Any
    exists: Any


def pareto_frontier(
    alpha_prune: ArrayLike,
    theta: float,
    *,
    rule: Literal["hard", "easy", "best"] = "best",
    f_min: float = 0.01,
    num_grid: int = 48,
) -> Frontier:
    """The lowest test error for each number of kept examples, over how large a pool they were picked from.

    The local minima over f are the sign changes of the exact slope d log(error)/df (``log_error_slope``) on a grid,
    refined to a root; the ends f_min and 1 compete as well.

    Args:
        alpha_prune: kept examples per parameter, in [1e-3, 1e5]; scalar or array.
        theta: angle between probe and teacher in radians, scalar in [0, pi/2].
        rule: "hard", "easy", or "best", whichever is better at each alpha_prune.
        f_min: smallest fraction kept, in [1e-4, 1): the pool is at most alpha_prune / f_min.
        num_grid: number of fractions at which minima are looked for, at least 8.

    Returns:
        The frontier; fractions of interior minima are accurate to better than 1e-6.

    Raises:
        ValueError: an argument out of range.

    Source: Sorscher et al. 2022, Fig. 1 (the envelope of the curves at fixed f).

    Example:
        >>> from math import radians
        >>> from perceptron_theory import pareto_frontier
        >>> best = pareto_frontier([2, 8], radians(20))
        >>> print(best.rule, best.error.round(4), best.fraction.round(4), best.at_limit)
        ['easy' 'hard'] [0.1215 0.0276] [0.01   0.2825] [ True False]
    """
    if rule not in ("hard", "easy", "best"):
        raise ValueError(f'rule must be "hard", "easy" or "best", got {rule!r}')
    check_real("f_min", f_min, f"[{FRACTION_RANGE[0]:g}, 1)")
    if num_grid < 8:
        raise ValueError(f"num_grid must be at least 8, got {num_grid!r}")
    if np.ndim(theta) != 0:
        raise ValueError(f"theta must be a scalar, got shape {np.shape(theta)}")
    alphas = real_array("alpha_prune", alpha_prune)
    flat = np.atleast_1d(alphas).ravel()
    names = ("hard", "easy") if rule == "best" else (rule,)
    found = [_lowest(flat, float(theta), RULES[name], f_min, num_grid) for name in names]
    winner = np.argmin([error for error, _ in found], axis=0)
    error = np.choose(winner, [error for error, _ in found])
    fraction = np.choose(winner, [fraction for _, fraction in found])
    fields = (flat, error, fraction, np.array(names)[winner], fraction == f_min)
    return Frontier(*(field.reshape(alphas.shape)[()] for field in fields))


def _lowest(
    alpha_prune: np.ndarray, theta: float, rule: Callable[[ArrayLike], KeepRule], f_min: float, num_grid: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest error over f in [f_min, 1] and the f that reaches it, for each alpha_prune."""
    grid = np.geomspace(f_min, 1, num_grid)
    grid[-1] = NEARLY_ALL
    slopes = log_error_slope(alpha_prune[:, None], rule(grid), theta)
    row, column = np.nonzero((slopes[:, :-1] < 0) & (slopes[:, 1:] >= 0))
    candidates_f = [np.full_like(alpha_prune, f_min), np.ones_like(alpha_prune)]
    candidates_row = [np.arange(alpha_prune.size)] * 2
    if row.size:
        root = find_root(
            lambda f, alpha: log_error_slope(alpha, rule(f), theta),
            (grid[column], grid[column + 1]),
            args=(alpha_prune[row],),
            tolerances={"xatol": 1e-9, "xrtol": 1e-9},
        )
        if not root.success.all():
            raise RuntimeError(f"the minimum over f was not found at alpha_prune = {alpha_prune[row][~root.success]}")
        candidates_f.append(root.x)
        candidates_row.append(row)
    f, rows = np.concatenate(candidates_f), np.concatenate(candidates_row)
    errors = solve(alpha_prune[rows] / f, rule(f), theta).error
    order = np.lexsort((errors, rows))  # the first of each row is its lowest
    best = order[np.searchsorted(rows[order], np.arange(alpha_prune.size))]
    return errors[best], f[best]


def crossover(f: ArrayLike, theta: ArrayLike, *, num_grid: int = 40) -> Crossover:
    """The alpha_tot at which keep-hard overtakes keep-easy: hard loses on scarce data and wins on plenty.

    With an imperfect probe easy can win again at still larger alpha_tot; the first crossing is returned.

    Args:
        f: fraction kept, in [1e-4, 1); scalar or array.
        theta: angle between probe and teacher in radians, in [0, pi/2]; broadcast against f.
        num_grid: values of alpha_tot at which the sign of the difference is taken, at least 8; a stretch of
            keep-hard winning that is narrower than the grid can be missed.

    Returns:
        The crossover, accurate to 1e-9 relative; NaN and ``exists = False`` where there is none.

    Raises:
        ValueError: an argument out of range.

    Source: Sorscher et al. 2022, Fig. 1.

    Example:
        >>> from perceptron_theory import crossover
        >>> print(f"{crossover(0.2, 0.0).alpha_tot:.2f}")  # with more examples per parameter hard beats easy
        10.34
    """
    if num_grid < 8:
        raise ValueError(f"num_grid must be at least 8, got {num_grid!r}")
    fractions, angles = real_array("f", f), real_array("theta", theta)
    if np.any(fractions >= 1):
        raise ValueError(f"f must lie below 1, where keeping hard and keeping easy differ, got {f!r}")
    shape = np.broadcast_shapes(fractions.shape, angles.shape)
    f, theta = (np.broadcast_to(a, shape).ravel() for a in (fractions, angles))
    grid = np.geomspace(*ALPHA_PRUNE_RANGE, num_grid)

    def advantage(log_alpha_prune: np.ndarray, f: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Logarithm of the error of hard over that of easy."""
        alpha_tot = np.exp(log_alpha_prune) / f
        return np.log(solve(alpha_tot, KeepHard(f), theta).error / solve(alpha_tot, KeepEasy(f), theta).error)

    log_grid = np.log(grid)
    difference = advantage(log_grid[None, :], f[:, None], theta[:, None])
    # differences at rounding level (theta = 90 degrees: the rules agree) are no crossing
    overtakes = (difference[:, :-1] > 1e-11) & (difference[:, 1:] <= -1e-11)
    exists = overtakes.any(axis=1)
    alpha_tot, error = np.full(f.shape, np.nan), np.full(f.shape, np.nan)
    if exists.any():
        column = overtakes.argmax(axis=1)[exists]
        f_in, theta_in = f[exists], theta[exists]
        root = find_root(
            advantage,
            (log_grid[column], log_grid[column + 1]),
            args=(f_in, theta_in),
            tolerances={"xatol": 1e-10, "xrtol": 1e-10},
        )
        alpha_tot[exists] = np.exp(root.x) / f_in
        error[exists] = solve(alpha_tot[exists], KeepHard(f_in), theta_in).error
    return Crossover(*(np.reshape(field, shape)[()] for field in (alpha_tot, error, exists)))
