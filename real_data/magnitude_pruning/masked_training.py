"""Training of networks some of whose weights are masked, between two steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from real_data.magnitude_pruning.masks import Masks, masked
from real_data.training.augmentation import Standardization, standardization_of
from real_data.training.batches import batch_indices
from real_data.training.config import TrainingConfig
from real_data.training.descent import Hyperparameters, advance, initial_state, step_on_pool
from real_data.training.examples import Examples
from real_data.training.learning_check import label_statistics
from real_data.training.learning_rates import learning_rates
from real_data.training.networks import Model, Params, TrainedNetworks, architecture_of, joined
from real_data.training.train import STEPS_AT_ONCE, default_networks_at_once, initial_weights, random_keys

__all__ = ["MaskedTraining"]


@dataclass(frozen=True, eq=False)
class MaskedTraining:
    """What all rounds of the networks of one size share; one network for each seed.

    Attributes:
        model: builds one network.
        images: training images, shape (num_images, height, width, channels).
        labels: their classes, shape (num_images,).
        subsets: indices of the images that each network is trained on, all of one length.
        seeds: of initial weights and order of batches.
        config: the training, all of whose steps count, from the first to the last.
    """

    model: Model
    images: np.ndarray
    labels: np.ndarray
    subsets: tuple[np.ndarray, ...]
    seeds: tuple[int, ...]
    config: TrainingConfig

    @property
    def num_steps(self) -> int:
        """Steps of the whole training."""
        return self.config.steps_for(len(self.subsets[0]))

    def start(self) -> tuple[Params, Params]:
        """Weights and batch statistics before the first step."""
        return initial_weights(self.model, self.seeds)

    def between(self, params: Params, batch_stats: Params, masks: Masks, first: int, last: int) -> TrainedNetworks:
        """Train from step ``first`` to before step ``last``, without momentum at the beginning.

        Networks without convolutions advance side by side, those with convolutions one after the other.

        Args:
            params: weights at step ``first``; those masked are set to 0, and stay there.
            batch_stats: batch statistics at step ``first``.
            masks: which weights are left.
            first: at least 0.
            last: at most the number of steps.

        Returns:
            The networks; their losses and answers are those of these steps.

        Raises:
            FloatingPointError: a loss or weight is no longer finite.
        """
        weights = masked(params, masks)
        at_once = default_networks_at_once(self.model, self.images)
        parts = [slice(i, i + at_once) for i in range(0, len(self.seeds), at_once)]
        networks = joined([self._side_by_side(part, weights, batch_stats, masks, first, last) for part in parts])
        finite = np.all(np.isfinite(networks.losses), axis=1)
        for array in jax.tree.leaves((networks.params, networks.batch_stats)):
            finite &= np.all(np.isfinite(array.reshape(len(array), -1)), axis=1)
        if not finite.all():
            seed = networks.seeds[int(np.argmin(finite))]
            raise FloatingPointError(
                f"training diverged (seed {seed}): lower training.learning_rate, {self.config.learning_rate:g} now"
            )
        return networks

    @cached_property
    def _on_device(self) -> tuple[jax.Array, jax.Array]:
        return jnp.asarray(self.images), jnp.asarray(self.labels.astype(np.int32))

    @cached_property
    def _standardization(self) -> Standardization:
        return standardization_of(self.images, standardize=self.config.standardize)

    def _side_by_side(
        self, part: slice, params: Params, batch_stats: Params, masks: Masks, first: int, last: int
    ) -> TrainedNetworks:
        config, seeds, subsets = self.config, self.seeds[part], self.subsets[part]
        params, batch_stats, masks = jax.tree.map(lambda array: array[part], (params, batch_stats, masks))
        architecture = architecture_of(self.model, self.images.shape[1:])
        numbers = Hyperparameters.of(config, self._standardization)
        state = initial_state(params, batch_stats, config.optimizer)
        keys = random_keys(np.asarray(seeds, np.uint32))
        rates = learning_rates(config, self.num_steps)
        settings = (architecture.graphdef, config.augmentation)
        pool, targets = self._on_device
        masks = jax.device_put(masks)
        losses = np.zeros((len(seeds), last - first), np.float32)
        correct = np.zeros((*losses.shape, config.batch_size), bool)
        for step in range(first, last, STEPS_AT_ONCE):
            count = min(STEPS_AT_ONCE, last - step)
            batches = np.stack(
                [
                    batch_indices(kept, count, config.batch_size, seed, first_step=step)
                    for kept, seed in zip(subsets, seeds, strict=True)
                ]
            )
            done = slice(step - first, step - first + count)
            of_chunk = rates[step : step + count]
            if architecture.convolutional and jax.default_backend() == "cpu":  # XLA's loops there are slow
                found: list[Any] = []
                for i, rate in enumerate(of_chunk):
                    now = (batches[:, i], rate, step + i)
                    state, *values = step_on_pool(*settings, state, pool, targets, *now, keys, numbers, None, masks)
                    found.append(values)
                loss, right = (np.stack(values, axis=1) for values in zip(*found, strict=True))
            else:
                short = STEPS_AT_ONCE - count  # always as many, so that one program serves all
                chunk = (np.pad(batches, ((0, 0), (0, short), (0, 0))), np.pad(of_chunk, (0, short)), step, count)
                state, loss, right = advance(*settings, state, pool, targets, *chunk, keys, numbers, None, masks)
            losses[:, done], correct[:, done] = np.asarray(loss)[:, :count], np.asarray(right)[:, :count]
        params, batch_stats = jax.tree.map(np.asarray, (state.params, state.batch_stats))
        return TrainedNetworks(
            architecture,
            params,
            batch_stats,
            self._standardization,
            losses,
            correct,
            tuple(map(Examples, subsets)),
            seeds,
            np.array([label_statistics(self.labels[kept])[0] for kept in subsets]),
            ((config.learning_rate,),) * len(seeds),
        )
