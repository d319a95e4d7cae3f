"""Embeddings in files: NumPy arrays, one row per image in data-set order, and beside them what they are of."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from data_pruning.records.atomic_file import write_atomically
from data_pruning.records.settings import read_json
from data_pruning.records.settings_file import check_settings, write_settings
from real_data.embeddings.encoders import Features

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["Embedding", "read_embedding", "write_description", "write_rows"]

BATCHES_A_SAVE = 20


@dataclass(frozen=True, eq=False)
class Embedding:
    """Embeddings of the examples of a data set.

    Attributes:
        train: of the training examples, shape (num_train, width), floating-point; from a ``.npy`` a memory map.
        test: of the test examples, or None.
        about: what the file beside says of them; empty where there is none.
    """

    train: np.ndarray
    test: np.ndarray | None = None
    about: dict[str, Any] = field(default_factory=dict)


def read_embedding(path: str | os.PathLike[str], dataset: ImageDataset | None = None) -> Embedding:
    """Read embeddings, without loading them where they are a ``.npy``.

    Args:
        path: ``NAME.npy`` with the training examples; the test examples are in ``NAME-test.npy``, if there is one.  Or
            a ``.npz`` with one array, or with arrays ``train`` and ``test``.
        dataset: what they are of: one row for each of its training and test images.  Where ``NAME.json`` is there, as
            the command ``embed`` writes it, its fingerprint must be that of the data set.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds other things, as many rows as there are not images, or is of another data set.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file} of embeddings")
    if file.suffix == ".npy":
        beside = file.with_name(f"{file.stem}-test.npy")
        parts: list[Any] = [_array(file), _array(beside) if beside.exists() else None]
    elif file.suffix == ".npz":
        parts = _arrays(file)
    else:
        raise ValueError(f"{file} must end in .npy or .npz")
    sizes = (None, None) if dataset is None else (len(dataset.train_labels), len(dataset.test_labels))
    for array, name, size in zip(parts, ("training", "test"), sizes, strict=True):
        if array is None:
            continue
        if array.ndim != 2 or 0 in array.shape or array.dtype not in (np.float16, np.float32, np.float64):
            raise ValueError(
                f"{file}: embeddings of {name} examples must be float16, float32 or float64 of shape (num, width), got "
                f"{array.dtype} of shape {array.shape}"
            )
        if size not in (None, len(array)):
            raise ValueError(f"{file} has {len(array)} rows, but there are {size} {name} images")
    described = file.with_suffix(".json")
    about = read_json(described) if described.exists() else {}
    if dataset is not None and about and about.get("fingerprint") != dataset.fingerprint:
        raise ValueError(
            f"{file} has embeddings of {about.get('dataset')!r} with fingerprint {about.get('fingerprint')}, not of "
            f"{dataset.name!r} with {dataset.fingerprint}; images are the same only when read alike, with the same "
            "image_size, test_folder and skip_undecodable (--image-size etc.)"
        )
    return Embedding(parts[0], parts[1], about)


def _array(path: Path) -> np.ndarray:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        raise ValueError(f"{path} is not a .npy file of numbers: {error}") from error


def _arrays(path: Path) -> list[Any]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # a damaged archive may raise anything
        raise ValueError(f"{path} is not a .npz file of numbers: {error}") from error
    if len(arrays) == 1:
        return [next(iter(arrays.values())), None]
    if set(arrays) != {"train", "test"}:
        raise ValueError(f"{path} must have one array, or train and test, got {', '.join(arrays) or 'none'}")
    return [arrays["train"], arrays["test"]]


def write_rows(
    path: Path,
    images: Any,
    features: Features,
    settings: dict[str, Any],
    *,
    images_at_once: int,
    half: bool = False,
    progress: bool = False,
) -> None:
    """Write the features of images to a ``.npy`` file, block by block; a call that was interrupted is gone on with.

    Unfinished rows are in ``NAME.unfinished.npy``, how many there are beside them.

    Args:
        path: the file; where it is there, nothing is done.
        images: shape (num_images, height, width, channels).
        features: of a block of images.
        settings: all that determines the rows, a JSON value.
        images_at_once: images of a block.
        half: float16 instead of float32; the file is half as large.
        progress: show a progress bar on stderr.

    Raises:
        ValueError: the unfinished rows are of other settings, or the images of another file.
        FloatingPointError: a feature is not finite, or too large for float16.
        KeyboardInterrupt: interrupted; the message says how many rows are saved.
    """
    if path.exists():
        return
    unfinished, state = path.with_suffix(".unfinished.npy"), path.with_suffix(".unfinished.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    check_settings(state, settings | {"rows": 0}, may_change=("rows",))
    done = read_json(state)["rows"] if state.exists() and unfinished.exists() else 0
    rows = np.lib.format.open_memmap(unfinished, mode="r+") if done else None
    try:
        with tqdm(total=len(images), initial=done, desc=path.stem, unit="image", disable=not progress) as bar:
            for number, start in enumerate(range(done, len(images), images_at_once), 1):
                block = np.asarray(images[start : start + images_at_once])
                # the last one filled up, so that one program serves all
                filled = np.concatenate([block, np.repeat(block[-1:], images_at_once - len(block), axis=0)])
                found = np.asarray(features(filled))[: len(block)].astype(np.float16 if half else np.float32)
                if not np.all(np.isfinite(found)):
                    raise FloatingPointError(f"features of images {start} to {start + len(block)} are not finite")
                if rows is None:
                    shape = (len(images), found.shape[1])
                    rows = np.lib.format.open_memmap(unfinished, mode="w+", dtype=found.dtype, shape=shape)
                rows[start : start + len(block)] = found
                bar.update(len(block))
                if number % BATCHES_A_SAVE == 0:
                    rows.flush()
                    write_settings(state, settings | {"rows": start + len(block)}, may_change=("rows",))
    except KeyboardInterrupt:
        saved = read_json(state)["rows"] if state.exists() else 0
        raise KeyboardInterrupt(
            f"{saved} of {len(images)} rows are saved in {unfinished}; run it again to go on"
        ) from None
    assert rows is not None
    rows.flush()
    unfinished.replace(path)
    state.unlink(missing_ok=True)


def write_description(path: Path, about: dict[str, Any]) -> None:
    """Write what embeddings are of, as JSON."""
    write_atomically(path, (json.dumps(about, indent=2) + "\n").encode())
