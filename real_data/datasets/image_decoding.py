"""Decoding of one image: whole, its centre, or a random part of it, from the bytes of its file."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["CENTER", "center_crop", "random_resized_crop", "try_to_decode", "whole_image"]

GRAY = ("1", "L")
EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
"""Pillow's modes of at most eight bits per channel; the others would be clipped on the way to RGB."""

CENTER = 224 / 256
"""Share of the short side that the central square of an ImageNet image has: 224 of 256 pixels, as customary."""
ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""Pillow's transposition that brings an image of an EXIF orientation upright."""
MOST_PIXELS = 150_000_000
"""Images of more pixels, 0.45 GB decoded, are refused: their files may be a thousand times smaller.  Pillow refuses
more than 178 million, and warns of more than half of that."""
AREAS = (0.08, 1.0)
ASPECT_RATIOS = (3 / 4, 4 / 3)


def whole_image(content: bytes, name: str) -> NDArray[np.uint8]:
    """All pixels of an image.

    Args:
        content: bytes of the file.
        name: what errors call it.

    Returns:
        Shape (height, width) if the image is gray, otherwise (height, width, 3).

    Raises:
        ValueError: Pillow cannot decode it, or it has more than eight bits per channel.
    """
    with _opened(content, name) as image:
        return np.asarray(_upright(image, image.convert("L") if image.mode in GRAY else _rgb(image)))


def try_to_decode(content: bytes, name: str) -> None:
    """Decode an image, a JPEG at an eighth of its size, which is several times faster.

    Raises:
        ValueError: as for :func:`whole_image`.
    """
    with _opened(content, name) as image:
        image.draft("RGB", (max(1, image.size[0] // 8), max(1, image.size[1] // 8)))
        image.load()


def center_crop(content: bytes, name: str, size: int, share: float = CENTER) -> NDArray[np.uint8]:
    """The central square of an image at size x size pixels.

    The same as resizing the short side to size / share and cutting out the centre.  A square image of this size stays
    as it is where the share is 1.

    Args:
        content: bytes of the file.
        name: what errors call it.
        size: width and height wanted, at least 1.
        share: side of the square as a share of the short side of the image, in (0, 1]; see ``CENTER``.

    Returns:
        Shape (size, size, 3), RGB.

    Raises:
        ValueError: as for :func:`whole_image`.
    """
    with _opened(content, name) as image:
        width, height = image.size
        side = share * min(width, height)
        return _resized(image, ((width - side) / 2, (height - side) / 2, side, side), size)


def random_resized_crop(content: bytes, name: str, size: int, seed: int) -> NDArray[np.uint8]:
    """A random rectangle of an image, at size x size pixels.

    Its area is 8% to 100% of the image's, uniformly, and its aspect ratio 3/4 to 4/3, uniformly in the logarithm; if
    ten such rectangles do not fit, it is the largest central one with an aspect ratio in that range (Szegedy et al.
    2015, section 6, as in torchvision's RandomResizedCrop).

    Args:
        content: bytes of the file.
        name: what errors call it.
        size: width and height wanted, at least 1.
        seed: non-negative integer that the rectangle depends on.

    Returns:
        Shape (size, size, 3), RGB.

    Raises:
        ValueError: as for :func:`whole_image`.
    """
    with _opened(content, name) as image:
        return _resized(image, _random_box(*image.size, np.random.default_rng(seed)), size)


def _random_box(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, width and height of a random rectangle, in pixels."""
    least, most = math.log(ASPECT_RATIOS[0]), math.log(ASPECT_RATIOS[1])
    for _ in range(10):
        area = width * height * rng.uniform(*AREAS)
        ratio = math.exp(rng.uniform(least, most))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h
    w = min(width, max(1, round(height * ASPECT_RATIOS[1])))
    h = min(height, max(1, round(width / ASPECT_RATIOS[0])))
    return (width - w) // 2, (height - h) // 2, w, h


def _resized(image: Image, box: tuple[float, float, float, float], size: int) -> NDArray[np.uint8]:
    from PIL.Image import Resampling

    left, top, width, height = box
    full = image.size
    # a JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, several times faster; the box still gets all its pixels
    image.draft("RGB", (math.ceil(full[0] * size / width), math.ceil(full[1] * size / height)))
    factor = next(n for n in (1, 2, 4, 8) if (-(-full[0] // n), -(-full[1] // n)) == image.size)
    corners = (left / factor, top / factor, (left + width) / factor, (top + height) / factor)
    return np.asarray(_upright(image, _rgb(image).resize((size, size), Resampling.BILINEAR, box=corners)))


def _upright(original: Image, pixels: Image) -> Image:
    """Pixels of an image, turned and mirrored as the EXIF orientation of the original says."""
    from PIL.Image import Transpose

    try:
        orientation = original.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises many kinds of error on a damaged block, without which the picture is whole
        orientation = 1
    method = UPRIGHT.get(orientation)
    return pixels if method is None else pixels.transpose(Transpose(method))


def _rgb(image: Image) -> Image:
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


@contextmanager
def _opened(content: bytes, name: str) -> Iterator[Image]:
    from PIL.Image import open as open_image

    # Pillow's decoders raise many kinds of error on bytes that are not an image
    try:
        with open_image(io.BytesIO(content)) as image:
            if image.mode not in EIGHT_BIT:
                raise ValueError(f"pixels of mode {image.mode}; at most 8 bits per channel can be read")
            if image.size[0] * image.size[1] > MOST_PIXELS:
                raise ValueError(f"{image.size[0]} x {image.size[1]} pixels; at most {MOST_PIXELS:,} are read")
            yield image
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"{name} cannot be decoded: {error}") from error
