"""ImageNet-1k (ILSVRC 2012), from the official archives, read in place, or from folders."""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from real_data.datasets.bounded_stream import BoundedStream
from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.image_files import ImageFiles
from real_data.datasets.image_folder import check_regular, class_folders, labels_of, notes_of_others
from real_data.datasets.mat_file import read_mat
from real_data.datasets.source_files import Source, SourceFile, data_folder
from real_data.datasets.tar_index import members_of, nested_members_of

__all__ = ["IMAGENET", "read_imagenet"]

ADDRESS = "https://image-net.org/data/ILSVRC/2012"
TRAIN_ARCHIVE = "ILSVRC2012_img_train.tar"
VAL_ARCHIVE = "ILSVRC2012_img_val.tar"
KIT = "ILSVRC2012_devkit_t12"
KIT_BYTES = 16 * 2**20  # a few megabytes of text and tables
GROUND_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
META = "data/meta.mat"
VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")

IMAGENET = Source(
    folder="imagenet",
    files=(
        SourceFile(f"{ADDRESS}/{TRAIN_ARCHIVE}", 147897477120, None),
        SourceFile(f"{ADDRESS}/{VAL_ARCHIVE}", 6744924160, None),
        SourceFile(f"{ADDRESS}/{KIT}.tar.gz", 2568145, None),
    ),
    licence="non-commercial research, after registration at https://image-net.org/download.php",
    remark="Folders train/WNID and val/WNID of images do as well.",
)


def read_imagenet(folder: Path, *, image_size: int = 224) -> ImageDataset:
    """ImageNet-1k: 1,281,167 training and 50,000 validation images, which are the test set, in 1,000 classes.

    Nothing is unpacked; see :class:`ImageFiles` for how images are decoded and cropped.  Where the images lie in the
    training archive is found once and kept in the data folder, see :func:`data_folder`.

    Args:
        folder: holds the training images, the validation images and their labels:

            * ``ILSVRC2012_img_train.tar``, or a folder ``train`` with one sub-folder for each class, called by its
              WordNet number (n01440764);
            * ``ILSVRC2012_img_val.tar``, or a folder ``val`` with the same sub-folders, or with all images;
            * unless ``val`` has sub-folders, ``ILSVRC2012_devkit_t12.tar.gz`` or the folder unpacked from it.
        image_size: width and height that images are decoded to, at least 1.

    Returns:
        The data set: images as :class:`ImageFiles`, classes numbered in the order of their WordNet numbers,
        ``train_names`` of the form ``n01440764/n01440764_10026.JPEG``; the same from archives and from folders.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: an archive is truncated or altered, or images and labels do not correspond.

    Source: Russakovsky et al. 2015, arXiv:1409.0575; https://image-net.org.
    """
    in_folders = []
    if (folder / "train").is_dir():
        in_folders.append(class_folders(folder / "train"))
        by_class = in_folders[0].files
        classes = tuple(by_class)
        paths = [path for files in by_class.values() for path in files]
        names = [path.relative_to(folder / "train").as_posix() for path in paths]
        train = ImageFiles.in_folders(paths, names, image_size)
        train_labels = labels_of(by_class, classes)
    elif (folder / TRAIN_ARCHIVE).is_file():
        archive = folder / TRAIN_ARCHIVE
        nested = nested_members_of(archive, kept_in=data_folder() / "tar-index")
        inner = {wnid: sorted(members) for wnid, members in sorted(nested.items())}
        classes = tuple(inner)
        named = [member._replace(name=f"{wnid}/{member.name}") for wnid, each in inner.items() for member in each]
        train = ImageFiles.in_archive(archive, named, image_size)
        train_labels = np.repeat(np.arange(len(classes)), [len(each) for each in inner.values()])
    else:
        raise FileNotFoundError(f"{folder} has neither a folder train nor a file {TRAIN_ARCHIVE}")
    val = folder / "val"
    if val.is_dir() and any(entry.is_dir() for entry in val.iterdir()):
        in_folders.append(class_folders(val))
        test, test_labels = _in_class_folders(val, in_folders[-1].files, classes, image_size)
    else:
        test, test_labels = _with_list_of_labels(folder, classes, image_size)
    sets = train, train_labels, test, test_labels
    notes = tuple(notes_of_others(in_folders))
    return ImageDataset("imagenet", *sets, len(classes), classes, train.names, notes)


def _in_class_folders(
    val: Path, by_class: dict[str, list[Path]], classes: tuple[str, ...], image_size: int
) -> tuple[ImageFiles, NDArray[np.int64]]:
    _check_known(list(by_class), classes, str(val))
    paths = [path for each in by_class.values() for path in each]
    order = sorted(range(len(paths)), key=lambda i: paths[i].name)
    files = ImageFiles.in_folders([paths[i] for i in order], [paths[i].name for i in order], image_size)
    return files, labels_of(by_class, classes)[order]


def _with_list_of_labels(
    folder: Path, classes: tuple[str, ...], image_size: int
) -> tuple[ImageFiles, NDArray[np.int64]]:
    val = folder / "val"
    if val.is_dir():
        paths = sorted(path for path in val.iterdir() if VAL_NAME.fullmatch(path.name))
        check_regular(paths)
        files = ImageFiles.in_folders(paths, [path.name for path in paths], image_size)
    elif (folder / VAL_ARCHIVE).is_file():
        val = folder / VAL_ARCHIVE
        files = ImageFiles.in_archive(val, sorted(members_of(val)), image_size)
    else:
        raise FileNotFoundError(f"{folder} has neither a folder val nor a file {VAL_ARCHIVE}")
    kit, wnids = _validation_classes(folder)
    expected = tuple(f"ILSVRC2012_val_{n:08}.JPEG" for n in range(1, len(wnids) + 1))
    if files.names != expected:
        odd = sorted(set(files.names) ^ set(expected)) or ["(order)"]
        raise ValueError(
            f"{val} must have the images that {kit} has labels for, {expected[0]} to {expected[-1]}; it has "
            f"{len(files)} images, and the first difference is {odd[0]}"
        )
    _check_known(wnids, classes, str(kit))
    return files, np.array([classes.index(wnid) for wnid in wnids], np.int64)


def _check_known(wnids: list[str], classes: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(wnids) - set(classes))
    if unknown:
        raise ValueError(f"{where} has a class {unknown[0]} without training images")


def _validation_classes(folder: Path) -> tuple[Path, list[str]]:
    """The development kit, and WordNet number of every validation image according to it."""
    kit = folder / KIT
    if (kit / GROUND_TRUTH).is_file() and (kit / META).is_file():
        truth, meta = (kit / GROUND_TRUTH).read_bytes(), (kit / META).read_bytes()
    elif (folder / f"{KIT}.tar.gz").is_file():
        kit = folder / f"{KIT}.tar.gz"
        truth, meta = _in_archive(kit, (f"{KIT}/{GROUND_TRUTH}", f"{KIT}/{META}"))
    else:
        raise FileNotFoundError(
            f"{folder} has no labels of the validation images: no file {KIT}.tar.gz, no folder {KIT}"
        )
    wnid_of = _wnids(meta, f"{META} of {kit}")
    wnids = []
    for n, line in enumerate(truth.decode("ascii", "replace").split(), 1):
        if not line.isdecimal() or int(line) not in wnid_of:
            raise ValueError(f"{GROUND_TRUTH} of {kit}: line {n} is {line!r}, which is no number of a class in {META}")
        wnids.append(wnid_of[int(line)])
    if not wnids:
        raise ValueError(f"{GROUND_TRUTH} of {kit} is empty")
    return kit, wnids


def _in_archive(path: Path, wanted: tuple[str, ...]) -> list[bytes]:
    found: dict[str, bytes] = {}
    try:
        with ExitStack() as stack:
            unpacked = stack.enter_context(gzip.GzipFile(path))
            stream: Any = BoundedStream(unpacked, KIT_BYTES, str(path))
            archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))
            for member in archive:
                name = str(PurePosixPath(member.name))
                if name in wanted and member.isreg():
                    file = archive.extractfile(member)
                    assert file is not None  # it is a regular file
                    found[name] = file.read()
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: truncated, altered or no tar.gz archive: {error}") from error
    for name in wanted:
        if name not in found:
            raise ValueError(f"{path}: the archive has no file {name}")
    return [found[name] for name in wanted]


def _wnids(content: bytes, where: str) -> dict[int, str]:
    """WordNet number of each class by its number in the labels."""
    found = read_mat(content, where, KIT_BYTES, squeeze_me=True)
    try:
        synsets = found["synsets"]
        return {int(n): str(wnid) for n, wnid in zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{where}: no variable synsets with ILSVRC2012_ID and WNID can be read: {error!r}") from error
