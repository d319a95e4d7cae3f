"""Exact theory of data pruning for the teacher-student perceptron."""

from perceptron_theory.keep_rules import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow
from perceptron_theory.results import Results

__all__ = ["KeepEasy", "KeepHard", "KeepRandom", "KeepRule", "KeepWindow", "Results"]
