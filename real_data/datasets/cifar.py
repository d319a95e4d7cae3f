"""CIFAR-10 and CIFAR-100: colour images of 32 x 32 pixels, in the binary version of the archives (no pickle)."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from real_data.datasets.bounded_stream import BoundedStream
from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.source_files import Source, SourceFile

__all__ = ["CIFAR10", "CIFAR100", "CifarLayout", "read_cifar10", "read_cifar100"]

NUM_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class CifarLayout:
    """How one of the two data sets is laid out in files.

    A file is a sequence of records: one byte for each label, then 1,024 bytes each of red, green and blue, row by row.

    Attributes:
        name: name of the data set.
        source: the archive and its address.
        folder: name of the folder in the archive.
        train_files: names of the files of training images, in order.
        test_file: name of the file of test images.
        train_records: number of records in each file of training images.
        test_records: number of records in the file of test images.
        num_labels: number of label bytes of a record; the last is the class.
        classes: names of the classes.
    """

    name: str
    source: Source
    folder: str
    train_files: tuple[str, ...]
    test_file: str
    train_records: int
    test_records: int
    num_labels: int
    classes: tuple[str, ...]

    @property
    def record_bytes(self) -> int:
        """Size of a record."""
        return self.num_labels + NUM_PIXELS

    @property
    def num_bytes(self) -> dict[str, int]:
        """Size of each file."""
        of_train = dict.fromkeys(self.train_files, self.train_records * self.record_bytes)
        return {**of_train, self.test_file: self.test_records * self.record_bytes}


TERMS = "none stated; the authors ask for a citation of Krizhevsky 2009"

CIFAR10 = CifarLayout(
    name="cifar10",
    source=Source(
        folder="cifar10",
        files=(
            SourceFile(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                170052171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
        licence=TERMS,
    ),
    folder="cifar-10-batches-bin",
    train_files=tuple(f"data_batch_{n}.bin" for n in range(1, 6)),
    test_file="test_batch.bin",
    train_records=10_000,
    test_records=10_000,
    num_labels=1,
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)

CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""

CIFAR100 = CifarLayout(
    name="cifar100",
    source=Source(
        folder="cifar100",
        files=(
            SourceFile(
                "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
                168513733,
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            ),
        ),
        licence=TERMS,
    ),
    folder="cifar-100-binary",
    train_files=("train.bin",),
    test_file="test.bin",
    train_records=50_000,
    test_records=10_000,
    num_labels=2,
    classes=tuple(CIFAR100_CLASSES.split()),
)


PICKLED = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
"""Folders of the version for Python, which is not read."""


def read_cifar10(path: Path, layout: CifarLayout = CIFAR10) -> ImageDataset:
    """CIFAR-10: 50,000 training and 10,000 test images, in ten classes.

    Args:
        path: the archive ``cifar-10-binary.tar.gz``, a folder that holds it, or the folder of its ``.bin`` files.  The
            archive is read in place, nothing is unpacked.
        layout: what the files hold.

    Returns:
        The data set: uint8 images of shape (num, 32, 32, 3).

    Raises:
        FileNotFoundError: there is no archive and no folder of files.
        ValueError: a file is missing in the archive, truncated, altered or of another format.

    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009;
    https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    return _read(path, layout)


def read_cifar100(path: Path, layout: CifarLayout = CIFAR100) -> ImageDataset:
    """CIFAR-100: 50,000 training and 10,000 test images, in a hundred classes (the fine labels).

    Args:
        path: the archive ``cifar-100-binary.tar.gz``, a folder that holds it, or the folder of its ``.bin`` files.
        layout: what the files hold.

    Returns:
        The data set, as that of :func:`read_cifar10`, which says what is raised and where the format is described.
    """
    return _read(path, layout)


def _read(path: Path, layout: CifarLayout) -> ImageDataset:
    archive = layout.source.files[0].name
    if path.is_file():
        contents = _in_archive(path, layout)
    elif (path / archive).is_file():
        path = path / archive
        contents = _in_archive(path, layout)
    else:
        folders = [folder for folder in (path, path / layout.folder) if (folder / layout.test_file).is_file()]
        if not folders:
            places = (path, path / PICKLED[layout.name])
            pickled = [each for each in places if any((each / name).is_file() for name in ("batches.meta", "meta"))]
            if pickled:
                raise FileNotFoundError(
                    f"{pickled[0]} has the version for Python, as torchvision keeps it: its files are pickles, which "
                    f"may run anything when they are read, and are not read here; get the binary version, {archive}"
                )
            raise FileNotFoundError(f"{path} has neither {archive} nor {layout.test_file}")
        path = folders[0]
        contents = {name: _in_folder(path / name, size) for name, size in layout.num_bytes.items()}
    parts = [_images_and_labels(path, contents, names, layout) for names in (layout.train_files, (layout.test_file,))]
    return ImageDataset(layout.name, *parts[0], *parts[1], len(layout.classes), layout.classes)


def _in_archive(path: Path, layout: CifarLayout) -> dict[str, bytes]:
    """Contents of the members wanted; the others, and links, are passed over."""
    contents: dict[str, bytes] = {}
    try:
        with ExitStack() as stack:
            stream: Any = stack.enter_context(path.open("rb"))
            compressed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            if compressed:
                unpacked = stack.enter_context(gzip.GzipFile(fileobj=stream))
                stream = BoundedStream(unpacked, sum(layout.num_bytes.values()), str(path))
            archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))
            for member in archive:
                name = PurePosixPath(member.name)
                if str(name.parent) != layout.folder or name.name not in layout.num_bytes:
                    continue
                if not member.isreg():
                    raise ValueError(
                        f"{path}: member {name} at offset {member.offset} is not a file but a link or device"
                    )
                if name.name in contents:
                    raise ValueError(f"{path}: member {name} at offset {member.offset} occurs a second time")
                if member.size != layout.num_bytes[name.name]:
                    raise ValueError(_wrong_size(f"{path}: member {name}", layout.num_bytes[name.name], member.size))
                file = archive.extractfile(member)
                assert file is not None  # it is a regular file
                contents[name.name] = file.read()
                if len(contents[name.name]) != member.size:
                    raise ValueError(_wrong_size(f"{path}: member {name}", member.size, len(contents[name.name])))
            while stream.read(1 << 20):  # to the end, where gzip compares its checksum
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: the archive is truncated, altered or no tar archive: {error}") from error
    missing = [name for name in layout.num_bytes if name not in contents]
    if missing:
        raise ValueError(f"{path}: the archive has no member {layout.folder}/{missing[0]}")
    return contents


def _in_folder(path: Path, expected: int) -> bytes:
    size = path.stat().st_size
    if size != expected:
        raise ValueError(_wrong_size(str(path), expected, size))
    return path.read_bytes()


def _images_and_labels(
    path: Path, contents: dict[str, bytes], names: tuple[str, ...], layout: CifarLayout
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    pixels, labels = [], []
    for name in names:
        records = np.frombuffer(contents.pop(name), np.uint8).reshape(-1, layout.record_bytes)
        labels.append(records[:, layout.num_labels - 1].astype(np.int64))
        bad = np.flatnonzero(labels[-1] >= len(layout.classes))
        if bad.size:
            raise ValueError(
                f"{path}: label {labels[-1][bad[0]]} at record {bad[0]} of {name}, allowed are 0 to "
                f"{len(layout.classes) - 1}"
            )
        planes = records[:, layout.num_labels :].reshape(-1, 3, 32, 32)
        pixels.append(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)))
    return np.concatenate(pixels), np.concatenate(labels)


def _wrong_size(what: str, expected: int, got: int) -> str:
    return f"{what}: expected {expected} bytes, got {got}"
