"""The examples of docstrings give what they say, with the names that they import and nothing else."""

import doctest
import importlib
import inspect

import pytest

from docs.extensions.public_names import FOLDERS, public_names

MAIN = {
    "data_pruning": {"KeepHard", "Results", "importance_weights", "keep_rule"},
    "perceptron_theory": {"best_window", "crossover", "optimal_policy", "pareto_frontier", "solve", "value_function"},
    "simulations": {"simulate", "validate"},
    "scaling_laws": {"compare_laws", "fit_law", "forecast"},
    "real_data": {"load_digits", "prune", "select"},
}
"""What users call first: there must be an example."""


def examples() -> list[doctest.DocTest]:
    """The docstrings with examples of all files that something public comes from."""
    modules = {name.module for package in FOLDERS if package != "figures" for name in public_names(package)}
    found = []
    for module in sorted(modules):
        tests = doctest.DocTestFinder().find(importlib.import_module(module), globs={})
        found += [test for test in tests if test.examples]
    return found


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name)
def test_an_example_gives_what_it_says(test):
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(test, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize("package", MAIN)
def test_what_is_called_first_has_an_example(package):
    room = importlib.import_module(package)
    without = {name for name in MAIN[package] if ">>>" not in str(inspect.getdoc(getattr(room, name)))}
    assert not without
