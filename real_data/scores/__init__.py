"""Scores of difficulty: one number per training example, higher = harder, in data-set order.

:func:`score` trains networks and scores a data set; :func:`scores_from_csv` reads scores that others published.  What
each score is stands with :func:`score` and with the functions of arrays.
"""

from real_data.scores.forgetting import forgetting_events
from real_data.scores.gradient_norm import gradient_norm
from real_data.scores.predictions import confidence, error_norm, margin
from real_data.scores.prototypes import prototype_distance
from real_data.scores.published import scores_from_csv
from real_data.scores.rank_agreement import rank_correlation
from real_data.scores.score_file import Scores
from real_data.scores.scoring import el2n, score, score_all, scores_of_networks

__all__ = [
    "Scores",
    "confidence",
    "el2n",
    "error_norm",
    "forgetting_events",
    "gradient_norm",
    "margin",
    "prototype_distance",
    "rank_correlation",
    "score",
    "score_all",
    "scores_from_csv",
    "scores_of_networks",
]
