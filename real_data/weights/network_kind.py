"""Which network tensors of our names belong to, as far as names and shapes tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import isqrt

from real_data.models.config import HEADS, ModelConfig
from real_data.models.transformer import HEAD_WIDTH

__all__ = ["in_words", "model_of", "num_blocks", "square_side"]


def num_blocks(names: Collection[str], of: str = "blocks") -> int:
    """Number of the blocks, or the layers, that names tell of."""
    parts = [name.split("/") for name in names]
    return 1 + max(
        (int(part[2]) for part in parts if len(part) > 2 and part[1] == of and part[2].isdigit()), default=-1
    )


def square_side(number: int) -> int | None:
    """Side of a square of so many patches, None where there is none."""
    side = isqrt(number) if number > 0 else 0
    return side if side * side == number > 0 else None


def model_of(shapes: Mapping[str, tuple[int, ...]], channels: int | None) -> ModelConfig | None:
    """Settings of the network whose tensors these are, at least one axis each; None where of no network that is known.

    Args:
        shapes: of the tensors, by our names.
        channels: of an image, from which the size of patches follows.
    """
    if len(shapes.get("params/embedding/patches/kernel", ())) == 2 and num_blocks(shapes):
        rows, width = shapes["params/embedding/patches/kernel"]
        heads = width / HEAD_WIDTH
        kind = next((kind for kind, number in HEADS.items() if number == heads), "vit-ti")
        return ModelConfig(
            kind=kind,  # type: ignore[arg-type]
            width=heads / HEADS[kind],
            patch_size=square_side(rows // channels) if channels and rows % channels == 0 else None,
            registers=shapes.get("params/embedding/registers", (0,))[0],
            depth=num_blocks(shapes),
        )
    if len(shapes.get("params/stem/convolution/kernel", ())) == 4:
        size, _, _, width = shapes["params/stem/convolution/kernel"]
        three = "params/blocks/0/layers/2/convolution/kernel" in shapes
        return ModelConfig(
            kind="resnet50" if three else "resnet18", width=width / 64, stem="imagenet" if size == 7 else "cifar"
        )
    if "params/convolutions/0/kernel" in shapes:
        return ModelConfig(kind="cnn", width=shapes["params/convolutions/0/kernel"][-1] / 32)
    if "params/layers/0/kernel" in shapes:
        hidden = [shapes.get(f"params/layers/{i}/kernel", ()) for i in range(num_blocks(shapes, "layers") - 1)]
        return ModelConfig(kind="mlp", hidden=tuple(shape[-1] for shape in hidden if shape))
    return None


def in_words(model: ModelConfig) -> str:
    """The network in a few words, for example ``vit-s of 12 blocks, patches of 16 x 16``."""
    words: list[str] = [model.kind]
    if model.kind == "mlp":
        words.append(f"hidden {', '.join(map(str, model.hidden)) or 'none'}")
    elif model.width != 1:
        words.append(f"width {model.width:.3g}")
    if model.kind.startswith("resnet"):
        words.append(f"stem {model.stem}")
    if model.attends:
        words.append(f"{12 if model.depth is None else model.depth} blocks")
        words += [] if model.patch_size is None else [f"patches of {model.patch_size} x {model.patch_size}"]
        words += [f"{model.registers} registers"] if model.registers else []
    return ", ".join(words)
