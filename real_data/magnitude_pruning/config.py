"""Settings of iterative magnitude pruning, checked when they are made; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from data_pruning.arguments import (
    check_boolean,
    check_choice,
    check_different,
    check_integer,
    check_real,
    check_settings,
    check_string,
    check_tuple,
)
from real_data.experiments.config import MOST_SEED
from real_data.models.config import ModelConfig
from real_data.training.config import TrainingConfig

__all__ = ["MagnitudePruning", "Precision", "PrunedKind", "default_design"]

PrunedKind = Literal["mlp", "cnn", "resnet18", "resnet50"]
Precision = Literal["auto", "float32", "bfloat16"]

DEPTHS = {"cnn": 4, "resnet18": 18, "resnet50": 50}
"""Depth of networks that have only one; their width is a factor on the number of channels."""


@dataclass(frozen=True)
class MagnitudePruning:
    """Test error against the density of weights: a grid depth x width x pool size x round x seed.

    Each round trains the network on from its weights at the step ``rewind_step``, tests it, and takes away the
    ``fraction`` of its weights of smallest magnitude (Frankle, Dziugaite, Roy, Carbin 2020; Rosenfeld, Frankle, Carbin,
    Shavit 2021).  In round i the density, the share of weights that are left, is (1 - fraction)^i.

    ``python -m real_data magnitude-pruning`` measures the default, digits, and fits the law in 31 seconds of one CPU
    core; ``--dataset fashion-mnist`` takes 1,650.  Expected, as relative deviation of the law from the errors in %, of
    sizes left out of the fit (standard error over sizes in brackets)::

        size invariant         digits        Fashion-MNIST
        l^phi w^psi d       17.7 (2.4)      7.4 (0.3), phi = -0.51 (0.05), psi = 1.01 (0.04)
        w^psi d             16.4 (2.0)     10.1 (0.6)
        weights left        25.3 (2.8)     12.0 (0.9)
        l w^2 d             72.3 (14.1)    26.9 (3.1)
        d                   86.7 (18.6)    28.9 (3.2)

    Attributes:
        dataset: name of the data set; see :func:`real_data.datasets.load`.
        path: folder or file of the data set; None looks where its reader says.
        image_size: width and height that images of ``imagenet`` and ``folder`` are brought to; None is 224, or their
            own.
        test_folder: name of the folder of test images of a ``folder``, where there are several beside train.
        skip_undecodable: whether image files of a ``folder`` that cannot be decoded are left out.
        depths: numbers of hidden layers of an MLP; a cnn has depth 4, resnet18 18 and resnet50 50.
        widths: units of each hidden layer of an MLP, whole numbers; of other networks the factor on their channels.
        pool_sizes: numbers of training images n, drawn anew for each seed; None is all there are.
        rounds: number of trainings of a network, the first one unpruned, at least 1.
        fraction: share of the weights left that a round takes away, in (0, 1).
        rewind_step: gradient step whose weights each round starts from, at least 0 and before the last.
        num_seeds: repetitions, each with initial weights, pool and order of batches of its own, at least 2.
        first_seed: seeds are first_seed, first_seed + 1, ...; all in [0, 2^31).
        kind: mlp, cnn, resnet18 or resnet50; see :class:`real_data.ModelConfig`.
        precision: type of the activations, auto, float32 or bfloat16; see :class:`real_data.ModelConfig`.
        training: how it is trained in each round, from the rewind step on.
    """

    dataset: str = "digits"
    path: str | None = None
    image_size: int | None = None
    test_folder: str | None = None
    skip_undecodable: bool = False
    depths: tuple[int, ...] = (1, 2, 3)
    widths: tuple[float, ...] = (8, 16, 32, 64)
    pool_sizes: tuple[int | None, ...] = (1000,)
    rounds: int = 26
    fraction: float = 0.2
    rewind_step: int = 20
    num_seeds: int = 8
    first_seed: int = 0
    kind: PrunedKind = "mlp"
    precision: Precision = "auto"
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(num_steps=200))

    def __post_init__(self) -> None:
        check_string("dataset", self.dataset)
        for name in ("path", "test_folder"):
            check_string(name, getattr(self, name), optional=True)
        check_boolean("skip_undecodable", self.skip_undecodable)
        if self.image_size is not None:
            check_integer("image_size", self.image_size, 1)
        check_choice("kind", self.kind, get_args(PrunedKind))
        check_choice("precision", self.precision, get_args(Precision))
        check_settings("training", self.training, TrainingConfig)
        for name in ("depths", "widths", "pool_sizes"):
            check_tuple(name, getattr(self, name))
            check_different(name, getattr(self, name))
        self._check_sizes()
        for size in self.pool_sizes:
            if size is not None:
                check_integer("each of pool_sizes", size, 2)
        check_integer("rounds", self.rounds, 1)
        check_real("fraction", self.fraction, "(0, 1)")
        check_integer("rewind_step", self.rewind_step, 0)
        if self.training.num_steps is not None:
            self.check_rewind_step(self.training.num_steps)
        check_integer("num_seeds", self.num_seeds, 2)
        check_integer("first_seed", self.first_seed, 0)
        last = self.first_seed + self.num_seeds - 1
        check_integer("first_seed + num_seeds - 1, the last seed,", last, 0, MOST_SEED)

    def _check_sizes(self) -> None:
        for depth in self.depths:
            check_integer("each of depths", depth, 1)
        for width in self.widths:
            if self.kind == "mlp":
                check_integer("each of widths, units of an mlp,", width, 1)  # type: ignore[arg-type]
            else:
                check_real("each of widths", width, "(0, inf)")
        if self.kind != "mlp" and self.depths != (DEPTHS[self.kind],):
            raise ValueError(
                f"depths must be ({DEPTHS[self.kind]},), the only depth of a {self.kind}, got {self.depths!r}"
            )

    def check_rewind_step(self, num_steps: int) -> None:
        """Raise a ``ValueError`` unless the rewind step lies before the last of ``num_steps``."""
        if self.rewind_step >= num_steps:
            raise ValueError(f"rewind_step must be below the {num_steps} steps of the training, got {self.rewind_step}")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the repetitions."""
        return tuple(range(self.first_seed, self.first_seed + self.num_seeds))

    def network(self, depth: int, width: float) -> ModelConfig:
        """The settings of the network of a depth and width."""
        if self.kind == "mlp":
            return ModelConfig(self.kind, (int(width),) * depth, precision=self.precision)
        return ModelConfig(self.kind, width=width, precision=self.precision)

    def num_left(self, num_weights: int, number: int) -> int:
        """How many of the weights are left in a round, counted from 0."""
        return round(num_weights * (1 - self.fraction) ** number)


FASHION = MagnitudePruning(
    dataset="fashion-mnist",
    depths=(1, 2, 3, 4),
    widths=(16, 32, 64, 128, 256),
    pool_sizes=(10_000, 2_500, 625),
    rounds=40,
    rewind_step=60,
    num_seeds=3,
    training=TrainingConfig(num_steps=600),
)


def default_design(dataset: str, kind: PrunedKind = "mlp") -> MagnitudePruning:
    """The design for a data set: its own of digits and Fashion-MNIST, else that of Fashion-MNIST with all images.

    Networks other than an MLP have three widths, a quarter to all of the channels.
    """
    check_choice("kind", kind, get_args(PrunedKind))
    design = MagnitudePruning() if dataset == "digits" else FASHION
    if dataset not in ("digits", "fashion-mnist"):
        design = replace(design, dataset=dataset, pool_sizes=(None,))
    return design if kind == "mlp" else replace(design, kind=kind, depths=(DEPTHS[kind],), widths=(0.25, 0.5, 1.0))
