"""Data pruning on real images: score the examples, keep a fraction by a keep rule, train again, test.

``prune`` and the settings need NumPy only.  The other names load JAX, Flax and so on when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from real_data.config import Experiment, ModelConfig, ScoreConfig, TrainingConfig
from real_data.pruning import prune

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset, load, load_digits
    from real_data.experiment import run_experiment
    from real_data.models import MLP
    from real_data.scores import Scores, el2n, score, scores_from_csv
    from real_data.training import TrainedNetworks, train
    from real_data.training_run import load_networks, run_training

__all__ = [
    "MLP",
    "Experiment",
    "ImageDataset",
    "ModelConfig",
    "ScoreConfig",
    "Scores",
    "TrainedNetworks",
    "TrainingConfig",
    "el2n",
    "load",
    "load_digits",
    "load_networks",
    "prune",
    "run_experiment",
    "run_training",
    "score",
    "scores_from_csv",
    "train",
]

_HOME = {
    "MLP": "models",
    "ImageDataset": "datasets",
    "Scores": "scores",
    "TrainedNetworks": "training",
    "el2n": "scores",
    "load": "datasets",
    "load_digits": "datasets",
    "load_networks": "training_run",
    "run_experiment": "experiment",
    "run_training": "training_run",
    "score": "scores",
    "scores_from_csv": "scores",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
