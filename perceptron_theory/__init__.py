"""Exact theory of data pruning for the teacher-student perceptron.

``solve`` gives the test error of a student trained on pruned data, ``pareto_frontier`` the best that a rule can do at
each number of kept examples, ``crossover`` where keeping hard examples overtakes keeping easy ones, ``optimal_policy``
the best keep rule of all, with its certificate.

The names are listed in ``__init__.pyi``; the solver, and with it JAX, is loaded when one of them is first asked for.
"""

import lazy_loader

import data_pruning
from data_pruning import *  # noqa: F403  (the keep rules and result files belong to this room's face too)

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += data_pruning.__all__


def __dir__() -> list[str]:
    return sorted(__all__)
