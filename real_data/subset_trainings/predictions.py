"""What networks say of images, in numbers small enough to keep for each network and image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Predictions", "predictions_of"]


class Predictions(NamedTuple):
    """Of each network and image; all of shape (num_networks, num_images) but ``probabilities``.

    Attributes:
        right: whether the class with the largest logit is the label.
        predicted: this class.
        el2n: length of the error vector, |p - onehot(y)|, in [0, sqrt 2].
        risen_margin: the margin plus 1, in [0, 2]: largest probability of another class plus the sum of all others; so
            half precision tells images apart about which a network is nearly sure.
        entropy: of the probabilities, in nats.
        probabilities: float32 of shape (num_networks, num_images, num_classes).
    """

    right: NDArray[np.bool_]
    predicted: NDArray[np.int64]
    el2n: NDArray[np.float32]
    risen_margin: NDArray[np.float32]
    entropy: NDArray[np.float32]
    probabilities: NDArray[np.float32]


def predictions_of(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Predictions:
    """What networks say of images.

    Args:
        logits: shape (num_networks, num_images, num_classes), num_classes >= 2.
        labels: classes, shape (num_images,).

    Raises:
        FloatingPointError: a logit is not finite.
    """
    if not np.all(np.isfinite(logits)):
        raise FloatingPointError("a logit of a network is not finite: lower the learning_rate of its training")
    shifted = logits - logits.max(axis=-1, keepdims=True)
    probabilities = np.exp(shifted)
    total = probabilities.sum(axis=-1, keepdims=True)
    probabilities /= total
    entropy = np.log(total[..., 0]) - np.einsum("rnc,rnc->rn", probabilities, shifted)
    predicted = logits.argmax(axis=-1)
    place = np.broadcast_to(labels[:, None], (*logits.shape[:2], 1))
    others = probabilities.copy()
    np.put_along_axis(others, place, 0, axis=-1)
    # the sum of the others, not 1 - p: exact also where the network is nearly sure
    sum_of_others = others.sum(axis=-1)
    el2n = np.sqrt(np.einsum("rnc,rnc->rn", others, others) + sum_of_others**2)
    risen_margin = others.max(axis=-1) + sum_of_others
    return Predictions(predicted == labels, predicted, el2n, risen_margin, np.maximum(entropy, 0), probabilities)
