"""A data set of embeddings in place of its images: small networks learn from it in seconds what large ones saw."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from real_data.embeddings.embedding_file import Embedding, read_embedding

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["embedded", "embedding_settings", "load_embedded"]


def embedded(dataset: ImageDataset, path: str | os.PathLike[str]) -> ImageDataset:
    """The data set with the rows of an embedding for images, each number a channel of one pixel.

    Networks that are trained on it standardise each number by itself.  Its fingerprints are those of the rows: scores
    of it belong to ``dataset`` once they are given its ``train_fingerprint``.

    Args:
        dataset: the images.
        path: file of the embeddings, see :func:`real_data.embeddings.embedding_file.read_embedding`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it does not fit the data set, has no rows of test images, or a number is not finite.
    """
    found = read_embedding(path, dataset)
    if found.test is None:
        raise ValueError(
            f"{os.fspath(path)} has no rows of the test images: put them beside it, NAME-test.npy, or into one .npz "
            "with arrays train and test"
        )
    return replace(
        dataset,
        train_images=_channels(found.train, path, "training"),
        test_images=_channels(found.test, path, "test"),
        notes=(*dataset.notes, f"in place of the images, networks saw embeddings ({_encoder(found)})"),
    )


def load_embedded(path: str | os.PathLike[str], source: Callable[[], ImageDataset]) -> ImageDataset:
    """As :func:`embedded`, for a data set that is loaded first: for the workers of an executor."""
    return embedded(source(), path)


def embedding_settings(dataset: ImageDataset, path: str | os.PathLike[str]) -> dict[str, Any]:
    """What scores that come from :func:`embedded` say of it: digest of the rows, and the encoder where it is known.

    Args:
        dataset: of :func:`embedded`.
        path: file of the embeddings.
    """
    return {"sha256": dataset.fingerprint, "encoder": read_embedding(path).about.get("encoder")}


def _channels(rows: np.ndarray, path: str | os.PathLike[str], what: str) -> np.ndarray:
    with np.errstate(over="ignore"):  # refused below
        numbers = np.ascontiguousarray(rows, np.float32)
    bad = np.flatnonzero(~np.all(np.isfinite(numbers), axis=1))
    if bad.size:
        raise ValueError(
            f"{os.fspath(path)}: {bad.size} of {len(rows)} rows of {what} examples have a number that is not finite in "
            f"single precision: the first is row {bad[0]}"
        )
    return numbers[:, None, None, :]


def _encoder(found: Embedding) -> str:
    return str(found.about.get("encoder", "encoder not known"))[:80]
