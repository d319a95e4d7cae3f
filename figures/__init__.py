"""Pictures of the results of the other rooms; every figure is a function from saved results to a matplotlib figure."""

from figures.draw.image_scores import extreme_images, rank_correlations, score_histograms
from figures.draw.images import fig3
from figures.draw.perceptron import fig1, fig2
from figures.draw.windows import windows

__all__ = ["extreme_images", "fig1", "fig2", "fig3", "rank_correlations", "score_histograms", "windows"]
