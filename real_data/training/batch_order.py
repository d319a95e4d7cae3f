"""Which examples a network sees in which step, with which weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from real_data.training.batches import batch_indices
from real_data.training.examples import Examples

__all__ = ["BatchOrder", "Batches"]

ALL_FROM = 7 / 8  # of the training: from here on InfoBatch takes all examples, as its authors do


class Batches(NamedTuple):
    """The batches of several steps.

    Attributes:
        indices: of examples, shape (num_steps, batch_size).
        importance: weight of the loss of each, likewise; None where none has any.
    """

    indices: NDArray[np.int32]
    importance: NDArray[np.float32] | None


class BatchOrder:
    """The batches of one network.

    Args:
        examples: what it is trained on.
        batch_size: examples per step.
        num_steps: steps of the whole training.
        seed: of the network.
    """

    def __init__(self, examples: Examples, batch_size: int, num_steps: int, seed: int):
        self.examples = examples
        self.batch_size = batch_size
        self._seed = seed
        self._all_from = ALL_FROM * num_steps
        number = examples.indices.size
        self._epoch = 0
        self._seen = 0  # batches handed out
        self._losses = np.full(number, np.nan)  # of each example, when it was last seen
        self._queue = np.zeros(0, np.int64)  # positions of examples still to be seen in this epoch
        self._counts = np.zeros(0, np.float32)  # how often each of them counts
        self._taken = np.zeros((0, batch_size), np.int64)

    def most_ahead(self, wanted: int) -> int:
        """How many of the next ``wanted`` steps can be told now, at least one."""
        if self.examples.skip_learned is None:
            return wanted
        while self._queue.size < self.batch_size:
            self._begin_epoch()
        return min(wanted, self._queue.size // self.batch_size)

    def take(self, first_step: int, num_steps: int) -> Batches:
        """The batches of steps that can be told."""
        examples, size = self.examples, (num_steps, self.batch_size)
        if examples.skip_learned is None:
            indices = batch_indices(
                examples.indices,
                num_steps,
                self.batch_size,
                self._seed,
                first_step=first_step,
                per_epoch=examples.per_epoch,
            )
            if examples.weights is None:
                return Batches(indices, None)
            order = np.argsort(examples.indices)
            at = order[np.searchsorted(examples.indices, indices, sorter=order)]
            return Batches(indices, np.asarray(examples.weights, np.float32)[at])
        number = num_steps * self.batch_size
        self._taken, counts = self._queue[:number].reshape(size), self._counts[:number].reshape(size)
        self._queue, self._counts = self._queue[number:], self._counts[number:]
        self._seen += num_steps
        if examples.weights is not None:
            counts = counts * np.asarray(examples.weights, np.float32)[self._taken]
        return Batches(examples.indices[self._taken].astype(np.int32), counts)

    def learn(self, losses: NDArray[np.float32]) -> None:
        """Note the loss of each example of the batches taken last, shape (num_steps, batch_size)."""
        if self.examples.skip_learned is not None:
            for positions, values in zip(self._taken, losses, strict=True):
                self._losses[positions] = values

    def memory(self) -> list[NDArray[Any]]:
        """What a checkpoint must hold beside the number of steps, arrays of fixed shapes; nothing for most orders."""
        if self.examples.skip_learned is None:
            return []
        most = self._losses.size + self.batch_size
        free = (0, most - self._queue.size)
        numbers = np.array([self._epoch, self._seen, self._queue.size])
        return [self._losses, np.pad(self._queue, free), np.pad(self._counts, free), numbers]

    def remember(self, memory: list[NDArray[Any]]) -> None:
        """Go on from where :meth:`memory` was taken."""
        if self.examples.skip_learned is not None:
            losses, queue, counts, numbers = (np.array(array) for array in memory)
            self._epoch, self._seen, waiting = map(int, numbers)
            self._losses, self._queue, self._counts = losses, queue[:waiting], counts[:waiting]

    def _begin_epoch(self) -> None:
        """Put the examples of another epoch into the queue."""
        rng = np.random.default_rng([self._seed, self._epoch])
        number, share = self._losses.size, self.examples.skip_learned
        counts = np.ones(number, np.float32)
        chosen = np.arange(number)
        if share and self._epoch > 0 and self._seen < self._all_from:
            seen = np.isfinite(self._losses)
            learned = np.flatnonzero(seen & (self._losses < np.mean(self._losses[seen])))
            stay = rng.choice(learned, round((1 - share) * learned.size), replace=False)
            counts[stay] = 1 / (1 - share)
            chosen = np.union1d(np.setdiff1d(chosen, learned), stay)
        order = rng.permutation(chosen)
        self._queue = np.concatenate([self._queue, order])
        self._counts = np.concatenate([self._counts, counts[order]])
        self._epoch += 1
