"""SVHN: house numbers from street views, cropped to single digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.mat_file import read_mat
from real_data.datasets.source_files import Source, SourceFile

__all__ = ["SVHN", "SVHN_EXTRA", "read_svhn"]

ADDRESS = "http://ufldl.stanford.edu/housenumbers"
TRAIN = SourceFile(
    f"{ADDRESS}/train_32x32.mat", 182040794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"
)
TEST = SourceFile(
    f"{ADDRESS}/test_32x32.mat", 64275384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"
)
EXTRA = SourceFile(
    f"{ADDRESS}/extra_32x32.mat", 1329278602, "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3"
)

SVHN = Source(folder="svhn", files=(TRAIN, TEST), licence="for non-commercial use only")
SVHN_EXTRA = Source(folder="svhn", files=(TRAIN, TEST, EXTRA), licence=SVHN.licence)


def read_svhn(folder: Path, *, extra: bool = False) -> ImageDataset:
    """SVHN: 73,257 training images, or 604,388 with the extra ones, and 26,032 test images of 32 x 32 pixels.

    Args:
        folder: holds ``train_32x32.mat``, ``test_32x32.mat`` and, for the extra images, ``extra_32x32.mat``.
        extra: whether the 531,131 extra images, which are easier, follow the training images.

    Returns:
        The data set: uint8 images of shape (num, 32, 32, 3), the digits 0 to 9 as labels (the files call 0 ten).

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is truncated, altered or of another format.

    Source: Netzer et al. 2011, "Reading digits in natural images with unsupervised feature learning";
    http://ufldl.stanford.edu/housenumbers.
    """
    train = _read_mat(folder / TRAIN.name, 73257)
    test = _read_mat(folder / TEST.name, 26032)
    if extra:
        more = _read_mat(folder / EXTRA.name, 531131)
        train = np.concatenate([train[0], more[0]]), np.concatenate([train[1], more[1]])
    return ImageDataset("svhn-extra" if extra else "svhn", *train, *test, 10, tuple("0123456789"))


def _read_mat(path: Path, expected: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images and labels; the published file has ``expected`` of them."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} has no file {path.name}")
    num_bytes = expected * (32 * 32 * 3 + 8)  # pixels, and a label in double precision
    found = read_mat(path.read_bytes(), str(path), num_bytes, variable_names=["X", "y"])
    for name in ("X", "y"):
        if name not in found:
            raise ValueError(f"{path}: the .mat file has no variable {name}")
    pixels, labels = found["X"], np.asarray(found["y"])
    if pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3) or pixels.dtype != np.uint8:
        raise ValueError(
            f"{path}: variable X must be uint8 of shape (32, 32, 3, num), got {pixels.dtype} of shape {pixels.shape}"
        )
    number = pixels.shape[3]
    if labels.size != number or labels.ndim != 2 or labels.dtype.kind not in "iuf":
        raise ValueError(
            f"{path}: variable y must be {number} numbers, as many as images, got {labels.dtype} of shape "
            f"{labels.shape}"
        )
    bad = np.flatnonzero(~np.isin(labels, np.arange(1, 11)))
    if bad.size:
        raise ValueError(f"{path}: label {labels.ravel()[bad[0]]} at record {bad[0]}, allowed are 1 to 10")
    return np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)), labels.ravel().astype(np.int64) % 10
