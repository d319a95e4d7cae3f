"""What a family of scores is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from real_data.models.config import ModelConfig

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.training.start import Start

__all__ = ["Found", "ScoreRequest"]


@dataclass(frozen=True, eq=False)
class ScoreRequest:
    """What all scores of one call have in common; see :func:`real_data.scores.score_all`.

    Attributes:
        dataset: its training images are scored.
        models: the networks, at least one kind.
        seed: of all networks.
        batch_size: images scored at a time.
        folder: where unfinished work is kept; None keeps none.
        test_images: whether test images are scored too.
        executor: runs the subset trainings; None runs them here.
        source: loads the data set on its workers; None sends it to them.
        progress: whether a progress bar is shown.
        start: what the networks start from; None is random weights.
        start_source: loads it on the workers; None sends it to them.
    """

    dataset: ImageDataset
    models: tuple[ModelConfig, ...]
    seed: int
    batch_size: int
    folder: Path | None
    test_images: bool
    executor: Any
    source: Callable[[], ImageDataset] | None
    progress: bool
    start: Start | None = None
    start_source: Callable[[], Start] | None = None

    @property
    def model(self) -> ModelConfig:
        """The one kind of network.

        Raises:
            ValueError: there are several.
        """
        if len(self.models) > 1:
            raise ValueError(
                f"networks of several kinds ({', '.join(one.kind for one in self.models)}) are for the scores of "
                "subset trainings, as ddd: give one model for the others"
            )
        return self.models[0]


class Found(NamedTuple):
    """A score as it was found; the arrays as in :class:`real_data.scores.Scores`."""

    values: np.ndarray
    seeds: tuple[int, ...] = ()
    test_values: np.ndarray | None = None
    standard_error: np.ndarray | None = None
    noise_floor: np.ndarray | None = None
    notes: tuple[str, ...] = ()
