"""What the networks of a transfer study say: differences to the whole source and to random, with intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data_pruning import Results

__all__ = ["CONFIDENCE", "add_summary", "interval", "of_pretrainings"]

CONFIDENCE = 0.95
Floats = NDArray[np.float64]
CELLS = ("curve", "budget", "fraction", "layers", "target")


def interval(differences: Floats, counted: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Mean over pretrainings, and half of its 95 % interval (Student's t with one degree of freedom fewer).

    Args:
        differences: shape (..., num_pretrainings).
        counted: which pretrainings count, of the same shape.

    Returns:
        Mean and half width, each of shape (...); NaN where fewer than two count.
    """
    number = counted.sum(axis=-1)
    enough = number >= 2
    degrees = np.where(enough, number - 1, 1)
    values = np.where(counted, differences, 0.0)
    mean = values.sum(axis=-1) / np.maximum(number, 1)
    squares = np.where(counted, (values - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, degrees)
    width = quantile * np.sqrt(squares / degrees / np.maximum(number, 1))
    return np.where(enough, mean, math.nan), np.where(enough, width, math.nan)


def add_summary(results: Results) -> None:
    """Add differences to results that hold the errors of all networks.

    A difference is that of errors averaged over fine-tunings, paired by pretraining; the pretraining is the unit.  A
    pretraining that failed, or one fine-tuning of which did, takes no part, and is counted; neither does one whose
    partner in the comparison failed.

    Args:
        results: with ``errors``, ``learned`` (curve, budget, fraction, layers, target, pretraining, fine_tuning),
            ``errors_all``, ``learned_all`` (layers, target, pretraining, fine_tuning), ``errors_scratch``,
            ``learned_scratch`` (target, pretraining, fine_tuning) and ``curve_rule`` (curve), random first; gets
            ``difference``, ``difference_to_random``, each with ``_half_width``, and ``num_failed`` (curve, budget,
            fraction, layers, target); ``gain``, ``gain_half_width`` and ``num_failed_all`` (layers, target), of
            pretraining on the whole source.

    Raises:
        ValueError: the first curve is not random.
    """
    if str(results["curve_rule"][0]) != "random":
        raise ValueError(f"the first curve must be random, got {results['curve_rule'][0]}")
    errors, learned = of_pretrainings(results, "")
    whole, whole_learned = of_pretrainings(results, "_all")
    scratch, scratch_learned = of_pretrainings(results, "_scratch")
    compared = learned & whole_learned
    _add(results, "difference", CELLS, errors - whole, compared, "error less that of the whole source")
    beside = learned & learned[:1]
    _add(results, "difference_to_random", CELLS, errors - errors[:1], beside, "error less that of random images")
    described = "pretrainings that did not learn, or one fine-tuning of which did not"
    results.add("num_failed", CELLS, (~learned).sum(axis=-1), "1", described)
    of_whole = ("layers", "target")
    both = whole_learned & scratch_learned
    _add(results, "gain", of_whole, whole - scratch, both, "error of the whole source less that from random weights")
    results.add("num_failed_all", of_whole, (~whole_learned).sum(axis=-1), "1", f"of the whole source, {described}")


def of_pretrainings(results: Results, suffix: str) -> tuple[Floats, NDArray[np.bool_]]:
    """Errors averaged over fine-tunings, and whether these and the pretraining learned; (..., pretraining).

    Args:
        results: see :func:`add_summary`.
        suffix: of the names of the errors: none, ``_all`` or ``_scratch``.
    """
    errors = results[f"errors{suffix}"]
    learned = np.asarray(results[f"learned{suffix}"].astype(bool).all(axis=-1))
    there = np.arange(errors.shape[-1]) < np.asarray(results["num_fine_tunings"])[:, None, None]
    values = np.where(there, errors, 0.0).sum(axis=-1) / np.asarray(results["num_fine_tunings"])[:, None]
    return values, learned


def _add(
    results: Results, name: str, dims: tuple[str, ...], differences: Floats, counted: NDArray[np.bool_], what: str
) -> None:
    mean, width = interval(differences, np.broadcast_to(counted, differences.shape))
    missing = "NaN where fewer than two pretrainings can be compared"
    results.add(name, dims, mean, "1", f"{what}, mean over pretrainings; {missing}")
    described = f"half of the 95 % interval of {name} over pretrainings (Student's t); {missing}"
    results.add(f"{name}_half_width", dims, width, "1", described)
