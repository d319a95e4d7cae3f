"""What every room needs: keep rules, checks of arguments, result files, command lines.  It imports no other room."""

from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_policy import KeepPolicy
from data_pruning.keep_rules import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow
from data_pruning.records.results import Results
from data_pruning.rule_names import keep_rule

__all__ = [
    "KeepByLabel",
    "KeepEasy",
    "KeepHard",
    "KeepPolicy",
    "KeepRandom",
    "KeepRule",
    "KeepWindow",
    "Results",
    "keep_rule",
]
