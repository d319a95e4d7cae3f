"""Settings of scores; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from data_pruning.arguments import check_choice, check_integer, check_settings
from real_data.training.config import TrainingConfig

__all__ = ["METRICS", "MetricName", "ScoreConfig"]


METRICS = ("el2n", "grand", "forgetting", "margin", "confidence", "prototypes", "moderate", "random")
"""Scores of difficulty; see :mod:`real_data.scores`."""


MetricName = Literal["el2n", "grand", "forgetting", "margin", "confidence", "prototypes", "moderate", "random"]


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
        check_choice("metric", self.metric, METRICS)
        check_integer("num_networks", self.num_networks, 1)
        check_settings("training", self.training, TrainingConfig)
