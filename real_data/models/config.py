"""Settings of a network; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from data_pruning.arguments import check_choice, check_integer, check_real, check_tuple

__all__ = ["LEAST_FOR_PATCHES", "Kind", "ModelConfig"]

LEAST_FOR_PATCHES = 8  # pixels of height and width that patch-features need


Kind = Literal["mlp", "cnn", "resnet18", "resnet50", "random-features", "patch-features"]


@dataclass(frozen=True)
class ModelConfig:
    """Which network.

    Attributes:
        kind: mlp; cnn, a small convolutional network; resnet18 or resnet50 (He et al. 2016); random-features or
            patch-features, fixed features with a linear readout that is solved for, with no gradient descent: fast.
        hidden: widths of the hidden layers of the MLP; an empty tuple is logistic regression.
        width: factor on the number of channels of a convolutional network, of 500 random features or of 200 patches,
            above 0.
        stem: first layers of a ResNet: cifar, a 3 x 3 convolution; imagenet, a 7 x 7 convolution of stride 2
            and max pooling; auto is imagenet for images of at least 64 x 64 pixels.
        precision: type of the activations, float32, bfloat16, or auto: bfloat16 on a GPU or TPU.
            Weights, losses and batch statistics are float32 in any case.  With float32, products are that of
            float32 on every device, and not of numbers rounded to TF32 or bfloat16.
    """

    kind: Kind = "mlp"
    hidden: tuple[int, ...] = (64,)
    width: float = 1.0
    stem: Literal["auto", "cifar", "imagenet"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

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
