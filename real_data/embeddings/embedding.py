"""Embedding the images of a data set with an encoder, into files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_pruning.records.fingerprint import sha256_of
from data_pruning.records.lock import locked
from data_pruning.records.settings import read_json
from data_pruning.records.settings_file import check_settings
from real_data.embeddings.embedding_file import write_description, write_rows
from real_data.embeddings.quality import encoder_quality
from real_data.embeddings.sources import sources

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.embeddings.encoders import Encoder

__all__ = ["embed_images"]

MEASURED = ("software", "sha256", "accuracy")  # what the file says besides settings


def embed_images(
    dataset: ImageDataset, encoder: Encoder, place: Path, *, half: bool = False, progress: bool = False
) -> dict[str, Any]:
    """Write ``PLACE.npy`` (training images), ``PLACE-test.npy`` and ``PLACE.json``, what they are of.

    Args:
        dataset: the images.
        encoder: what embeds them; it is built, and trained where that is due, unless all files are there.
        place: folder and name of the files.
        half: float16 instead of float32.
        progress: show progress bars on stderr.

    Returns:
        What stands in ``PLACE.json``: data set and fingerprint, settings of the encoder, whether labels took part in
        its training, versions of the software, digests of the rows, and the accuracy of
        :func:`real_data.embeddings.quality.encoder_quality`.

    Raises:
        ValueError: the files are of other settings, or another process is writing them.
        FloatingPointError: a feature is not finite.
    """
    files = [place.with_name(f"{place.name}{ending}") for ending in (".npy", "-test.npy", ".json")]
    settings = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "notes": list(dataset.notes),
        **encoder.settings,
        "used_labels": encoder.used_labels,
        "type": "float16" if half else "float32",
    }
    check_settings(files[2], settings, may_change=MEASURED)
    if all(file.exists() for file in files):
        return dict(read_json(files[2]))
    software, size = sources(), encoder.images_at_once
    try:
        with locked(place.with_name(f"{place.name}.lock"), wait=False, remove=True):
            features, untrained = encoder.build()
            about: dict[str, Any] = settings | {"software": software}
            for file, images in zip(files, (dataset.train_images, dataset.test_images), strict=False):
                write_rows(file, images, features, about, images_at_once=size, half=half, progress=progress)
            train, test = (np.load(file, mmap_mode="r") for file in files[:2])
            about["sha256"] = [sha256_of(train), sha256_of(test)]
            about["accuracy"] = encoder_quality(dataset, train, test, untrained, images_at_once=size)
            write_description(files[2], about)
    except BlockingIOError:
        raise ValueError(f"another process is writing {files[0]}: wait until it ends, or give another folder") from None
    return about
