"""Settings of a network; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from data_pruning.arguments import check_choice, check_integer, check_real, check_tuple

__all__ = ["HEADS", "LEAST_FOR_PATCHES", "Kind", "ModelConfig"]

LEAST_FOR_PATCHES = 8  # pixels of height and width that patch-features need
HEADS = {"vit-ti": 3, "vit-s": 6, "vit-b": 12}
"""Heads of attention, of 64 channels each, of the vision transformers."""

Kind = Literal["mlp", "cnn", "resnet18", "resnet50", "random-features", "patch-features", "vit-ti", "vit-s", "vit-b"]


@dataclass(frozen=True)
class ModelConfig:
    """Which network.

    Attributes:
        kind: mlp; cnn, a small convolutional network; resnet18 or resnet50 (He et al. 2016); random-features or
            patch-features, fixed features with a linear readout that is solved for, with no gradient descent: fast;
            vit-ti, vit-s or vit-b, vision transformers of 192, 384 and 768 channels (Dosovitskiy et al. 2021).
        hidden: widths of the hidden layers of the MLP; an empty tuple is logistic regression.
        width: factor on the number of channels of a convolutional network, of 500 random features, of 200 patches, or
            of the heads of a vision transformer, above 0; rounded, at least 1 of them.
        stem: first layers of a ResNet: cifar, a 3 x 3 convolution; imagenet, a 7 x 7 convolution of stride 2
            and max pooling; auto is imagenet for images of at least 64 x 64 pixels.
        precision: type of the activations, float32, bfloat16, or auto: bfloat16 on a GPU or TPU.
            Weights, losses and batch statistics are float32 in any case.  With float32, products are that of
            float32 on every device, and not of numbers rounded to TF32 or bfloat16.
        patch_size: pixels of height and width of the patches of a vision transformer, which must tile the images;
            None is 16 for images of at least 64 x 64 pixels, else 4.
        registers: number of tokens of a vision transformer beside the class and the patches (Darcet et al. 2024).
        depth: blocks of a vision transformer; None is 12.
    """

    kind: Kind = "mlp"
    hidden: tuple[int, ...] = (64,)
    width: float = 1.0
    stem: Literal["auto", "cifar", "imagenet"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    patch_size: int | None = None
    registers: int = 0
    depth: int | None = None

    @property
    def attends(self) -> bool:
        """Whether it is a vision transformer."""
        return self.kind in HEADS

    @property
    def solved_for(self) -> bool:
        """Whether it is the readout of fixed features, which is solved for, not trained by gradient descent."""
        return self.kind.endswith("-features")

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, get_args(Kind))
        check_tuple("hidden", self.hidden)
        for width in self.hidden:
            check_integer("each of hidden", width, 1)
        check_real("width", self.width, "(0, inf)")
        check_choice("stem", self.stem, ("auto", "cifar", "imagenet"))
        check_choice("precision", self.precision, ("auto", "float32", "bfloat16"))
        if self.patch_size is not None:
            check_integer("patch_size", self.patch_size, 1)
        check_integer("registers", self.registers, 0)
        if self.depth is not None:
            check_integer("depth", self.depth, 1)
        if not self.attends and (self.patch_size, self.registers, self.depth) != (None, 0, None):
            raise ValueError(
                f"patch_size, registers and depth are for {', '.join(HEADS)} and must be None, 0 and None for "
                f"{self.kind}, got {self.patch_size!r}, {self.registers!r} and {self.depth!r}"
            )
