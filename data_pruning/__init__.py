"""What every room needs: keep rules, checks of arguments, result files, command lines.  It imports no other room."""

from data_pruning.importance_weights import importance_weights
from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_coverage import KeepCoverage
from data_pruning.keep_mixture import KeepMixture
from data_pruning.keep_policy import KeepPolicy
from data_pruning.keep_proportional import KeepProportional
from data_pruning.keep_rules import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow
from data_pruning.keep_weighted import KeepWeighted
from data_pruning.records.results import Results
from data_pruning.rule_names import keep_rule

__all__ = [
    "KeepByLabel",
    "KeepCoverage",
    "KeepEasy",
    "KeepHard",
    "KeepMixture",
    "KeepPolicy",
    "KeepProportional",
    "KeepRandom",
    "KeepRule",
    "KeepWeighted",
    "KeepWindow",
    "Results",
    "importance_weights",
    "keep_rule",
]
