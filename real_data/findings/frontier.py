"""Pareto frontier of an experiment: the lowest test error at each number of examples kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results

__all__ = ["Frontier", "pareto_frontier", "position"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Frontier:
    """Lowest test error at each number of examples kept; the points in order of ``num_kept``.

    Attributes:
        metric: the score of difficulty.
        num_kept: examples kept, shape (num_points,).
        errors: test errors of the seeds that had no part in the choice, shape (num_points, num_evaluation_seeds).
        mean: mean of ``errors`` over seeds; not always falling, as the choice was made by other seeds.
        standard_error: standard error of ``mean``.
        selection_mean: mean error of the seeds that chose, falling; too low, as the lowest of many.
        pool_size: training images before pruning, of each point.
        rule: keep rule of each point; "all" where nothing was pruned.
        fraction: fraction kept of each point.
        selection_seeds: the seeds that chose.
        evaluation_seeds: the seeds of ``errors``.
    """

    metric: str
    num_kept: NDArray[np.int64]
    errors: Floats
    mean: Floats
    standard_error: Floats
    selection_mean: Floats
    pool_size: NDArray[np.int64]
    rule: tuple[str, ...]
    fraction: Floats
    selection_seeds: tuple[int, ...]
    evaluation_seeds: tuple[int, ...]


def pareto_frontier(results: Results, *, metric: str | None = None, rules: Sequence[str] | None = None) -> Frontier:
    """The lowest mean test error over pools, keep rules and fractions, at each number of examples kept.

    A point (pool, rule, fraction) is on the frontier if no point that keeps as many examples or fewer has a lower
    error.  The lowest of many noisy means is too low, so one half of the seeds (the first, third, ...) chooses the
    points and the other half gives their errors.  Whole pools (f = 1) take part, as rule "all".

    Source: Sorscher et al. 2022, Fig. 3 and appendix B.

    Args:
        results: of an experiment, with dimensions metric, pool, rule, fraction, seed; at least 4 seeds.
        metric: score of difficulty; None where the results have one only.
        rules: keep rules that take part; None is all.

    Raises:
        KeyError: the results are of something else.
        ValueError: the metric or a rule is not in the results, fewer than 4 seeds, or errors that are not numbers.
    """
    found = position(results, "metric", metric)
    names = [str(name) for name in results["rule"]]
    chosen = list(range(len(names))) if rules is None else [position(results, "rule", rule) for rule in rules]
    if not chosen:
        raise ValueError(f"rules must be at least one of {', '.join(names)}, got none")
    seeds = [int(seed) for seed in results["seed"]]
    if len(seeds) < 4:
        raise ValueError(f"a frontier chosen on half of the seeds needs at least 4 seeds, got {len(seeds)}")
    pools, fractions = results["pool_size"], results["fraction"]
    errors, num_kept = results["errors"][found], results["num_kept"][found].mean(axis=-1)
    points = [
        (round(num_kept[p, r, f]), errors[p, r, f], int(pools[p]), names[r], float(fractions[f]))
        for p in range(pools.size)
        for r in chosen
        for f in range(fractions.size)
    ]
    points += [
        (int(size), whole, int(size), "all", 1.0) for size, whole in zip(pools, results["errors_all"], strict=True)
    ]
    if not all(np.all(np.isfinite(point[1])) for point in points):
        raise ValueError("errors of the results must be numbers, but some are NaN or infinite")

    points.sort(key=lambda point: (point[0], point[1][::2].mean()))
    frontier = []
    lowest = math.inf
    for point in points:
        if point[1][::2].mean() < lowest:
            lowest = point[1][::2].mean()
            frontier.append(point)
    kept, values, pool_size, rule, fraction = zip(*frontier, strict=True)
    evaluated = np.array(values)[:, 1::2]
    return Frontier(
        metric=str(results["metric"][found]),
        num_kept=np.array(kept, np.int64),
        errors=evaluated,
        mean=evaluated.mean(axis=1),
        standard_error=evaluated.std(axis=1, ddof=1) / math.sqrt(evaluated.shape[1]),
        selection_mean=np.array(values)[:, ::2].mean(axis=1),
        pool_size=np.array(pool_size, np.int64),
        rule=tuple(rule),
        fraction=np.array(fraction),
        selection_seeds=tuple(seeds[::2]),
        evaluation_seeds=tuple(seeds[1::2]),
    )


def position(results: Results, name: str, value: str | None) -> int:
    """Where ``value`` stands among the results' coordinate ``name``; None is the only one.

    Raises:
        KeyError: the results have no such coordinate.
        ValueError: the value is not among them, or None where there are several.
    """
    present = [str(entry) for entry in results[name]]
    if value is None:
        if len(present) > 1:
            raise ValueError(f"{name} must be one of {', '.join(present)}: the results have several, got None")
        return 0
    if value not in present:
        raise ValueError(f"{name} must be one of {', '.join(present)}, got {value!r}")
    return present.index(value)
