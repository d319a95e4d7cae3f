"""Settings of experiments and of single trainings, checked when they are made; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, field

from data_pruning.arguments import (
    check_boolean,
    check_different,
    check_integer,
    check_real,
    check_settings,
    check_string,
    check_tuple,
)
from real_data.models.config import ModelConfig
from real_data.scores.config import ScoreConfig
from real_data.selection.methods import check_method, looks_at_scores
from real_data.training.config import TrainingConfig
from real_data.training.fine_tuning import FineTuning

__all__ = ["MOST_SEED", "Experiment", "TrainingRun"]


MOST_SEED = 2**31 - 1
"""Largest seed: result files hold 32-bit integers."""


def _check_reading(config: Experiment | TrainingRun) -> None:
    """Check what says which images of the data set are taken."""
    check_string("path", config.path, optional=True)
    check_string("test_folder", config.test_folder, optional=True)
    check_boolean("skip_undecodable", config.skip_undecodable)
    if config.image_size is not None:
        check_integer("image_size", config.image_size, 1)


def _check_fine_tuning(config: Experiment | TrainingRun) -> None:
    """Check what the networks start from."""
    if config.fine_tuning is None:
        return
    check_settings("fine_tuning", config.fine_tuning, FineTuning)
    if config.model.solved_for:
        raise ValueError(
            f"fine_tuning is for networks that are trained by gradient descent: model.kind must be one of them, got "
            f"{config.model.kind}, which is solved for"
        )


@dataclass(frozen=True)
class Experiment:
    """Test error against the number of examples kept: a grid metric x pool x rule x fraction x seed.

    Each seed has its own pool, its own score networks and its own retraining; the errors over seeds give the standard
    error.  Within a seed all cells start from the same initial weights, so that they differ only by the examples kept.

    ``python -m real_data run`` runs the default, handwritten digits of 8 x 8 pixels, in 10 to 15 seconds on two CPU
    cores, most of them to compile.  Expected, as test error in % (standard error over ten seeds in brackets)::

        f          0.1          0.2          0.3         0.4         0.6         0.8         all
        hard    17.5 (0.6)    6.4 (0.6)    3.0 (0.1)   2.7 (0.2)   2.6 (0.2)   2.7 (0.2)   2.8 (0.1)
        easy    12.7 (0.6)   12.2 (0.5)   11.2 (0.4)  10.2 (0.4)   8.5 (0.4)   6.4 (0.3)
        random   9.1 (0.5)    6.1 (0.3)    5.6 (0.4)   4.0 (0.3)   3.6 (0.2)   3.1 (0.2)

    As in the theory, the hardest examples are the worst choice from scarce data and the best from plentiful.

    Attributes:
        dataset: name of the data set; see :func:`real_data.datasets.load`.
        path: folder or file of the data set; None looks where its reader says.
        image_size: width and height that images of ``imagenet`` and ``folder`` are brought to; None is 224, or their
            own.
        test_folder: name of the folder of test images of a ``folder``, where there are several beside train.
        skip_undecodable: whether image files of a ``folder`` that cannot be decoded are left out.
        scores: how difficulty is scored, each metric once; may be none where there are files of scores.
        rules: keep rules by name, see :func:`keep_rule`; with +by-error for class quotas by error, or rs2 or infobatch,
            see :func:`real_data.selection.methods.chosen_examples`.
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
        labels: file of labels in place of those of the data set, for training and test images, as
            :func:`real_data.datasets.label_file.save_labels` writes it; None keeps them.  Data sets without a test set
            are then divided in the same way for every seed.
        score_files: files of scores of all training images, as ``python -m real_data score`` writes them, beside
            ``scores`` or in place of them, each metric once.  They are the same for all seeds, so that intervals over
            seeds hold for pool and retraining alone.  Data sets without a test set are then divided in the same way
            for every seed; with ``holdout`` the networks behind the scores have seen the images that are set aside.
        model: the network, the same for scores and retraining.
        retraining: training on the kept examples.
        fine_tuning: weights that all networks start from, those that score too, see
            :class:`real_data.training.fine_tuning.FineTuning`; None starts from random ones.  They are the same for all
            seeds; weights of a training on this data set have seen the images that ``holdout`` sets aside.
    """

    dataset: str = "digits"
    path: str | None = None
    image_size: int | None = None
    test_folder: str | None = None
    skip_undecodable: bool = False
    scores: tuple[ScoreConfig, ...] = (ScoreConfig(),)
    rules: tuple[str, ...] = ("hard", "easy", "random")
    fractions: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
    pool_sizes: tuple[int | None, ...] = (None,)
    num_seeds: int = 10
    first_seed: int = 0
    min_class_share: float = 1.0
    label_noise: float = 0.0
    holdout: float = 0.0
    labels: str | None = None
    score_files: tuple[str, ...] = ()
    model: ModelConfig = field(default_factory=ModelConfig)
    retraining: TrainingConfig = field(default_factory=TrainingConfig)
    fine_tuning: FineTuning | None = None

    def __post_init__(self) -> None:
        check_string("dataset", self.dataset)
        _check_reading(self)
        check_tuple("scores", self.scores, ScoreConfig)
        check_tuple("rules", self.rules, str)
        check_tuple("fractions", self.fractions)
        check_tuple("pool_sizes", self.pool_sizes)
        check_settings("model", self.model, ModelConfig)
        check_settings("retraining", self.retraining, TrainingConfig)
        _check_fine_tuning(self)
        check_tuple("score_files", self.score_files, str)
        if self.scores or not self.score_files:
            check_different("the metrics of scores", tuple(score.metric for score in self.scores))
        if self.score_files:
            check_different("score_files", self.score_files)
        check_different("rules", self.rules)
        for f in self.fractions:
            check_real("each of fractions", f, "(0, 1]")
            for rule in self.rules:
                check_method(rule, f)
        check_different("fractions", self.fractions)
        for size in self.pool_sizes:
            if size is not None:
                check_integer("each of pool_sizes", size, 2)
        check_different("pool_sizes", self.pool_sizes)
        check_integer("num_seeds", self.num_seeds, 2)
        check_integer("first_seed", self.first_seed, 0)
        last = self.first_seed + self.num_seeds - 1
        check_integer("first_seed + num_seeds - 1, the last seed,", last, 0, MOST_SEED)
        check_real("min_class_share", self.min_class_share, "[0, 1]")
        check_real("label_noise", self.label_noise, "[0, 1)")
        check_real("holdout", self.holdout, "[0, 1)")
        check_string("labels", self.labels, optional=True)
        if self.score_files and self.label_noise:
            raise ValueError(
                f"label_noise must be 0 with score_files, which are scores under the labels as they are, got "
                f"{self.label_noise}"
            )

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
        test_folder: name of the folder of test images of a ``folder``, where there are several beside train.
        skip_undecodable: whether image files of a ``folder`` that cannot be decoded are left out.
        scores: file of the scores, from python -m real_data score; None where the rule needs none.
        kept: file with the examples to keep, their positions or names, one a line, with weights if there are any, as
            the command prune writes them; in place of scores and rule.  None keeps by the rule.
        rule: all, which keeps all examples; a keep rule, such as hard, random, window@P, proportional@POWER or
            coverage@TRIM, with importance weights RULE+weighted@GAMMA; rs2 or infobatch.
        fraction: fraction kept f, in (0, 1]; 1 with the rule all.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1].
        prune_seed: seed of the keep rule; in [0, 2^31).
        seeds: one network for each, in [0, 2^31).
        model: the network.
        training: its training.
        fine_tuning: weights that it starts from, see :class:`real_data.training.fine_tuning.FineTuning`; None starts
            from random ones.
    """

    dataset: str = "digits"
    path: str | None = None
    image_size: int | None = None
    test_folder: str | None = None
    skip_undecodable: bool = False
    scores: str | None = None
    kept: str | None = None
    rule: str = "all"
    fraction: float = 1.0
    min_class_share: float = 1.0
    prune_seed: int = 0
    seeds: tuple[int, ...] = (0,)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    fine_tuning: FineTuning | None = None

    def __post_init__(self) -> None:
        for name in ("dataset", "rule"):
            check_string(name, getattr(self, name))
        for name in ("scores", "kept"):
            check_string(name, getattr(self, name), optional=True)
        _check_reading(self)
        check_tuple("seeds", self.seeds)
        check_settings("model", self.model, ModelConfig)
        check_settings("training", self.training, TrainingConfig)
        _check_fine_tuning(self)
        check_real("fraction", self.fraction, "(0, 1]")
        if self.kept is not None and (self.scores is not None or self.rule != "all"):
            raise ValueError("kept names the examples to keep: leave out scores and rule")
        if self.rule == "all":
            if self.fraction != 1:
                raise ValueError(f"rule all keeps everything: fraction must be 1, got {self.fraction}")
        else:
            check_method(self.rule, self.fraction)
            if self.scores is None and looks_at_scores(self.rule):
                raise ValueError(f"rule {self.rule} needs scores, a file from the command score")
        check_real("min_class_share", self.min_class_share, "[0, 1]")
        check_integer("prune_seed", self.prune_seed, 0, MOST_SEED)
        for seed in self.seeds:
            check_integer("each of seeds", seed, 0, MOST_SEED)
        check_different("seeds", self.seeds)
