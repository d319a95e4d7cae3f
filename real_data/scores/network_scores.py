"""Scores of networks that were trained on the whole pool, under each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import check_integer
from real_data.scores.families import FAMILIES, OF_WHOLE_POOL
from real_data.scores.forgetting import forgetting_events
from real_data.scores.grand import gradient_norm
from real_data.scores.predictions import confidence, error_norm, margin
from real_data.scores.prototypes import class_sums, cosine_distance, median_distance
from real_data.training.networks import TrainedNetworks, picked

__all__ = ["OF_LOGITS", "portions", "scores_of_networks"]

OF_LOGITS = {"el2n": error_norm, "margin": margin, "confidence": confidence}
"""The scores that look at logits alone."""

_IMAGES_AT_ONCE = 4096
"""Most images, and an eighth of the most images times networks, whose logits or features are held at a time."""


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
        ValueError: an unknown metric, a training too short for ``forgetting``, or networks that were not observed for
            a score of their course.
        FloatingPointError: a score is not finite.
    """
    known = [metric for family in OF_WHOLE_POOL for metric in FAMILIES[family]]
    for metric in metrics:
        if metric not in known:
            raise ValueError(f"metrics must be among {', '.join(known)}, got {metric!r}")
    check_integer("batch_size", batch_size, 1)
    if networks.architecture.readout and {*FAMILIES["gradient"], *FAMILIES["course"]} & set(metrics):
        raise ValueError(
            "grand and the course of training (forgetting and others) need networks that are trained by gradient "
            "descent: take el2n or margin, or another model.kind"
        )
    of_epochs = set(FAMILIES["course"]) & set(metrics) - {"forgetting"}
    if unseen := sorted(of_epochs - networks.observed.keys()):
        raise ValueError(
            f"{', '.join(unseen)} need networks that were observed while they were trained: give train the observation "
            "real_data.scores.course.Course"
        )
    found = {metric: _check_finite(metric, networks.observed[metric]) for metric in of_epochs}
    if "forgetting" in metrics:  # first, as it needs no more work on the images and may be refused
        found["forgetting"] = forgetting_events(networks.correct, networks.batches(), len(labels))
    of_logits = {metric: function for metric, function in OF_LOGITS.items() if metric in metrics}
    if of_logits:
        parts: dict[str, list[NDArray[np.float64]]] = {metric: [] for metric in of_logits}
        for some in portions(networks, len(labels), batch_size):
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


def _prototype_distances(
    networks: TrainedNetworks, images: np.ndarray, labels: np.ndarray, batch_size: int
) -> NDArray[np.float64]:
    """Cosine distances to the class means in two passes, as all features of a large data set do not fit in memory."""
    num_classes = int(labels.max()) + 1
    sums: Any = 0.0
    for some in portions(networks, len(labels), batch_size):
        features = networks.features(images[some], batch_size=batch_size)
        sums = sums + class_sums(_check_finite("features", features), labels[some], num_classes)
    parts = []
    for some in portions(networks, len(labels), batch_size):
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


def portions(networks: TrainedNetworks, num_images: int, batch_size: int) -> Iterator[slice]:
    """Parts of the images, whole batches but for the last."""
    at_once = min(_IMAGES_AT_ONCE, 8 * _IMAGES_AT_ONCE // networks.num_networks)
    size = batch_size * max(1, at_once // batch_size)
    return (slice(start, start + size) for start in range(0, num_images, size))


def _check_finite(name: str, values: np.ndarray) -> np.ndarray:
    bad = int(np.sum(~np.isfinite(values)))
    if bad:
        raise FloatingPointError(
            f"{name} must be finite, but {bad} of {values.size} are not: lower the learning_rate of the networks that "
            "score"
        )
    return values
