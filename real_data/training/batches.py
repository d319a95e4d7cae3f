"""The order in which a network sees its examples: permutations of the kept ones in a row, cut into batches.

The order depends on the seed and on the step alone, so that a training that was interrupted goes on with the batches it
would have had.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["batch_indices"]


def batch_indices(
    kept: np.ndarray,
    num_steps: int,
    batch_size: int,
    seed: int,
    *,
    first_step: int = 0,
    per_epoch: int | None = None,
) -> NDArray[np.int32]:
    """The examples of a range of training steps.

    A batch may run on from one epoch into the next; so no example is left out, and after any number of
    steps all have been used equally often, to within one.

    Args:
        kept: indices of the kept examples, shape (num_kept,), num_kept >= 1.
        num_steps: number of batches.
        batch_size: examples per batch.
        seed: non-negative integer.
        first_step: number of the first of these steps, counted from the beginning of the training.
        per_epoch: how many of the kept examples an epoch takes, drawn anew for each; None takes all.

    Returns:
        Indices of examples, shape (num_steps, batch_size).
    """
    kept = np.asarray(kept, dtype=np.int32)
    start, stop = first_step * batch_size, (first_step + num_steps) * batch_size
    size = kept.size if per_epoch is None else per_epoch
    first_epoch, end = start // size, -(-stop // size)
    epochs = [np.random.default_rng([seed, epoch]).permutation(kept)[:size] for epoch in range(first_epoch, end)]
    order = np.concatenate(epochs) if epochs else np.zeros(0, dtype=np.int32)
    skip = first_epoch * size
    return order[start - skip : stop - skip].reshape(num_steps, batch_size)
