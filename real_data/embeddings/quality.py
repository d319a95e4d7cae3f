"""What an encoder is worth: accuracy of nearest neighbours by its features, by pixels and by the untrained network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from real_data.embeddings.nearest_neighbours import NeighbourAccuracy, neighbour_accuracy
from real_data.training.augmentation import standardization_of

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.embeddings.encoders import Features

__all__ = ["encoder_quality"]


def encoder_quality(
    dataset: ImageDataset,
    train: np.ndarray,
    test: np.ndarray,
    untrained: Features | None,
    *,
    images_at_once: int = 256,
    most_known: int = 10_000,
    most_queries: int = 2000,
    num_neighbours: int = 10,
    seed: int = 0,
) -> dict[str, Any]:
    """Accuracy of nearest neighbours on test images by training images, which are drawn at random where there are many.

    Args:
        dataset: the images.
        train: embeddings of the training images, shape (num_train, width).
        test: embeddings of the test images.
        untrained: features of the network before its training, where there is one.
        images_at_once: images given to it at a time.
        most_known: training images taken, at least 1.
        most_queries: test images taken, at least 1.
        num_neighbours: that vote; fewer where there are fewer training images.
        seed: of the choice of images.

    Returns:
        A JSON value: numbers of images, and for ``encoder``, ``pixels`` (standardised by channel) and ``untrained`` the
        accuracy with its interval of 95 %; for the last two also the lead of the encoder, paired, with its interval.
    """
    rng = np.random.default_rng(seed)
    known, queries = (
        np.sort(rng.choice(number, min(number, most), replace=False))
        for number, most in ((len(train), most_known), (len(test), most_queries))
    )
    labels = dataset.train_labels[known], dataset.test_labels[queries]
    neighbours = min(num_neighbours, len(known))

    def accuracy(of_train: np.ndarray, of_test: np.ndarray) -> NeighbourAccuracy:
        return neighbour_accuracy(of_train, labels[0], of_test, labels[1], num_neighbours=neighbours)

    pictures = np.asarray(dataset.train_images[known]), np.asarray(dataset.test_images[queries])
    mean, scale = standardization_of(dataset.train_images, standardize=True)
    unit = 255 if pictures[0].dtype == np.uint8 else 1
    of_encoder = accuracy(train[known], test[queries])
    others = {"pixels": accuracy(*(((images / unit - mean) / scale).reshape(len(images), -1) for images in pictures))}
    if untrained is not None:
        others["untrained"] = accuracy(*(_in_blocks(untrained, images, images_at_once) for images in pictures))
    about: dict[str, Any] = {
        "num_neighbours": neighbours,
        "num_known": len(known),
        "num_queries": len(queries),
        "encoder": [of_encoder.value, *of_encoder.interval],
    }
    for name, one in others.items():
        about[name] = [one.value, *one.interval]
        about[f"encoder_above_{name}"] = list(of_encoder.above(one))
    return about


def _in_blocks(features: Features, images: np.ndarray, size: int) -> np.ndarray:
    found = []
    for start in range(0, len(images), size):
        block = images[start : start + size]
        filled = np.concatenate([block, np.repeat(block[-1:], size - len(block), axis=0)])
        found.append(np.asarray(features(filled))[: len(block)])
    return np.concatenate(found)
