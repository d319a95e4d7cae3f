"""Tensors of others by our names, with our axes: all of them or an error that lists what does not fit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from real_data.models.transformer import HEAD_WIDTH
from real_data.training.layers import head_among
from real_data.weights.axes import RULES
from real_data.weights.listing import listed
from real_data.weights.naming import NAMINGS, Entry, Family, entries, markers, scales, table_of

__all__ = ["check_heads", "renamed", "without_prefix"]

COUNT = "n_averaged"
"""What PyTorch's averages of weights over training have beside them: over how many steps."""
HUGE = (1280, 32)
"""Channels and blocks of ViT-H, whose heads have 80 channels; of the usual widths the only other one with this ratio of
dense layers, so that nothing but this tells."""


def without_prefix(tensors: Mapping[str, np.ndarray], naming: str) -> tuple[dict[str, np.ndarray], list[str]]:
    """Tensors without what stands before all their names, such as ``module.``, and what to tell of it.

    PyTorch puts it there where a network was trained on several devices, averaged or compiled; others where it is a
    part of something.

    Args:
        tensors: the tensors.
        naming: whose names are looked for; auto is any of :data:`real_data.weights.naming.NAMINGS`.
    """
    tensors, notes = dict(tensors), []
    known = NAMINGS if naming == "auto" else (naming,)
    ends = [marker for each in known if each in NAMINGS for marker in markers(each)]
    prefixes = {name.removesuffix(end) for name in tensors for end in ends if name.endswith((f".{end}", f"/{end}"))}
    others = [name for name in tensors if name != COUNT]
    prefix = min(prefixes, default="")
    if prefix and all(name.startswith(prefix) for name in others):
        notes.append(f"names without their {prefix}")
        if COUNT in tensors:
            notes.append(f"left out, as no function of the network: {COUNT}")
        tensors = {name.removeprefix(prefix): tensors[name] for name in others}
    return tensors, notes


def renamed(
    tensors: Mapping[str, np.ndarray], naming: str, family: Family, notes: list[str]
) -> tuple[dict[str, np.ndarray], int | None, str | None]:
    """Tensors by our names with our axes, the channels of an image, and the name of the customary pixels.

    Args:
        tensors: the tensors by the names of ``naming``.
        naming: one of :data:`real_data.weights.naming.NAMINGS`.
        family: kind of network.
        notes: what is left out or changed is added here.

    Raises:
        ValueError: tensors that such a network has not, parts that are missing or axes that do not fit; all are listed.
    """
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
        if missing:
            wrong += [f"{name} is missing" for name in missing]
            continue
        try:
            arrays[entry.own] = _read(entry, parts)
        except ValueError as error:
            wrong.append(f"{way[0]} has shape {parts[0].shape}, {error}")
            continue
        if entry.rule in ("patches", "patch_kernel"):
            channels = parts[0].shape[1 if entry.rule == "patches" else 2]
    ignored = [name for name in left if name.split(".")[-1] in table.get("ignored", ())]
    if ignored:
        kinds = sorted({name.split(".")[-1] for name in ignored})
        notes.append(f"left out, as no function of the network: {len(ignored)} x {', '.join(kinds)}")
    before_head = [name for name in left if name in table.get("before_head", ())]
    if before_head:
        for name in head_among(arrays):
            arrays.pop(name)
        notes.append(
            f"left out: {', '.join(before_head)} and the head behind it, since the networks here have no such layer; "
            "all before it is as in the file"
        )
    gammas = scales(naming, family, tensors)
    for layer, gamma in gammas.items():
        scaled = [name for name in (f"{layer}/kernel", f"{layer}/bias") if name in arrays]
        if any(left[gamma].shape != arrays[name].shape[-1:] for name in scaled):
            wrong.append(f"{gamma} has shape {left[gamma].shape}, not one number for each output of its layer")
        else:
            arrays |= {name: arrays[name] * left[gamma] for name in scaled}
    if gammas:
        notes.append(f"multiplied into their layers: {len(gammas)} scales, {', '.join(list(gammas.values())[:2])} ...")
    unknown = set(left) - {*ignored, *before_head, *gammas.values()}
    wrong += [f"{name} {left[name].shape} is of no use" for name in sorted(unknown)]
    if wrong:
        raise ValueError(f"it is not a {family} in the naming {naming} that is known here: {listed(wrong)}")
    if family == "resnet":
        channels = tensors["conv1.weight"].shape[1] if "conv1.weight" in tensors else None
    return arrays, channels, table["pixels_folded"] if gammas else table["pixels"]


def check_heads(arrays: Mapping[str, np.ndarray], naming: str, notes: list[str]) -> None:
    """Raise where heads of attention cannot be those here; say what is assumed where nothing tells.

    In torchvision's and timm's files neither names nor shapes say how many heads there are.

    Args:
        arrays: of a vision transformer, by our names.
        naming: whose names the file has.
        notes: what is assumed is added here.

    Raises:
        ValueError: tokens cannot have heads of the width here, or are known to have others.
    """
    width = arrays["params/embedding/patches/kernel"].shape[-1]
    depth = len({name.split("/")[2] for name in arrays if name.startswith("params/blocks/")})
    if width % HEAD_WIDTH or (width, depth) == HUGE:
        heads = "80 channels, as ViT-H" if (width, depth) == HUGE else "another number of them"
        raise ValueError(f"tokens of {width} channels have heads of attention of {heads}, those here {HEAD_WIDTH}")
    if naming != "vit-authors":  # where heads are an axis of their own
        notes.append(
            f"heads of attention taken to be {width // HEAD_WIDTH} of {HEAD_WIDTH} channels: the file does not say"
        )


def _read(entry: Entry, parts: list[np.ndarray]) -> np.ndarray:
    """The tensor here; raises ValueError with the end of a sentence on its shape."""
    axes = RULES[entry.rule].num_axes
    if axes and any(part.ndim not in axes for part in parts):
        raise ValueError(f"not {' or '.join(map(str, axes))} axes")
    return np.array(RULES[entry.rule].read(parts), order="C")
