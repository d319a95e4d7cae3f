"""Settings of fine-tuning: which weights a training starts from, and what of them it changes; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from data_pruning.arguments import check_choice, check_integer, check_real, check_string

__all__ = ["FineTuning", "Layers", "Naming", "check_trained"]

Layers = Literal["all", "head"]
Naming = Literal["auto", "own", "torchvision", "timm", "vit-authors"]


@dataclass(frozen=True)
class FineTuning:
    """Training from weights of a file in place of random ones.

    Attributes:
        weights: file of the weights, or folder of a training.
        network: which of the networks of the file, from 0 on.
        naming: whose names the weights of the file have; auto looks.
        head: new: the last layer is drawn at random, anew for every seed; keep: it is that of the file, of as many
            classes.
        layers: all are trained; or the head alone (a linear probe), while all else, statistics of batch normalisation
            too, stays as it is.
        layer_decay: factor on the learning rate for every step from the head to a layer, in (0, 1]: the last block
            has it once, the block before it twice (Clark et al. 2020, ELECTRA; He et al. 2022, MAE).
        pixels: weights: pixels are standardised as the file says; data: by the training images; auto: as the file says
            where it does.
    """

    weights: str
    network: int = 0
    naming: Naming = "auto"
    head: Literal["new", "keep"] = "new"
    layers: Layers = "all"
    layer_decay: float = 1.0
    pixels: Literal["auto", "weights", "data"] = "auto"

    def __post_init__(self) -> None:
        check_string("weights", self.weights)
        if not self.weights:
            raise ValueError("weights must be a file of weights or the folder of a training, got ''")
        check_integer("network", self.network, 0)
        check_choice("naming", self.naming, get_args(Naming))
        check_choice("head", self.head, ("new", "keep"))
        check_trained(self.layers, self.layer_decay)
        check_choice("pixels", self.pixels, ("auto", "weights", "data"))


def check_trained(layers: Layers, layer_decay: float) -> None:
    """Raise a ``ValueError`` or ``TypeError`` unless it is said rightly which layers are trained, and how fast."""
    check_choice("layers", layers, get_args(Layers))
    check_real("layer_decay", layer_decay, "(0, 1]")
    if layers == "head" and layer_decay != 1:
        raise ValueError(f"layer_decay must be 1 where layers is head, as no other layer is trained, got {layer_decay}")
