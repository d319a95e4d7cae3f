"""Settings of scores; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from data_pruning.arguments import check_boolean, check_choice, check_integer, check_real, check_settings
from real_data.scores.families import DEFAULT_NETWORKS, METRICS, family_of
from real_data.training.config import TrainingConfig

__all__ = ["METRICS", "MetricName", "ScoreConfig"]


MetricName = Literal[
    "el2n",
    "margin",
    "confidence",
    "grand",
    "prototypes",
    "moderate",
    "forgetting",
    "aum",
    "dyn-unc",
    "tdds",
    "dual",
    "memorization",
    "influence-max",
    "influence-sum",
    "ddd",
    "entropy",
    "mutual-information",
    "variation-ratio",
    "consistency",
    "el2n-held-out",
    "margin-held-out",
    "ssl-prototypes",
    "random",
]


@dataclass(frozen=True)
class ScoreConfig:
    """How the difficulty of examples is scored.

    Attributes:
        metric: one of :data:`METRICS`; :data:`real_data.scores.families.FAMILIES` says what each needs.
        num_networks: networks that the score is averaged over, at least 1; where it is left out, 100 for the metrics of
            subset trainings, where each network has not seen a part of the examples, and 10 for the others.
        training: their training; few steps for ``el2n`` and ``grand`` (Paul et al. 2021), a whole training for
            the course of training and for subset trainings (Toneva et al. 2019, Feldman and Zhang 2020).
        subset_share: share of the pool that each network of the subset trainings is trained on, in (0, 1); the other
            metrics do not use it.
        test_classes: which test images the influence of an example is looked for on: ``all``, or those of the ``same``
            class, which takes a fraction of the time and has less noise.
        subtract_noise: whether the noise floor of ``influence-sum`` is taken off the score.
    """

    metric: MetricName = "el2n"
    num_networks: int = None  # type: ignore[assignment]  # an integer as soon as there is an object
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(num_steps=50))
    subset_share: float = 0.7
    test_classes: Literal["all", "same"] = "all"
    subtract_noise: bool = False

    def __post_init__(self) -> None:
        check_choice("metric", self.metric, METRICS)
        if self.num_networks is None:
            object.__setattr__(self, "num_networks", DEFAULT_NETWORKS.get(family_of(self.metric), 10))
        check_integer("num_networks", self.num_networks, 1)
        check_settings("training", self.training, TrainingConfig)
        check_real("subset_share", self.subset_share, "(0, 1)")
        check_choice("test_classes", self.test_classes, ("all", "same"))
        check_boolean("subtract_noise", self.subtract_noise)
