"""Exact theory of data pruning for the teacher-student perceptron.

``solve`` gives the test error of a max-margin student trained on pruned data, ``pareto_frontier`` the best that a rule
can do at each number of kept examples, ``crossover`` where keeping hard examples overtakes keeping easy ones.
"""

from typing import TYPE_CHECKING, Any

from perceptron_theory.keep_rules import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow
from perceptron_theory.results import Results

if TYPE_CHECKING:
    from perceptron_theory.frontier import Crossover, Frontier, crossover, pareto_frontier
    from perceptron_theory.max_margin import Solution, solve

__all__ = [
    "Crossover",
    "Frontier",
    "KeepEasy",
    "KeepHard",
    "KeepRandom",
    "KeepRule",
    "KeepWindow",
    "Results",
    "Solution",
    "crossover",
    "pareto_frontier",
    "solve",
]

_HOME = {
    "Crossover": "frontier",
    "Frontier": "frontier",
    "Solution": "max_margin",
    "crossover": "frontier",
    "pareto_frontier": "frontier",
    "solve": "max_margin",
}


def __getattr__(name: str) -> Any:
    """Load the solver, and with it JAX, when it is first asked for: rules and result files need neither."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
