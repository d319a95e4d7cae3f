"""Settings of subset trainings, and which network is trained on what."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import check_integer, check_real, check_string, check_tuple
from real_data.models.config import ModelConfig
from real_data.training.config import TrainingConfig

__all__ = ["SubsetTrainings", "check_memberships", "enough_networks"]


@dataclass(frozen=True)
class SubsetTrainings:
    """Networks that are each trained on a random share of a pool of n images.

    Network number k is the same however many there are: its share, m = round(share n) images drawn without replacement,
    and its seeds depend on ``seed`` and k alone.  Networks of several kinds take turns: network k has model k mod
    (number of models) and training k mod (number of trainings).

    Attributes:
        models: kinds of networks, at least one.
        trainings: their trainings, at least one.
        share: of the pool that each network is trained on, in (0, 1).
        seed: of all networks, at least 0.
        start_sha256: digest of what the networks start from, see :class:`real_data.training.start.Start`; None is
            random weights.
    """

    models: tuple[ModelConfig, ...] = (ModelConfig(),)
    trainings: tuple[TrainingConfig, ...] = field(default_factory=lambda: (TrainingConfig(),))
    share: float = 0.7
    seed: int = 0
    start_sha256: str | None = None

    def __post_init__(self) -> None:
        for name, kind in (("models", ModelConfig), ("trainings", TrainingConfig)):
            check_tuple(name, getattr(self, name), kind)
            if not getattr(self, name):
                raise ValueError(f"{name} must be at least one, got none")
        check_real("share", self.share, "(0, 1)")
        check_integer("seed", self.seed, 0)
        check_string("start_sha256", self.start_sha256, optional=True)
        if self.start_sha256 is not None and len(self.models) > 1:
            raise ValueError(f"networks that start from weights must be of one kind, got {len(self.models)} models")

    def kind(self, network: int) -> tuple[ModelConfig, TrainingConfig]:
        """Model and training of a network."""
        return self.models[network % len(self.models)], self.trainings[network % len(self.trainings)]

    def num_seen(self, num_examples: int) -> int:
        """Number of examples that each network is trained on.

        Raises:
            ValueError: none, or all.
        """
        number = round(self.share * num_examples)
        if not 0 < number < num_examples:
            raise ValueError(
                f"share must leave some of the {num_examples} examples out and some in, but {self.share:g} of them "
                f"are {number}"
            )
        return number

    def training_seed(self, network: int) -> int:
        """Seed of the initial weights and the order of batches of a network."""
        return int(self._sequence(network).generate_state(1)[0])

    def subset(self, network: int, num_examples: int) -> NDArray[np.int64]:
        """Indices of the examples that a network is trained on, in data-set order."""
        rng = np.random.default_rng(self._sequence(network).spawn(1)[0])
        return np.sort(rng.choice(num_examples, self.num_seen(num_examples), replace=False))

    def members(self, network: int, num_examples: int) -> NDArray[np.bool_]:
        """Whether each example is among those that a network is trained on, shape (num_examples,)."""
        found = np.zeros(num_examples, bool)
        found[self.subset(network, num_examples)] = True
        return found

    def _sequence(self, network: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed, spawn_key=(1, network))


def check_memberships(settings: SubsetTrainings, num_networks: int, num_examples: int) -> None:
    """Make sure, before any training, that every example is in the share of a network and out of that of another.

    Raises:
        ValueError: some are in all of them or in none; the message says how many networks would do.
    """
    check_integer("num_networks", num_networks, 2)
    seen = np.zeros(num_examples, np.int64)
    for network in range(num_networks):
        seen[settings.subset(network, num_examples)] += 1
    always, never = int(np.sum(seen == num_networks)), int(np.sum(seen == 0))
    if always or never:
        raise ValueError(
            f"of {num_examples} examples {always} are in the share of all K = num_networks = {num_networks} networks "
            f"and {never} in that of none (subset_share s = {settings.share:g}), so that nothing can be said of them: "
            f"K = {enough_networks(settings.share, num_examples)} networks are enough with a chance of 99 %"
        )


def enough_networks(share: float, num_examples: int) -> int:
    """Networks with which, with a chance of 99 %, every example is in the share of one and out of that of another.

    The expected number of examples in the share of all or of none, n (s^K + (1 - s)^K), is then at most 0.01.
    """
    number = math.ceil(math.log(num_examples / 0.01) / -math.log(max(share, 1 - share)))
    while num_examples * (share**number + (1 - share) ** number) > 0.01:
        number += 1
    return number
