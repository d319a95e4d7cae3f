"""Options of the commands whose networks may start from the weights of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal

from real_data.models.config import ModelConfig
from real_data.training.fine_tuning import FineTuning, Layers, Naming

__all__ = ["FineTuningOptions", "Origin"]


@dataclass(frozen=True)
class FineTuningOptions:
    """Weights that networks start from in place of random ones.

    Attributes:
        weights: file of the weights, or folder of a training: weights.npz, .safetensors, .npz, .pth, .bin; see the
            command weights.  None starts from random weights.
        network: which of the networks of the file, from 0 on.
        naming: whose names the weights of the file have; auto looks.
        head: new draws the last layer at random, anew for every seed; keep takes that of the file.
        layers: all are trained, or the head alone (a linear probe).
        layer_decay: factor on the learning rate for every step from the head to a layer, in (0, 1].
        pixels: weights standardises pixels as the file says, data by the training images; auto as the file says where
            it does.
    """

    weights: str | None = None
    network: int = 0
    naming: Naming = "auto"
    head: Literal["new", "keep"] = "new"
    layers: Layers = "all"
    layer_decay: float = 1.0
    pixels: Literal["auto", "weights", "data"] = "auto"

    @property
    def settings(self) -> FineTuning | None:
        """The settings; None without weights.

        Raises:
            ValueError: other options are given without weights, or a value is not allowed.
        """
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        if self.weights is None:
            if given:
                names = ", ".join(f"--fine-tuning.{name}".replace("_", "-") for name in given)
                raise ValueError(f"{names}: for weights to start from, give --fine-tuning.weights too")
            return None
        return FineTuning(**given)


@dataclass(frozen=True)
class Origin:
    """What the networks start from.

    Attributes:
        start: the weights; None are random ones.
        source: loads them, on a worker of an executor.
    """

    start: Any
    source: Callable[[], Any] | None

    @classmethod
    def of(cls, fine_tuning: FineTuningOptions, network: ModelConfig, data: Any) -> Origin:
        """The weights that the options name, for the images of a data set."""
        if fine_tuning.settings is None:
            return cls(None, None)
        from real_data.weights import starting_weights

        image_shape = tuple(map(int, data.train_images.shape[1:]))
        source = partial(starting_weights, fine_tuning.settings, network, image_shape, data.num_classes)
        return cls(source(), source)

    @property
    def sha256(self) -> str | None:
        """Digest of the weights, and of what of them is trained."""
        return None if self.start is None else self.start.digest
