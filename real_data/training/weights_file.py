"""Weights of trained networks in a file that describes itself: NumPy's ``.npz``, nothing pickled.

The file holds one array per weight, named by its place in the network, for example ``params/blocks/0/conv1/kernel``,
with a leading axis of networks; so ``numpy.load(path)`` alone is enough to take the weights elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from data_pruning.records.settings import from_json, to_json
from real_data import models
from real_data.models.config import ModelConfig
from real_data.training.array_file import digest_of_arrays, read_arrays, write_arrays
from real_data.training.augmentation import Standardization
from real_data.training.examples import Examples
from real_data.training.layers import by_name, with_values
from real_data.training.networks import TrainedNetworks, architecture_of

__all__ = ["load_weights", "read_weights_file", "save_weights"]


def save_weights(
    path: Path,
    networks: TrainedNetworks,
    *,
    model: ModelConfig,
    image_shape: tuple[int, ...],
    provenance: Mapping[str, Any],
) -> None:
    """Write networks that were trained on one kept set; the file is there whole or not at all.

    Besides the weights it holds ``standardization/mean`` and ``/scale``; ``seeds``; ``kept``, indices of the kept
    examples, and ``weights``, where their losses have any; ``losses`` (network, step); ``correct``, whether the network
    was right (network, step, example of the batch), packed by ``numpy.packbits`` along the last axis;
    ``description``, JSON; and ``sha256`` of all these.

    Args:
        path: the file, ``.npz``.
        networks: the networks.
        model: how they were built.
        image_shape: height, width and channels of an image.
        provenance: what else the reader of the file should know, a JSON value.

    Raises:
        ValueError: the networks were trained on different kept sets.
    """
    if any(not np.array_equal(kept, networks.subsets[0]) for kept in networks.subsets):
        raise ValueError("networks must have been trained on the same kept examples to be saved in one file")
    # what "auto" was here, so that the networks are the same on another device
    bfloat16 = any("bfloat16" in layer for layer in networks.architecture.layers.values())
    description = {
        "title": "Trained networks of real_data, see real_data.load_networks",
        "model": to_json(replace(model, precision="bfloat16" if bfloat16 else "float32")),
        "image_shape": list(image_shape),
        "num_classes": networks.architecture.num_classes,
        "layers": networks.architecture.layers,
        "batch_size": networks.correct.shape[-1],
        "learning_rates": [list(rates) for rates in networks.learning_rates],
        **provenance,
    }
    arrays = {
        "description": np.array(json.dumps(description)),
        **by_name("params", networks.params),
        **by_name("batch_stats", networks.batch_stats),
        "standardization/mean": networks.standardization.mean,
        "standardization/scale": networks.standardization.scale,
        "seeds": np.asarray(networks.seeds, np.int64),
        "kept": networks.subsets[0],
        **({} if networks.examples[0].weights is None else {"weights": networks.examples[0].weights}),
        "most_frequent": networks.most_frequent,
        "losses": networks.losses,
        "correct": np.packbits(networks.correct, axis=-1),
    }
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    write_arrays(path, {"sha256": np.array(digest_of_arrays(arrays)), **arrays})


def read_weights_file(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the description in a file that :func:`save_weights` wrote, checked against its ``sha256``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, altered or another kind of file.
    """
    try:
        arrays = read_arrays(path)
        if str(arrays.pop("sha256")) != digest_of_arrays(arrays):
            raise ValueError("its content does not match its sha256")
        return arrays, json.loads(str(arrays["description"]))
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is damaged, altered or no file of weights ({error}): train again") from error


def load_weights(path: Path) -> TrainedNetworks:
    """The networks of a file that :func:`save_weights` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, altered or another kind of file, or the networks are built otherwise now.
    """
    arrays, description = read_weights_file(path)
    image_shape = tuple(description["image_shape"])
    model = models.build(from_json(ModelConfig, description["model"]), image_shape, description["num_classes"])
    architecture = architecture_of(model, image_shape)
    if architecture.layers != description["layers"]:
        found, now = description["layers"], architecture.layers
        name = next(name for name in {**found, **now} if found.get(name) != now.get(name))
        raise ValueError(
            f"{path} holds networks of other layers: {name} is {found.get(name)} there, {now.get(name)} now"
        )
    _, *states = nnx.split(nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0))), nnx.Param, nnx.BatchStat)
    params, batch_stats = (
        with_values(kind, nnx.to_pure_dict(state), arrays)
        for kind, state in zip(("params", "batch_stats"), states, strict=True)
    )
    seeds = tuple(map(int, arrays["seeds"]))
    return TrainedNetworks(
        architecture,
        params,
        batch_stats,
        Standardization(arrays["standardization/mean"], arrays["standardization/scale"]),
        arrays["losses"],
        np.unpackbits(arrays["correct"], axis=-1, count=description["batch_size"]).astype(bool),
        (Examples(arrays["kept"], arrays.get("weights")),) * len(seeds),
        seeds,
        arrays["most_frequent"],
        tuple(tuple(rates) for rates in description["learning_rates"]),
    )
