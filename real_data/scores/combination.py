"""Several scores as one: the mean of their ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import check_real
from real_data.scores.score_file import Scores

__all__ = ["combine_scores"]


def combine_scores(scores: Sequence[Scores], *, weights: Sequence[float] | None = None, metric: str) -> Scores:
    """Scores that rank examples by the weighted mean of their ranks under several scores (Borda's count).

    Scores of different units are combined without a choice of scale; equal scores have their mean rank.

    Args:
        scores: at least two, of the same training examples.
        weights: one for each, above 0; None weighs all alike.
        metric: name that the combination gets.

    Returns:
        Scores in (0, 1), higher = harder.  Test images have values where all scores have them.

    Raises:
        ValueError: fewer than two scores, scores of different data sets, or weights that are not as above.
    """
    if len(scores) < 2:
        raise ValueError(f"scores must be at least two, got {len(scores)}")
    shares = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=float)
    if shares.shape != (len(scores),):
        raise ValueError(f"weights must be {len(scores)}, one for each score, got {len(np.atleast_1d(shares))}")
    for weight in shares.tolist():
        check_real("each of weights", weight, "(0, inf)")
    first = scores[0]
    for i, one in enumerate(scores):
        if one.fingerprint != first.fingerprint or one.values.size != first.values.size:
            raise ValueError(
                f"scores[0] ({first.metric}) are of {first.dataset!r}, fingerprint {first.fingerprint}, but "
                f"scores[{i}] ({one.metric}) of {one.dataset!r}, fingerprint {one.fingerprint}"
            )
    of_tests = [one.test_values for one in scores if one.test_values is not None]
    parts = [
        {"metric": one.metric, "weight": weight, "settings": dict(one.config)}
        for one, weight in zip(scores, shares.tolist(), strict=True)
    ]
    return Scores(
        metric,
        _mean_rank([one.values for one in scores], shares),
        first.dataset,
        first.fingerprint,
        {"mean_rank_of": parts},
        notes=first.notes,
        test_values=_mean_rank(of_tests, shares) if len(of_tests) == len(scores) else None,
    )


def _mean_rank(values: Sequence[np.ndarray], weights: np.ndarray) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    ranks = np.stack([(rankdata(one) - 0.5) / one.size for one in values])
    return weights @ ranks / weights.sum()
