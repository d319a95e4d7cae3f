"""Observation of a training: what looks at the networks at the end of every epoch.

The scores of the course of training ask what a network said of every example after each epoch.  Here all examples are
shown to the network as it is then, without augmentation and in evaluation mode; nothing of it enters the training, so
that the weights are the same, bit for bit, with or without an observer.  (Public code often records the outputs of the
training steps instead, which mix the weights of a whole epoch, random crops and the statistics of single batches; the
papers define their scores by the network of each epoch.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from real_data.training.config import TrainingConfig

if TYPE_CHECKING:
    from real_data.training.networks import TrainedNetworks

__all__ = ["Observation", "Observer", "epoch_ends"]


class Observer(Protocol):
    """Looks at the networks of one group at the end of every epoch."""

    def observe(self, networks: TrainedNetworks) -> None:
        """Look at the networks as they are now; weights that are not finite are looked at too."""

    def memory(self) -> Any:
        """What a checkpoint must hold, a tree of arrays of fixed shapes."""

    def remember(self, memory: Any) -> None:
        """Go on from where :meth:`memory` was taken."""

    def result(self) -> dict[str, NDArray[np.float64]]:
        """What was found, by name, each with a leading axis (num_networks,)."""


class Observation(Protocol):
    """What is to be observed in a training."""

    @property
    def settings(self) -> Any:
        """All that determines what an observer finds, besides images, labels and training: a JSON value."""

    def begin(self, start: TrainedNetworks) -> Observer:
        """An observer of networks before their first step."""


def epoch_ends(config: TrainingConfig, num_examples: int) -> NDArray[np.int64]:
    """Numbers of steps after which an epoch is complete: every example has been presented once more.

    Epoch e ends with step ceil(e num_examples / batch_size), as batches run on across epochs; where a batch is larger
    than an epoch, every step is one.

    Args:
        config: the training; with ``num_steps`` what is left after the last complete epoch ends none.
        num_examples: examples of an epoch, at least 1.

    Returns:
        Increasing numbers in [1, number of steps], shape (num_epochs,); none where no epoch is complete.
    """
    num_steps = config.steps_for(num_examples)
    num_epochs = num_steps * config.batch_size // num_examples
    return np.unique(-(-np.arange(1, num_epochs + 1, dtype=np.int64) * num_examples // config.batch_size))
