"""Labels that people gave the images of a data set, brought into its order."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from real_data.datasets import ImageDataset

__all__ = ["ANNOTATIONS", "HumanLabels", "human_errors_of_tests", "read_human_labels", "reference_scores"]

ANNOTATIONS = ("aggregate", "random1", "random2", "random3", "worst")
"""Kinds of human labels, as CIFAR-10N calls them (Wei et al. 2022): by majority, of three annotators, and the worst."""

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HumanLabels:
    """What people call the training images of a data set, in its order.

    Attributes:
        clean: the right class of each image, shape (num_images,).
        given: labels by kind, see :data:`ANNOTATIONS`, shape (num_images,) each.
        trained_on: which of them are the labels of the data set: ``clean`` or a kind.
        rows: position of each image in the file of labels.
    """

    clean: Labels
    given: Mapping[str, Labels]
    trained_on: str
    rows: Labels

    def doubt(self) -> tuple[str, Labels] | None:
        """How much people disagree with the right label, by name, and a number for each image; None if unknown.

        With three annotators the number of those who dissent, 0 to 3.  With the labels ``worst`` and ``aggregate``
        alone, an ordinal number: 1 where the worst label is wrong, and 1 more where that of the majority is.
        """
        annotators = [kind for kind in ANNOTATIONS if kind.startswith("random") and kind in self.given]
        if len(annotators) == 3:
            return "dissenting annotators", sum(
                (self.wrong(kind).astype(np.int64) for kind in annotators), 0 * self.clean
            )
        if "worst" in self.given and "aggregate" in self.given:
            levels = self.wrong("worst").astype(np.int64) + self.wrong("aggregate")
            return "worst + aggregate label wrong", levels
        return None

    def wrong(self, kind: str) -> NDArray[np.bool_]:
        """Whether each label of a kind is wrong."""
        return self.given[kind] != self.clean


def read_human_labels(path: str | os.PathLike[str], data: ImageDataset) -> HumanLabels:
    """Read labels of people for the training images of a data set.

    Args:
        path: a file ``.npz`` with arrays of one length, an entry for each training image in the original order:
            ``clean`` and at least one of :data:`ANNOTATIONS`, as numbers of classes.  For a folder of images also
            ``classes``, the names of these numbers, and ``file_number``: the image is CLASS/NUMBER.jpg, or, where
            folders are called after other labels, OTHER/CLASS-NUMBER.jpg, as ``benchmarks/human_labels.py`` makes them.
        data: the data set; images of a folder may be a part of those in the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a file, an image is not in it, or the labels of the data set are none of those in it;
            images without names are aligned by their order, so that theirs must be the clean ones.
    """
    arrays = _arrays(path)
    if "clean" not in arrays:
        raise ValueError(f"{path} has no array clean, but {', '.join(sorted(arrays))}")
    clean = _classes(path, "clean", arrays["clean"], None)
    given = {kind: _classes(path, kind, arrays[kind], clean.size) for kind in ANNOTATIONS if kind in arrays}
    if not given:
        raise ValueError(f"{path} has none of the human labels {', '.join(ANNOTATIONS)}")
    if data.train_names is None:
        rows, number_of = _in_order(path, clean, data), np.arange(data.num_classes)
    else:
        rows, number_of = _by_name(path, arrays, clean, data)
    labels = number_of[data.train_labels]
    kinds = {"clean": clean[rows], **{kind: values[rows] for kind, values in given.items()}}
    same = [kind for kind, values in kinds.items() if np.array_equal(values, labels)]
    if not same:
        shares = ", ".join(f"{kind} {100 * np.mean(values != labels):.1f} %" for kind, values in kinds.items())
        raise ValueError(f"the labels of {data.name} are none of those in {path}: they differ from {shares}")
    return HumanLabels(clean[rows], {kind: values[rows] for kind, values in given.items()}, same[0], rows)


def reference_scores(path: str | os.PathLike[str], labels: HumanLabels) -> NDArray[np.float64]:
    """Difficulty by published scores of consistency, for the images of the labels, higher = harder.

    Args:
        path: a file ``.npz`` in the same original order with ``scores``, high for easy images, and ``labels``, the
            right classes; that of Jiang et al. (2021) for CIFAR-10, for example.
        labels: human labels of the same images.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a file, or its labels are not the clean ones.
    """
    arrays = _arrays(path)
    missing = [name for name in ("scores", "labels") if name not in arrays]
    if missing:
        raise ValueError(f"{path} has no array {missing[0]}, but {', '.join(sorted(arrays))}")
    classes = _classes(path, "labels", arrays["labels"], None)
    scores = np.asarray(arrays["scores"])
    if scores.dtype.kind not in "fiu" or scores.shape != classes.shape or not np.all(np.isfinite(scores)):
        raise ValueError(f"{path}: scores must be finite numbers of shape {classes.shape}, got shape {scores.shape}")
    if classes.size <= labels.rows.max() or not np.array_equal(classes[labels.rows], labels.clean):
        raise ValueError(f"{path}: its labels are not the clean ones, so it has another order or other images")
    return -scores[labels.rows].astype(np.float64)


def human_errors_of_tests(
    counts: str | os.PathLike[str], labels: str | os.PathLike[str] | None, data: ImageDataset
) -> NDArray[np.float64]:
    """Share of the votes on each test image that are not for its label.

    Args:
        counts: a file ``.npy`` with votes, shape (num_test, num_classes), in the original order: those of CIFAR-10H
            (Peterson et al. 2019), for example.
        labels: a file ``.npy`` with the right classes in the original order, shape (num_test,).  Needed for a folder,
            where the n-th image of a class in the order of names is the n-th of that class in the original order.
        data: the data set, with all test images; classes in alphabetical order are numbered like the original ones.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a file, labels are missing or not as many of each class as test images.
    """
    votes = _array(counts)
    shape = (len(data.test_labels), data.num_classes)
    if votes.shape != shape or votes.dtype.kind not in "fiu":
        raise ValueError(f"{counts} must be votes, numbers of shape {shape}, got {votes.dtype} of shape {votes.shape}")
    bad = np.flatnonzero(~np.all(np.isfinite(votes) & (votes >= 0), axis=1) | (votes.sum(axis=1) <= 0))
    if bad.size:
        raise ValueError(
            f"{counts} must be votes, finite, at least 0, and one or more for each image, but {bad.size} of {shape[0]} "
            f"images have others: votes[{bad[0]}] = {votes[bad[0]]}"
        )
    test_labels = np.asarray(data.test_labels, np.int64)
    if labels is None:
        if data.train_names is not None:
            raise ValueError("the test images of a folder are aligned by class and number: give their labels too")
        original = test_labels
    else:
        original = _classes(labels, "labels", _array(labels), shape[0])
    by_class = np.argsort(test_labels, kind="stable"), np.argsort(original, kind="stable")
    if data.train_names is None and not np.array_equal(original, test_labels):
        raise ValueError(f"{labels}: its labels are not those of the test images of {data.name}")
    if not np.array_equal(test_labels[by_class[0]], original[by_class[1]]):
        raise ValueError(f"{labels} has other numbers of each class than the test images of {data.name}")
    rows = np.empty(shape[0], np.int64)
    rows[by_class[0]] = by_class[1]
    votes = votes[rows].astype(float)
    return 1 - votes[np.arange(shape[0]), test_labels] / votes.sum(axis=1)


def _in_order(path: Any, clean: Labels, data: ImageDataset) -> Labels:
    """Rows of images without names: the order is the same if the labels are."""
    if not np.array_equal(clean, data.train_labels):
        raise ValueError(
            f"{path}: clean is not the labels of {data.name}, so it has another order or other images, and cannot be "
            "aligned"
        )
    return np.arange(clean.size)


def _by_name(
    path: Any, arrays: Mapping[str, np.ndarray], clean: Labels, data: ImageDataset
) -> tuple[Labels, NDArray[np.int64]]:
    """Rows of images in files CLASS/NUMBER or OTHER/CLASS-NUMBER, and the file's number of each class."""
    for name in ("classes", "file_number"):
        if name not in arrays:
            raise ValueError(f"{path} has no array {name}, which images in a folder are aligned by")
    classes = [str(name) for name in arrays["classes"]]
    number_of_name = {name: i for i, name in enumerate(classes)}
    if clean.max() >= len(classes):
        raise ValueError(f"{path}: clean must lie in [0, {len(classes)}), got {clean.max()}")
    unknown = sorted(set(data.class_names or ()) - number_of_name.keys())
    if unknown or data.class_names is None:
        raise ValueError(f"{path} has no class {unknown[0] if unknown else 'names'!r}, but {', '.join(classes)}")
    numbers = _classes(path, "file_number", arrays["file_number"], clean.size)
    row_of = {key: row for row, key in enumerate(zip(clean.tolist(), numbers.tolist(), strict=True))}
    if len(row_of) < clean.size:
        raise ValueError(f"{path}: file_number must differ within a class")
    rows = []
    for name in data.train_names or ():
        place = PurePosixPath(name)
        found = re.fullmatch(r"(?:(.+)-)?(\d+)", place.stem)
        key = (number_of_name.get(found[1] or place.parent.name, -1), int(found[2])) if found else None
        if key not in row_of:
            raise ValueError(f"{path} has no label for {name}: it must be CLASS/NUMBER or OTHER/CLASS-NUMBER")
        rows.append(row_of[key])
    return np.array(rows), np.array([number_of_name[name] for name in data.class_names])


def _arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            if isinstance(file, np.ndarray):
                raise ValueError("it is one array")
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is not a file of arrays (.npz): {error}") from error


def _array(path: str | os.PathLike[str]) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is not a file of one array (.npy): {error}") from error
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{Path(path)} has several arrays, not one (.npy)")
    return found


def _classes(path: Any, name: str, values: np.ndarray, size: int | None) -> Labels:
    if (
        values.dtype.kind not in "iu"
        or values.ndim != 1
        or values.size == 0
        or (size is not None and values.size != size)
    ):
        wanted = "(num_images,)" if size is None else f"({size},)"
        raise ValueError(f"{path}: {name} must be integers of shape {wanted}, got {values.dtype}, shape {values.shape}")
    if values.min() < 0:
        raise ValueError(f"{path}: {name} must be at least 0, got {values.min()}")
    return values.astype(np.int64)
