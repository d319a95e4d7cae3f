"""Weights of a file by our names: ``read``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning.arguments import check_choice, check_integer
from data_pruning.records.settings import from_json
from real_data.models.config import ModelConfig
from real_data.training.augmentation import Standardization
from real_data.training.weights_file import read_weights_file
from real_data.weights.axes import RULES
from real_data.weights.named_weights import NamedWeights
from real_data.weights.naming import NAMINGS, Family, entries, family_of, naming_of, scales, table_of
from real_data.weights.network_kind import head_of, model_of, square_side
from real_data.weights.positions import POSITIONS, REGISTERS, positions_here
from real_data.weights.tensor_file import read_tensor_file

__all__ = ["listed", "read"]

MOST = 12
"""Differences that an error lists."""
PROVENANCE = ("training_run", "notes", "dataset", "software")
"""What is kept of the description of a training."""
PREFIXES = ("module.", "_orig_mod.")
"""What PyTorch puts before all names when a network was trained on several devices, or compiled."""


def read(path: str | os.PathLike[str], naming: str = "auto", *, network: int = 0) -> NamedWeights:
    """The weights of one network in a file.

    Formats: our ``weights.npz``, or the folder of a training that has one; ``.npz`` of named arrays, not compressed;
    safetensors; files of PyTorch, of which nothing is run, see :mod:`real_data.embeddings.torch_file`.  Names: ours,
    those of torchvision and timm (resnet18, resnet50, with either stem; vision transformers), and those of the authors
    of the vision transformer, github.com/google-research/vision_transformer, whose networks are computed here with the
    exact GELU, as in timm, and not with its approximation by tanh.  Numbers of fewer digits become float32.

    Args:
        path: the file or folder.
        naming: whose names the file has, own, torchvision, timm or vit-authors; auto looks.
        network: which network of the file, from 0 on.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or has pickled objects; its names are of none of these networks, in which case
            all of them are listed; a tensor has other axes or numbers that are not finite.
    """
    check_choice("naming", naming, ("auto", "own", *NAMINGS))
    check_integer("network", network, 0)
    file = Path(path)
    if file.is_dir():
        file = file / "weights.npz"
    if not file.exists():
        raise FileNotFoundError(f"there is no {file}")
    tensors, description = read_tensor_file(file)
    if description is not None and "seeds" in tensors:
        return _of_training(file, naming, network)
    if network:
        raise ValueError(f"network must be 0, as {file} has one network, got {network}")
    try:
        return _finite(_of_tensors(tensors, naming, description or {}))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def listed(lines: Iterable[str]) -> str:
    """Lines as one, up to a number of them and the count of the rest."""
    lines = list(lines)
    rest = len(lines) - MOST
    return "; ".join(lines[:MOST]) + (f"; and {rest} more" if rest > 0 else "")


def _of_training(file: Path, naming: str, network: int) -> NamedWeights:
    """One network of those of a training."""
    if naming not in ("auto", "own"):
        raise ValueError(f"naming must be auto or own for {file}, which a training wrote, got {naming!r}")
    arrays, about = read_weights_file(file)
    number = len(arrays["seeds"])
    if network >= number:
        raise ValueError(f"network must be in [0, {number - 1}] for {file}, got {network}")
    ours = {name: array[network] for name, array in arrays.items() if name.startswith(("params/", "batch_stats/"))}
    height, width, channels = about["image_shape"]
    return NamedWeights(
        ours,
        model=from_json(ModelConfig, about["model"]),
        image_shape=(height, width, channels),
        num_classes=about["num_classes"],
        standardization=Standardization(arrays["standardization/mean"], arrays["standardization/scale"]),
        network=network,
        num_networks=number,
        provenance={name: about[name] for name in PROVENANCE if name in about},
    )


def _of_tensors(tensors: Mapping[str, np.ndarray], naming: str, about: Mapping[str, Any]) -> NamedWeights:
    tensors, notes = _without_prefix(tensors)
    if naming == "auto":
        ours = any(name.startswith(("params/", "batch_stats/")) for name in tensors)
        found = "own" if ours else naming_of(tensors)
        if found is None:
            raise ValueError(f"its names are those of no network that is known: {listed(sorted(tensors))}")
        naming = found
    if naming == "own":
        other = sorted(name for name in tensors if not name.startswith(("params/", "batch_stats/")))
        if other:
            raise ValueError(f"names of no weights of ours: {listed(other)}")
        arrays, channels, pixels = dict(tensors), None, None
    else:
        family = family_of(tensors, naming)
        if family is None:
            raise ValueError(f"its names are those of no network in the naming {naming}: {listed(sorted(tensors))}")
        arrays, channels, pixels = _renamed(tensors, naming, family, notes)
    shape = about.get("image_shape")
    channels = channels if shape is None else shape[2]
    shapes = {name: array.shape for name, array in arrays.items()}
    model = from_json(ModelConfig, about["model"]) if about.get("model") else model_of(shapes, channels or 3)
    num_patches = None
    if shape is not None and model is not None and model.patch_size is not None:
        num_patches = (shape[0] // model.patch_size) * (shape[1] // model.patch_size)
    if POSITIONS in arrays:
        arrays[POSITIONS], registers = positions_here(arrays[POSITIONS], arrays.get(REGISTERS), num_patches)
        if registers is not None:
            arrays[REGISTERS] = registers
        if shape is None and model is not None and model.patch_size is not None:
            side = square_side(len(arrays[POSITIONS]) - 1)
            shape = None if side is None else (side * model.patch_size, side * model.patch_size, channels or 3)
    arrays = _as_float32(arrays, notes)
    head = head_of(arrays)
    weights = NamedWeights(
        arrays,
        naming,
        model,
        None if shape is None else (shape[0], shape[1], shape[2]),
        arrays[head[0]].shape[-1] if head else None,
        _pixels(about.get("standardization")),
        pixels if channels == 3 else None,
        tuple(notes),
        provenance=about.get("provenance", {}),
    )
    if "weights_sha256" in about and about["weights_sha256"] != weights.digest:
        raise ValueError("its weights do not match the sha256 of its description: damaged or altered")
    return weights


def _renamed(
    tensors: Mapping[str, np.ndarray], naming: str, family: Family, notes: list[str]
) -> tuple[dict[str, np.ndarray], int | None, str | None]:
    """Tensors by our names with our axes, the channels of an image, and the name of the customary pixels."""
    table = table_of(naming, family)
    left = dict(tensors)
    arrays: dict[str, np.ndarray] = {}
    channels, wrong = None, []
    for entry in entries(naming, family, tensors):
        way = next((way for way in entry.names if any(name in left for name in way)), None)
        if way is None:
            continue
        missing = [name for name in way if name not in left]
        parts = [left.pop(name) for name in way if name in left]
        axes = RULES[entry.rule].num_axes
        if missing:
            wrong += [f"{name} is missing" for name in missing]
        elif axes and any(part.ndim not in axes for part in parts):
            wrong.append(f"{way[0]} has shape {parts[0].shape}, not {' or '.join(map(str, axes))} axes")
        else:
            arrays[entry.own] = np.ascontiguousarray(RULES[entry.rule].read(parts))
            if entry.rule in ("patches", "patch_kernel"):
                channels = parts[0].shape[1 if entry.rule == "patches" else 2]
    ignored = [name for name in left if name.split(".")[-1] in table.get("ignored", ())]
    if ignored:
        kinds = sorted({name.split(".")[-1] for name in ignored})
        notes.append(f"left out, as no function of the network: {len(ignored)} x {', '.join(kinds)}")
    before_head = [name for name in left if name in table.get("before_head", ())]
    if before_head:
        for name in head_of(arrays):
            arrays.pop(name)
        notes.append(
            f"left out: {', '.join(before_head)} and the head behind it, since the networks here have no such layer; "
            "all before it is as in the file"
        )
    gammas = scales(naming, family, tensors)
    for layer, gamma in gammas.items():
        for name in (f"{layer}/kernel", f"{layer}/bias"):
            if name in arrays:
                arrays[name] = arrays[name] * left[gamma]
    if gammas:
        notes.append(f"multiplied into their layers: {len(gammas)} scales, {', '.join(list(gammas.values())[:2])} ...")
    unknown = set(left) - {*ignored, *before_head, *gammas.values()}
    wrong += [f"{name} {left[name].shape} is of no use" for name in sorted(unknown)]
    if wrong:
        raise ValueError(f"it is not a {family} in the naming {naming} that is known here: {listed(wrong)}")
    if family == "resnet":
        channels = tensors["conv1.weight"].shape[1] if "conv1.weight" in tensors else None
    return arrays, channels, table["pixels_folded"] if gammas else table["pixels"]


def _without_prefix(tensors: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    notes = []
    for prefix in PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): array for name, array in tensors.items()}
            notes.append(f"names without their {prefix}")
    return dict(tensors), notes


def _as_float32(arrays: Mapping[str, np.ndarray], notes: list[str]) -> dict[str, np.ndarray]:
    wrong = [f"{name} is of type {array.dtype}" for name, array in arrays.items() if array.dtype.kind != "f"]
    if wrong:
        raise ValueError(f"weights must be floating point: {listed(wrong)}")
    rounded = [name for name, array in arrays.items() if array.dtype != np.float32]
    if rounded:
        notes.append(f"rounded to float32: {len(rounded)} tensors, {rounded[0]} ...")
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def _pixels(value: Mapping[str, Any] | None) -> Standardization | None:
    if value is None:
        return None
    return Standardization(np.array(value["mean"], np.float32), np.array(value["scale"], np.float32))


def _finite(weights: NamedWeights) -> NamedWeights:
    wrong = [name for name, array in weights.arrays.items() if not np.all(np.isfinite(array))]
    if wrong:
        raise ValueError(f"numbers that are not finite: {listed(wrong)}")
    return weights
