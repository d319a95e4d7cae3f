"""The learning rate of each step."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from real_data.training.config import TrainingConfig

__all__ = ["learning_rates"]


def learning_rates(config: TrainingConfig, num_steps: int) -> NDArray[np.float32]:
    """Learning rate of each step, shape (num_steps,)."""
    progress = np.arange(num_steps) / num_steps
    if config.schedule == "cosine":
        factor = (1 + np.cos(np.pi * progress)) / 2
    elif config.schedule == "step":
        factor = np.where(progress < 0.5, 1.0, np.where(progress < 0.75, 0.1, 0.01))
    else:
        factor = np.ones(num_steps)
    num_warmup = math.ceil(config.warmup * num_steps)
    factor[:num_warmup] *= (np.arange(num_warmup) + 1) / max(1, num_warmup)
    return (config.learning_rate * factor).astype(np.float32)
