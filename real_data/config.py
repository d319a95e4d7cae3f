"""Settings of the experiments, checked when they are made; cheap to import, for the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["RULES", "DigitsExperiment", "TrainingConfig"]

RULES = ("hard", "easy", "random")


def _check_integer(name: str, value: int, least: int, most: float = math.inf) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not least <= value <= most:
        allowed = f"in [{least}, {most}]" if most < math.inf else f"at least {least}"
        raise ValueError(f"{name} must be {allowed}, got {value}")


def _check_real(name: str, value: float, allowed: bool, interval: str) -> None:
    if not allowed or not math.isfinite(value):
        raise ValueError(f"{name} must lie in {interval}, got {value!r}")


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained: stochastic gradient descent on the cross-entropy, a fixed number of steps.

    The number of steps does not depend on the number of examples kept, so that a small kept set is not
    punished by less training.

    Attributes:
        num_steps: gradient steps, at least 1.
        batch_size: examples per step, at least 1; may exceed the number kept, as batches run on across
            epochs.
        learning_rate: initial learning rate, above 0; it falls to 0 along half a cosine.
        momentum: Nesterov momentum, in [0, 1).
        weight_decay: coefficient of |w|^2 / 2 in the loss, at least 0.
    """

    num_steps: int = 400
    batch_size: int = 64
    learning_rate: float = 0.3
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        _check_integer("num_steps", self.num_steps, 1)
        _check_integer("batch_size", self.batch_size, 1)
        _check_real("learning_rate", self.learning_rate, self.learning_rate > 0, "(0, inf)")
        _check_real("momentum", self.momentum, 0 <= self.momentum < 1, "[0, 1)")
        _check_real("weight_decay", self.weight_decay, self.weight_decay >= 0, "[0, inf)")


@dataclass(frozen=True)
class DigitsExperiment:
    """Test error against the number of examples kept, on handwritten digits: 8 x 8 pixels, no download.

    Each seed has its own split into training pool and test set, its own EL2N networks and its own
    retraining; the errors over seeds give the standard error.  Within a seed all cells start from the same
    initial weights, so that they differ only by the examples kept.

    ``python -m real_data run`` runs the default, in about 10 seconds on two CPU cores, half of them to
    compile.  Expected, as test error in % (standard error over ten seeds in brackets)::

        f          0.1          0.2          0.3         0.4         0.6         0.8         all
        hard    16.7 (0.7)    6.0 (0.4)    3.1 (0.2)   2.8 (0.2)   2.8 (0.1)   2.9 (0.2)   2.9 (0.2)
        easy    12.7 (0.5)   11.5 (0.4)   10.4 (0.5)   9.9 (0.4)   8.4 (0.4)   6.2 (0.4)
        random   9.1 (0.5)    7.0 (0.5)    5.2 (0.3)   4.7 (0.3)   3.9 (0.3)   3.2 (0.2)

    As in the theory, the hardest examples are the worst choice from scarce data and the best from plentiful.

    Attributes:
        rules: keep rules to compare, among hard, easy, random.
        fractions: fractions kept f of the training pool, each in (0, 1]; the whole pool (f = 1) is always
            trained.
        num_seeds: number of repetitions, at least 2.
        first_seed: seeds are first_seed, first_seed + 1, ...; at least 0.
        num_train: images in the training pool, in [10, 1787] of 1797; the others are the test set.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; 1 ranks per
            class.
        hidden: widths of the hidden layers of the network.
        num_score_networks: networks that EL2N is averaged over, at least 1.
        scoring: training of the networks that give EL2N; few steps.
        retraining: training on the kept examples.
    """

    rules: tuple[str, ...] = RULES
    fractions: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
    num_seeds: int = 10
    first_seed: int = 0
    num_train: int = 1200
    min_class_share: float = 1.0
    hidden: tuple[int, ...] = (64,)
    num_score_networks: int = 10
    scoring: TrainingConfig = field(default_factory=lambda: TrainingConfig(num_steps=50))
    retraining: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        unknown = [rule for rule in self.rules if rule not in RULES]
        if unknown or not self.rules or len(set(self.rules)) < len(self.rules):
            raise ValueError(f"rules must be different ones of {', '.join(RULES)}, got {self.rules!r}")
        for f in self.fractions:
            _check_real("each of fractions", f, 0 < f <= 1, "(0, 1]")
        if not self.fractions or len(set(self.fractions)) < len(self.fractions):
            raise ValueError(f"fractions must be different numbers, at least one, got {self.fractions!r}")
        _check_integer("num_seeds", self.num_seeds, 2)
        _check_integer("first_seed", self.first_seed, 0)
        _check_integer("num_train", self.num_train, 10, 1787)
        _check_real("min_class_share", self.min_class_share, 0 <= self.min_class_share <= 1, "[0, 1]")
        for width in self.hidden:
            _check_integer("each of hidden", width, 1)
        _check_integer("num_score_networks", self.num_score_networks, 1)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the repetitions."""
        return tuple(range(self.first_seed, self.first_seed + self.num_seeds))
