"""On which test images a rule pays: error by difficulty rank of the test images."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data_pruning import Results

__all__ = ["ErrorsByRank", "errors_by_rank", "hardest_first", "rank_table"]

CONFIDENCE = 0.95
NUM_BINS = 10


class ErrorsByRank(NamedTuple):
    """Test error in bins of difficulty rank of the test images, hardest first.

    Attributes:
        mean: by rule, shape (num_bins,), fractions.
        half_width: half of the 95 % interval over seeds (Student's t), likewise.
    """

    mean: dict[str, NDArray[np.float64]]
    half_width: dict[str, NDArray[np.float64]]


def errors_by_rank(
    results: Results, fraction: float, *, metric: str | None = None, pool_size: int | None = None
) -> ErrorsByRank:
    """Where the errors of each rule lie: in ten bins of difficulty of the test images, equally many in each.

    Test images are ranked, seed by seed, by the networks that scored the pool, which have not seen them.  If the excess
    error of a rule over random lies in the ranks that it drops, it is coverage that it lacks.

    Args:
        results: from :func:`real_data.run_experiment`, with a score by el2n, margin or confidence.
        fraction: fraction kept, one of those of the results.
        metric: score; needed where there are several.
        pool_size: pool; None is the largest.

    Raises:
        ValueError: no such fraction, score or pool, or test images were not scored.
    """
    if "test_scores" not in results.variables or "wrong" not in results.variables:
        raise ValueError("these results have no scores of test images: score by el2n, margin or confidence")
    m = _index("metric", results["metric"], metric)
    if "tests_scored" in results.variables and not results["tests_scored"][m]:
        raise ValueError(f"{results['metric'][m]} knows no scores of test images: its file has none")
    p = (
        int(np.argmax(results["pool_size"]))
        if pool_size is None
        else _index("pool_size", results["pool_size"], pool_size)
    )
    k = _index("fraction", results["fraction"], fraction)
    order = hardest_first(results["test_scores"][m, p])  # (seed, test)
    found = ErrorsByRank({}, {})
    num_seeds = results.sizes["seed"]
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, num_seeds - 1)) / math.sqrt(num_seeds)
    for r, rule in enumerate(results["rule"]):
        sorted_wrong = np.take_along_axis(results["wrong"][m, p, r, k], order, axis=-1)
        bins = np.stack([part.mean(axis=-1) for part in np.array_split(sorted_wrong, NUM_BINS, axis=-1)], axis=-1)
        found.mean[str(rule)] = bins.mean(axis=0)
        found.half_width[str(rule)] = quantile * bins.std(axis=0, ddof=1)
    return found


def hardest_first(test_scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The test images of each seed from the hardest to the easiest, equal ones in random order.

    The order of the data set says more than nothing: images of a folder are sorted by class.

    Args:
        test_scores: higher = harder, shape (num_seeds, num_test).
    """
    at_random = np.random.default_rng(0).permutation(test_scores.shape[-1])
    return np.stack([np.lexsort((at_random, -of_seed)) for of_seed in test_scores])


def _index(name: str, values: np.ndarray, wanted: object) -> int:
    """Position of a value among those of the results; the only one where none is wanted."""
    known = values.tolist()
    if wanted is None and len(known) == 1:
        return 0
    if wanted not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}, got {wanted!r}")
    return known.index(wanted)


def rank_table(results: Results) -> str:
    """The errors as a table, for the first score of test images, the largest pool and every fraction."""
    parts = []
    for f in results["fraction"]:
        scored = results["tests_scored"] if "tests_scored" in results.variables else np.ones(1, bool)
        metric = str(results["metric"][np.argmax(scored)])
        found = errors_by_rank(results, float(f), metric=metric)
        ranks = "".join(f"{f'{i / NUM_BINS:.1f}-':>8}" for i in range(NUM_BINS))
        lines = [f"Test error in % by difficulty rank of the test images (0 = hardest, {metric}), f = {f:g}"]
        lines.append(f"{'rule':24}{ranks}")
        for rule, mean in found.mean.items():
            lines.append(f"{rule[:24]:24}" + "".join(f"{100 * x:8.2f}" for x in mean))
        widest = max(float(width.max()) for width in found.half_width.values())
        lines.append(f"95 % intervals over {results.sizes['seed']} seeds: at most +- {100 * widest:.2f}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
