"""Checks of arguments while JAX is absent, half imported, or tracing."""

import sys
from types import ModuleType

import jax
import numpy as np

from data_pruning import KeepHard
from data_pruning.arguments import is_traced


def test_values_are_checked_while_another_thread_imports_jax(monkeypatch):
    """In between the module is known and has nothing in it yet."""
    monkeypatch.setitem(sys.modules, "jax", ModuleType("jax"))
    for core in (None, ModuleType("jax.core")):
        monkeypatch.setitem(sys.modules, "jax.core", core)
        assert not is_traced(np.ones(3))
        assert KeepHard(0.2).f == 0.2


def test_traced_values_are_told_apart():
    seen = []
    jax.jit(lambda x: seen.append((is_traced(x), is_traced(1.0))) or x)(1.0)
    assert seen == [(True, False)]
