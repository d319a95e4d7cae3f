from .draw.image_scores import extreme_images as extreme_images
from .draw.image_scores import rank_correlations as rank_correlations
from .draw.image_scores import score_histograms as score_histograms
from .draw.images import fig3 as fig3
from .draw.perceptron import fig1 as fig1
from .draw.perceptron import fig2 as fig2
from .draw.windows import windows as windows
