"""Thumbnails of images of any size: area means, read once together with the digest of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_pruning import Results
from data_pruning.records.fingerprint import sha256_of
from data_pruning.records.settings import digest_of
from data_pruning.records.software import source_digest, versions
from real_data.datasets.image_files import ImageFiles
from real_data.duplicates.exact_copies import digests_of

__all__ = ["SIZE", "Boxes", "Thumbnails", "area_means", "read_thumbnails", "software"]

SIZE = 8
"""Width and height of thumbnails."""

AT_ONCE = 2**24  # numbers of decoded images held at a time
PART = 8192
"""Images from files whose thumbnails are saved together."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """A rectangle in each image, in shares of its height and width.

    Attributes:
        top: shape (num,), in [0, 1).
        left: likewise.
        height: shape (num,), above 0; top + height is at most 1.
        width: likewise.
    """

    top: NDArray[np.float64]
    left: NDArray[np.float64]
    height: NDArray[np.float64]
    width: NDArray[np.float64]

    def __getitem__(self, index: slice) -> Boxes:
        return Boxes(self.top[index], self.left[index], self.height[index], self.width[index])


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """Small images and digests of the large ones.

    Attributes:
        values: area means, shape (num, SIZE, SIZE, channels), float32.
        digests: of the decoded pixels, shape (num,).
    """

    values: NDArray[np.float32]
    digests: NDArray[np.bytes_]


def area_means(images: NDArray[Any], size: int, boxes: Boxes | None = None) -> NDArray[np.float32]:
    """Means over the size x size equal parts of images, or of a rectangle in each; parts may cut pixels.

    Args:
        images: shape (num, height, width, channels), of any size, smaller ones too.
        size: parts along each side, at least 1.
        boxes: the rectangles; None is the whole images.

    Returns:
        Shape (num, size, size, channels).
    """
    num, height, width, channels = images.shape
    if boxes is None:
        whole = np.ones(1)
        boxes = Boxes(0 * whole, 0 * whole, whole, whole)
    down = _parts(boxes.top * height, boxes.height * height, height, size)
    across = _parts(boxes.left * width, boxes.width * width, width, size)
    rows = down @ images.reshape(num, height, width * channels).astype(np.float32)
    turned = rows.reshape(num, size, width, channels).transpose(0, 2, 1, 3).reshape(num, width, size * channels)
    return (across @ turned).reshape(num, size, size, channels).transpose(0, 2, 1, 3)


def _parts(begin: NDArray[np.float64], length: NDArray[np.float64], pixels: int, parts: int) -> NDArray[np.float32]:
    """Weights of pixels in the mean over each part of an interval, shape (num, parts, pixels)."""
    edges = begin[:, None] + length[:, None] * np.linspace(0, 1, parts + 1)
    left_of_edge = np.clip(edges[:, :, None] - np.arange(pixels), 0, 1)  # how much of each pixel
    weights = np.diff(left_of_edge, axis=1)
    return (weights / weights.sum(axis=2, keepdims=True)).astype(np.float32)


def read_thumbnails(images: Any, *, folder: Path | None = None, progress: bool = False) -> Thumbnails:
    """Thumbnails and digests of all images, decoded once.

    Args:
        images: an array of shape (num, height, width, channels) or :class:`ImageFiles`.
        folder: where those of files are kept, 8,192 together, so that an interrupted run goes on from there; None keeps
            them nowhere.
        progress: whether to show a bar on stderr.

    Returns:
        The thumbnails, in the order of the images.
    """
    num, height, width, channels = images.shape
    from_files = isinstance(images, ImageFiles)
    step = max(1, min(PART, AT_ONCE // (height * width * channels)))
    values = np.empty((num, SIZE, SIZE, channels), np.float32)
    digests = np.empty(num, "S32")
    with tqdm(total=num, desc="thumbnails", unit="image", delay=2, disable=not progress) as bar:
        for start in range(0, num, PART):
            end = min(num, start + PART)
            file = None
            if folder is not None and from_files:
                part = images.subset(np.arange(start, end))
                file = folder / f"thumbnails-{digest_of([sha256_of(part), SIZE, software()])}.nc"
            if file is not None and file.exists():
                saved = Results.load(file)
                values[start:end], digests[start:end] = saved["thumbnail"], saved["digest"].astype("S32")
            else:
                for at in range(start, end, step):
                    here = slice(at, min(end, at + step))
                    pixels = np.asarray(images[here])
                    values[here], digests[here] = area_means(pixels, SIZE), digests_of(pixels)
                if file is not None:
                    _save(file, values[start:end], digests[start:end])
            bar.update(end - start)
    return Thumbnails(values, digests)


@cache
def software() -> dict[str, str]:
    """Versions and sources that determine what is found."""
    sources = source_digest("real_data.datasets", "real_data.duplicates", "real_data.embeddings")
    return versions(("numpy", "scipy"), optional=("pillow",)) | {"source": sources}


def _save(file: Path, values: NDArray[np.float32], digests: NDArray[np.bytes_]) -> None:
    results = Results("Thumbnails of images, of an unfinished search for duplicates")
    results.add("thumbnail", ("image", "row", "column", "channel"), values, "1", "area means")
    results.add("digest", "image", digests.astype("U32"), "", "BLAKE2b of the decoded pixels")
    results.save(file)
