"""Settings of networks, training, scores and experiments, checked when they are made; cheap to import."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from numbers import Real
from typing import Any, Literal, TypeVar

from perceptron_theory import KeepEasy, KeepHard, KeepPolicy, KeepRandom, KeepRule, KeepWindow

__all__ = [
    "METRICS",
    "Experiment",
    "ModelConfig",
    "ScoreConfig",
    "TrainingConfig",
    "TrainingRun",
    "digest_of",
    "from_json",
    "keep_rule",
    "to_json",
]

METRICS = ("el2n", "grand", "forgetting", "margin", "confidence", "prototypes", "random")
"""Scores of difficulty; see :mod:`real_data.scores`."""

MOST_SEED = 2**31 - 1
"""Largest seed: result files hold 32-bit integers."""

MetricName = Literal["el2n", "grand", "forgetting", "margin", "confidence", "prototypes", "random"]


def _check_integer(name: str, value: int, least: int, most: float = math.inf) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not least <= value <= most:
        allowed = f"in [{least}, {most}]" if most < math.inf else f"at least {least}"
        raise ValueError(f"{name} must be {allowed}, got {value}")


def _check_real(name: str, value: float, interval: str) -> None:
    """Raise unless ``value`` is a finite real number in ``interval``, for example ``[0, 1)``."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number in {interval}, got {value!r}")
    low, high = map(float, interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    if not (above and below and math.isfinite(value)):
        raise ValueError(f"{name} must lie in {interval}, got {value!r}")


def _check_boolean(name: str, value: bool) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be true or false, got {value!r}")


def _check_string(name: str, value: str | None, *, optional: bool = False) -> None:
    if not (isinstance(value, str) or (optional and value is None)):
        raise TypeError(f"{name} must be a string{' or None' if optional else ''}, got {value!r}")


def _check_tuple(name: str, value: tuple[Any, ...], kind: type | None = None) -> None:
    if not isinstance(value, tuple):
        raise TypeError(f"{name} must be a tuple (in a file: a list), got {value!r}")
    for one in value:
        if kind is not None and not isinstance(one, kind):
            raise TypeError(f"each of {name} must be a {kind.__name__}, got {one!r}")


def _check_settings(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {value!r}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def _check_image_size(value: int | None) -> None:
    if value is not None:
        _check_integer("image_size", value, 1)


def _check_different(name: str, values: tuple[Any, ...]) -> None:
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{name} must be different ones, at least one, got {values!r}")


@dataclass(frozen=True)
class ModelConfig:
    """Which network.

    Attributes:
        kind: mlp; cnn, a small convolutional network; resnet18 or resnet50 (He et al. 2016).
        hidden: widths of the hidden layers of the MLP; an empty tuple is logistic regression.
        width: factor on the number of channels of a convolutional network, above 0.
        stem: first layers of a ResNet: cifar, a 3 x 3 convolution; imagenet, a 7 x 7 convolution of stride 2
            and max pooling; auto is imagenet for images of at least 64 x 64 pixels.
        precision: type of the activations, float32, bfloat16, or auto: bfloat16 on a GPU or TPU.
            Weights, losses and batch statistics are float32 in any case.
    """

    kind: Literal["mlp", "cnn", "resnet18", "resnet50"] = "mlp"
    hidden: tuple[int, ...] = (64,)
    width: float = 1.0
    stem: Literal["auto", "cifar", "imagenet"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        _check_choice("kind", self.kind, ("mlp", "cnn", "resnet18", "resnet50"))
        _check_tuple("hidden", self.hidden)
        for width in self.hidden:
            _check_integer("each of hidden", width, 1)
        _check_real("width", self.width, "(0, inf)")
        _check_choice("stem", self.stem, ("auto", "cifar", "imagenet"))
        _check_choice("precision", self.precision, ("auto", "float32", "bfloat16"))


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained: stochastic gradient descent with Nesterov momentum on the cross-entropy.

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
        momentum: Nesterov momentum, in [0, 1).
        weight_decay: coefficient of |w|^2 / 2 in the loss, at least 0.
        augmentation: none; crop: shifts by up to an eighth of the image, zeros outside; flip: mirror
            images, left to right; crop_flip: both.  Images of files (ImageNet) are cropped at random sizes
            instead of shifted.
        standardize: whether the mean is subtracted from each channel and its standard deviation divided out, both
            those of the training images.
    """

    num_steps: int | None = 400
    num_epochs: int | None = None
    batch_size: int = 64
    learning_rate: float = 0.3
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    augmentation: Literal["none", "crop", "flip", "crop_flip"] = "none"
    standardize: bool = False

    def __post_init__(self) -> None:
        if (self.num_steps is None) == (self.num_epochs is None):
            raise ValueError(
                f"give either num_steps or num_epochs and None for the other, got num_steps = {self.num_steps!r}, "
                f"num_epochs = {self.num_epochs!r}"
            )
        if self.num_steps is not None:
            _check_integer("num_steps", self.num_steps, 1)
        if self.num_epochs is not None:
            _check_integer("num_epochs", self.num_epochs, 1)
        _check_integer("batch_size", self.batch_size, 1)
        _check_real("learning_rate", self.learning_rate, "(0, inf)")
        _check_choice("schedule", self.schedule, ("cosine", "step", "constant"))
        _check_real("warmup", self.warmup, "[0, 1)")
        _check_real("momentum", self.momentum, "[0, 1)")
        _check_real("weight_decay", self.weight_decay, "[0, inf)")
        _check_choice("augmentation", self.augmentation, ("none", "crop", "flip", "crop_flip"))
        _check_boolean("standardize", self.standardize)

    def steps_for(self, num_kept: int) -> int:
        """Number of gradient steps on ``num_kept`` examples."""
        if self.num_steps is not None:
            return self.num_steps
        assert self.num_epochs is not None
        return -(-self.num_epochs * num_kept // self.batch_size)


@dataclass(frozen=True)
class ScoreConfig:
    """How the difficulty of examples is scored; every metric is an average over networks.

    Attributes:
        metric: one of :data:`METRICS`.
        num_networks: networks that the score is averaged over, at least 1.
        training: their training; few steps for ``el2n`` and ``grand`` (Paul et al. 2021), a whole training for
            ``forgetting`` (Toneva et al. 2019).
    """

    metric: MetricName = "el2n"
    num_networks: int = 10
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(num_steps=50))

    def __post_init__(self) -> None:
        _check_choice("metric", self.metric, METRICS)
        _check_integer("num_networks", self.num_networks, 1)
        _check_settings("training", self.training, TrainingConfig)


def keep_rule(name: str, f: float) -> KeepRule:
    """The keep rule of a name, at a fraction kept.

    Args:
        name: ``hard``, ``easy`` or ``random``; ``window@P``, the window of rank of width f that starts at P (1 - f), P
            in [0, 1]: 0 is keep-hard, 1 keep-easy; or ``policy@EDGES/PROBABILITIES``, for example
            ``policy@0,0.2,1/1,0.1``, brought to the fraction f by :meth:`perceptron_theory.KeepPolicy.with_fraction`.
        f: fraction kept, in (0, 1].

    Raises:
        ValueError: the name is none of these, or f or P is out of range.
    """
    if name in ("hard", "easy", "random"):
        return {"hard": KeepHard, "easy": KeepEasy, "random": KeepRandom}[name](f)
    kind, _, numbers = name.partition("@")
    try:
        if kind == "window":
            place = float(numbers)
            if not 0 <= place <= 1:
                raise ValueError("P must lie in [0, 1]")
            lower = place * (1 - f)
            return KeepWindow(lower, min(1.0, lower + f))
        if kind == "policy":
            edges, probability = ([float(x) for x in part.split(",")] for part in numbers.split("/"))
            return KeepPolicy(edges, probability).with_fraction(f)
    except ValueError as error:
        raise ValueError(f"keep rule {name!r} at f = {f}: {error}") from error
    raise ValueError(
        f"a keep rule is hard, easy, random, window@P with P in [0, 1] or policy@EDGES/PROBABILITIES, got {name!r}"
    )


@dataclass(frozen=True)
class Experiment:
    """Test error against the number of examples kept: a grid metric x pool x rule x fraction x seed.

    Each seed has its own pool, its own score networks and its own retraining; the errors over seeds give the standard
    error.  Within a seed all cells start from the same initial weights, so that they differ only by the examples kept.

    ``python -m real_data run`` runs the default, handwritten digits of 8 x 8 pixels, in 10 to 15 seconds on two CPU
    cores, most of them to compile.  Expected, as test error in % (standard error over ten seeds in brackets)::

        f          0.1          0.2          0.3         0.4         0.6         0.8         all
        hard    17.8 (0.8)    6.5 (0.4)    3.1 (0.1)   2.8 (0.2)   2.8 (0.2)   2.7 (0.2)   2.8 (0.2)
        easy    12.6 (0.4)   12.1 (0.4)   11.3 (0.4)   9.8 (0.3)   8.5 (0.3)   6.2 (0.3)
        random   9.9 (0.6)    6.3 (0.4)    5.5 (0.3)   4.8 (0.3)   3.9 (0.2)   3.2 (0.2)

    As in the theory, the hardest examples are the worst choice from scarce data and the best from plentiful.

    Attributes:
        dataset: name of the data set; see :func:`real_data.datasets.load`.
        path: folder or file of the data set; None looks where its reader says.
        image_size: width and height that images of ``imagenet`` and ``folder`` are brought to; None is 224, or their
            own.
        scores: how difficulty is scored, each metric once.
        rules: keep rules by name; see :func:`keep_rule`.
        fractions: fractions kept f of the training pool, each in (0, 1]; the whole pool (f = 1) is always
            trained.
        pool_sizes: numbers of training images that are pruned, each at least 2; None is all there are.
        num_seeds: number of repetitions, at least 2.
        first_seed: seeds are first_seed, first_seed + 1, ...; all in [0, 2^31).
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; 1 ranks per
            class.
        label_noise: share of the labels of the pool that are replaced by another class at random, in [0, 1); those of
            the test set stay right.
        holdout: share of the training images that is set aside, anew for each seed, and takes the place of the test
            images, in [0, 1); 0 uses the test images.
        model: the network, the same for scores and retraining.
        retraining: training on the kept examples.
    """

    dataset: str = "digits"
    path: str | None = None
    image_size: int | None = None
    scores: tuple[ScoreConfig, ...] = (ScoreConfig(),)
    rules: tuple[str, ...] = ("hard", "easy", "random")
    fractions: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
    pool_sizes: tuple[int | None, ...] = (None,)
    num_seeds: int = 10
    first_seed: int = 0
    min_class_share: float = 1.0
    label_noise: float = 0.0
    holdout: float = 0.0
    model: ModelConfig = field(default_factory=ModelConfig)
    retraining: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        _check_string("dataset", self.dataset)
        _check_string("path", self.path, optional=True)
        _check_tuple("scores", self.scores, ScoreConfig)
        _check_tuple("rules", self.rules, str)
        _check_tuple("fractions", self.fractions)
        _check_tuple("pool_sizes", self.pool_sizes)
        _check_settings("model", self.model, ModelConfig)
        _check_settings("retraining", self.retraining, TrainingConfig)
        _check_image_size(self.image_size)
        _check_different("the metrics of scores", tuple(score.metric for score in self.scores))
        _check_different("rules", self.rules)
        for f in self.fractions:
            _check_real("each of fractions", f, "(0, 1]")
            for rule in self.rules:
                keep_rule(rule, f)
        _check_different("fractions", self.fractions)
        for size in self.pool_sizes:
            if size is not None:
                _check_integer("each of pool_sizes", size, 2)
        _check_different("pool_sizes", self.pool_sizes)
        _check_integer("num_seeds", self.num_seeds, 2)
        _check_integer("first_seed", self.first_seed, 0)
        last = self.first_seed + self.num_seeds - 1
        _check_integer("first_seed + num_seeds - 1, the last seed,", last, 0, MOST_SEED)
        _check_real("min_class_share", self.min_class_share, "[0, 1]")
        _check_real("label_noise", self.label_noise, "[0, 1)")
        _check_real("holdout", self.holdout, "[0, 1)")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the repetitions."""
        return tuple(range(self.first_seed, self.first_seed + self.num_seeds))


@dataclass(frozen=True)
class TrainingRun:
    """The training of networks on the kept part of a data set, from scores that were saved.

    Attributes:
        dataset: name of the data set; for images of your own: folder.
        path: folder or file of the data set; None looks in the usual places.
        image_size: width and height that images of imagenet and folder are brought to; None is 224, or their own.
        scores: file of the scores, from python -m real_data score; None where the rule needs none.
        rule: hard, easy, random, window@P, policy@EDGES/PROBABILITIES, or all, which keeps all examples.
        fraction: fraction kept f, in (0, 1]; 1 with the rule all.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1].
        prune_seed: seed of the keep rule; in [0, 2^31).
        seeds: one network for each, in [0, 2^31).
        model: the network.
        training: its training.
    """

    dataset: str = "digits"
    path: str | None = None
    image_size: int | None = None
    scores: str | None = None
    rule: str = "all"
    fraction: float = 1.0
    min_class_share: float = 1.0
    prune_seed: int = 0
    seeds: tuple[int, ...] = (0,)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        for name in ("dataset", "rule"):
            _check_string(name, getattr(self, name))
        for name in ("path", "scores"):
            _check_string(name, getattr(self, name), optional=True)
        _check_tuple("seeds", self.seeds)
        _check_settings("model", self.model, ModelConfig)
        _check_settings("training", self.training, TrainingConfig)
        _check_image_size(self.image_size)
        _check_real("fraction", self.fraction, "(0, 1]")
        if self.rule == "all":
            if self.fraction != 1:
                raise ValueError(f"rule all keeps everything: fraction must be 1, got {self.fraction}")
        else:
            keep_rule(self.rule, self.fraction)
            if self.scores is None and self.rule != "random":
                raise ValueError(f"rule {self.rule} needs scores, a file from the command score")
        _check_real("min_class_share", self.min_class_share, "[0, 1]")
        _check_integer("prune_seed", self.prune_seed, 0, MOST_SEED)
        for seed in self.seeds:
            _check_integer("each of seeds", seed, 0, MOST_SEED)
        _check_different("seeds", self.seeds)


Config = TypeVar("Config")


def to_json(config: Any) -> Any:
    """A settings object as a JSON value, as it comes back from a file: tuples become lists."""
    return json.loads(json.dumps(asdict(config)))


def from_json(kind: type[Config], value: Mapping[str, Any]) -> Config:
    """The settings object that :func:`to_json` turned into ``value``.

    Args:
        kind: the class, for example :class:`Experiment`.
        value: its fields; those left out take their default.

    Raises:
        TypeError: the value of a field is of the wrong type.
        ValueError: a field is unknown, or its value is not allowed.
    """
    assert is_dataclass(kind)
    if not isinstance(value, Mapping):
        raise ValueError(f"the settings of {kind.__name__} must be a table of names and values, got {value!r}")
    known = {f.name for f in fields(kind)}
    unknown = sorted(set(value) - known)
    if unknown:
        raise ValueError(f"{kind.__name__} has no setting {unknown[0]!r}; it has {', '.join(sorted(known))}")
    nested = {"model": ModelConfig, "training": TrainingConfig, "retraining": TrainingConfig}
    arguments: dict[str, Any] = {}
    for name, entry in value.items():
        if name in nested:
            entry = _from_json_at(name, nested[name], entry)
        elif name == "scores" and isinstance(entry, list):
            entry = tuple(_from_json_at("scores", ScoreConfig, one) for one in entry)
        elif isinstance(entry, list):
            entry = tuple(entry)
        arguments[name] = entry
    return kind(**arguments)


def _from_json_at(name: str, kind: type[Config], value: Any) -> Config:
    """:func:`from_json`, whose complaints begin with the name of the field."""
    try:
        return from_json(kind, value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error


def digest_of(value: Any) -> str:
    """Sixteen hexadecimal digits that name a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
