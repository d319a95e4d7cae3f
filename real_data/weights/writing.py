"""Weights into files by the names of ours or of others: ``write``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data_pruning.arguments import check_choice, check_integer
from data_pruning.records.settings import to_json
from real_data.models.config import ModelConfig
from real_data.training.layers import by_name
from real_data.training.networks import TrainedNetworks
from real_data.weights.axes import RULES
from real_data.weights.listing import listed
from real_data.weights.named_weights import NamedWeights
from real_data.weights.naming import NAMINGS, entries, family_of, table_of
from real_data.weights.network_kind import model_of
from real_data.weights.pixels import in_words
from real_data.weights.positions import POSITIONS, REGISTERS, positions_of_timm
from real_data.weights.tensor_file import FORMATS, write_tensor_file

__all__ = ["write"]


def write(
    path: str | os.PathLike[str],
    weights: NamedWeights | TrainedNetworks,
    network: int = 0,
    naming: str = "own",
    *,
    image_shape: Sequence[int] | None = None,
) -> tuple[str, ...]:
    """Write the weights of one network; :func:`real_data.weights.read` gives the same back, bit for bit.

    A file that is there already is replaced.

    Beside the weights the file says which network it is, what is done to the pixels, and the digest of the weights;
    not so ``.npz`` in the naming of the authors of the vision transformer, which has no place for it.  Files in the
    namings torchvision and timm load there with ``strict=True``.

    Args:
        path: the file, .safetensors or .npz (not compressed).
        weights: what :func:`real_data.weights.read` returned, or trained networks.
        network: which of the trained networks.
        naming: own; torchvision or timm, for residual networks and vision transformers; vit-authors for the latter.
        image_shape: height, width and channels of the images that trained networks are for; needed for vision
            transformers, whose positions do not say how many rows of patches there are.

    Returns:
        What the reader of the file should know, for example how to make the network in timm.

    Raises:
        ValueError: another suffix, a network, or a part of it, that has no names in this naming, or images that are no
            squares in ``.npz`` in the naming of the authors; ``image_shape`` is missing, or not that of the networks.
    """
    file = Path(path)
    check_choice("naming", naming, ("own", *NAMINGS))
    if file.suffix not in FORMATS:
        raise ValueError(f"path must end in {' or '.join(FORMATS)}, got {file}")
    if isinstance(weights, TrainedNetworks):
        weights = _picked(weights, network, image_shape)
    elif image_shape is not None:
        raise ValueError(f"image_shape must be None for the weights of one network, got {image_shape}")
    elif network:
        raise ValueError(f"network must be 0 for the weights of one network, got {network}")
    described = not (naming == "vit-authors" and file.suffix == ".npz")
    tensors, notes = _renamed(weights, naming)
    pixels = weights.standardization
    if not described and pixels is not None:
        notes.append(f"the file does not say how pixels are standardised: {in_words(pixels)}")
    shape = weights.image_shape
    if not described and shape is not None and shape[0] != shape[1]:
        raise ValueError(
            f"path must end in .safetensors for images of {shape[0]} x {shape[1]} pixels, got {file}: .npz in the "
            "naming vit-authors does not say so, and readers take images to be squares"
        )
    description = {
        "title": "Weights of one network, see real_data.weights.read",
        "naming": naming,
        "model": None if weights.model is None else to_json(weights.model),
        "image_shape": None if weights.image_shape is None else list(weights.image_shape),
        "num_classes": weights.num_classes,
        "standardization": None if pixels is None else {name: _floats(x) for name, x in pixels._asdict().items()},
        "weights_sha256": weights.digest,
        "provenance": dict(weights.provenance),
    }
    write_tensor_file(file, tensors, description if described else None)
    return tuple(notes)


def _renamed(weights: NamedWeights, naming: str) -> tuple[Mapping[str, np.ndarray], list[str]]:
    if naming == "own":
        return weights.arrays, []
    family = family_of(weights.arrays)
    found = [] if family is None else entries(naming, family, weights.arrays, own=True)
    if not found:
        kind = "these weights" if weights.model is None else weights.model.kind
        known = ["own", *(each for each in NAMINGS if family is not None and table_of(each, family))]
        raise ValueError(f"naming must be one that has names for {kind}, {' or '.join(known)}, got {naming!r}")
    left, notes = dict(weights.arrays), []
    if naming == "timm" and POSITIONS in left:
        left[POSITIONS], note = positions_of_timm(left[POSITIONS], left.get(REGISTERS))
        notes += [] if note is None else [note]
    channels = _channels(weights)
    tensors: dict[str, np.ndarray] = {}
    for entry in found:
        if entry.own in left:
            parts = RULES[entry.rule].write(left.pop(entry.own), channels)
            tensors |= dict(zip(entry.names[0], map(np.ascontiguousarray, parts), strict=True))
    if left:
        raise ValueError(f"{listed(sorted(left))}: there are no such tensors in the naming {naming}")
    return tensors, notes


def _channels(weights: NamedWeights) -> int:
    """Channels of an image; where nothing says so, those of colour."""
    return 3 if weights.image_shape is None else weights.image_shape[2]


def _picked(networks: TrainedNetworks, network: int, image_shape: Sequence[int] | None) -> NamedWeights:
    check_integer("network", network, 0, networks.num_networks - 1)
    arrays = {
        name: np.asarray(array[network])
        for kind, tree in (("params", networks.params), ("batch_stats", networks.batch_stats))
        for name, array in by_name(kind, tree).items()
    }
    channels = len(networks.standardization.mean)
    model = model_of({name: array.shape for name, array in arrays.items()}, channels)
    return NamedWeights(
        arrays,
        model=model,
        image_shape=_checked(image_shape, channels, model, arrays),
        num_classes=networks.architecture.num_classes,
        standardization=networks.standardization,
        network=network,
        num_networks=networks.num_networks,
    )


def _checked(
    image_shape: Sequence[int] | None, channels: int, model: ModelConfig | None, arrays: Mapping[str, np.ndarray]
) -> tuple[int, int, int] | None:
    """The shape of images, which must be that of the networks as far as they tell."""
    size = None if model is None else model.patch_size
    if image_shape is None:
        if size is not None:
            raise ValueError("image_shape must be given for vision transformers: positions do not tell rows of patches")
        return None
    shape = tuple(map(int, image_shape))
    if len(shape) != 3 or min(shape) < 1 or shape[2] != channels:
        raise ValueError(f"image_shape must be height, width and {channels} channels, got {tuple(image_shape)}")
    patches = None if size is None else 1 + (shape[0] // size) * (shape[1] // size)
    if patches not in (None, len(arrays.get(POSITIONS, ()))):
        number = len(arrays[POSITIONS]) - 1
        raise ValueError(f"image_shape must be of {number} patches of {size} x {size} pixels, got {tuple(image_shape)}")
    return shape[0], shape[1], shape[2]


def _floats(values: np.ndarray) -> list[float]:
    """Float32 numbers as those of double precision, which JSON keeps exactly."""
    return [float(value) for value in values]
