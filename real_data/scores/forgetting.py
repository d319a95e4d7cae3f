"""Forgetting: how often a network that was right about an example is wrong about it later in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["forgetting_events"]


def forgetting_events(correct: ArrayLike, batches: ArrayLike, num_examples: int) -> NDArray[np.float64]:
    """Forgetting events of each example in the training of each network.

    An example is presented at every step whose batch holds it.  A forgetting event is a presentation at which the
    network is wrong though it was right at the presentation before.  If a batch holds an example more than once, as
    when it runs on from one epoch into the next, this is one presentation, since the network is the same; it is right
    if the network was right about every copy (augmented copies differ).

    A network that is never right about an example does not forget it.  Toneva et al. count such an example as
    forgotten infinitely often; here it has one event more than is possible at all, floor(P / 2) + 1 with P the largest
    number of presentations of any example: above every example the network learned, and finite, so that the numbers
    can be averaged over networks.

    Source: Toneva et al., *An Empirical Study of Example Forgetting during Deep Neural Network Learning* (ICLR 2019),
    section 3.

    Args:
        correct: whether the network was right about each example of each batch, before the step was taken, booleans
            of shape (num_networks, num_steps, batch_size).
        batches: indices of these examples, integers in [0, num_examples), of the same shape.
        num_examples: number of examples, at least 1.

    Returns:
        Numbers of events in [0, floor(P / 2) + 1], higher = harder, shape (num_networks, num_examples).

    Raises:
        TypeError: ``correct`` is not boolean or ``batches`` not integer.
        ValueError: shapes that do not fit, an index out of range, or examples with fewer than two presentations to a
            network: they cannot be forgotten, however hard they are.
    """
    right, examples = np.asarray(correct), np.asarray(batches)
    if right.dtype != np.bool_ or examples.dtype.kind not in "iu":
        raise TypeError(f"correct must be boolean and batches integer, got {right.dtype} and {examples.dtype}")
    if right.ndim != 3 or right.shape != examples.shape or right.size == 0:
        raise ValueError(
            f"correct and batches must have the same shape (num_networks, num_steps, batch_size), "
            f"got {right.shape} and {examples.shape}"
        )
    if examples.min() < 0 or examples.max() >= num_examples:
        raise ValueError(f"batches must lie in [0, {num_examples}), got {examples.min()} to {examples.max()}")
    num_networks, num_steps, _ = right.shape
    now, before, ever = (np.zeros((num_networks, num_examples), dtype=bool) for _ in range(3))
    events, presentations = (np.zeros((num_networks, num_examples), dtype=np.int64) for _ in range(2))
    network = np.arange(num_networks)[:, None]
    for step in range(num_steps):
        here = network, examples[:, step]
        now[here] = True
        which, column = np.nonzero(~right[:, step])
        now[which, examples[which, step, column]] = False  # one wrong copy is enough
        # NumPy adds to an example once though its index comes twice: one presentation
        events[here] += before[here] & ~now[here]
        presentations[here] += 1
        ever[here] |= now[here]
        before[here] = now[here]
    _refuse_unseen(presentations)
    never_learned = presentations.max(axis=1, keepdims=True) // 2 + 1
    return np.where(ever, events, never_learned).astype(np.float64)


def _refuse_unseen(presentations: NDArray[np.int64]) -> None:
    fewest = presentations.min(axis=0)
    rare = np.flatnonzero(fewest < 2)
    if rare.size:
        never = int(np.sum(fewest == 0))
        first = ", ".join(f"{i} ({fewest[i]} times)" for i in rare[:3])
        raise ValueError(
            f"forgetting needs every example to be presented at least twice in training, but {rare.size} of "
            f"{fewest.size} are presented less often to a network, {never} of them never; the first: {first}: "
            f"raise num_steps or num_epochs"
        )
