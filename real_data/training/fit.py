"""The steps of one group of networks that advance together, from their last checkpoint to the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_pruning.records.fingerprint import sha256_of
from data_pruning.records.settings import to_json
from real_data.software import software
from real_data.training.augmentation import Standardization
from real_data.training.batch_order import BatchOrder
from real_data.training.config import TrainingConfig
from real_data.training.descent import Hyperparameters, advance, initial_state, step_on_images, step_on_pool
from real_data.training.examples import Examples
from real_data.training.layers import by_name, head_of, merged, parted, rate_factors
from real_data.training.learning_check import label_statistics
from real_data.training.learning_rates import learning_rates
from real_data.training.networks import Architecture, Params, TrainedNetworks
from real_data.training.observation import Observation, Observer, epoch_ends
from real_data.training.run_folder import RunFolder
from real_data.training.sharding import Placement
from real_data.training.start import Start

__all__ = ["STEPS_AT_ONCE", "Job", "fit", "random_keys"]

STEPS_AT_ONCE = 64
"""Steps of networks side by side that are one call of the device."""


@dataclass(frozen=True)
class Job:
    """What all networks of one call of :func:`real_data.training.train.train` share; see there."""

    images: np.ndarray
    labels: NDArray[np.int32]
    config: TrainingConfig
    architecture: Architecture
    standardization: Standardization
    folder: Path | None
    data: dict[str, Any] | None  # digests of images and labels, where there is a folder
    checkpoint_every: int
    observation: Observation | None
    origin: Start | None = None

    def start(
        self, params: Params, batch_stats: Params, examples: list[Examples], seeds: tuple[int, ...]
    ) -> TrainedNetworks:
        """Networks before their first step."""
        num_networks, num_steps = len(seeds), self.config.steps_for(examples[0].epoch_size)
        return TrainedNetworks(
            self.architecture,
            params,
            batch_stats,
            self.standardization,
            np.zeros((num_networks, num_steps), np.float32),
            np.zeros((num_networks, num_steps, self.config.batch_size), bool),
            tuple(examples),
            seeds,
            np.array([label_statistics(self.labels[one.indices])[0] for one in examples]),
            ((),) * num_networks,
        )

    def run_folder(self, name: str, networks: TrainedNetworks, config: TrainingConfig) -> RunFolder | None:
        """Where the checkpoints of these networks are."""
        if self.folder is None or self.data is None:
            return None
        digested = [array for one in networks.examples for array in one.digested()]
        own = {"seeds": list(networks.seeds), "subsets_sha256": sha256_of(*digested)}
        settings = {"training": to_json(config), "layers": self.architecture.layers, **self.data, **own}
        if self.observation is not None:
            settings["observed"] = self.observation.settings
        if self.origin is not None:
            settings["start_sha256"] = self.origin.digest
        return RunFolder(self.folder / name, settings | {"software": software()})


def fit(job: Job, start: TrainedNetworks, config: TrainingConfig, run: RunFolder | None, bar: tqdm) -> TrainedNetworks:
    """Train one group of networks, from the checkpoint if the folder has one; ends early where all have diverged.

    Args:
        job: what they share with others.
        start: the networks before their first step.
        config: their training; its learning rate may be lower than that of the job.
        run: folder of their checkpoints; None saves nothing.
        bar: is told every step of every network.

    Returns:
        The networks after their last step; losses that are not finite are left to the caller.
    """
    images, checkpoint_every = job.images, job.checkpoint_every
    architecture, losses, correct = start.architecture, start.losses, start.correct
    num_networks, num_steps = losses.shape
    trained, frozen = _parts(job.origin, start.params)
    state = initial_state(trained, start.batch_stats, config.optimizer)
    observer = None if job.observation is None else job.observation.begin(start)
    ends = epoch_ends(config, start.examples[0].epoch_size) if observer is not None else np.zeros(0, np.int64)
    step = 0
    orders = [
        BatchOrder(one, config.batch_size, num_steps, seed)
        for one, seed in zip(start.examples, start.seeds, strict=True)
    ]
    if run is not None:
        memories = [order.memory() for order in orders]
        seen = _seen(observer)
        step, (state, losses, correct, memories, seen) = run.restore((state, losses, correct, memories, seen))
        losses, correct = np.array(losses), np.array(correct)
        for order, memory in zip(orders, memories, strict=True):
            order.remember(memory)
        if observer is not None:
            observer.remember(seen)
    place = Placement.of(num_networks, config.batch_size)
    in_memory = isinstance(images, np.ndarray)
    fused = in_memory and not (architecture.convolutional and jax.default_backend() == "cpu")
    state, frozen = place.per_network((state, frozen))
    pool = place.everywhere(images) if in_memory else images
    targets = place.everywhere(job.labels)
    keys = place.per_network(random_keys(np.asarray(start.seeds, np.uint32)))
    rates = learning_rates(config, num_steps)
    factors = None if job.origin is None else rate_factors(trained, job.origin.layer_decay)
    numbers = Hyperparameters.of(config, start.standardization, factors)
    augmentation = config.augmentation
    if not in_memory and "crop" in augmentation:  # those are cropped as they are decoded
        augmentation = "flip" if "flip" in augmentation else "none"
    settings = (architecture.graphdef, augmentation)
    parts: dict[str, Any] = {} if frozen is None else {"frozen": frozen}
    bar.update(step * num_networks)
    began = time.perf_counter()
    while step < num_steps:
        count = min(STEPS_AT_ONCE, num_steps - step, checkpoint_every - step % checkpoint_every)
        count = min([count, *(ends[ends > step][:1] - step).tolist()])
        count = min(order.most_ahead(count) for order in orders)
        taken = [order.take(step, count) for order in orders]
        batches = np.stack([one.indices for one in taken])
        own_weights = [one.importance for one in taken if one.importance is not None]
        importance = np.stack(own_weights) if own_weights else None
        part = slice(step, step + count)
        if fused:
            short = STEPS_AT_ONCE - count  # always as many, so that one program serves all
            filled = place.per_example(np.pad(batches, ((0, 0), (0, short), (0, 0))))
            padded_rates = np.pad(rates[part], (0, short))
            weights = None
            if importance is not None:
                weights = place.per_example(np.pad(importance, ((0, 0), (0, short), (0, 0))))
            state, loss, right = advance(
                *settings, state, pool, targets, filled, padded_rates, step, count, keys, numbers, weights, **parts
            )
            loss, correct[:, part] = np.asarray(loss)[:, :count], np.asarray(right)[:, :count]
        else:
            found: list[Any] = []
            for i in range(count):
                at = place.per_example(batches[:, i])
                weights = None if importance is None else place.per_example(importance[:, i])
                rate = rates[step + i]
                if in_memory:
                    state, *values = step_on_pool(
                        *settings, state, pool, targets, at, rate, step + i, keys, numbers, weights, **parts
                    )
                else:
                    jax.block_until_ready(found[-3:-2])  # decoding is ahead of the device, by few batches
                    crops = _decoded(images, batches[0, i], start.seeds[0], step + i, config.augmentation)
                    own = (place.per_example(crops[None]), targets[at])
                    state, *values = step_on_images(
                        *settings, state, *own, rate, step + i, keys, numbers, weights, **parts
                    )
                found.append(values)
            loss = np.stack([loss for loss, _ in found], axis=1)
            correct[:, part] = np.stack([right for _, right in found], axis=1)
        if importance is not None:  # of each example
            for order, one in zip(orders, loss, strict=True):
                order.learn(one)
            loss = loss.mean(axis=-1)
        losses[:, part] = loss
        step += count
        bar.update(count * num_networks)
        if observer is not None and step in ends:
            weights_now, stats_now = jax.tree.map(np.array, (state.params, state.batch_stats))
            observer.observe(replace(start, params=merged(start.params, weights_now), batch_stats=stats_now))
        if run is not None:
            run.log(
                step,
                loss=float(losses[:, part].mean()),
                accuracy=float(correct[:, part].mean()),
                learning_rate=rates[step - 1],
                images_per_second=count * config.batch_size * num_networks / (time.perf_counter() - began),
            )
            began = time.perf_counter()
            if step % checkpoint_every == 0 or step == num_steps:
                memories = [order.memory() for order in orders]
                run.save(step, (jax.tree.map(np.asarray, state), losses, correct, memories, _seen(observer)))
        if not np.any(np.all(np.isfinite(losses[:, part]), axis=1)):
            losses[:, step:] = np.nan
            bar.total -= (num_steps - step) * num_networks
            break
    params, batch_stats = jax.tree.map(np.asarray, (state.params, state.batch_stats))
    rates_so_far = tuple((*rates, config.learning_rate) for rates in start.learning_rates)
    observed = {} if observer is None else observer.result()
    return replace(
        start,
        params=merged(start.params, params),
        batch_stats=batch_stats,
        losses=losses,
        correct=correct,
        learning_rates=rates_so_far,
        observed=observed,
    )


def _parts(origin: Start | None, params: Params) -> tuple[Params, Params | None]:
    """The weights that are trained, and those that are not; None where all are trained."""
    if origin is None or origin.layers == "all":
        return params, None
    return parted(params, head_of(list(by_name("params", params))))


def _seen(observer: Observer | None) -> Any:
    """What a checkpoint holds of an observer; without one nothing, so that the checkpoint is as it always was."""
    return [] if observer is None else observer.memory()


def _decoded(images: Any, batch: np.ndarray, seed: int, step: int, augmentation: str) -> np.ndarray:
    """Images read from files; with ``crop``, of random sizes, from seeds that depend on network and step alone."""
    if "crop" not in augmentation:
        return images[batch]
    return images.crops(batch, np.random.SeedSequence([seed, step]).generate_state(batch.size))


@jax.jit
def random_keys(seeds: jax.Array) -> jax.Array:
    """Random keys of networks, from their seeds of type uint32, shape (num_networks,)."""
    return jax.vmap(lambda seed: jax.random.key(seed, impl="threefry2x32"))(seeds)
