"""Data pruning on real images: score the examples, keep a fraction by a keep rule, train again, test.

``prune`` needs NumPy only.  The other names load JAX, Flax and scikit-learn when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from real_data.config import DigitsExperiment, TrainingConfig
from real_data.pruning import prune

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset, load_digits
    from real_data.experiment import run_experiment
    from real_data.models import MLP
    from real_data.scores import el2n
    from real_data.training import TrainedNetworks, train

__all__ = [
    "MLP",
    "DigitsExperiment",
    "ImageDataset",
    "TrainedNetworks",
    "TrainingConfig",
    "el2n",
    "load_digits",
    "prune",
    "run_experiment",
    "train",
]

_HOME = {
    "MLP": "models",
    "ImageDataset": "datasets",
    "TrainedNetworks": "training",
    "el2n": "scores",
    "load_digits": "datasets",
    "run_experiment": "experiment",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
