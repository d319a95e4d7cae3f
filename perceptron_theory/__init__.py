"""Exact theory of data pruning for the teacher-student perceptron.

``solve`` gives the test error of a student trained on pruned data, ``pareto_frontier`` the best that a rule can do at
each number of kept examples, ``crossover`` where keeping hard examples overtakes keeping easy ones, ``optimal_policy``
the best keep rule of all, with its certificate.
"""

from typing import TYPE_CHECKING, Any

from perceptron_theory.keep_rules import (
    KeepByLabel,
    KeepEasy,
    KeepHard,
    KeepPolicy,
    KeepRandom,
    KeepRule,
    KeepWindow,
)
from perceptron_theory.labels import Labels
from perceptron_theory.results import Results
from perceptron_theory.students import HingeLoss, LogisticLoss, MaxMargin, SquareLoss, Student

if TYPE_CHECKING:
    from perceptron_theory.best_rule import (
        OptimalFrontier,
        OptimalPolicy,
        best_window,
        optimal_frontier,
        optimal_policy,
    )
    from perceptron_theory.derivatives import exponential_to_power_law, scaling_exponent
    from perceptron_theory.frontier import Crossover, Frontier, crossover, pareto_frontier
    from perceptron_theory.observables import error_standard_deviation, information_gain, margin_distribution
    from perceptron_theory.order_parameters import Solution, separability_threshold, solve
    from perceptron_theory.rank_value import value_function
    from perceptron_theory.signed_margin import signed_margin_window

__all__ = [
    "Crossover",
    "Frontier",
    "HingeLoss",
    "KeepByLabel",
    "KeepEasy",
    "KeepHard",
    "KeepPolicy",
    "KeepRandom",
    "KeepRule",
    "KeepWindow",
    "Labels",
    "LogisticLoss",
    "MaxMargin",
    "OptimalFrontier",
    "OptimalPolicy",
    "Results",
    "Solution",
    "SquareLoss",
    "Student",
    "best_window",
    "crossover",
    "error_standard_deviation",
    "exponential_to_power_law",
    "information_gain",
    "margin_distribution",
    "optimal_frontier",
    "optimal_policy",
    "pareto_frontier",
    "scaling_exponent",
    "separability_threshold",
    "signed_margin_window",
    "solve",
    "value_function",
]

_HOME = {
    "exponential_to_power_law": "derivatives",
    "scaling_exponent": "derivatives",
    "error_standard_deviation": "observables",
    "information_gain": "observables",
    "margin_distribution": "observables",
    "OptimalFrontier": "best_rule",
    "OptimalPolicy": "best_rule",
    "best_window": "best_rule",
    "optimal_frontier": "best_rule",
    "optimal_policy": "best_rule",
    "value_function": "rank_value",
    "Crossover": "frontier",
    "Frontier": "frontier",
    "Solution": "order_parameters",
    "crossover": "frontier",
    "pareto_frontier": "frontier",
    "signed_margin_window": "signed_margin",
    "separability_threshold": "order_parameters",
    "solve": "order_parameters",
}


def __getattr__(name: str) -> Any:
    """Load the solver, and with it JAX, when it is first asked for: rules and result files need neither."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
