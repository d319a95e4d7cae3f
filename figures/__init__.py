"""Pictures of the results of the other rooms; every figure is a function from saved results to a matplotlib figure."""

from figures.images import fig3
from figures.perceptron import fig1, fig2

__all__ = ["fig1", "fig2", "fig3"]
