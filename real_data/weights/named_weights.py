"""The weights of one network by our names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from real_data.models.config import ModelConfig
from real_data.training.array_file import digest_of_arrays
from real_data.training.augmentation import Standardization

__all__ = ["NamedWeights"]


@dataclass(frozen=True, eq=False)
class NamedWeights:
    """Weights of one network.

    Attributes:
        arrays: float32 tensors by name, ``params/...`` and ``batch_stats/...``, as in ``weights.npz`` but without the
            leading axis of networks.
        naming: whose names they had in the file.
        model: which network they are of; where the file does not say, as far as names and shapes tell, and None where
            they tell nothing.
        image_shape: height, width and channels of the images that they are for, None where nothing says so.
        num_classes: width of the last layer, None where it is missing.
        standardization: what was done to the pixels, None where the file does not say.
        customary_pixels: name of what is customary for such weights, see :data:`real_data.weights.pixels.CUSTOMARY`, or
            None.
        notes: what was left out or changed in reading.
        network: which network of the file it is.
        num_networks: how many there are.
        provenance: how they were trained, where they are ours: settings, data and software.
    """

    arrays: Mapping[str, np.ndarray]
    naming: str = "own"
    model: ModelConfig | None = None
    image_shape: tuple[int, int, int] | None = None
    num_classes: int | None = None
    standardization: Standardization | None = None
    customary_pixels: str | None = None
    notes: tuple[str, ...] = ()
    network: int = 0
    num_networks: int = 1
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_weights(self) -> int:
        """Number of weights that are learned, statistics of batches left out."""
        return sum(array.size for name, array in self.arrays.items() if name.startswith("params/"))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the arrays."""
        return {name: array.shape for name, array in self.arrays.items()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of names, shapes and numbers, 64 hexadecimal digits."""
        return digest_of_arrays(self.arrays)
