"""What else the order parameters tell: margins of examples, information per example, spread over finite data sets."""

from perceptron_theory.observables.error_spread import error_standard_deviation
from perceptron_theory.observables.margins import MarginDistribution, margin_distribution
from perceptron_theory.observables.version_space import information_gain

__all__ = ["MarginDistribution", "error_standard_deviation", "information_gain", "margin_distribution"]
