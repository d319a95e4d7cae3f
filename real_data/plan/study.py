"""Sizes of a study of pruning and transfer, and those of the paper; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from data_pruning.arguments import (
    check_boolean,
    check_choice,
    check_different,
    check_integer,
    check_real,
    check_tuple,
)
from real_data.models.config import Kind, ModelConfig
from real_data.scores.config import MetricName
from real_data.scores.families import family_of
from real_data.selection.methods import check_method, looks_at_scores

__all__ = ["PRESETS", "PlannedStudy"]


@dataclass(frozen=True)
class PlannedStudy:
    """Networks are pretrained on one set of images, the source, and fine-tuned on another, the target; one is pruned.

    Attributes:
        pruned: which set is scored and pruned: source, figure 4b of Sorscher et al. 2022, or target, figure 4a.
        pretrain: whether networks are pretrained; else their weights come from a file (only where the target is
            pruned).
        images: training images of the source, at least 1.
        tests: test images of the source.
        classes: classes of the source.
        image_size: pixels of height and width, of both sets.
        network: kind of all networks.
        width: factor on its channels or heads, above 0.
        epochs: passes over all images of the source in a pretraining.
        batch_size: images per step of it.
        budgets: epochs, a pretraining on fewer images is shorter; steps, it is as long as that on all; or both.
        fractions: fractions kept, in (0, 1]; all images (1) are there in any case, once for all scores and rules.
        metrics: scores of difficulty; random examples come beside them in any case.
        rules: keep rules by name that look at scores, each with each score.
        seeds: pretrainings of each kept set.
        score_networks: networks of a score, each trained on all of the set that is pruned; for scores of the course
            of training as many more are trained to the end, unless score_epochs is as long.
        score_epochs: their passes.
        score_sets: times that scores are measured, each with networks of its own: once for each seed, or 1 where all
            seeds prune by the same scores, of a file.
        subset_networks: networks of scores of random shares, as memorization; each is trained to the end.
        subset_share: share of the images that each of these is trained on, in (0, 1).
        target_images: numbers of training images of the target, one where the target is pruned.
        target_pool: all training images of the target, which each fine-tuning draws its own from.
        target_tests: test images of the target.
        target_epochs: passes over them in a fine-tuning.
        target_batch_size: images per step of it.
        fine_tunings: of each pretrained network (where the target is pruned: of each kept set).
        layers: what a fine-tuning trains: all, or head: linear probes, on features that are computed once for each
            pretrained network; their own steps are not counted.
        from_scratch: whether as many networks are trained on the target from random weights.
    """

    pruned: Literal["source", "target"] = "source"
    pretrain: bool = True
    images: int = 1_281_167
    tests: int = 50_000
    classes: int = 1000
    image_size: int = 224
    network: Kind = "resnet50"
    width: float = 1.0
    epochs: int = 90
    batch_size: int = 256
    budgets: tuple[Literal["epochs", "steps"], ...] = ("epochs",)
    fractions: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    metrics: tuple[MetricName, ...] = ("el2n", "forgetting")
    rules: tuple[str, ...] = ("hard",)
    seeds: int = 3
    score_networks: int = 10
    score_epochs: int = 10
    score_sets: int = 1
    subset_networks: int = 100
    subset_share: float = 0.7
    target_images: tuple[int, ...] = (50_000,)
    target_pool: int = 50_000
    target_tests: int = 10_000
    target_epochs: int = 10
    target_batch_size: int = 128
    fine_tunings: int = 3
    layers: tuple[Literal["all", "head"], ...] = ("all",)
    from_scratch: bool = False

    def __post_init__(self) -> None:
        check_choice("pruned", self.pruned, ("source", "target"))
        check_boolean("pretrain", self.pretrain)
        check_boolean("from_scratch", self.from_scratch)
        for name in _NUMBERS:
            check_integer(name, getattr(self, name), 2 if name == "classes" else 1)
        check_choice("network", self.network, get_args(Kind))
        if ModelConfig(self.network).solved_for:
            raise ValueError(f"network must be one that takes gradient steps, got {self.network}, which is solved for")
        for name in ("budgets", "fractions", "metrics", "rules", "layers", "target_images"):
            check_tuple(name, getattr(self, name))
            check_different(name, getattr(self, name))
        for name, choices in (("budgets", ("epochs", "steps")), ("layers", ("all", "head"))):
            for one in getattr(self, name):
                check_choice(f"each of {name}", one, choices)
        for fraction in self.fractions:
            check_real("each of fractions", fraction, "(0, 1]")
        for rule in self.rules:
            check_method(rule, min(self.fractions))
            if rule == "random" or not looks_at_scores(rule):
                raise ValueError(f"each of rules must look at scores (random comes beside them), got {rule}")
        for metric in self.metrics:
            if family_of(metric) in ("embeddings", "random"):
                raise ValueError(f"metrics must be scores of networks (random comes beside them), got {metric}")
        for number in self.target_images:
            check_integer("each of target_images", number, 1)
            if number > self.target_pool:
                raise ValueError(f"target_pool must be at least each of target_images, got {self.target_pool}")
        check_real("width", self.width, "(0, inf)")
        check_real("subset_share", self.subset_share, "(0, 1)")
        if not self.pretrain and self.pruned == "source":
            raise ValueError("pretrain must be true where the source is pruned: it is pruned for pretrainings")
        if self.from_scratch and self.pruned == "target":
            raise ValueError("from_scratch must be false where the target is pruned, got true")
        if self.pruned == "target" and self.layers != ("all",):
            raise ValueError(f"layers must be all where the target is pruned, got {', '.join(self.layers)}")
        if len(self.target_images) > 1 and self.pruned == "target":
            raise ValueError(f"target_images must be one number where the target is pruned, got {self.target_images}")

    @property
    def model(self) -> ModelConfig:
        """The network."""
        return ModelConfig(self.network, width=self.width)

    @property
    def scoring_batch_size(self) -> int:
        """Images per step of networks that are trained for scores."""
        return self.batch_size if self.pruned == "source" else self.target_batch_size

    @property
    def usual_batch_size(self) -> int:
        """Images per step of most trainings."""
        return self.batch_size if self.pretrain else self.target_batch_size

    @property
    def repeats(self) -> int:
        """Seeds of the fine-tunings, all of them together, where the target is pruned."""
        return self.fine_tunings * (self.seeds if self.pretrain else 1)

    @property
    def scored_images(self) -> int:
        """Training images of the set that is pruned."""
        return self.images if self.pruned == "source" else self.target_images[0]


_NUMBERS = (
    "images",
    "tests",
    "classes",
    "image_size",
    "epochs",
    "batch_size",
    "seeds",
    "score_networks",
    "score_epochs",
    "score_sets",
    "subset_networks",
    "target_pool",
    "target_tests",
    "target_epochs",
    "target_batch_size",
    "fine_tunings",
)

PRESETS = {
    # numbers of images and classes: Russakovsky et al. 2015; batch size: He et al. 2016; figure 4b
    "imagenet-1k": PlannedStudy(),
    # all of ImageNet, release of fall 2011, 14,197,122 images in 21,841 classes; 90 epochs of batch 4,096: what the
    # authors of the network say of their weights (github.com/google-research/vision_transformer, issue 2);
    # figure 4a, whose network was pretrained by others: pretrain is false
    "imagenet-21k": PlannedStudy(
        pruned="target",
        pretrain=False,
        images=14_197_122,
        classes=21_841,
        network="vit-b",
        batch_size=4096,
        target_batch_size=512,
        fractions=(0.1, 0.25, 0.5, 0.75, 1.0),
        metrics=("el2n",),
        seeds=1,
    ),
    # 50 classes of ImageNet at 32 x 32 pixels
    "cpu": PlannedStudy(
        images=25_000,
        tests=2_500,
        classes=50,
        image_size=32,
        network="cnn",
        width=0.5,
        epochs=4,
        batch_size=128,
        budgets=("steps", "epochs"),
        metrics=("el2n",),
        score_epochs=1,
        score_sets=3,
        target_images=(1000, 10_000),
        target_epochs=5,
        target_batch_size=64,
        fine_tunings=10,
        layers=("head", "all"),
        from_scratch=True,
    ),
}
"""Studies by name."""
