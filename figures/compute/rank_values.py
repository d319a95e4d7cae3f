"""The theory's value of each rank around random examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_pruning import KeepRandom, Results
from figures.compute.software import software
from perceptron_theory import value_function

__all__ = ["compute_rank_values"]

NUM_BINS = 50


def compute_rank_values(fraction: float, alpha_tot: Sequence[float], theta_deg: float) -> Results:
    """Value functions of the max-margin student around random examples, less their means.

    Args:
        fraction: fraction kept, f.
        alpha_tot: examples per parameter before pruning.
        theta_deg: angle between probe and teacher in degrees.
    """
    edges = np.linspace(0, 1, NUM_BINS + 1)
    keep, theta = KeepRandom(fraction), np.deg2rad(theta_deg)
    values = np.stack([value_function(alpha, keep, theta, ranks=edges)[1] for alpha in alpha_tot])
    results = Results(
        "Value of difficulty ranks around random examples, in theory",
        {"fraction": fraction, "theta_deg": theta_deg, "software": software()},
    )
    results.add("edge", "edge", edges, "1", "edges of the cells of difficulty rank, 0 = hardest")
    results.add("alpha_tot", "alpha_tot", list(map(float, alpha_tot)), "1", "examples per parameter before pruning")
    described = "- d log(error) / d keep probability, per fraction of the data, less its mean"
    results.add("value", ("alpha_tot", "bin"), values - values.mean(axis=1, keepdims=True), "1", described)
    return results
