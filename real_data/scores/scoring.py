"""Scoring a data set: train several networks, score the examples under each, average."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data_pruning.records.settings import digest_of, to_json
from real_data import models
from real_data.models.config import ModelConfig
from real_data.scores.config import ScoreConfig
from real_data.scores.forgetting import forgetting_events
from real_data.scores.grand import gradient_norm
from real_data.scores.predictions import confidence, error_norm, margin
from real_data.scores.prototypes import class_sums, cosine_distance, median_distance
from real_data.scores.score_file import Scores
from real_data.training.config import TrainingConfig
from real_data.training.networks import picked
from real_data.training.train import Model, TrainedNetworks, train

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["el2n", "score", "score_all", "scores_of_networks"]

_OF_LOGITS = {"el2n": error_norm, "margin": margin, "confidence": confidence}

_IMAGES_AT_ONCE = 4096
"""Most images, and an eighth of the most images times networks, whose logits or features are held at a time."""


def score(
    dataset: ImageDataset,
    config: ScoreConfig,
    *,
    model: ModelConfig,
    seed: int = 0,
    batch_size: int = 1024,
    progress: bool = False,
) -> Scores:
    """How difficult each training example of a data set is.

    The networks are trained on all training examples; they differ by initial weights and order of batches.  The score
    of an example is the mean over networks of, by ``config.metric``:

    * ``el2n``: length of the error vector, |softmax(f(x)) - onehot(y)| (Paul et al. 2021); see :func:`error_norm`;
    * ``grand``: length of the gradient of its loss (Paul et al. 2021); see :func:`gradient_norm`;
    * ``forgetting``: number of times that it is forgotten in training (Toneva et al. 2019); see
      :func:`forgetting_events`;
    * ``margin``: largest probability of another class minus the probability of its class; see :func:`margin`;
    * ``confidence``: one minus the probability of its class; see :func:`confidence`;
    * ``prototypes``: cosine distance of its features to the mean of its class (Sorscher et al. 2022); see
      :func:`prototype_distance`;
    * ``moderate``: distance of its features to the median of its class (Xia et al. 2023); see
      :func:`median_distance`;
    * ``random``: uniform in [0, 1), without any network.

    All but ``forgetting`` look at the networks at the end of their training, without augmentation.

    Args:
        dataset: its training images and labels are scored.
        config: metric, number of networks and their training.
        model: the networks.
        seed: non-negative integer, for initial weights and order of batches of all networks.
        batch_size: images scored at a time; does not change the scores beyond float32 rounding.
        progress: show a progress bar on stderr.

    Returns:
        Scores, higher = harder, float64, in data-set order.

    Raises:
        ValueError: images that are not finite, a training too short for ``forgetting``, or ``batch_size`` below 1.
        FloatingPointError: a training diverged, or a score is not finite.
        RuntimeError: a network is no better than the most frequent class of its training images.
    """
    return score_all(dataset, [config], model=model, seed=seed, batch_size=batch_size, progress=progress)[0]


def score_all(
    dataset: ImageDataset,
    configs: Sequence[ScoreConfig],
    *,
    model: ModelConfig,
    seed: int = 0,
    batch_size: int = 1024,
    folder: str | os.PathLike[str] | None = None,
    test_images: bool = False,
    progress: bool = False,
) -> list[Scores]:
    """Several scores of a data set; those with the same training and number of networks share the networks.

    Each is the same, bit for bit, as :func:`score` of its own settings with the same seed.

    Args:
        dataset: its training images and labels are scored.
        configs: settings of each score.
        model: the networks.
        seed: non-negative integer.
        batch_size: images scored at a time.
        folder: where the networks in training keep their checkpoints; None keeps none.
        test_images: whether test images are scored as well, by the scores that look at logits alone.
        progress: show a progress bar on stderr.

    Returns:
        Scores in the order of ``configs``.

    Raises:
        ValueError: see :func:`score`.
        FloatingPointError, RuntimeError: see :func:`score`.
    """
    check_settings(seed, batch_size)
    images, labels = dataset.train_images, np.asarray(dataset.train_labels)
    _check_data(images, labels, dataset.num_classes)
    metrics_of: dict[tuple[int, TrainingConfig], set[str]] = {}
    for config in configs:
        if config.metric != "random":
            metrics_of.setdefault((config.num_networks, config.training), set()).add(config.metric)
        if config.metric == "forgetting":
            _check_forgetting(config.training, len(labels))
    values: dict[tuple[int, TrainingConfig, str], NDArray[np.float64]] = {}
    of_tests: dict[tuple[int, TrainingConfig, str], NDArray[np.float64]] = {}
    for (num_networks, training), metrics in metrics_of.items():
        networks = train(
            models.build(model, images.shape[1:], dataset.num_classes),
            images,
            labels,
            [np.arange(len(labels))] * num_networks,
            seeds=_seeds(seed, num_networks),
            config=training,
            folder=None if folder is None else Path(folder) / digest_of([num_networks, to_json(training)]),
            progress=progress,
        )
        _check_learned(networks, training)
        of_each = scores_of_networks(networks, metrics, images, labels, batch_size=batch_size)
        for metric, of_networks in of_each.items():
            values[num_networks, training, metric] = of_networks.mean(axis=0)
        if test_images:
            tests, logit_scores = (dataset.test_images, dataset.test_labels), metrics & _OF_LOGITS.keys()
            of_each = scores_of_networks(networks, logit_scores, *tests, batch_size=batch_size)
            for metric, of_networks in of_each.items():
                of_tests[num_networks, training, metric] = of_networks.mean(axis=0)

    def result(config: ScoreConfig) -> Scores:
        settings = {"score": to_json(config), "model": to_json(model), "seed": int(seed)}
        if config.metric == "random":
            of_examples, seeds = _uniform(seed, len(labels)), []
        else:
            of_examples = values[config.num_networks, config.training, config.metric]
            seeds = _seeds(seed, config.num_networks)
        return Scores(
            config.metric,
            of_examples,
            dataset.name,
            dataset.train_fingerprint,
            settings,
            tuple(seeds),
            dataset.notes,
            of_tests.get((config.num_networks, config.training, config.metric)),
        )

    return [result(config) for config in configs]


def scores_of_networks(
    networks: TrainedNetworks,
    metrics: Collection[str],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int = 1024,
) -> dict[str, NDArray[np.float64]]:
    """Scores of the examples that networks were trained on, under each network.

    Args:
        networks: trained networks.
        metrics: names of the scores, none of them ``random``; see :func:`score`.
        images: shape (num_images, height, width, channels).
        labels: classes, integers of shape (num_images,).
        batch_size: images scored at a time, at least 1.

    Returns:
        By metric, shape (num_networks, num_images), higher = harder.

    Raises:
        ValueError: an unknown metric, or a training too short for ``forgetting``.
        FloatingPointError: a score is not finite.
    """
    known = (*_OF_LOGITS, "grand", "forgetting", "prototypes", "moderate")
    for metric in metrics:
        if metric not in known:
            raise ValueError(f"metrics must be among {', '.join(known)}, got {metric!r}")
    check_settings(0, batch_size)
    if networks.architecture.readout and {"grand", "forgetting"} & set(metrics):
        raise ValueError(
            "grand and forgetting need networks that are trained by gradient descent: take el2n or margin, or another "
            "model.kind"
        )
    found: dict[str, NDArray[np.float64]] = {}
    if "forgetting" in metrics:  # first, as it needs no more work on the images and may be refused
        found["forgetting"] = forgetting_events(networks.correct, networks.batches(), len(labels))
    of_logits = {metric: function for metric, function in _OF_LOGITS.items() if metric in metrics}
    if of_logits:
        parts: dict[str, list[NDArray[np.float64]]] = {metric: [] for metric in of_logits}
        for some in _portions(networks, len(labels), batch_size):
            logits = networks.logits(images[some], batch_size=batch_size)
            _check_finite("logits", logits)
            for metric, function in of_logits.items():
                parts[metric].append(function(logits, labels[some]))
        found |= {metric: np.concatenate(of_metric, axis=1) for metric, of_metric in parts.items()}
    if "grand" in metrics:
        norms = networks.map(gradient_norm, images, labels, batch_size=batch_size)
        found["grand"] = _check_finite("grand", norms).astype(np.float64)
    if "prototypes" in metrics:
        found["prototypes"] = _prototype_distances(networks, images, labels, batch_size)
    if "moderate" in metrics:
        found["moderate"] = _median_distances(networks, images, labels, batch_size)
    return {metric: found[metric] for metric in metrics}


def el2n(
    model: Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    config: TrainingConfig,
    num_networks: int = 10,
    seed: int = 0,
    batch_size: int = 1024,
) -> NDArray[np.float64]:
    """EL2N: length of the error vector early in training, averaged over several networks.

    The score of an example (x, y) is the mean of |softmax(f(x)) - onehot(y)| over networks f that differ by
    initial weights and order of batches, each trained briefly on all examples.  It is :func:`score` for any network
    and bare arrays.

    Source: Paul, Ganguli, Dziugaite, *Deep Learning on a Data Diet* (NeurIPS 2021), section 2; averaging over
    ten networks after a few epochs is theirs too.

    Args:
        model: builds one network; see :data:`real_data.training.train.Model`.
        images: shape (num_images, height, width, channels), uint8 or float32.
        labels: classes, integers of shape (num_images,).
        config: training of the networks; few steps.
        num_networks: number of networks, at least 1.
        seed: non-negative integer, for initial weights and order of batches of all networks.
        batch_size: images scored at a time; does not change the scores beyond float32 rounding.

    Returns:
        Scores in [0, sqrt 2], higher = harder, in the order of ``images``, shape (num_images,).

    Raises:
        ValueError: ``num_networks`` or ``batch_size`` below 1, images that are not finite or labels out of range.
        FloatingPointError: a network diverged in training.
    """
    if num_networks < 1:
        raise ValueError(f"num_networks must be at least 1, got {num_networks}")
    check_settings(seed, batch_size)
    labels = np.asarray(labels)
    _check_data(images, labels)
    everything = [np.arange(len(images))] * num_networks
    networks = train(model, images, labels, everything, seeds=_seeds(seed, num_networks), config=config)
    return scores_of_networks(networks, ["el2n"], images, labels, batch_size=batch_size)["el2n"].mean(axis=0)


def _prototype_distances(
    networks: TrainedNetworks, images: np.ndarray, labels: np.ndarray, batch_size: int
) -> NDArray[np.float64]:
    """Cosine distances to the class means in two passes, as all features of a large data set do not fit in memory."""
    num_classes = int(labels.max()) + 1
    sums: Any = 0.0
    for some in _portions(networks, len(labels), batch_size):
        features = networks.features(images[some], batch_size=batch_size)
        sums = sums + class_sums(_check_finite("features", features), labels[some], num_classes)
    parts = []
    for some in _portions(networks, len(labels), batch_size):
        features = networks.features(images[some], batch_size=batch_size)
        parts.append(cosine_distance(features, sums[:, labels[some]]))
    return np.concatenate(parts, axis=1)


def _median_distances(
    networks: TrainedNetworks, images: np.ndarray, labels: np.ndarray, batch_size: int
) -> NDArray[np.float64]:
    """Distances to the class medians, network by network: a median needs all features at once."""
    found = []
    for i in range(networks.num_networks):
        features = picked(networks, np.array([i])).features(images, batch_size=batch_size)[0]
        found.append(median_distance(_check_finite("features", features), labels))
    return np.stack(found)


def _portions(networks: TrainedNetworks, num_images: int, batch_size: int) -> Iterator[slice]:
    """Parts of the images, whole batches but for the last."""
    at_once = min(_IMAGES_AT_ONCE, 8 * _IMAGES_AT_ONCE // networks.num_networks)
    size = batch_size * max(1, at_once // batch_size)
    return (slice(start, start + size) for start in range(0, num_images, size))


def _seeds(seed: int, num_networks: int) -> list[int]:
    """One seed per network, independent of one another."""
    return np.random.SeedSequence(seed).generate_state(num_networks).tolist()


def _uniform(seed: int, num_examples: int) -> NDArray[np.float64]:
    # a child of the seed, so that the numbers are independent of the networks of other metrics
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,))).random(num_examples)


def _check_forgetting(training: TrainingConfig, num_examples: int) -> None:
    """Refuse, before any training, one too short to present every example twice."""
    presented = training.steps_for(num_examples) * training.batch_size
    if presented < 2 * num_examples:
        raise ValueError(
            f"forgetting needs every example to be presented at least twice in training, at least "
            f"{2 * num_examples} presentations, but num_steps times batch_size is {presented}: raise num_steps or "
            f"num_epochs"
        )


def check_settings(seed: int, batch_size: int) -> None:
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")


def _check_learned(networks: TrainedNetworks, training: TrainingConfig) -> None:
    """Refuse scores of networks that know nothing of the images."""
    failed = np.flatnonzero(~networks.learned)
    if failed.size:
        i = failed[0]
        raise RuntimeError(
            f"{failed.size} of {networks.num_networks} networks that score are no better than the most frequent class "
            f"of their training images (the first: {100 * networks.training_errors[i]:.1f} % error, the class alone "
            f"{100 * (1 - networks.most_frequent[i]):.1f} %), so that their scores mean nothing. Train the scoring "
            f"networks longer (num_steps, {networks.losses.shape[1]} now) or at another learning_rate "
            f"({training.learning_rate:g} now): of --scoring, or of --training in the command score"
        )


def _check_data(images: np.ndarray, labels: np.ndarray, num_classes: int | None = None) -> None:
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or not labels.size:
        raise ValueError(
            f"labels must be {len(images)} integers, one per image, got {labels.dtype} of shape {labels.shape}"
        )
    most = num_classes or int(labels.max()) + 1
    if labels.min() < 0 or labels.max() >= most:
        raise ValueError(f"labels must lie in [0, {most}), got {labels.min()} to {labels.max()}")
    if images.dtype.kind == "f":
        finite = np.all(np.isfinite(images), axis=(1, 2, 3))
        if not finite.all():
            bad = np.flatnonzero(~finite)
            raise ValueError(
                f"images must be finite, but {bad.size} of {len(images)} have a pixel that is not: the first is "
                f"image {bad[0]}"
            )


def _check_finite(name: str, values: np.ndarray) -> np.ndarray:
    bad = int(np.sum(~np.isfinite(values)))
    if bad:
        raise FloatingPointError(
            f"{name} must be finite, but {bad} of {values.size} are not: lower the learning_rate of the networks that "
            "score"
        )
    return values
