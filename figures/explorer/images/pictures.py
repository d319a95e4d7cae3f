"""Images as PNG files of a few hundred pixels, made when they are asked for."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from data_pruning.arguments import check_choice, check_integer
from figures.explorer.images.collection import Collection

__all__ = ["LARGE", "PARTS", "SMALL", "picture", "picture_address", "side_of"]

PARTS = ("train", "test")
SMALL, LARGE = 112, 448
"""Longest sides in pixels of pictures in galleries, and of one looked at closely; smaller images stay as they are."""
MOST_SMALL, MOST_LARGE = 8192, 64  # held in memory: some 20 kB and 300 kB each where images are photographs


def picture(collection: Collection, part: str, index: int, side: int = SMALL) -> bytes:
    """An image as PNG.

    An image file is decoded as for training, its centre or what was asked for, but not larger than needed; images of an
    array have their own pixels.

    Args:
        collection: what is looked at.
        part: train or test.
        index: position in that part, from 0.
        side: ``SMALL`` or ``LARGE``: the longest side wanted.

    Raises:
        ValueError: a part, position or side that there is not, a file that was changed, or no picture: neither 1 nor 3
            channels.
        OSError: a file that is gone.
    """
    check_choice("part", part, PARTS)
    if side not in (SMALL, LARGE):
        raise ValueError(f"side must be {SMALL} or {LARGE}, got {side!r}")
    labels = getattr(collection.dataset, f"{part}_labels")
    check_integer("index", index, 0, len(labels) - 1)
    return (_small if side == SMALL else _large)(collection, part, index)


@lru_cache(maxsize=MOST_SMALL)
def _small(collection: Collection, part: str, index: int) -> bytes:
    return _encoded(collection, part, index, SMALL)


@lru_cache(maxsize=MOST_LARGE)
def _large(collection: Collection, part: str, index: int) -> bytes:
    return _encoded(collection, part, index, LARGE)


def _encoded(collection: Collection, part: str, index: int, side: int) -> bytes:
    from PIL import Image

    from figures.compute.extremes import drawn_pixels

    images: Any = getattr(collection.dataset, f"{part}_images")
    if not isinstance(images, np.ndarray):  # image files, whose decoding is cheaper when they come out small
        images = replace(images, image_size=min(side, images.image_size), num_threads=1)
    pixels = drawn_pixels(images, np.array([index]))[0]
    found = Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
    if max(found.size) > side:
        found.thumbnail((side, side))
    content = io.BytesIO()
    found.save(content, "png", compress_level=1)
    return content.getvalue()


def picture_address(collection: Collection, part: str, index: int, side: int = SMALL) -> str:
    """Where the server has an image; other contents have other addresses, so that browsers may keep it."""
    return f"/pictures/{collection.key}/{part}/{side}/{index}.png"


def side_of(collection: Collection) -> int:
    """The longest side of the images in pixels, as they are read."""
    return int(max(collection.dataset.train_images.shape[1:3]))
