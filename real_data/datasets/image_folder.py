"""A folder of images with one sub-folder for each class."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_pruning.records.fingerprint import sha256_of
from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.image_files import ImageFiles
from real_data.datasets.stratification import stratified_choice

__all__ = ["ClassFolders", "check_regular", "class_folders", "labels_of", "notes_of_others", "read_image_folder"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TEST_FOLDERS = ("test", "val", "valid", "validation")
PARTS = ("train", "training", *TEST_FOLDERS, "testing", "dev", "eval")
"""Names of folders that are parts of a data set, hardly classes of images."""
MOST_BYTES = 2 * 2**30
"""Images of more than this many bytes, 2 GiB, are decoded as needed instead of kept in memory."""
MOST_LISTED = 10
"""Bad files that an error lists by name; it gives the number of all."""


def read_image_folder(
    path: Path,
    *,
    split_seed: int = 0,
    image_size: int | None = None,
    test_folder: str | None = None,
    skip_undecodable: bool = False,
) -> ImageDataset:
    """Images in a folder with one sub-folder for each class, which is called like the class.

    If the folder has a sub-folder ``train`` beside ``test``, ``val``, ``valid`` or ``validation``, these have the
    sub-folders of the classes.  Otherwise a third of the images becomes the test set: of every class its share to
    within one image, chosen at random.  Images may lie in sub-folders of their class; files are taken in the order of
    class and name.  Files that are no images by their names are passed over, and counted in ``notes``.  Every image is
    decoded once, so that all that cannot be are known before anything else is done.

    Args:
        path: the folder.
        split_seed: non-negative integer, the seed of that choice.
        image_size: None keeps the images as they are, in memory, which needs images of one size; a number decodes them
            when they are needed, the short side brought to image_size and the central square cut out; images of that
            size stay as they are.
        test_folder: which of the folders beside ``train`` has the test images; needed where there are several.
        skip_undecodable: leave out images that cannot be decoded, and name them in ``notes``.

    Returns:
        The data set, called like the folder: uint8 images with one channel if all are gray and in memory, otherwise
        three; ``train_names`` relative to ``path``.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder is not laid out like this, a file called like an image is none or no regular file,
            images differ in size, or there are fewer than three images to divide.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder")
    train_folder, test = _layout(path, test_folder)
    parts = [class_folders(folder) for folder in (train_folder, test) if folder is not None]
    classes = tuple(parts[0].files)
    for part in parts[1:]:
        unknown = sorted(set(part.files) - set(classes))
        if unknown:
            raise ValueError(f"{test} has a class {unknown[0]!r} that {train_folder} has not")
    paths = [file for part in parts for files in part.files.values() for file in files]
    labels = np.concatenate([labels_of(part.files, classes) for part in parts])
    names = [file.relative_to(path).as_posix() for file in paths]
    files = ImageFiles.in_folders(paths, names, 1 if image_size is None else image_size, share=1.0)
    notes = notes_of_others(parts)
    in_first = np.arange(labels.size) < sum(map(len, parts[0].files.values()))

    pixels = None
    if image_size is None:
        pixels, good = _in_memory(files, path, skip_undecodable)
    else:
        good = _decodable(files, path, skip_undecodable)
    if not good.all():
        left = [name for name, fine in zip(names, good, strict=True) if not fine]
        notes.append(f"{len(left)} images that cannot be decoded are left out: {'; '.join(left)}")
        files, labels, in_first = files.subset(np.flatnonzero(good)), labels[good], in_first[good]
        empty = sorted(set(range(len(classes))) - set(labels[in_first].tolist()))
        if empty:
            raise ValueError(f"no image of the class {classes[empty[0]]!r} can be decoded")
    if test is not None:
        in_train = in_first
    elif labels.size < 3:
        raise ValueError(f"{path} has {labels.size} images; at least 3 are needed to divide them")
    else:
        in_train = np.zeros(labels.size, bool)
        in_train[stratified_choice(labels, labels.size - round(labels.size / 3), len(classes), split_seed)] = True
        notes.append(
            f"{path} is not divided into train and test: {np.sum(~in_train)} of {labels.size} images are set aside as "
            "test images, positions count the other ones"
        )
    notes += _notes_of_copies(files, in_train)
    train, tested = np.flatnonzero(in_train), np.flatnonzero(~in_train)
    # ImageFiles would be decoded by []
    part_of = files.subset if pixels is None else pixels.__getitem__
    return ImageDataset(
        path.resolve().name,
        part_of(train),
        labels[train],
        part_of(tested),
        labels[tested],
        len(classes),
        classes,
        tuple(files.names[i] for i in train),
        tuple(notes),
    )


def _layout(path: Path, test_folder: str | None) -> tuple[Path, Path | None]:
    """The folder of the training images, and that of the test images if there is one."""
    if test_folder is not None:
        for name in ("train", test_folder):
            if not (path / name).is_dir():
                raise FileNotFoundError(f"test_folder is given, so {path} must have a folder {name!r}")
        return path / "train", path / test_folder
    beside = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    parts = [name for name in beside if name.lower() in PARTS]
    if not parts:
        return path, None
    found = [name for name in TEST_FOLDERS if name in beside]
    if "train" in parts and len(found) == 1:
        return path / "train", path / found[0]
    if "train" in parts and len(found) > 1:
        raise ValueError(
            f"{path} has {' and '.join(found)} beside train: say which has the test images, with test_folder "
            f"(--test-folder {found[0]})"
        )
    if beside == ["train"]:
        return path / "train", None
    raise ValueError(
        f"{path} has the folders {', '.join(beside[:MOST_LISTED])}: are these classes or parts? Training images must "
        f"lie in a folder train beside one of {', '.join(TEST_FOLDERS)}, or one named by test_folder (--test-folder)"
    )


@dataclass(frozen=True)
class ClassFolders:
    """The image files of every class, and what else lay there.

    Attributes:
        files: image files by class, in the order of names.
        others: how many files were passed over, by the ending of their names.
        hidden: how many were because their names, or that of a folder they lie in, begin with a dot.
        beside: images that lie beside the folders of the classes and so have none.
    """

    files: dict[str, list[Path]]
    others: Counter[str]
    hidden: int
    beside: list[Path]


def class_folders(folder: Path) -> ClassFolders:
    """Image files of every sub-folder and the folders in it.

    Args:
        folder: has one sub-folder for each class; files beside the sub-folders are passed over, and so are files and
            folders whose names begin with a dot.

    Raises:
        ValueError: there is no sub-folder, one has no images, or a file called like an image is no regular file.
        OSError: a folder cannot be read.
    """
    entries = sorted(folder.iterdir())
    classes = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    if not classes:
        raise ValueError(f"{folder} has no sub-folders; it must have one for each class")
    found, others, hidden = {}, Counter[str](), 0
    for of_class in classes:
        images = []
        for file in _files_below(of_class):
            if any(part.startswith(".") for part in file.relative_to(of_class).parts):
                hidden += 1
            elif file.suffix.lower() in SUFFIXES:
                images.append(file)
            else:
                others[file.suffix.lower() or file.name] += 1
        if not images:
            raise ValueError(f"{of_class} has no images, no file that ends in {', '.join(SUFFIXES)}")
        check_regular(images)
        found[of_class.name] = images
    beside = [entry for entry in entries if entry not in classes and entry.suffix.lower() in SUFFIXES]
    return ClassFolders(found, others, hidden, beside)


def check_regular(images: Iterable[Path]) -> None:
    """Raise a ``ValueError`` that names the first of these that is no regular file."""
    for file in images:
        if not file.is_file():
            raise ValueError(f"{file} is called like an image but is no regular file, or a link that leads nowhere")


def _files_below(folder: Path) -> list[Path]:
    """All files in a folder and the folders in it, by name; each folder once, wherever links lead."""

    def fail(error: OSError) -> None:
        raise error

    seen: set[str] = set()
    found = []
    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
        else:
            folders.sort()
            found += [Path(place) / name for name in files]
        seen.add(real)
    return sorted(found)


def labels_of(files: Mapping[str, list[Path]], classes: tuple[str, ...]) -> np.ndarray:
    """Label of every file, int64: the place of its class among ``classes``."""
    label = {name: i for i, name in enumerate(classes)}
    return np.repeat([label[name] for name in files], [len(each) for each in files.values()]).astype(np.int64)


def _in_memory(files: ImageFiles, path: Path, skip: bool) -> tuple[np.ndarray, np.ndarray]:
    """All images, and which of the files they are, shape (num,); with ``skip`` False all, or an error."""
    try:
        return files.originals(MOST_BYTES), np.ones(len(files), bool)
    except ValueError:
        good = _decodable(files, path, skip)
        if good.all():
            raise
        return files.subset(np.flatnonzero(good)).originals(MOST_BYTES), good


_complaints_known: dict[str, dict[int, str]] = {}


def _decodable(files: ImageFiles, path: Path, skip: bool) -> np.ndarray:
    """Which images can be decoded, shape (num,); with ``skip`` False all of them, or an error that lists the others."""
    digest = sha256_of(files) + str(path.resolve())
    complaints = _complaints_known.get(digest)  # an experiment reads the same folder many times
    if complaints is None:
        complaints = files.undecodable()
    if complaints and not skip:
        raise ValueError(
            f"{len(complaints)} of {len(files)} images in {path} cannot be decoded: "
            f"{_listed(list(complaints.values()))}. Remove them, or leave them out with skip_undecodable "
            "(--skip-undecodable)"
        )
    _complaints_known[digest] = complaints
    return np.array([i not in complaints for i in range(len(files))])


def _listed(entries: list[str]) -> str:
    more = f" and {len(entries) - MOST_LISTED} more" if len(entries) > MOST_LISTED else ""
    return "; ".join(entries[:MOST_LISTED]) + more


def notes_of_others(parts: Iterable[ClassFolders]) -> list[str]:
    """What to know about the files that are not taken, a sentence for each kind."""
    others, hidden, beside = Counter[str](), 0, []
    for part in parts:
        others += part.others
        hidden += part.hidden
        beside += part.beside
    notes = []
    if beside:
        listed = _listed([str(path) for path in beside])
        notes.append(f"{len(beside)} images beside the folders of the classes have no class and are left out: {listed}")
    if others:
        kinds = ", ".join(f"{number} {ending}" for ending, number in sorted(others.items()))
        notes.append(f"{sum(others.values())} files that are no images by their names were passed over: {kinds}")
    if hidden:
        notes.append(f"{hidden} hidden files were passed over, whose names or folders begin with a dot")
    return notes


def _notes_of_copies(files: ImageFiles, in_train: np.ndarray) -> list[str]:
    """Whether test images are among the training images, byte for byte."""
    sizes: dict[int, list[int]] = {}
    for i, size in enumerate(files.num_bytes.tolist()):
        sizes.setdefault(size, []).append(i)
    copies = []
    for same in sizes.values():
        if len({bool(in_train[i]) for i in same}) < 2:
            continue
        digests = {i: hashlib.sha256(files.content(i)).digest() for i in same}
        trained = {digests[i]: i for i in same if in_train[i]}
        copies += [
            f"{files.names[i]} is {files.names[trained[digests[i]]]}"
            for i in same
            if not in_train[i] and digests[i] in trained
        ]
    if not copies:
        return []
    what = "test images are training images too, byte for byte, so that errors look lower"
    return [f"{len(copies)} {what}: {_listed(copies)}"]
