"""What is done to pixels before a network whose weights come from elsewhere."""

from __future__ import annotations

import numpy as np

from real_data.training.augmentation import Standardization
from real_data.weights.named_weights import NamedWeights

__all__ = ["CUSTOMARY", "chosen", "customary", "in_words"]

CUSTOMARY = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Mean and standard deviation of red, green and blue, of pixels in [0, 1]: those of ImageNet, and (x - 1/2) / (1/2)."""


def customary(name: str | None, channels: int | None) -> Standardization | None:
    """The standardisation of this name, for images in colour; None for others, and where there is no name."""
    if name is None or channels != 3:
        return None
    mean, scale = CUSTOMARY[name]
    return Standardization(np.array(mean, np.float32), np.array(scale, np.float32))


def chosen(name: str, weights: NamedWeights) -> Standardization:
    """The standardisation of this name, for the images that weights are for.

    Raises:
        ValueError: these images are not in colour.
    """
    channels = 3 if weights.image_shape is None else weights.image_shape[2]
    pixels = customary(name, channels)
    if pixels is None:
        raise ValueError(f"pixels must be those of images in colour to be {name}, these have {channels} channels")
    return pixels


def in_words(pixels: Standardization) -> str:
    """Mean and scale of the channels, for example ``mean 0.485, 0.456, 0.406 and scale 0.229, 0.224, 0.225``."""
    mean, scale = (", ".join(f"{value:.4g}" for value in values) for values in pixels)
    return f"mean {mean} and scale {scale}"
