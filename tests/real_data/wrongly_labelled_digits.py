"""300 digits of which 30 are labelled wrongly, and trainings for them."""

import numpy as np

from real_data import ModelConfig, TrainingConfig, load_digits
from real_data.datasets import ImageDataset
from real_data.subset_trainings import SubsetTrainings

TRAINING = TrainingConfig(num_steps=60)
SETTINGS = SubsetTrainings((ModelConfig(),), (TRAINING,), share=0.5)


def digits(number=300, num_wrong=30):
    """Digits of which some are labelled wrongly, and which."""
    rng = np.random.default_rng(0)
    data = load_digits(0)
    chosen = rng.choice(1200, number, replace=False)
    labels = data.train_labels[chosen]
    wrong = rng.choice(number, num_wrong, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, num_wrong)) % 10
    tests = data.test_images[:90], data.test_labels[:90]
    return ImageDataset("digits", data.train_images[chosen], labels, *tests, 10), wrong


DATA, WRONG = digits()
