"""Fashion-MNIST: gray images of clothes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from real_data.datasets.bounded_stream import MOST
from real_data.datasets.idx_file import read_idx
from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.source_files import Source, SourceFile

__all__ = ["FASHION_MNIST", "read_fashion_mnist"]

FASHION_MNIST = Source(
    folder="fashion-mnist",
    files=tuple(
        SourceFile(f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{name}.gz", size, sha256)
        for name, size, sha256 in (
            (
                "train-images-idx3-ubyte",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            ("train-labels-idx1-ubyte", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ("t10k-images-idx3-ubyte", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ("t10k-labels-idx1-ubyte", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        )
    ),
    licence="MIT",
    elsewhere=(Path("/usr/share/datasets/fashion-mnist"),),
    remark="Debian and Ubuntu have them in the package dataset-fashion-mnist.",
)
"""The official files; those of Debian are compressed anew, so their checksums differ."""

NUM_BYTES = 60_000 * 28 * 28  # of the training images, the largest file

CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def read_fashion_mnist(folder: Path) -> ImageDataset:
    """Fashion-MNIST: 60,000 training and 10,000 test images of 28 x 28 pixels, gray, in ten classes.

    Args:
        folder: holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
            ``t10k-labels-idx1-ubyte``, each with ``.gz`` at the end or without.

    Returns:
        The data set: uint8 images of shape (num, 28, 28, 1).

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is truncated, altered or of another format.

    Source: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747; https://github.com/zalandoresearch/fashion-mnist.
    """
    parts = {}
    for part, stem in (("train", "train"), ("test", "t10k")):
        images_path = _existing(folder, f"{stem}-images-idx3-ubyte")
        labels_path = _existing(folder, f"{stem}-labels-idx1-ubyte")
        images = read_idx(images_path, num_axes=3, most_bytes=MOST * NUM_BYTES)
        labels = read_idx(labels_path, num_axes=1, most_bytes=MOST * NUM_BYTES)
        if images.shape[1:] != (28, 28):
            raise ValueError(
                f"{images_path}: images must be of 28 x 28 pixels, got {images.shape[2]} x {images.shape[1]}"
            )
        if len(labels) != len(images):
            raise ValueError(f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path.name}")
        bad = np.flatnonzero(labels >= len(CLASSES))
        if bad.size:
            raise ValueError(
                f"{labels_path}: label {labels[bad[0]]} at offset {8 + bad[0]}, image {bad[0]}; 0 to 9 exist"
            )
        parts[part] = images[..., None], labels.astype(np.int64)
    return ImageDataset("fashion-mnist", *parts["train"], *parts["test"], len(CLASSES), CLASSES)


def _existing(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{folder} has no file {name}.gz or {name}")
