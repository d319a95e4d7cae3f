"""Weights of a file by our names: ``read``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from operator import index
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from data_pruning.arguments import check_choice, check_integer
from data_pruning.records.settings import from_json
from real_data.models.config import ModelConfig
from real_data.training.augmentation import Standardization
from real_data.training.layers import head_among
from real_data.training.weights_file import read_weights_file
from real_data.weights.listing import listed
from real_data.weights.named_weights import NamedWeights
from real_data.weights.naming import NAMINGS, family_of, naming_of
from real_data.weights.network_kind import model_of, square_side
from real_data.weights.positions import POSITIONS, REGISTERS, positions_here
from real_data.weights.renaming import check_heads, renamed, without_prefix
from real_data.weights.tensor_file import TensorFile, is_of_training, read_tensor_file

__all__ = ["read"]

PROVENANCE = ("training_run", "notes", "dataset", "software")
"""What is kept of the description of a training."""
_OURS = ("params/", "batch_stats/")


def read(path: str | os.PathLike[str], naming: str = "auto", *, network: int = 0) -> NamedWeights:
    """The weights of one network in a file.

    Formats: our ``weights.npz``, or the folder of a training that has one; ``.npz`` of named arrays, not compressed;
    safetensors; files of PyTorch, of which nothing is run, see :mod:`real_data.weights.torch_file`.  Names: ours,
    those of torchvision and timm (resnet18, resnet50, with either stem; vision transformers), and those of the authors
    of the vision transformer, github.com/google-research/vision_transformer, whose networks are computed here with the
    exact GELU, as in timm, and not with its approximation by tanh.  Numbers of fewer digits become float32.

    Args:
        path: the file or folder.
        naming: whose names the file has, own, torchvision, timm or vit-authors; auto looks.
        network: which network of the file, from 0 on.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or has pickled objects; its names are of none of these networks, or tensors
            have other axes, types or numbers that are not finite, in which case all of them are listed.
    """
    check_choice("naming", naming, ("auto", "own", *NAMINGS))
    check_integer("network", network, 0)
    file = Path(path)
    if file.is_dir():
        file = file / "weights.npz"
        if not file.exists():
            raise FileNotFoundError(f"there is no weights.npz in the folder {file.parent}")
    if not file.exists():
        raise FileNotFoundError(f"there is no {file}")
    if is_of_training(file):
        return _of_training(file, naming, network)
    if network:
        raise ValueError(f"network must be 0, as {file} has one network, got {network}")
    found = read_tensor_file(file)
    try:
        return _finite(_of_tensors(found, naming))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _of_training(file: Path, naming: str, network: int) -> NamedWeights:
    """One network of those of a training."""
    if naming not in ("auto", "own"):
        raise ValueError(f"naming must be auto or own for {file}, which a training wrote, got {naming!r}")
    arrays, about = read_weights_file(file)
    number = len(arrays["seeds"])
    if network >= number:
        raise ValueError(f"network must be in [0, {number - 1}] for {file}, got {network}")
    ours = {name: array[network] for name, array in arrays.items() if name.startswith(_OURS)}
    height, width, channels = about["image_shape"]
    weights = NamedWeights(
        ours,
        model=from_json(ModelConfig, about["model"]),
        image_shape=(height, width, channels),
        num_classes=about["num_classes"],
        standardization=Standardization(arrays["standardization/mean"], arrays["standardization/scale"]),
        network=network,
        num_networks=number,
        provenance={name: about[name] for name in PROVENANCE if name in about},
    )
    try:
        return _finite(weights)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _of_tensors(file: TensorFile, naming: str) -> NamedWeights:
    tensors, notes = without_prefix(file.tensors, naming)
    notes = [*file.notes, *notes]
    about = _About.of(file.description)
    if naming == "auto":
        ours = any(name.startswith(_OURS) for name in tensors)
        found = "own" if ours else naming_of(tensors)
        if not tensors:
            raise ValueError("it has no tensors")
        if found is None:
            raise ValueError(f"its names are those of no network that is known: {listed(sorted(tensors))}")
        naming = found
    shape, model = about.image_shape, about.model
    if naming == "own":
        arrays, channels, pixels = _own(tensors), None, None
    else:
        family = family_of(tensors, naming)
        if family is None:
            raise ValueError(f"its names are those of no network in the naming {naming}: {listed(sorted(tensors))}")
        arrays, channels, pixels = renamed(tensors, naming, family, notes)
        if family == "transformer" and model is None:
            check_heads(arrays, naming, notes)
    channels = channels if shape is None else shape[2]
    model = model or model_of({name: array.shape for name, array in arrays.items()}, channels or 3)
    size = None if model is None else model.patch_size
    if POSITIONS in arrays and naming != "own":
        num_patches = None if shape is None or size is None else (shape[0] // size) * (shape[1] // size)
        arrays[POSITIONS], registers = positions_here(arrays[POSITIONS], arrays.get(REGISTERS), num_patches)
        if registers is not None:
            arrays[REGISTERS] = registers
    if POSITIONS in arrays and shape is None and size is not None:
        side = square_side(len(arrays[POSITIONS]) - 1)
        shape = None if side is None else (side * size, side * size, channels or 3)
    arrays = _as_float32(arrays, notes)
    head = head_among(arrays)
    weights = NamedWeights(
        arrays,
        naming,
        model,
        shape,
        arrays[head[0]].shape[-1] if head else None,
        about.standardization,
        pixels if channels == 3 else None,
        tuple(notes),
        provenance=about.provenance,
    )
    if about.digest not in (None, weights.digest):
        raise ValueError("its weights do not match the sha256 of its description: damaged or altered")
    return weights


def _own(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors of our names, checked."""
    wrong = [f"{name} {array.shape}" for name, array in tensors.items() if not name.startswith(_OURS) or not array.ndim]
    if wrong:
        raise ValueError(f"no weights of ours, by their names or as they have no axes: {listed(sorted(wrong))}")
    return dict(tensors)


class _About(NamedTuple):
    """What the description of a file says."""

    model: ModelConfig | None = None
    image_shape: tuple[int, int, int] | None = None
    standardization: Standardization | None = None
    provenance: Mapping[str, Any] = MappingProxyType({})
    digest: str | None = None

    @classmethod
    def of(cls, description: Mapping[str, Any] | None) -> _About:
        """Of a description that :func:`real_data.weights.write` wrote, or of none."""
        if description is None:
            return cls()
        try:
            model, shape, pixels = (description.get(name) for name in ("model", "image_shape", "standardization"))
            if shape is not None:
                height, width, channels = map(index, shape)
                shape = (height, width, channels)
            if pixels is not None:
                pixels = Standardization(*(np.array(pixels[name], np.float32) for name in Standardization._fields))
                one_each = pixels.mean.shape if shape is None else (shape[2],)
                if not pixels.mean.shape == pixels.scale.shape == one_each or len(one_each) != 1:
                    raise ValueError("standardization must be a mean and a scale for each channel of an image")
                if not np.all(np.isfinite(pixels)) or np.any(pixels.scale <= 0):
                    raise ValueError("standardization must be finite, its scale above 0")
            return cls(
                None if model is None else from_json(ModelConfig, model),
                shape,
                pixels,
                description.get("provenance", {}),
                description["weights_sha256"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"its description is damaged: {error}") from error


def _as_float32(arrays: Mapping[str, np.ndarray], notes: list[str]) -> dict[str, np.ndarray]:
    wrong = [f"{name} is of type {array.dtype}" for name, array in arrays.items() if array.dtype.kind != "f"]
    if wrong:
        raise ValueError(f"weights must be floating point: {listed(wrong)}")
    rounded = [name for name, array in arrays.items() if array.dtype.itemsize > np.dtype(np.float32).itemsize]
    if rounded:
        notes.append(f"rounded to float32: {len(rounded)} tensors, {rounded[0]} ...")
    with np.errstate(over="ignore"):  # what is too large is refused afterwards
        return {name: np.asarray(array, np.float32, order="C") for name, array in arrays.items()}


def _finite(weights: NamedWeights) -> NamedWeights:
    wrong = [name for name, array in weights.arrays.items() if not np.all(np.isfinite(array))]
    if wrong:
        raise ValueError(f"numbers that are not finite: {listed(wrong)}")
    return weights
