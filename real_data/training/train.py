"""Training several networks, each on its own kept examples.

The networks share the images but have their own initial weights, kept examples and order of batches.  One jitted step
serves all: networks without convolutions advance side by side (``vmap``) and many steps at a time, as one call; on CPU
networks with convolutions advance one after the other and step by step, since XLA runs convolutions inside a loop
9-18 times slower there, and grouped ones too.

Every random number depends on the seed of the network and the number of the step alone.  So a training that was killed
goes on from its last checkpoint to the same weights, bit for bit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_pruning.records.fingerprint import sha256_of
from real_data.training.augmentation import standardization_of
from real_data.training.config import TrainingConfig
from real_data.training.examples import Examples, examples_of
from real_data.training.fit import STEPS_AT_ONCE, Job, fit, random_keys
from real_data.training.initial_weights import initial_weights, started_weights
from real_data.training.learning_check import label_statistics, stands_still
from real_data.training.linear_probe import LinearProbe, looks_once, probes_at_once
from real_data.training.networks import (
    Architecture,
    Model,
    TrainedNetworks,
    architecture_of,
    joined,
    picked,
    replaced,
)
from real_data.training.observation import Observation
from real_data.training.readout import solve_readouts
from real_data.training.start import Start

__all__ = [
    "STEPS_AT_ONCE",
    "Model",
    "TrainedNetworks",
    "TrainingConfig",
    "default_networks_at_once",
    "initial_weights",
    "random_keys",
    "train",
]

MOST_READOUTS = 256  # networks with fixed features that share them
MOST_RESTARTS = 3


def train(
    model: Model,
    images: np.ndarray,
    labels: np.ndarray,
    subsets: Sequence[np.ndarray | Examples],
    *,
    seeds: Sequence[int],
    config: TrainingConfig,
    networks_at_once: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1000,
    observation: Observation | None = None,
    start: Start | None = None,
    progress: bool = False,
) -> TrainedNetworks:
    """Train one network on each subset of the images.

    A network depends on its subset and seed alone, not on the others trained beside it (beyond float32
    rounding).  All devices that JAX sees share the work: each has some of the networks, or a part of every batch.

    With a ``start`` networks are fine-tuned: they start from its weights, and what these lack, as a rule the head, is
    as it would be without them.  Of a linear probe (``layers`` of the start is head) without augmentation the
    features of the kept images are computed once and held in memory, up to 2 GiB.

    A network that diverges, or is stuck (no better than the most frequent class of its own examples, with the loss of
    a constant answer), is trained again from its initial weights at a third of the learning rate, up to three times;
    this is said on stderr, and ``learning_rates`` of the result tells it.  Whether it learned in the end, ``learned``
    tells.

    Args:
        model: builds one network; see :data:`Model`.
        images: shape (num_images, height, width, channels), uint8 (scaled to [0, 1]) or float32 (taken as
            it is); an array, or :class:`real_data.datasets.ImageFiles`, which are decoded as they are needed.
        labels: classes, integers of shape (num_images,).
        subsets: what each network is trained on: indices of the kept examples, an array of shape (num_kept,), or
            :class:`Examples` with weights or a way to draw them.
        seeds: one seed in [0, 2^32) per network, for initial weights and order of batches.
        config: steps, batch size, learning rate and so on, the same for all networks.
        networks_at_once: networks that advance side by side, at least 1; None is up to 64 without convolutions, one
            with convolutions, and of transformers as many as have 2^20 weights, at least one.
        folder: where checkpoints and ``metrics.jsonl`` go, one sub-folder per group of networks; None saves nothing.
        checkpoint_every: steps between checkpoints, at least 1.
        observation: what looks at the networks at the end of every epoch; ``observed`` of the result holds what it
            found.
        start: what networks start from in place of random weights, and what of them is trained.
        progress: show a progress bar on stderr.

    Returns:
        The networks in the order of ``subsets``.

    Raises:
        ValueError: ``images``, ``labels``, ``subsets`` or ``seeds`` are not what they should be, subsets for gradient
            descent need different numbers of steps or only some have weights, the folder belongs to another training
            or to other software, its last checkpoint is damaged, or networks are to be observed that have no epochs, or
            different ones.
        FloatingPointError: a loss or weight is no longer finite, at the lowest learning rate tried.
    """
    if len(images.shape) != 4 or images.dtype not in (np.uint8, np.float32):
        raise ValueError(
            "images must be uint8 or float32 of shape (num_images, height, width, channels), got "
            f"{images.dtype} of shape {images.shape}"
        )
    if len(subsets) != len(seeds) or not len(seeds):
        raise ValueError(f"give one seed per subset, at least one: got {len(seeds)} seeds, {len(subsets)} subsets")
    for number, seed in enumerate(seeds):
        if seed != int(seed) or not 0 <= seed < 2**32:
            raise ValueError(f"seeds[{number}] must be an integer in [0, 2^32), got {seed!r}")
    examples = [examples_of(subset) for subset in subsets]
    for number, kept in enumerate(one.indices for one in examples):
        if kept.ndim != 1 or not _are_indices(kept, len(images)):
            raise ValueError(f"subsets[{number}] must be at least one index in [0, {len(images)}), got {kept!r}")
    if networks_at_once is not None and networks_at_once < 1:
        raise ValueError(f"networks_at_once must be at least 1, got {networks_at_once}")
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be at least 1, got {checkpoint_every}")
    architecture = architecture_of(model, images.shape[1:])
    labels = np.asarray(labels)
    num_classes = architecture.num_classes
    if labels.shape != (len(images),) or not _are_indices(labels, num_classes):
        raise ValueError(f"labels must be {len(images)} integers in [0, {num_classes}), one per image, got {labels!r}")
    if observation is not None:
        _check_epochs(architecture, examples)
    if start is not None:
        _check_start(start, architecture, images)
    if architecture.readout:
        return solve_readouts(
            model,
            architecture,
            images,
            labels.astype(np.int32),
            examples,
            seeds,
            standardize=config.standardize,
            learning_rate=config.learning_rate,
            progress=progress,
        )
    if len({one.weighted for one in examples}) > 1:
        raise ValueError("subsets must all have weights, or none: train the others by themselves")
    if len({config.steps_for(one.epoch_size) for one in examples}) > 1:
        sizes = sorted({one.epoch_size for one in examples})
        raise ValueError(f"subsets of {sizes} examples need different numbers of steps: train them one after another")
    num_kept = np.unique(np.concatenate([one.indices for one in examples])).size
    once = looks_once(model, config, start, num_kept)
    if networks_at_once is None:
        networks_at_once = default_networks_at_once(model, images, config=config, start=start, num_kept=num_kept)
    elif networks_at_once > 1 and not isinstance(images, np.ndarray) and not once:
        raise ValueError(f"networks_at_once must be 1 for images that are read from files, got {networks_at_once}")
    standardization = None if start is None else start.standardization
    job = Job(
        images,
        labels.astype(np.int32),
        config,
        architecture,
        standardization or standardization_of(images, standardize=config.standardize),
        None if folder is None else Path(folder),
        None if folder is None else {"images_sha256": sha256_of(images), "labels_sha256": sha256_of(labels)},
        checkpoint_every,
        observation,
        start,
    )

    def begun(group: slice) -> TrainedNetworks:
        weights = initial_weights(model, seeds[group]) if start is None else started_weights(model, seeds[group], start)
        return job.start(*weights, examples[group], tuple(map(int, seeds[group])))

    num_steps = config.steps_for(examples[0].epoch_size)
    probe = LinearProbe.of(job, begun(slice(1)), examples) if once else None
    trained = []
    with tqdm(total=num_steps * len(seeds), desc="training", unit="step", disable=not progress) as bar:
        for first in range(0, len(seeds), networks_at_once):
            networks = begun(slice(first, first + networks_at_once))
            if probe is None:
                trained.append(_with_restarts(job, networks, f"network-{first}", bar))
            else:
                trained.append(probe.joined(_with_restarts(probe.job, probe.heads(networks), f"network-{first}", bar)))
    return joined(trained)


def _with_restarts(job: Job, start: TrainedNetworks, name: str, bar: tqdm) -> TrainedNetworks:
    """Networks trained; those that failed from the start again, at a third of the learning rate, a few times."""
    networks = fit(job, start, job.config, job.run_folder(name, start, job.config), bar)
    for restart in range(1, MOST_RESTARTS + 1):
        failed = np.flatnonzero(_failed(job, networks))
        if failed.size == 0:
            break
        config = replace(job.config, learning_rate=job.config.learning_rate / 3**restart)
        again = picked(start, failed)
        seeds = ", ".join(map(str, again.seeds))
        tqdm.write(
            f"training failed at learning rate {job.config.learning_rate / 3 ** (restart - 1):.4g} (seed {seeds}: "
            f"diverged or stuck at chance): started again at {config.learning_rate:.4g}",
            file=sys.stderr,
        )
        bar.total += again.losses.size
        again = fit(job, again, config, job.run_folder(f"{name}-restart-{restart}", again, config), bar)
        networks = replaced(networks, failed, again)
    diverged = ~_finite(networks)
    if diverged.any():
        i = int(np.flatnonzero(diverged)[0])
        rates = ", ".join(f"{rate:.4g}" for rate in networks.learning_rates[i])
        raise FloatingPointError(
            f"training diverged at learning rates {rates} (seed {networks.seeds[i]}): lower the learning_rate of "
            f"{job.config}"
        )
    return networks


def _failed(job: Job, networks: TrainedNetworks) -> NDArray[np.bool_]:
    """Which networks diverged, or are stuck: no better than the most frequent class, the loss that of no answer."""
    entropy = np.array([label_statistics(job.labels[kept])[1] for kept in networks.subsets])
    return ~_finite(networks) | (~networks.learned & stands_still(networks.losses, entropy))


def _finite(networks: TrainedNetworks) -> NDArray[np.bool_]:
    """Whether all losses and weights of each network are finite."""
    finite = np.all(np.isfinite(networks.losses), axis=1)
    for array in jax.tree.leaves((networks.params, networks.batch_stats)):
        finite &= np.all(np.isfinite(array.reshape(len(array), -1)), axis=1)
    return finite


def _are_indices(array: np.ndarray, number: int) -> bool:
    return array.dtype.kind in "iu" and array.size > 0 and array.min() >= 0 and array.max() < number


def default_networks_at_once(
    model: Model,
    images: np.ndarray,
    *,
    config: TrainingConfig | None = None,
    start: Start | None = None,
    num_kept: int | None = None,
) -> int:
    """How many networks advance side by side where the caller does not say.

    One where images are read from files, else 64 or what :attr:`Architecture.most_side_by_side` says; linear probes
    that look at every image once share the features.

    Args:
        model: builds one network.
        images: the images, of which ``num_kept`` different ones (None: all) are trained on.
        config: the training; with ``start`` it says whether networks are linear probes.
        start: what networks start from.
        num_kept: see ``images``.
    """
    architecture = architecture_of(model, images.shape[1:])
    if architecture.readout:
        return MOST_READOUTS
    if config is not None and looks_once(model, config, start, len(images) if num_kept is None else num_kept):
        return probes_at_once(architecture.num_weights)
    if not isinstance(images, np.ndarray):
        return 1
    return min(64, architecture.most_side_by_side or 64)


def _check_start(start: Start, architecture: Architecture, images: np.ndarray) -> None:
    """Raise unless networks of this kind can start from something; whether it fits is known from their weights."""
    if architecture.readout:
        raise ValueError(
            "networks with fixed features are solved for, and cannot be fine-tuned: take another model.kind, or no "
            "weights to start from"
        )
    channels = images.shape[-1]
    if start.standardization is not None and any(np.shape(one) != (channels,) for one in start.standardization):
        shapes = " and ".join(str(np.shape(one)) for one in start.standardization)
        raise ValueError(f"the standardization of the start must have {channels} channels, as the images, got {shapes}")


def _check_epochs(architecture: Architecture, examples: Sequence[Examples]) -> None:
    """Raise unless all networks have the same epochs, at the end of which they can be observed."""
    if architecture.readout:
        raise ValueError(
            "networks whose last layer is solved for have no epochs to observe: take another model.kind, or scores of "
            "trained networks"
        )
    sizes = sorted({one.epoch_size for one in examples})
    if len(sizes) > 1:
        raise ValueError(f"networks that are observed must have epochs of one length, got {sizes} examples")
