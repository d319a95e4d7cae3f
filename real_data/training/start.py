"""What networks start from in place of random weights, and what of them is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from data_pruning.records.fingerprint import sha256_of
from real_data.training.fine_tuning import Layers, check_trained

if TYPE_CHECKING:
    from real_data.training.augmentation import Standardization

__all__ = ["Start", "same_start"]


@dataclass(frozen=True, eq=False)
class Start:
    """What networks start from in place of random weights, and what of them is trained.

    Attributes:
        arrays: float32 weights by their name as in ``weights.npz``, ``params/...`` or ``batch_stats/...``, without the
            leading axis of networks, at least one; names of the network that are missing here (the head, as a rule)
            are drawn at random, anew for every seed.
        standardization: what is done to the pixels; None standardises by the training images, as for random weights.
        layers: all, or the head alone (a linear probe): all else, statistics of batch normalisation too, stays as it
            is.
        layer_decay: factor on the learning rate for every step from the head to a layer, in (0, 1]; see
            :mod:`real_data.training.layers`.

    Raises:
        TypeError: an array is not of type float32.
        ValueError: no arrays, an array that is not finite, or a value that is not allowed.
    """

    arrays: Mapping[str, np.ndarray]
    standardization: Standardization | None = None
    layers: Layers = "all"
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        if not self.arrays:
            raise ValueError("arrays must be at least one, got none: leave out the start for random weights")
        for name, array in self.arrays.items():
            if np.asarray(array).dtype != np.float32:
                raise TypeError(f"arrays must be of type float32, but {name} is {np.asarray(array).dtype}")
            if not np.all(np.isfinite(array)):
                raise ValueError(f"arrays must be finite, but {name} is not")
        check_trained(self.layers, self.layer_decay)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all of this, in hexadecimal."""
        names = sorted(self.arrays)
        pixels = () if self.standardization is None else (self.standardization.mean, self.standardization.scale)
        values = sha256_of(*(self.arrays[name] for name in names), *pixels)
        about = [names, len(pixels), self.layers, float(self.layer_decay), values]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()


_LAST: dict[str, Start] = {}  # of this process: the tasks of a worker load the same weights, one after another


def same_start(load: Callable[[], Start], digest: str) -> Start:
    """The start of this digest, loaded unless it was the last one of this process.

    Raises:
        ValueError: what is loaded is another one.
    """
    if digest not in _LAST:
        start = load()
        if start.digest != digest:
            raise ValueError(
                f"the weights to start from, sha256 {start.digest} here, are not those that the work began with, "
                f"{digest}: give another folder for results of other weights"
            )
        _LAST.clear()
        _LAST[digest] = start
    return _LAST[digest]
