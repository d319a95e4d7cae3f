"""Proof that no separator exists.

Data with rows a_i have no separator, no w with A w > 0, if some weights c >= 0, not all zero, give A^T c = 0 (Gordan).
The slopes c_i = 1 / (1 + exp(a_i.v)) of the logistic loss at its minimum are such weights, all of them positive, up to
rounding and regularisation.  What is left of A^T c is corrected by small relative changes of the weights; if those that
would be needed to correct what rounding leaves are bound to be below 1, the exact weights are positive too, and the
proof is complete.
"""

from __future__ import annotations

import jax
import numpy as np

from simulations.students.logistic_loss import logistic_regression

__all__ = ["is_proven_inseparable"]

LAM = 1e-8
NUM_CORRECTIONS = 3

_logistic_regression = jax.jit(logistic_regression)


def is_proven_inseparable(examples: np.ndarray) -> bool:
    """Whether it is proven that no hyperplane through the origin separates the data.

    Args:
        examples: label times input, shape (num_examples, num_features); rows of zeros are ignored.

    Returns:
        True with certainty; False if the data are separable or nothing could be proven.
    """
    rows = np.asarray(examples, np.float64)
    rows = rows[np.any(rows != 0, axis=1)]
    num_examples, num_features = rows.shape
    if num_examples <= num_features or not np.all(np.isfinite(rows)):
        return False  # in general position any labels are separable
    with jax.enable_x64(True):
        v = np.asarray(_logistic_regression(rows, LAM).weights)
    weights = np.exp(-np.logaddexp(0.0, rows @ v))
    eps = np.finfo(np.float64).eps
    for correction in range(NUM_CORRECTIONS + 1):
        # weights c (1 + t) with the smallest t that gives A^T c = 0
        left, singular, right = np.linalg.svd(weights[:, None] * rows, full_matrices=False)
        smallest = singular[-1] - num_examples * eps * singular[0]
        if not smallest > 0:
            return False
        remains = weights @ rows
        if correction == NUM_CORRECTIONS:
            break
        change = -left @ ((right @ remains) / singular)
        if not np.all(np.abs(change) < 0.9):
            return False
        weights = weights * (1 + change)
    rounding = 2 * num_examples * eps * float(weights @ np.linalg.norm(rows, axis=1))
    # |t| of the exact correction is at most |A^T c| / smallest singular value: below 1 all weights stay positive
    return bool((np.linalg.norm(remains) + rounding) / smallest < 0.5)
