"""What a training on the network of the settings starts from: ``starting_weights``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from flax import nnx

from real_data import models
from real_data.models.config import ModelConfig
from real_data.models.position_embedding import interpolated
from real_data.training.augmentation import Standardization
from real_data.training.fine_tuning import FineTuning
from real_data.training.layers import by_name, head_among
from real_data.training.start import Start
from real_data.weights.listing import listed
from real_data.weights.named_weights import NamedWeights
from real_data.weights.network_kind import in_words, model_of
from real_data.weights.pixels import customary
from real_data.weights.pixels import in_words as pixels_in_words
from real_data.weights.positions import POSITIONS
from real_data.weights.reading import read

__all__ = ["differences_to_network", "shapes_of", "starting_weights"]

_Shapes = Mapping[str, tuple[int, ...]]


def starting_weights(
    fine_tuning: FineTuning, model: ModelConfig, image_shape: Sequence[int], num_classes: int
) -> Start:
    """The weights of a file, for the network of the settings.

    The last layer is left out where ``fine_tuning.head`` is new.  Positions of a vision transformer are interpolated
    where images have another size than those of the file.  What is left out, changed or assumed is said on stderr.

    Pixels, with ``fine_tuning.pixels`` at auto: as the file says; else as is customary for such weights, if images are
    in colour (torchvision and timm's residual networks: mean and standard deviation of ImageNet; vision transformers of
    timm and of their authors: (x - 1/2) / (1/2); DINOv2: ImageNet); else by the training images.  Customary values are
    for uint8 images, which span [0, 1], and for float32 images on the same scale.

    Args:
        fine_tuning: which weights, and what of them.
        model: the network.
        image_shape: height, width and channels of an image.
        num_classes: number of classes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read (see :func:`real_data.weights.read`) or is of another network: then all
            differences are listed; the head is to be kept, but has other classes or is missing; the pixels are to be
            those of the weights, but the file does not say.
    """
    if model.solved_for:
        raise ValueError(
            f"kind must be a network that is trained by gradient descent to be fine-tuned, got {model.kind}"
        )
    weights = read(fine_tuning.weights, fine_tuning.naming, network=fine_tuning.network)
    height, width, channels = map(int, image_shape)
    needed = shapes_of(model, (height, width, channels), num_classes)
    arrays, notes = dict(weights.arrays), list(weights.notes)
    if fine_tuning.head == "new":
        for name in head_among(arrays):
            del arrays[name]
    elif weights.num_classes != num_classes:
        there = "no head" if weights.num_classes is None else f"a head of {weights.num_classes} classes"
        raise ValueError(f"head must be new for {num_classes} classes, got 'keep': {fine_tuning.weights} has {there}")
    if POSITIONS in arrays and POSITIONS in needed:
        arrays[POSITIONS] = _for_images(weights, needed, (height, width), notes)
    wrong = _differences(arrays, needed, fine_tuning.head) + _of_images(weights, model, (height, width, channels))
    if wrong:
        there = _in_words(weights.shapes, 3 if weights.image_shape is None else weights.image_shape[2])
        here = _in_words(needed, channels)
        raise ValueError(
            f"{fine_tuning.weights} ({there}) has other weights than the network of the settings ({here}), "
            f"{len(wrong)} differences: {listed(wrong)}"
        )
    standardization, note = _pixels(fine_tuning, weights, channels)
    for line in (*notes, *([] if note is None else [note])):
        print(f"{fine_tuning.weights}: {line}", file=sys.stderr)
    return Start(
        arrays, standardization=standardization, layers=fine_tuning.layers, layer_decay=fine_tuning.layer_decay
    )


def differences_to_network(weights: NamedWeights) -> list[str]:
    """What is missing or of another shape for the network that weights are of; the head may be missing.

    None where the network, or the images that an MLP, CNN or transformer is for, are not known.
    """
    shape, stem = weights.image_shape, weights.shapes.get("params/stem/convolution/kernel")
    if stem is not None and shape is None:
        shape = (64, 64, stem[2])  # of any size: these networks have no weights that depend on it
    if weights.model is None or shape is None:
        return []
    head: Literal["new", "keep"] = "new" if weights.num_classes is None else "keep"
    return _differences(weights.arrays, shapes_of(weights.model, shape, max(2, weights.num_classes or 2)), head)


def shapes_of(model: ModelConfig, image_shape: tuple[int, int, int], num_classes: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a network by name; nothing is computed."""
    make = models.build(model, image_shape, num_classes)
    _, *states = nnx.split(nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))), nnx.Param, nnx.BatchStat)
    return {
        name: tuple(leaf.shape)
        for kind, state in zip(("params", "batch_stats"), states, strict=True)
        for name, leaf in by_name(kind, nnx.to_pure_dict(state)).items()
    }


def _for_images(weights: NamedWeights, needed: _Shapes, size: tuple[int, int], notes: list[str]) -> np.ndarray:
    """Positions for images of another size, where patches are the same."""
    positions, kernel = weights.arrays[POSITIONS], "params/embedding/patches/kernel"
    there = None if weights.image_shape is None else model_of(weights.shapes, weights.image_shape[2])
    if weights.shapes.get(kernel) != needed[kernel] or weights.image_shape is None or there is None:
        return positions  # another network: the differences are listed
    side = there.patch_size
    if side is None:
        return positions
    before, after = ((image[0] // side, image[1] // side) for image in (weights.image_shape, size))
    if before == after:
        return positions
    notes.append(f"positions interpolated from {before[0]} x {before[1]} to {after[0]} x {after[1]} patches")
    return interpolated(positions, before, after)


def _differences(arrays: Mapping[str, np.ndarray], needed: _Shapes, head: Literal["new", "keep"]) -> list[str]:
    """Between the tensors and those of the network."""
    drawn = set(head_among(needed)) if head == "new" else set()
    wrong = [
        f"{name} is missing, {list(shape)} needed" for name, shape in needed.items() if name not in {*arrays, *drawn}
    ]
    for name, array in arrays.items():
        if name in drawn:  # a hidden layer at the place of the head, perhaps of the same shape
            wrong.append(f"{name} {list(array.shape)} is no head there")
        elif name not in needed:
            wrong.append(f"{name} {list(array.shape)} is not in the network")
        elif array.shape != needed[name]:
            wrong.append(f"{name} is {list(array.shape)}, {list(needed[name])} needed")
    return wrong


def _of_images(weights: NamedWeights, model: ModelConfig, size: tuple[int, int, int]) -> list[str]:
    """Whether networks that have a weight for every pixel are for images of another size, of as many pixels."""
    there, step = weights.image_shape, {"mlp": 1, "cnn": 4}.get(model.kind)  # a cnn halves images twice
    if there is None or step is None:
        return []
    seen_there, seen = ((height // step, width // step, channels) for height, width, channels in (there, size))
    return [] if seen_there == seen else [f"images are {list(there)} there, {list(size)} here"]


def _in_words(shapes: _Shapes, channels: int) -> str:
    model = model_of(shapes, channels)
    return "a network that is not known" if model is None else in_words(model)


def _pixels(fine_tuning: FineTuning, weights: NamedWeights, channels: int) -> tuple[Standardization | None, str | None]:
    """What to do to the pixels, and what to say of it."""
    if fine_tuning.pixels == "data":
        return None, None
    if weights.standardization is not None:
        return weights.standardization, None
    if fine_tuning.pixels == "weights":
        raise ValueError(
            f"pixels must be auto or data for {fine_tuning.weights}, which does not say how pixels were standardised, "
            "got 'weights'"
        )
    usual = customary(weights.customary_pixels, channels)
    if usual is None:
        return None, "the file does not say how pixels are standardised: by the training images"
    return usual, (
        f"the file does not say how pixels are standardised: {pixels_in_words(usual)} of pixels in [0, 1], as is "
        f"customary for such weights ({weights.customary_pixels}); to say otherwise: python -m real_data weights "
        f"{fine_tuning.weights} --to NEW --pixels imagenet"
    )
