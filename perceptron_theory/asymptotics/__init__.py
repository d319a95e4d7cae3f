"""Limits in closed form: of the max-margin student (``max_margin``) and over power-law features (``power_laws``)."""

from perceptron_theory.asymptotics import max_margin, power_laws
from perceptron_theory.asymptotics.max_margin import *  # noqa: F403
from perceptron_theory.asymptotics.power_laws import *  # noqa: F403

__all__: list[str] = []
__all__ += max_margin.__all__
__all__ += power_laws.__all__
