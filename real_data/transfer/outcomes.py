"""What came of pretrainings and fine-tunings, in files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results

__all__ = ["FineTuned", "Pretrained", "read_fine_tuned", "read_pretrained", "save_fine_tuned", "save_pretrained"]

_PRETRAINED = "Pretraining on a part of the source of a transfer study"
_FINE_TUNED = "Fine-tunings of one network of a transfer study"


class Pretrained(NamedTuple):
    """What came of a pretraining.

    Attributes:
        error: on the test images of the source, a fraction; NaN where it diverged.
        num_kept: number of source images that it was trained on.
        num_steps: its gradient steps.
        training_error: error in the last quarter of the training, a fraction; NaN where it diverged.
        learned: whether the network is better than the most frequent class of its training images.
        learning_rate: the one it was trained at in the end; lower than that of the settings where that failed.
    """

    error: float
    num_kept: int
    num_steps: int
    training_error: float
    learned: bool
    learning_rate: float


class FineTuned(NamedTuple):
    """What came of the fine-tunings of one network, each of shape (num_fine_tunings,).

    Attributes:
        errors: on the test images of the target, fractions; NaN where one diverged.
        training_errors: error in the last quarter of the training; NaN where one diverged.
        learned: whether the network is better than the most frequent class of its training images.
        learning_rates: those of the training in the end.
    """

    errors: NDArray[np.float64]
    training_errors: NDArray[np.float64]
    learned: NDArray[np.bool_]
    learning_rates: NDArray[np.float64]


def save_pretrained(path: Path, outcome: Pretrained, config: dict[str, Any]) -> None:
    """Write what came of a pretraining; raises ``OSError`` where the disk is full."""
    results = Results(_PRETRAINED, config)
    or_nan = "fraction; NaN where it diverged"
    results.add("error", (), outcome.error, "1", f"error on the test images of the source, {or_nan}")
    results.add("num_kept", (), outcome.num_kept, "1", "number of source images trained on")
    results.add("num_steps", (), outcome.num_steps, "1", "gradient steps")
    results.add("training_error", (), outcome.training_error, "1", f"error in the last quarter of training, {or_nan}")
    results.add("learned", (), int(outcome.learned), "1", "whether it is better than the most frequent class")
    results.add("learning_rate", (), outcome.learning_rate, "1", "learning rate in the end")
    results.save(path)


def read_pretrained(path: Path) -> Pretrained | None:
    """What came of a pretraining; None where there is no file.

    Raises:
        ValueError: the file is damaged.
    """
    found = _read(path, _PRETRAINED)
    if found is None:
        return None
    error, num_kept, num_steps, training_error, learned, rate = (found[name].item() for name in Pretrained._fields)
    return Pretrained(error, num_kept, num_steps, training_error, bool(learned), rate)


def save_fine_tuned(path: Path, outcome: FineTuned, config: dict[str, Any]) -> None:
    """Write what came of the fine-tunings of a network; raises ``OSError`` where the disk is full."""
    results = Results(_FINE_TUNED, config)
    described = {
        "errors": "error on test images of the target, fraction; NaN where it diverged",
        "training_errors": "error in the last quarter of the training, fraction; NaN where it diverged",
        "learned": "whether the network is better than the most frequent class of its training images",
        "learning_rates": "learning rate of the training in the end",
    }
    for (name, description), values in zip(described.items(), outcome, strict=True):
        results.add(name, "fine_tuning", values, "1", description)
    results.save(path)


def read_fine_tuned(path: Path) -> FineTuned | None:
    """What came of the fine-tunings of a network; None where there is no file.

    Raises:
        ValueError: the file is damaged.
    """
    found = _read(path, _FINE_TUNED)
    if found is None:
        return None
    errors, training_errors, learned, rates = (found[name] for name in FineTuned._fields)
    return FineTuned(errors, training_errors, learned.astype(bool), rates)


def _read(path: Path, title: str) -> Results | None:
    if not path.exists():
        return None
    found = Results.load(path)
    if found.title != title:
        raise ValueError(f"{path} is damaged or another kind of file ({found.title}): delete it")
    return found
