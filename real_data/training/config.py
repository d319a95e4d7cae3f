"""Settings of a training; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from data_pruning.arguments import check_boolean, check_choice, check_integer, check_real

__all__ = ["Optimizer", "TrainingConfig"]

Optimizer = Literal["sgd", "adamw"]


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained on the cross-entropy: stochastic gradient descent with Nesterov momentum, or AdamW.

    With a fixed number of steps, whatever the number of examples kept, a small kept set is not punished by less
    training; with a fixed number of epochs it costs less.

    Attributes:
        num_steps: gradient steps, at least 1; None where num_epochs is given.
        num_epochs: passes over the kept examples, at least 1, rounded up to whole steps; None where num_steps is
            given.
        batch_size: examples per step, at least 1; may exceed the number kept, as batches run on across
            epochs.
        learning_rate: initial learning rate, above 0.
        schedule: cosine: falls to 0 along half a cosine; step: is divided by ten after 1/2 and 3/4 of the
            training; constant.
        warmup: share of the training in which the learning rate rises linearly from 0, in [0, 1).
        momentum: Nesterov momentum, in [0, 1); of adamw the decay of the mean of gradients (beta1).
        weight_decay: coefficient of |w|^2 / 2 in the loss, at least 0; of adamw the share that each step takes from all
            weights is the learning rate times this.
        gradient_clip: a gradient longer than this, over all weights, is shortened to it, above 0; None shortens none
            (Pascanu, Mikolov, Bengio 2013).
        augmentation: none; crop: shifts by up to an eighth of the image, zeros outside; flip: mirror
            images, left to right; crop_flip: both.  Images of files (ImageNet) are cropped at random sizes
            instead of shifted.
        standardize: whether the mean is subtracted from each channel and its standard deviation divided out, both
            those of the training images.
        optimizer: sgd, gradient descent with momentum; adamw, Adam with decoupled weight decay (Loshchilov and Hutter
            2019), as customary for vision transformers, at learning rates of 1e-5 to 1e-3.
        second_momentum: decay of the mean of squared gradients of adamw (beta2), in [0, 1); sgd has none.
    """

    num_steps: int | None = 400
    num_epochs: int | None = None
    batch_size: int = 64
    learning_rate: float = 0.1
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    gradient_clip: float | None = 1.0
    augmentation: Literal["none", "crop", "flip", "crop_flip"] = "none"
    standardize: bool = True
    optimizer: Optimizer = "sgd"
    second_momentum: float = 0.999

    def __post_init__(self) -> None:
        if (self.num_steps is None) == (self.num_epochs is None):
            raise ValueError(
                f"give either num_steps or num_epochs and None for the other, got num_steps = {self.num_steps!r}, "
                f"num_epochs = {self.num_epochs!r}"
            )
        if self.num_steps is not None:
            check_integer("num_steps", self.num_steps, 1)
        if self.num_epochs is not None:
            check_integer("num_epochs", self.num_epochs, 1)
        check_integer("batch_size", self.batch_size, 1)
        check_real("learning_rate", self.learning_rate, "(0, inf)")
        check_choice("schedule", self.schedule, ("cosine", "step", "constant"))
        check_real("warmup", self.warmup, "[0, 1)")
        check_real("momentum", self.momentum, "[0, 1)")
        check_real("weight_decay", self.weight_decay, "[0, inf)")
        if self.gradient_clip is not None:
            check_real("gradient_clip", self.gradient_clip, "(0, inf)")
        check_choice("augmentation", self.augmentation, ("none", "crop", "flip", "crop_flip"))
        check_boolean("standardize", self.standardize)
        check_choice("optimizer", self.optimizer, get_args(Optimizer))
        check_real("second_momentum", self.second_momentum, "[0, 1)")

    def steps_for(self, num_kept: int) -> int:
        """Number of gradient steps on ``num_kept`` examples."""
        if self.num_steps is not None:
            return self.num_steps
        assert self.num_epochs is not None
        return -(-self.num_epochs * num_kept // self.batch_size)
