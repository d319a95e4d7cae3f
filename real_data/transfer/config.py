"""Settings of a transfer study, checked when they are made; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

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
from real_data.scores.config import ScoreConfig
from real_data.selection.methods import check_method, looks_at_recalls, looks_at_scores
from real_data.training.config import TrainingConfig
from real_data.training.fine_tuning import Layers

__all__ = ["Budget", "ImageSet", "Transfer"]

Budget = Literal["steps", "epochs"]


@dataclass(frozen=True)
class ImageSet:
    """A data set, as :func:`real_data.datasets.load` reads it.

    Attributes:
        dataset: its name; ``folder`` for images of your own.
        path: its folder or file; None looks in the usual places.
        image_size: width and height that images of ``imagenet`` and ``folder`` are brought to; None is 224, or their
            own.
        test_folder: name of the folder of test images of a ``folder``, where there are several beside train.
        skip_undecodable: whether image files of a ``folder`` that cannot be decoded are left out.
        split_seed: seed of the division into training and test images of a data set that has none of its own.
    """

    dataset: str = "folder"
    path: str | None = None
    image_size: int | None = None
    test_folder: str | None = None
    skip_undecodable: bool = False
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_string("dataset", self.dataset)
        check_string("path", self.path, optional=True)
        check_string("test_folder", self.test_folder, optional=True)
        check_boolean("skip_undecodable", self.skip_undecodable)
        if self.image_size is not None:
            check_integer("image_size", self.image_size, 1)
        check_integer("split_seed", self.split_seed, 0, MOST_SEED)

    @property
    def reading(self) -> dict[str, Any]:
        """All that says how the images are read, but for where they lie."""
        names = ("image_size", "test_folder", "skip_undecodable", "split_seed")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Transfer:
    """What pruning the source of a pretraining does to the error on a target: pretrain, fine-tune, test.

    The default trainings are for a small CNN and 25,000 images of 50 classes at 32 x 32 pixels, a pretraining of six
    epochs.  One pilot, of 3,000 steps with a warm-up of 0.25: source error 70.7 %; fine-tuned on 1,000 images of
    CIFAR-10 50.5 % error (from random weights 55.9 %), on 10,000 images 39.6 % (44.0 %); AdamW at a rate of 0.001:
    73.7 %, 53.0 % and 42.1 %.  In earlier pilots, with a tenth of warm-up, some seeds stood still at chance for
    hundreds of steps; more than the warm-up has been changed since, so that it is not shown to be what helps.

    Each pretraining seed has score networks of its own; all its cells start from the same initial weights, and the
    fine-tunings of all its cells from the same heads, on the same images of the target, so that differences are paired.
    For another seed all of these are drawn anew, and with ``num_tests`` the test images too; source and target stay, so
    that intervals over seeds do not hold for other images of the source, nor, without ``num_tests``, for other test
    images.

    Attributes:
        source: the images of the pretraining.
        target: the images of the fine-tuning.
        scores: how the difficulty of source images is scored, each metric once; may be none where there are files of
            scores.
        score_files: files of scores of all training images of the source, the same for all pretraining seeds.
        rules: keep rules by name that look at scores, see :func:`data_pruning.rule_names.keep_rule`; random examples,
            as many, others at every fraction, are always beside them.
        fractions: fractions kept f of the source, in (0, 1]; the whole source (f = 1) is always there.
        budgets: how long pretraining on a part is: ``steps``, as many gradient steps as on the whole source;
            ``epochs``, as many epochs, and so proportionally fewer steps.
        layers: what is fine-tuned: ``head``, a linear probe; ``all`` layers.
        target_sizes: numbers of training images of the target, each at least 2.
        num_pretrainings: pretraining seeds, the unit of all intervals, at least 2.
        first_seed: seeds are first_seed, first_seed + 1, ...; all in [0, 2^31).
        num_fine_tunings: fine-tunings of each pretrained network, at least 1: one number, or one for each target size.
        num_tests: test images of the target, drawn anew for each pretraining seed; None is all.
        min_class_share: least share of its proportional part that a class of the source keeps, in [0, 1].
        model: the network.
        pretraining: training on the whole source; its length is brought to a part by ``budgets``.
        fine_tuning: training of all layers on the target.
        probe: training of the head alone, on features that are computed once: without augmentation.
        scratch: training on the target of the same networks from random weights; None is that of ``fine_tuning``.
        fine_tuning_steps: gradient steps of ``fine_tuning`` and ``scratch`` for each target size; None as they say.
        layer_decay: factor on the learning rate of a layer for every layer between it and the head, in (0, 1].
    """

    source: ImageSet = field(default_factory=ImageSet)
    target: ImageSet = field(default_factory=lambda: ImageSet("cifar10"))
    scores: tuple[ScoreConfig, ...] = ()
    score_files: tuple[str, ...] = ()
    rules: tuple[str, ...] = ("hard",)
    fractions: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    budgets: tuple[Budget, ...] = ("steps", "epochs")
    layers: tuple[Layers, ...] = ("head", "all")
    target_sizes: tuple[int, ...] = (1000, 10_000)
    num_pretrainings: int = 3
    first_seed: int = 0
    num_fine_tunings: tuple[int, ...] = (10,)
    num_tests: int | None = None
    min_class_share: float = 1.0
    model: ModelConfig = field(default_factory=lambda: ModelConfig("cnn", width=0.5))
    pretraining: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            num_steps=2400, batch_size=64, learning_rate=0.05, warmup=0.3, augmentation="flip"
        )
    )
    fine_tuning: TrainingConfig = field(default_factory=lambda: TrainingConfig(num_steps=100, augmentation="flip"))
    probe: TrainingConfig = field(default_factory=lambda: TrainingConfig(num_steps=1000, weight_decay=5e-3))
    scratch: TrainingConfig | None = None
    fine_tuning_steps: tuple[int, ...] | None = None
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        check_settings("source", self.source, ImageSet)
        check_settings("target", self.target, ImageSet)
        check_tuple("scores", self.scores, ScoreConfig)
        check_tuple("score_files", self.score_files, str)
        check_tuple("rules", self.rules, str)
        for name in ("fractions", "budgets", "layers", "target_sizes", "num_fine_tunings"):
            check_tuple(name, getattr(self, name))
        if not self.scores and not self.score_files:
            raise ValueError("scores or score_files must say how difficult the source images are, got none")
        if self.scores:
            check_different("the metrics of scores", tuple(score.metric for score in self.scores))
        if self.score_files:
            check_different("score_files", self.score_files)
        self._check_rules()
        for budget in self.budgets:
            check_choice("each of budgets", budget, get_args(Budget))
        for layers in self.layers:
            check_choice("each of layers", layers, get_args(Layers))
        check_different("budgets", self.budgets)
        check_different("layers", self.layers)
        for size in self.target_sizes:
            check_integer("each of target_sizes", size, 2)
        check_different("target_sizes", self.target_sizes)
        check_integer("num_pretrainings", self.num_pretrainings, 2)
        check_integer("first_seed", self.first_seed, 0)
        last = self.first_seed + self.num_pretrainings - 1
        check_integer("first_seed + num_pretrainings - 1, the last seed,", last, 0, MOST_SEED)
        self._check_trainings()
        check_real("min_class_share", self.min_class_share, "[0, 1]")

    def _check_rules(self) -> None:
        check_different("rules", self.rules)
        check_different("fractions", self.fractions)
        for f in self.fractions:
            check_real("each of fractions", f, "(0, 1]")
            for rule in self.rules:
                check_method(rule, f)
        if not self.pruned:
            raise ValueError(f"fractions must have one below 1, as the whole source is there anyhow: {self.fractions}")
        for rule in self.rules:
            if rule != "random" and (not looks_at_scores(rule) or looks_at_recalls(rule)):
                raise ValueError(f"each of rules must choose by scores alone in a transfer study, got {rule!r}")

    def _check_trainings(self) -> None:
        for number in self.num_fine_tunings:
            check_integer("each of num_fine_tunings", number, 1)
        if len(self.num_fine_tunings) not in (1, len(self.target_sizes)):
            raise ValueError(
                f"num_fine_tunings must be one number, or one for each of {len(self.target_sizes)} target sizes, got "
                f"{self.num_fine_tunings}"
            )
        if self.fine_tuning_steps is not None:
            check_tuple("fine_tuning_steps", self.fine_tuning_steps)
            for steps in self.fine_tuning_steps:
                check_integer("each of fine_tuning_steps", steps, 1)
            if len(self.fine_tuning_steps) != len(self.target_sizes):
                raise ValueError(
                    f"fine_tuning_steps must be one number for each of {len(self.target_sizes)} target sizes, got "
                    f"{self.fine_tuning_steps}"
                )
        if self.num_tests is not None:
            check_integer("num_tests", self.num_tests, 1)
        check_settings("model", self.model, ModelConfig)
        if self.model.solved_for:
            raise ValueError(f"model.kind must be a network whose features are learned, got {self.model.kind!r}")
        for name in ("pretraining", "fine_tuning", "probe"):
            check_settings(name, getattr(self, name), TrainingConfig)
        if self.scratch is not None:
            check_settings("scratch", self.scratch, TrainingConfig)
        if self.probe.augmentation != "none":
            raise ValueError(
                f"probe.augmentation must be none, as features are computed once, got {self.probe.augmentation!r}"
            )
        check_real("layer_decay", self.layer_decay, "(0, 1]")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The pretraining seeds."""
        return tuple(range(self.first_seed, self.first_seed + self.num_pretrainings))

    @property
    def pruned(self) -> tuple[float, ...]:
        """The fractions below 1, increasing."""
        return tuple(sorted(f for f in self.fractions if f < 1))

    def fine_tunings(self, target: int) -> int:
        """Fine-tunings of a pretrained network on the target size of this number."""
        return self.num_fine_tunings[target if len(self.num_fine_tunings) > 1 else 0]

    def training_of(self, layers: Layers | Literal["scratch"], target: int) -> TrainingConfig:
        """The training on the target size of this number: of all layers, of the head, or of all from random weights."""
        if layers == "head":
            return self.probe
        chosen = self.fine_tuning if layers == "all" or self.scratch is None else self.scratch
        if self.fine_tuning_steps is None:
            return chosen
        return replace(chosen, num_steps=self.fine_tuning_steps[target], num_epochs=None)

    def pretraining_steps(self, budget: Budget, num_kept: int, num_source: int) -> int:
        """Gradient steps on ``num_kept`` of ``num_source`` images: as on all, or in proportion, rounded up."""
        whole = self.pretraining.steps_for(num_source)
        return whole if budget == "steps" else -(-whole * num_kept // num_source)
