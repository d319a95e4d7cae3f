"""What a network is trained on: kept examples, their weights, and how they are drawn from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import check_integer, check_real

__all__ = ["Examples", "examples_of"]


@dataclass(frozen=True, eq=False)
class Examples:
    """The examples that a network is trained on.

    Attributes:
        indices: of the kept examples, shape (num_kept,).
        weights: weight of the loss of each, positive, shape (num_kept,); None weighs all alike.
        per_epoch: how many of them an epoch takes, drawn anew for each (repeated random sampling, RS2, of Okanovic et
            al. 2024); None takes all.  With ``skip_learned`` it only says how long an epoch counts where the length of
            the training is given in epochs.
        skip_learned: with which probability an epoch leaves out an example whose loss was below the mean when it was
            last seen, in [0, 1); those that stay count 1 / (1 - skip_learned) times, and the last eighth of the
            training takes all (InfoBatch, Qin et al. 2024).  None leaves out none.
    """

    indices: np.ndarray
    weights: NDArray[np.float32] | None = None
    per_epoch: int | None = None
    skip_learned: float | None = None

    def __post_init__(self) -> None:
        if self.weights is not None:
            weights = np.asarray(self.weights)
            if weights.shape != self.indices.shape or not np.all(np.isfinite(weights) & (weights > 0)):
                raise ValueError(f"weights must be positive, one for each of {self.indices.size} kept examples")
        if self.per_epoch is not None:
            check_integer("per_epoch", self.per_epoch, 1, self.indices.size)
        if self.skip_learned is not None:
            check_real("skip_learned", self.skip_learned, "[0, 1)")

    def __len__(self) -> int:
        """Number of kept examples."""
        return len(self.indices)

    @property
    def epoch_size(self) -> int:
        """Examples of an epoch."""
        return len(self.indices) if self.per_epoch is None else self.per_epoch

    @property
    def weighted(self) -> bool:
        """Whether losses have weights."""
        return self.weights is not None or self.skip_learned is not None

    def digested(self) -> list[np.ndarray]:
        """Arrays that tell these examples from others."""
        arrays = [self.indices]
        if self.weights is not None:
            arrays.append(np.asarray(self.weights))
        if self.per_epoch is not None or self.skip_learned is not None:
            arrays.append(np.array([self.per_epoch or 0, self.skip_learned or 0.0]))
        return arrays


def examples_of(value: Any) -> Examples:
    """The examples of an argument: indices, or examples already."""
    return value if isinstance(value, Examples) else Examples(np.asarray(value))
