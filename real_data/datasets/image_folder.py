"""A folder of images with one sub-folder for each class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.image_files import ImageFiles
from real_data.datasets.stratification import stratified_choice

__all__ = ["images_by_class", "read_image_folder"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
NOT_DATA = ("thumbs.db", "desktop.ini")
MOST_BYTES = 2 * 2**30
"""Images of more than this many bytes, 2 GiB, are decoded as needed instead of kept in memory."""


def read_image_folder(path: Path, *, split_seed: int = 0, image_size: int | None = None) -> ImageDataset:
    """Images in a folder with one sub-folder for each class, which is called like the class.

    If the folder has sub-folders ``train`` and ``test``, these have the sub-folders of the classes.  Otherwise a third
    of the images becomes the test set: of every class its share to within one image, chosen at random.  Files are
    taken in the order of class and name; those whose names begin with a dot are passed over.

    Args:
        path: the folder.
        split_seed: non-negative integer, the seed of that choice.
        image_size: None keeps the images as they are, in memory, which needs images of one size; a number decodes them
            when they are needed, to image_size x image_size pixels, see :class:`ImageFiles`.

    Returns:
        The data set, called like the folder: uint8 images with one channel if all are gray and in memory, otherwise
        three; ``train_names`` relative to ``path``.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder is not laid out like this, a file is not an image, images differ in size, or there are
            fewer than three images to divide.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder")
    divided = (path / "train").is_dir() and (path / "test").is_dir()
    parts = [images_by_class(path / part) for part in (("train", "test") if divided else (".",))]
    classes = tuple(parts[0])
    for of_test in parts[1:]:
        unknown = sorted(set(of_test) - set(classes))
        if unknown:
            raise ValueError(f"{path / 'test'} has a class {unknown[0]!r} that {path / 'train'} has not")
    paths = [file for part in parts for files in part.values() for file in files]
    labels = np.concatenate([labels_of(part, classes) for part in parts])
    if divided:
        in_train = np.arange(labels.size) < sum(map(len, parts[0].values()))
    elif labels.size < 3:
        raise ValueError(f"{path} has {labels.size} images; at least 3 are needed to divide them")
    else:
        in_train = np.zeros(labels.size, bool)
        in_train[stratified_choice(labels, labels.size - round(labels.size / 3), len(classes), split_seed)] = True

    names = [file.relative_to(path).as_posix() for file in paths]
    files = ImageFiles.in_folders(paths, names, 1 if image_size is None else image_size)
    train, test = np.flatnonzero(in_train), np.flatnonzero(~in_train)
    # ImageFiles would be decoded by []
    part = files.subset if image_size is not None else files.originals(MOST_BYTES).__getitem__
    return ImageDataset(
        path.resolve().name,
        part(train),
        labels[train],
        part(test),
        labels[test],
        len(classes),
        classes,
        tuple(names[i] for i in train),
    )


def images_by_class(folder: Path) -> dict[str, list[Path]]:
    """Image files of every sub-folder, in the order of names.

    Args:
        folder: has one sub-folder for each class; files beside the sub-folders are passed over.

    Raises:
        ValueError: there is no sub-folder, or one has no images, or has a folder or a file that is no image.
    """
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise ValueError(f"{folder} has no sub-folders; it must have one for each class")
    found = {}
    for of_class in classes:
        files = sorted(file for file in of_class.iterdir() if not _ignored(file.name))
        for file in files:
            if file.suffix.lower() not in SUFFIXES:
                what = "a folder" if file.is_dir() else "no image by its name, which must end in " + ", ".join(SUFFIXES)
                raise ValueError(f"{file}: the folder of a class must have images only, but this is {what}")
        if not files:
            raise ValueError(f"{of_class} has no images")
        found[of_class.name] = files
    return found


def labels_of(files: Mapping[str, list[Path]], classes: tuple[str, ...]) -> np.ndarray:
    """Label of every file, int64: the place of its class among ``classes``."""
    label = {name: i for i, name in enumerate(classes)}
    return np.repeat([label[name] for name in files], [len(each) for each in files.values()]).astype(np.int64)


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in NOT_DATA
