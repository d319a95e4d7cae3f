"""Image data sets: readers of their files as published, and :func:`load`, which finds them by name."""

from real_data.datasets.catalogue import NAMES, UNDIVIDED, load
from real_data.datasets.cifar import read_cifar10, read_cifar100
from real_data.datasets.digits import load_digits
from real_data.datasets.fashion_mnist import read_fashion_mnist
from real_data.datasets.idx_file import read_idx
from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.image_files import ImageFiles
from real_data.datasets.image_folder import read_image_folder
from real_data.datasets.imagenet import read_imagenet
from real_data.datasets.source_files import data_folder
from real_data.datasets.svhn import read_svhn

__all__ = [
    "NAMES",
    "UNDIVIDED",
    "ImageDataset",
    "ImageFiles",
    "data_folder",
    "load",
    "load_digits",
    "read_cifar10",
    "read_cifar100",
    "read_fashion_mnist",
    "read_idx",
    "read_image_folder",
    "read_imagenet",
    "read_svhn",
]
