"""An ensemble: trained networks, perhaps of several architectures, that answer together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from real_data.training.networks import TrainedNetworks

__all__ = ["Ensemble"]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trained networks of the same images and classes, whatever their architectures and trainings.

    It answers what can be asked of any network (logits, probabilities, which images are wrong), not what depends on the
    architecture (features, gradients, weights): for that there are the ``groups``.

    Attributes:
        groups: networks of one architecture each, at least one group.
        positions: where the networks of each group stand in the ensemble, together 0 .. num_networks - 1; None is one
            group after another.

    Raises:
        ValueError: no networks, other numbers of classes, or positions that are not each taken once.
    """

    groups: tuple[TrainedNetworks, ...]
    positions: tuple[tuple[int, ...], ...] | None = None

    def __post_init__(self) -> None:
        if not self.groups:
            raise ValueError("groups must be at least one, got none")
        classes = sorted({group.architecture.num_classes for group in self.groups})
        if len(classes) > 1:
            raise ValueError(f"groups must have networks of one number of classes, got {classes}")
        if self.positions is not None:
            taken = [len(places) for places in self.positions]
            if taken != [group.num_networks for group in self.groups]:
                raise ValueError(f"positions must be one for each network of each group, got {self.positions!r}")
            if sorted(self._order()) != list(range(self.num_networks)):
                raise ValueError(f"positions must be 0 to {self.num_networks - 1}, each once, got {self.positions!r}")

    @property
    def num_networks(self) -> int:
        """Number of networks."""
        return sum(group.num_networks for group in self.groups)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.groups[0].architecture.num_classes

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seed of each network."""
        return tuple(self._joined(lambda group: np.array(group.seeds)).tolist())

    @property
    def learned(self) -> NDArray[np.bool_]:
        """Whether each network is better than its most frequent class, shape (num_networks,)."""
        return self._joined(lambda group: group.learned)

    @property
    def training_errors(self) -> NDArray[np.float64]:
        """Share of wrong answers in the last quarter of each training, shape (num_networks,)."""
        return self._joined(lambda group: group.training_errors)

    def logits(self, images: np.ndarray, *, batch_size: int = 1024) -> NDArray[np.float32]:
        """Logits of images under all networks, shape (num_networks, num_images, num_classes)."""
        return self._joined(lambda group: group.logits(images, batch_size=batch_size))

    def probabilities(self, images: np.ndarray, *, batch_size: int = 1024) -> NDArray[np.float64]:
        """Softmax of the logits, of the same shape."""
        logits = self.logits(images, batch_size=batch_size).astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)

    def wrong(self, images: np.ndarray, labels: np.ndarray) -> NDArray[np.bool_]:
        """Which images each network classifies wrongly, shape (num_networks, num_images)."""
        return self._joined(lambda group: group.wrong(images, labels))

    def errors(self, images: np.ndarray, labels: np.ndarray) -> NDArray[np.float64]:
        """Fraction of images that each network classifies wrongly, shape (num_networks,)."""
        return self.wrong(images, labels).mean(axis=-1)

    def _order(self) -> Sequence[int]:
        if self.positions is None:
            return range(self.num_networks)
        return [place for places in self.positions for place in places]

    def _joined(self, answer: Callable[[TrainedNetworks], np.ndarray]) -> np.ndarray:
        """What the networks of all groups answer, in the order of the ensemble."""
        answers = np.concatenate([answer(group) for group in self.groups])
        return answers[np.argsort(self._order())]
