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
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_pruning.records.fingerprint import sha256_of
from real_data.training.arguments import check_epochs, check_images, check_labels, check_start, check_subsets
from real_data.training.augmentation import standardization_of
from real_data.training.config import TrainingConfig
from real_data.training.examples import Examples, examples_of
from real_data.training.fit import STEPS_AT_ONCE, Job, random_keys
from real_data.training.initial_weights import initial_weights, started_weights
from real_data.training.linear_probe import LinearProbe, looks_once, probes_at_once
from real_data.training.networks import (
    Model,
    TrainedNetworks,
    architecture_of,
    joined,
)
from real_data.training.observation import Observation
from real_data.training.readout import solve_readouts
from real_data.training.restarts import trained_with_restarts
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
            with convolutions, and of transformers as many as have 2^20 weights, at least one; of linear probes on
            features as many as have 2^28 weights, up to 64.
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
    if networks_at_once is not None and networks_at_once < 1:
        raise ValueError(f"networks_at_once must be at least 1, got {networks_at_once}")
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be at least 1, got {checkpoint_every}")
    check_images(images)
    examples = [examples_of(subset) for subset in subsets]
    check_subsets(examples, seeds, len(images))
    architecture, labels = architecture_of(model, images.shape[1:]), np.asarray(labels)
    check_labels(labels, len(images), architecture.num_classes)
    if observation is not None:
        check_epochs(architecture, examples)
    if start is not None:
        check_start(start, architecture, images)
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
                trained.append(trained_with_restarts(job, networks, f"network-{first}", bar))
            else:
                trained.append(
                    probe.joined(trained_with_restarts(probe.job, probe.heads(networks), f"network-{first}", bar))
                )
    return joined(trained)


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
