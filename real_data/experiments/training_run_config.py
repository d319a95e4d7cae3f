"""Settings of the training of networks on a part of a data set; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, field

from data_pruning.arguments import check_different, check_integer, check_real, check_settings, check_string, check_tuple
from data_pruning.rule_names import keep_rule
from real_data.experiments.config import MOST_SEED, _check_image_size
from real_data.models.config import ModelConfig
from real_data.training.config import TrainingConfig

__all__ = ["TrainingRun"]


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
            check_string(name, getattr(self, name))
        for name in ("path", "scores"):
            check_string(name, getattr(self, name), optional=True)
        check_tuple("seeds", self.seeds)
        check_settings("model", self.model, ModelConfig)
        check_settings("training", self.training, TrainingConfig)
        _check_image_size(self.image_size)
        check_real("fraction", self.fraction, "(0, 1]")
        if self.rule == "all":
            if self.fraction != 1:
                raise ValueError(f"rule all keeps everything: fraction must be 1, got {self.fraction}")
        else:
            keep_rule(self.rule, self.fraction)
            if self.scores is None and self.rule != "random":
                raise ValueError(f"rule {self.rule} needs scores, a file from the command score")
        check_real("min_class_share", self.min_class_share, "[0, 1]")
        check_integer("prune_seed", self.prune_seed, 0, MOST_SEED)
        for seed in self.seeds:
            check_integer("each of seeds", seed, 0, MOST_SEED)
        check_different("seeds", self.seeds)
