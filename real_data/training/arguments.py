"""Checks of what a training is given, before any work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from real_data.training.augmentation import Standardization, standardization_of
from real_data.training.examples import Examples
from real_data.training.networks import Architecture
from real_data.training.start import Start

__all__ = ["check_epochs", "check_images", "check_labels", "check_scale", "check_start", "check_subsets"]

FAR = 10.0
"""Standardised pixels whose mean or standard deviation is larger, or 1 over the latter, are of another scale."""


def check_images(images: np.ndarray) -> None:
    """Raise unless images have a shape and a type that networks take."""
    if len(images.shape) != 4 or images.dtype not in (np.uint8, np.float32):
        raise ValueError(
            "images must be uint8 or float32 of shape (num_images, height, width, channels), got "
            f"{images.dtype} of shape {images.shape}"
        )


def check_subsets(examples: Sequence[Examples], seeds: Sequence[int], num_images: int) -> None:
    """Raise unless there is a seed for each subset, and subsets are indices of images."""
    if len(examples) != len(seeds) or not len(seeds):
        raise ValueError(f"give one seed per subset, at least one: got {len(seeds)} seeds, {len(examples)} subsets")
    for number, seed in enumerate(seeds):
        if seed != int(seed) or not 0 <= seed < 2**32:
            raise ValueError(f"seeds[{number}] must be an integer in [0, 2^32), got {seed!r}")
    for number, kept in enumerate(one.indices for one in examples):
        if kept.ndim != 1 or not _are_indices(kept, num_images):
            raise ValueError(f"subsets[{number}] must be at least one index in [0, {num_images}), got {kept!r}")


def check_labels(labels: np.ndarray, num_images: int, num_classes: int) -> None:
    """Raise unless there is a class for each image."""
    if labels.shape != (num_images,) or not _are_indices(labels, num_classes):
        raise ValueError(f"labels must be {num_images} integers in [0, {num_classes}), one per image, got {labels!r}")


def check_epochs(architecture: Architecture, examples: Sequence[Examples]) -> None:
    """Raise unless all networks have the same epochs, at the end of which they can be observed."""
    if architecture.readout:
        raise ValueError(
            "networks whose last layer is solved for have no epochs to observe: take another model.kind, or scores of "
            "trained networks"
        )
    sizes = sorted({one.epoch_size for one in examples})
    if len(sizes) > 1:
        raise ValueError(f"networks that are observed must have epochs of one length, got {sizes} examples")


def check_start(start: Start, architecture: Architecture, images: np.ndarray) -> None:
    """Raise unless networks of this kind can start from something, and see images of the scale that its weights know.

    Whether the weights fit is known later, from those of the networks.
    """
    if architecture.readout:
        raise ValueError(
            "networks with fixed features are solved for, and cannot be fine-tuned: take another model.kind, or no "
            "weights to start from"
        )
    channels, pixels = images.shape[-1], start.standardization
    if pixels is None:
        return
    if any(np.shape(one) != (channels,) for one in pixels):
        shapes = " and ".join(str(np.shape(one)) for one in pixels)
        raise ValueError(f"the standardization of the start must have {channels} channels, as the images, got {shapes}")
    check_scale(pixels, images)


def check_scale(pixels: Standardization, images: np.ndarray) -> None:
    """Raise where float32 images are on another scale than those that a standardization is for, by a factor of ten.

    Of uint8 images the scale is known, and of a standardization that changes nothing it is not.
    """
    if images.dtype != np.float32 or (np.all(pixels.mean == 0) and np.all(pixels.scale == 1)):
        return
    own = standardization_of(images, standardize=True)
    mean, spread = np.abs((own.mean - pixels.mean) / pixels.scale), own.scale / pixels.scale
    if mean.max() > FAR or spread.max() > FAR or spread.max() < 1 / FAR:
        raise ValueError(
            f"float32 images are taken as they are, and these are on another scale than the weights to start from: "
            f"standardised as theirs, pixels lie up to {mean.max():.3g} from 0 in the mean, with a standard deviation "
            f"of {spread.max():.3g}. Bring them to the same scale, uint8 images span [0, 1], or standardise them by "
            "themselves (fine_tuning.pixels = data)"
        )


def _are_indices(array: np.ndarray, number: int) -> bool:
    return array.dtype.kind in "iu" and array.size > 0 and array.min() >= 0 and array.max() < number
