"""Data sets by name."""

from __future__ import annotations

import os

from real_data.datasets.digits import load_digits
from real_data.datasets.image_dataset import ImageDataset

__all__ = ["NAMES", "UNDIVIDED", "load"]

NAMES = ("digits", "fashion-mnist", "cifar10", "cifar100", "svhn", "svhn-extra", "imagenet", "folder")
"""Names that :func:`load` knows."""

UNDIVIDED = ("digits", "folder")
"""Those that may come without a test set, and are then divided by ``split_seed``."""


def load(
    name: str,
    path: str | os.PathLike[str] | None = None,
    *,
    split_seed: int = 0,
    image_size: int | None = None,
    download: bool = False,
) -> ImageDataset:
    """Load a data set."""
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    if name == "digits":
        return load_digits(split_seed)
    raise NotImplementedError(name)
