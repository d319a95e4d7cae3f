"""Limits in closed form: of the max-margin student (``max_margin``) and over power-law features (``power_laws``)."""

from perceptron_theory.asymptotics.max_margin import (
    amplitude,
    hard_frontier_error,
    hard_frontier_fraction,
    hard_limit_critical_alpha_prune,
    hard_limit_error,
    hard_limit_error_over_f,
    hebb_coefficient,
    max_stability_amplitude,
    saturation_fraction,
)
from perceptron_theory.asymptotics.power_laws import (
    data_exponent,
    model_size_exponent,
    unlimited_examples_error,
    unlimited_features_error,
)

__all__ = [
    "amplitude",
    "data_exponent",
    "hard_frontier_error",
    "hard_frontier_fraction",
    "hard_limit_critical_alpha_prune",
    "hard_limit_error",
    "hard_limit_error_over_f",
    "hebb_coefficient",
    "max_stability_amplitude",
    "model_size_exponent",
    "saturation_fraction",
    "unlimited_examples_error",
    "unlimited_features_error",
]
