"""Scaling laws: fits of test error against the size of the data, and which law it is."""

from scaling_laws.comparison import ScalingComparison, compare_scaling_laws
from scaling_laws.fit import fit_scaling_law
from scaling_laws.forms import LAWS, ScalingFit

__all__ = ["LAWS", "ScalingComparison", "ScalingFit", "compare_scaling_laws", "fit_scaling_law"]
