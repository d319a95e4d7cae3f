"""Image data sets: readers of their files as published, and :func:`load`, which finds them by name."""

from real_data.datasets.catalogue import NAMES, UNDIVIDED, load
from real_data.datasets.digits import load_digits
from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.image_files import ImageFiles

__all__ = ["NAMES", "UNDIVIDED", "ImageDataset", "ImageFiles", "load", "load_digits"]
