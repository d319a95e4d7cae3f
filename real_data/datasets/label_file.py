"""Labels in place of those of a data set, in a file of their own: of a teacher network, for example."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning import Results
from data_pruning.records.results import MissingVariableError
from real_data.datasets.image_dataset import ImageDataset

__all__ = ["relabelled", "save_labels"]


def save_labels(
    path: str | os.PathLike[str],
    data: ImageDataset,
    train_labels: np.ndarray,
    test_labels: np.ndarray,
    provenance: Mapping[str, Any],
) -> Path:
    """Save labels for the images of a data set, with its fingerprint.

    Args:
        path: the file, suffix ``.nc``.
        data: the data set.
        train_labels: classes of its training images, shape (num_train,), integers in [0, num_classes).
        test_labels: classes of its test images, shape (num_test,), likewise.
        provenance: where the labels come from; any JSON value.

    Raises:
        ValueError: labels are none of the data set's classes, or not one for each image.
    """
    replace(data, train_labels=train_labels, test_labels=test_labels)  # complains about wrong labels
    results = Results(f"Labels for the images of {data.name}", {**provenance, "dataset_sha256": data.fingerprint})
    results.add("train_labels", "train", train_labels, "1", "class of each training image")
    results.add("test_labels", "test", test_labels, "1", "class of each test image")
    return results.save(path)


def relabelled(data: ImageDataset, path: str | os.PathLike[str]) -> ImageDataset:
    """The data set with the labels of a file that :func:`save_labels` wrote, for training and test images.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no file of labels, or belongs to other images.
    """
    found = Results.load(path)
    try:
        labels = [found[f"{part}_labels"] for part in ("train", "test")]
    except MissingVariableError as error:
        raise ValueError(f"{os.fspath(path)} is not a file of labels, but: {found.title}") from error
    if found.config.get("dataset_sha256") != data.fingerprint:
        raise ValueError(
            f"{os.fspath(path)} has labels of another data set than {data.name} here: their fingerprints differ"
        )
    note = "labels are not those of the data set, but those of a file"
    return replace(data, train_labels=labels[0], test_labels=labels[1], notes=(*data.notes, note))
