"""Scores of the course of a training, told one epoch after the other; at most a window of epochs is held.

The state of each is a few arrays of fixed shapes, so that a checkpoint can hold it.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import integer, real_number

__all__ = ["Accumulator", "DualDepth", "MeanMargin", "Uncertainty"]

Floats = NDArray[np.float64]
Shape = tuple[int, ...]


class Accumulator(Protocol):
    """A score that is told one epoch after the other.

    Attributes:
        window: epochs without which there is no score.
        state: arrays of fixed shapes, all that is remembered of the epochs told.
    """

    window: int
    state: dict[str, NDArray]

    def add(self, values: Floats) -> None:
        """Tell the values of the next epoch, of the shape of the score."""

    def score(self) -> Floats:
        """The score after the epochs told; NaN where they are too few."""


class MeanMargin:
    """AUM with its sign turned; told the margins of the logits.

    Args:
        shape: of the score, (..., num_examples).
    """

    def __init__(self, shape: Shape):
        self.window = 1
        self.state: dict[str, NDArray] = {"epochs": np.zeros((), np.int64), "sum": np.zeros(shape)}

    def add(self, values: Floats) -> None:
        """Tell the margins of the next epoch."""
        self.state = {"epochs": self.state["epochs"] + 1, "sum": self.state["sum"] - values}

    def score(self) -> Floats:
        """Minus the mean so far."""
        return _mean(self.state["sum"], int(self.state["epochs"]))


class Uncertainty:
    """Dyn-Unc, or DUAL; told the probabilities of the labels.

    Args:
        shape: of the score, (..., num_examples).
        window: epochs of a window, at least 2.
        times_difficulty: whether the deviation of a window is multiplied by one minus its mean.
        num_epochs: epochs that are looked at, at least ``window``; None is all.
    """

    def __init__(
        self, shape: Shape, window: int, *, times_difficulty: bool = False, num_epochs: int | None = None
    ) -> None:
        self.window = integer("window", window, 2)
        self.num_epochs = None if num_epochs is None else integer("num_epochs", num_epochs, window)
        self.times_difficulty = times_difficulty
        self.state: dict[str, NDArray] = {
            "epochs": np.zeros((), np.int64),
            "sum": np.zeros(shape),
            "recent": np.zeros((window, *shape)),
        }

    def add(self, values: Floats) -> None:
        """Tell the probabilities of the next epoch."""
        epochs = int(self.state["epochs"])
        if self.num_epochs is not None and epochs >= self.num_epochs:
            return
        recent = np.concatenate([self.state["recent"][1:], values[None]])
        self.state |= {"epochs": self.state["epochs"] + 1, "recent": recent}
        if epochs + 1 >= self.window:
            depth = recent.std(axis=0, ddof=1)
            if self.times_difficulty:
                depth *= 1 - recent.mean(axis=0)
            self.state["sum"] = self.state["sum"] + depth

    def score(self) -> Floats:
        """The mean over the windows so far."""
        return _mean(self.state["sum"], int(self.state["epochs"]) - self.window + 1)


class DualDepth:
    """TDDS; told how much the probabilities changed since the epoch before, from the second epoch on.

    Args:
        shape: of the score, (..., num_examples).
        window: epochs of a window, at least 3: with two there is one change, and nothing it deviates from.
        decay: weight of the last window, in (0, 1].
    """

    def __init__(self, shape: Shape, window: int, decay: float) -> None:
        self.window = integer("window", window, 3)
        self.decay = real_number("decay", decay)
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay must lie in (0, 1], got {decay}")
        self.state: dict[str, NDArray] = {
            "changes": np.zeros((), np.int64),
            "sum": np.zeros(shape),
            "recent": np.zeros((window - 1, *shape)),
        }

    def add(self, values: Floats) -> None:
        """Tell the changes up to the next epoch."""
        recent = np.concatenate([self.state["recent"][1:], values[None]])
        self.state |= {"changes": self.state["changes"] + 1, "recent": recent}
        if self.state["changes"] >= self.window - 1:
            depth = np.sqrt(np.sum((recent - recent.mean(axis=0)) ** 2, axis=0))
            self.state["sum"] = (1 - self.decay) * self.state["sum"] + self.decay * depth

    def score(self) -> Floats:
        """The depths so far, the last windows counting most."""
        return _mean(self.state["sum"], min(1, int(self.state["changes"]) - self.window + 2))


def _mean(total: Floats, number: int) -> Floats:
    return total / number if number >= 1 else np.full_like(total, np.nan)
