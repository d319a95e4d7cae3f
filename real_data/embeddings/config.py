"""Settings of an encoder that learns without labels, and of clusters; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, field

from data_pruning.arguments import check_boolean, check_integer, check_real, check_settings
from real_data.models.config import ModelConfig

__all__ = ["ClusterConfig", "ContrastiveConfig"]


@dataclass(frozen=True)
class ContrastiveConfig:
    """Contrastive training of an encoder, without labels; see :func:`real_data.embeddings.contrastive.train_encoder`.

    The defaults are those that were measured on CIFAR-10 (``docs/explanation/scores.md``).

    Attributes:
        model: the network; its features, the activations before the logits, are the embedding.
        num_steps: steps of training, at least 0; 0 is the network as it begins.
        batch_size: images per step, each seen twice, at least 2.
        learning_rate: highest learning rate of Adam, above 0; it rises over the first tenth and falls as a cosine.
        temperature: what cosines are divided by, above 0.
        projection: width of the two layers between the features and the loss, at least 2.
        least_area: least share of the image that a view shows, in (0, 1].
        jitter: strength of the change of brightness, contrast and saturation, in [0, 1); of the hue a quarter of it.
        grey: probability that a view has no colour, in [0, 1].
        flip: whether half of the views are mirrored; not for digits and letters.
    """

    model: ModelConfig = field(default_factory=lambda: ModelConfig("cnn", width=0.5))
    num_steps: int = 4000
    batch_size: int = 128
    learning_rate: float = 3e-3
    temperature: float = 0.5
    projection: int = 128
    least_area: float = 0.2
    jitter: float = 0.4
    grey: float = 0.2
    flip: bool = True

    def __post_init__(self) -> None:
        check_settings("model", self.model, ModelConfig)
        if self.model.solved_for:
            raise ValueError(f"model must be one with weights to train, got {self.model.kind}")
        check_integer("num_steps", self.num_steps, 0)
        check_integer("batch_size", self.batch_size, 2)
        check_real("learning_rate", self.learning_rate, "(0, inf)")
        check_real("temperature", self.temperature, "(0, inf)")
        check_integer("projection", self.projection, 2)
        check_real("least_area", self.least_area, "(0, 1]")
        check_real("jitter", self.jitter, "[0, 1)")
        check_real("grey", self.grey, "[0, 1]")
        check_boolean("flip", self.flip)


@dataclass(frozen=True)
class ClusterConfig:
    """How clusters of embeddings are found; see :func:`real_data.embeddings.k_means.k_means`.

    Attributes:
        spherical: by angle, or by Euclidean distance.
        seed: integer in [0, 2^64), of the first centroids.
        num_starts: how often to begin anew, at least 1; the best clusters are taken.
        max_iterations: most iterations, at least 1.
        tolerance: share of the inertia that an iteration must gain to be followed by another, in [0, 1).
    """

    spherical: bool = True
    seed: int = 0
    num_starts: int = 1
    max_iterations: int = 100
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        check_boolean("spherical", self.spherical)
        check_integer("seed", self.seed, 0, 2**64 - 1)
        check_integer("num_starts", self.num_starts, 1)
        check_integer("max_iterations", self.max_iterations, 1)
        check_real("tolerance", self.tolerance, "[0, 1)")
