"""Data sets by name, and where their files are looked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from real_data.datasets import cifar, fashion_mnist, imagenet, source_files, svhn
from real_data.datasets.digits import load_digits
from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.image_folder import read_image_folder
from real_data.datasets.source_files import Source

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
    test_folder: str | None = None,
    skip_undecodable: bool = False,
    download: bool = False,
) -> ImageDataset:
    """Load a data set by its name.

    Args:
        name: one of :data:`NAMES`; ``digits`` come with scikit-learn, and ``folder`` is any folder of images with one
            sub-folder for each class, see :func:`read_image_folder`.
        path: folder of the files, or the archive that they are in.  None looks into the folder ``name`` of the data
            folder, which the environment variable DATA_PRUNING_DATA names (otherwise it is the user's cache); for
            ``fashion-mnist`` also where Debian's package puts it.  The data folder calls both SVHN sets ``svhn``.
        split_seed: non-negative integer, divides a data set that comes without a test set.
        image_size: width and height that the images of ``imagenet`` (None is 224) and ``folder`` (None keeps theirs)
            are decoded to.
        test_folder: of a ``folder``, which of several folders beside ``train`` has the test images.
        skip_undecodable: leave out images of a ``folder`` that cannot be decoded, instead of refusing it.
        download: whether to download the files that are missing, into ``path`` or the data folder.

    Returns:
        The data set.

    Raises:
        FileNotFoundError: files are missing; the message says which, where to get them and where to put them.
        ValueError: an argument is not allowed, or a file is truncated, altered or of another format.
        OSError: a download did not succeed.
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    if image_size is not None and name not in ("imagenet", "folder"):
        raise ValueError(
            f"image_size is for imagenet and folder, but {name} has images of one size; got {image_size!r}"
        )
    for option, given in (("test_folder", test_folder is not None), ("skip_undecodable", skip_undecodable)):
        if given and name != "folder":
            raise ValueError(f"{option} is for folder, not for {name}")
    if name == "digits":
        if path is not None:
            raise ValueError(f"path must be None for digits, which come with scikit-learn, got {os.fspath(path)!r}")
        return load_digits(split_seed)
    if name == "folder":
        if path is None:
            raise ValueError("path must be given for folder")
        return read_image_folder(
            Path(path).expanduser(),
            split_seed=split_seed,
            image_size=image_size,
            test_folder=test_folder,
            skip_undecodable=skip_undecodable,
        )
    source, read = _source_and_reader(name, image_size)
    if path is None:
        places = (source_files.data_folder() / source.folder, *source.elsewhere)
    else:
        places = (Path(path).expanduser(),)
    missing = []
    for place in places:
        try:
            return read(place)
        except FileNotFoundError as error:
            missing.append(str(error))
    into = places[0].parent if places[0].name in [file.name for file in source.files] else places[0]
    if download:
        source_files.download(source, into)
        return read(into)
    raise FileNotFoundError(f"{name} is not here: {'; '.join(missing)}.\n{source.instructions(into)}")


def _source_and_reader(name: str, image_size: int | None) -> tuple[Source, Callable[[Path], ImageDataset]]:
    if name == "imagenet":
        return imagenet.IMAGENET, partial(imagenet.read_imagenet, image_size=224 if image_size is None else image_size)
    readers: dict[str, tuple[Source, Callable[[Path], ImageDataset]]] = {
        "fashion-mnist": (fashion_mnist.FASHION_MNIST, fashion_mnist.read_fashion_mnist),
        "cifar10": (cifar.CIFAR10.source, cifar.read_cifar10),
        "cifar100": (cifar.CIFAR100.source, cifar.read_cifar100),
        "svhn": (svhn.SVHN, svhn.read_svhn),
        "svhn-extra": (svhn.SVHN_EXTRA, partial(svhn.read_svhn, extra=True)),
    }
    return readers[name]
