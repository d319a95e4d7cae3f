"""Images in files, decoded when they are needed: in folders, or inside tar archives."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from real_data.datasets.image_decoding import CENTER, center_crop, random_resized_crop, try_to_decode, whole_image
from real_data.datasets.tar_index import Member

__all__ = ["ImageFiles"]

SMALL = 8000
"""Files of fewer bytes on average are decoded by one thread: what is not decoding holds the interpreter's lock, and
with images of 32 x 32 pixels several threads take twice as long as one."""


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images in files that stand for an array of shape (num, size, size, 3), uint8, RGB.

    Indexing decodes: ``images[indices]`` is a NumPy array of the images asked for, each the centre of its file at size
    x size pixels; ``images.crops(indices, seeds)`` takes random rectangles instead.  Several threads decode at once;
    the outcome does not depend on how many.  Photographs are turned upright (EXIF); transparency and all frames but the
    first are ignored.

    Attributes:
        names: name of each image, with ``/`` between folders.
        num_bytes: size of each file, shape (num,).
        places: folders and archives that hold the files.
        place_of: which of ``places`` holds each file, shape (num,).
        offsets: where each file begins in its archive, shape (num,), bytes; -1 for a file in a folder, which is called
            like the last part of its name.
        image_size: width and height of the decoded images, at least 1.
        num_threads: threads that decode, at least 1; None is one for small files, else as many as there are processors,
            and four.
        share: side of the central square that is taken, as a share of the short side, in (0, 1].
    """

    names: tuple[str, ...]
    num_bytes: NDArray[np.int64]
    places: tuple[Path, ...]
    place_of: NDArray[np.int32]
    offsets: NDArray[np.int64]
    image_size: int
    num_threads: int | None = None
    share: float = CENTER

    def __post_init__(self) -> None:
        for name, value in (("image_size", self.image_size), ("num_threads", self.num_threads)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        for name in ("num_bytes", "place_of", "offsets"):
            if getattr(self, name).shape != (len(self.names),):
                raise ValueError(
                    f"{name} must have one entry for each of {len(self.names)} names, "
                    f"got shape {getattr(self, name).shape}"
                )

    @classmethod
    def in_folders(
        cls, paths: Sequence[Path], names: Sequence[str], image_size: int, share: float = CENTER
    ) -> ImageFiles:
        """Images that are files by themselves.

        Args:
            paths: the files.
            names: name of each, ending in the name of the file.
            image_size: width and height of the decoded images.
            share: side of the central square that is taken, as a share of the short side.
        """
        numbers: dict[Path, int] = {}
        place_of = [numbers.setdefault(path.parent, len(numbers)) for path in paths]
        return cls(
            tuple(names),
            np.array([path.stat().st_size for path in paths], np.int64),
            tuple(numbers),
            np.array(place_of, np.int32),
            np.full(len(names), -1, np.int64),
            image_size,
            share=share,
        )

    @classmethod
    def in_archive(cls, archive: Path, members: Sequence[Member], image_size: int) -> ImageFiles:
        """Images inside a tar archive, see :mod:`real_data.datasets.tar_index`.

        Args:
            archive: the archive, not compressed.
            members: name, offset and size of each image.
            image_size: width and height of the decoded images.
        """
        return cls(
            tuple(member.name for member in members),
            np.array([member.num_bytes for member in members], np.int64),
            (archive,),
            np.zeros(len(members), np.int32),
            np.array([member.offset for member in members], np.int64),
            image_size,
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array that the images stand for."""
        return len(self.names), self.image_size, self.image_size, 3

    @property
    def ndim(self) -> int:
        """Number of axes of that array, 4."""
        return 4

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Type of that array, uint8."""
        return np.dtype(np.uint8)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        indices = np.arange(len(self))[index]
        size = self.image_size
        images = self._decoded(
            indices.ravel(), lambda n, i: center_crop(self.content(i), self._where(i), size, self.share)
        )
        return images.reshape(*indices.shape, size, size, 3)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError("ImageFiles are decoded when indexed: images[indices]; all at once may not fit into memory")

    def crops(self, indices: ArrayLike, seeds: ArrayLike) -> NDArray[np.uint8]:
        """Random rectangles of images, as :func:`real_data.datasets.image_decoding.random_resized_crop` takes them.

        Args:
            indices: which images, shape (num,), integers in [0, len(images)).
            seeds: seed of each, shape (num,), non-negative integers; the rectangle depends on it and on the width and
                height of the image alone.

        Returns:
            Shape (num, size, size, 3).
        """
        chosen, seed_of = np.asarray(indices), np.asarray(seeds)
        if chosen.ndim != 1 or chosen.shape != seed_of.shape:
            raise ValueError(f"indices and seeds must be one each, got shapes {chosen.shape} and {seed_of.shape}")
        if chosen.size and (chosen.min() < 0 or chosen.max() >= len(self)):
            raise ValueError(f"indices must lie in [0, {len(self)}), got {chosen.min()} to {chosen.max()}")
        return self._decoded(
            chosen,
            lambda n, i: random_resized_crop(self.content(i), self._where(i), self.image_size, int(seed_of[n])),
        )

    def subset(self, indices: ArrayLike) -> ImageFiles:
        """Some of the images, in the order of ``indices``."""
        chosen = np.asarray(indices)
        return replace(
            self,
            names=tuple(self.names[i] for i in chosen.tolist()),
            num_bytes=self.num_bytes[chosen],
            place_of=self.place_of[chosen],
            offsets=self.offsets[chosen],
        )

    def originals(self, most_bytes: int) -> NDArray[np.uint8]:
        """All images at their own size, which must be the same, as one array.

        Args:
            most_bytes: bytes that the array may have.

        Returns:
            Shape (num, height, width, 1) if all are gray, otherwise (num, height, width, 3).

        Raises:
            ValueError: images differ in size, or the array would be too large.
        """
        first = whole_image(self.content(0), self._where(0))

        def decoded(i: int) -> NDArray[np.uint8]:
            pixels = whole_image(self.content(i), self._where(i))
            if pixels.shape[:2] != first.shape[:2]:
                raise ValueError(
                    f"images are not of one size: {self.names[0]} has {_by(first)} pixels, {self.names[i]} has "
                    f"{_by(pixels)}; give image_size, the width and height to resize to"
                )
            return pixels

        if first.size * len(self) > most_bytes:
            raise ValueError(
                f"{len(self)} images of {_by(first)} pixels are more than {most_bytes / 2**30:.3g} GiB; give "
                "image_size to have them decoded as needed"
            )
        with self._bar() as bar:
            found = self._in_threads(decoded, range(len(self)), bar)
        channels = max(1 if pixels.ndim == 2 else 3 for pixels in found)
        images = np.empty((len(found), *first.shape[:2], channels), np.uint8)
        for image, pixels in zip(images, found, strict=True):
            image[...] = pixels if pixels.ndim == 3 else pixels[..., None]
        return images

    def undecodable(self) -> dict[int, str]:
        """Which images cannot be decoded, and why: every one is tried, large JPEGs at an eighth of their size."""

        def complaint(i: int) -> str | None:
            try:
                try_to_decode(self.content(i), self._where(i))
            except ValueError as error:
                return str(error)
            return None

        with self._bar() as bar:
            found = self._in_threads(complaint, range(len(self)), bar)
        return {i: text for i, text in enumerate(found) if text is not None}

    def update(self, digest: Any) -> None:
        """Feed a hash with what tells these images from others: names, sizes of the files, size of the images."""
        digest.update(f"files{self.shape}{self.share:g}".encode())
        for name in self.names:
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(self.num_bytes.astype("<i8").data)

    def _decoded(self, indices: np.ndarray, decode: Callable[[int, int], np.ndarray]) -> NDArray[np.uint8]:
        images = np.empty((indices.size, *self.shape[1:]), np.uint8)

        def fill(n: int) -> None:
            images[n] = decode(n, int(indices[n]))

        self._in_threads(fill, range(indices.size))
        return images

    def _bar(self) -> tqdm:
        """A progress bar, shown where looking at all images takes long."""
        return tqdm(total=len(self), desc="looking at all images", unit="image", delay=3, leave=False, disable=None)

    def _in_threads(self, work: Callable[[int], Any], numbers: range, bar: tqdm | None = None) -> list[Any]:
        def one(number: int) -> Any:
            done = work(number)
            if bar is not None:
                bar.update()
            return done

        few_bytes = self.num_bytes.sum() < SMALL * len(self)
        num_threads = 1 if self.num_threads is None and few_bytes else self.num_threads
        if num_threads == 1:
            return [one(number) for number in numbers]
        # Pillow decodes without the interpreter lock, so threads suffice
        with ThreadPoolExecutor(num_threads) as executor:
            try:
                return list(executor.map(one, numbers))
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise

    def content(self, i: int) -> bytes:
        """Bytes of the file of image number ``i``."""
        place, offset, expected = self.places[self.place_of[i]], int(self.offsets[i]), int(self.num_bytes[i])
        if offset < 0:
            path = place / PurePosixPath(self.names[i]).name
            content = path.read_bytes()
        else:
            path = place
            with path.open("rb") as file:
                file.seek(offset, os.SEEK_SET)
                content = file.read(expected)
        if len(content) != expected:
            raise ValueError(
                f"{path}: {self.names[i]} should have {expected} bytes, got {len(content)}; was the file changed?"
            )
        return content

    def _where(self, i: int) -> str:
        return f"{self.names[i]} in {self.places[self.place_of[i]]}"


def _by(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"
