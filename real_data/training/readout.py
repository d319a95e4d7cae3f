"""Training where only the last layer is learned: ridge regression, solved for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from data_pruning.compilation import quickly_compiled
from real_data.models.readout import ReadoutNetwork
from real_data.training.augmentation import Standardization, standardization_of, to_inputs
from real_data.training.examples import Examples
from real_data.training.learning_check import label_statistics
from real_data.training.networks import FEW_IMAGES, Architecture, Model, TrainedNetworks

__all__ = ["solve_readouts"]

RIDGES = np.geomspace(1e-6, 1e1, 15)  # lambda over the mean eigenvalue of the second moments of the features
LOOKED_AT = 2000  # images that the features adapt to
JUDGED = 1024  # left-out examples behind a training error; fewer are taken several times
Floats = NDArray[np.float64]


def solve_readouts(
    model: Model,
    architecture: Architecture,
    images: np.ndarray,
    labels: NDArray[np.int32],
    subsets: Sequence[Examples],
    seeds: Sequence[int],
    *,
    standardize: bool,
    learning_rate: float,
    progress: bool = False,
) -> TrainedNetworks:
    """Train networks of fixed features: weighted ridge regression on one-hot labels.

    lambda is that of the least weighted square error of left-out examples, each predicted by all others (in closed
    form).  Outputs are scaled such that their softmax gives left-out labels the largest probability.  Networks of equal
    seeds have the same features, which are computed once.

    Args:
        model: builds one network, a :class:`ReadoutNetwork`.
        architecture: its structure.
        images: shape (num_images, height, width, channels).
        labels: shape (num_images,).
        subsets: what each network is trained on; all examples of it at once.
        seeds: seed of each network.
        standardize: as in the settings of training.
        learning_rate: that of the settings, which takes no part.
        progress: show a progress bar.

    Returns:
        The networks; ``losses`` (cross-entropy) and ``correct`` are those of left-out examples, in one step.

    Raises:
        ValueError: examples that are to be chosen anew while training.
    """
    if any(one.per_epoch is not None or one.skip_learned is not None for one in subsets):
        raise ValueError("rs2 and infobatch choose while gradients descend: not for networks that are solved for")
    standardization = standardization_of(images, standardize=standardize)
    found: list[_Readout] = []
    of_seed: dict[int, tuple[ReadoutNetwork, NDArray[np.float32]]] = {}
    for one, seed in zip(tqdm(subsets, desc="training", unit="network", disable=not progress), seeds, strict=True):
        if seed not in of_seed:
            of_seed.clear()  # the features of one seed at a time
            network = _featured(model, images, standardization, seed)
            of_seed[seed] = network, features_of(network, images, standardization)
        network, features = of_seed[seed][0], of_seed[seed][1][one.indices]
        sample = np.resize(np.random.default_rng(seed).permutation(len(one)), JUDGED)
        with threadpool_limits(1, user_api="blas"):  # beside other work eigenvectors take 45 times as long on all cores
            found.append(_solved(network, features, labels[one.indices], architecture.num_classes, one, sample))
    return TrainedNetworks(
        architecture,
        jax.tree.map(lambda *leaves: np.stack(leaves), *(readout.params for readout in found)),
        {},
        standardization,
        np.array([[readout.loss] for readout in found], np.float32),
        np.stack([readout.correct[None] for readout in found]),
        tuple(subsets),
        tuple(map(int, seeds)),
        np.array([label_statistics(labels[one.indices])[0] for one in subsets]),
        ((learning_rate,),) * len(subsets),
    )


def _featured(model: Model, images: np.ndarray, standardization: Standardization, seed: int) -> ReadoutNetwork:
    """A network whose features have looked at the images."""
    network = model(rngs=nnx.Rngs(jax.random.key(np.uint32(seed), impl="threefry2x32")))
    rng = np.random.default_rng([int(seed), 1])
    chosen = np.sort(rng.choice(len(images), min(LOOKED_AT, len(images)), replace=False))
    assert isinstance(network, ReadoutNetwork)
    network.look_at(np.asarray(to_inputs(jnp.asarray(images[chosen]), standardization)), rng)
    return network


def images_at_once() -> int:
    """Images whose features are computed in one call; with more, a CPU takes three times as long."""
    return FEW_IMAGES if jax.default_backend() == "cpu" else 1024


def features_of(network: nnx.Module, images: np.ndarray, standardization: Standardization) -> NDArray[np.float32]:
    """Features of all images, shape (num_images, width)."""
    graphdef, state = nnx.split(network)
    parts = []
    size = min(images_at_once(), len(images))
    for start in range(0, len(images), size):
        part = np.asarray(images[start : start + size])
        padded = np.pad(part, ((0, size - len(part)), (0, 0), (0, 0), (0, 0)))
        parts.append(np.asarray(_features(graphdef, state, padded, standardization))[: len(part)])
    return np.concatenate(parts)


@quickly_compiled(static_argnames="graphdef")
def _features(
    graphdef: nnx.GraphDef, state: nnx.State, images: jax.Array, standardization: Standardization
) -> jax.Array:
    return nnx.merge(graphdef, state).features(to_inputs(images, standardization))


class _Readout(NamedTuple):
    params: dict[str, Any]
    loss: float
    correct: NDArray[np.bool_]  # of a sample of the examples, left out


def _solved(
    network: nnx.Module,
    features: NDArray[np.float32],
    labels: NDArray[np.int32],
    num_classes: int,
    examples: Examples,
    sample: NDArray[np.int64],
) -> _Readout:
    """The readout of one network."""
    weights = np.ones(len(labels)) if examples.weights is None else np.asarray(examples.weights, np.float64)
    share = weights / weights.sum()
    target = np.eye(num_classes, dtype=np.float32)[labels]
    mean, mean_target = share @ features, share @ target
    root = np.sqrt(weights).astype(np.float32)[:, None]
    x, y = (features - mean.astype(np.float32)) * root, (target - mean_target.astype(np.float32)) * root
    size, axes = np.linalg.eigh((x.T @ x).astype(np.float64))
    size = np.maximum(size, 0)
    turned = x @ axes.astype(np.float32)
    pull = (turned.T @ y).astype(np.float64)
    squares = turned * turned
    best = (np.inf, 0.0, np.zeros(0))
    for ridge in RIDGES * size.mean():
        shrunk = 1 / (size + ridge)
        # left out, an example is missed by its residual over 1 - leverage; the mean is one direction more
        leverage = np.minimum(squares @ shrunk.astype(np.float32) + share, 1 - 1e-6)
        missed = (y - turned @ (shrunk[:, None] * pull).astype(np.float32)) / (1 - leverage[:, None])
        error = float(np.sum(np.square(missed, dtype=np.float64)))
        if error < best[0]:
            best = error, float(ridge), missed
    left_out = target - best[2] / root  # outputs for each example of the readout without it

    def surprise(log_scale: float) -> float:
        each = log_softmax(np.exp(log_scale) * left_out, axis=1)
        return -float(share @ each[np.arange(len(labels)), labels])

    scale = minimize_scalar(surprise, bounds=(-2.0, 5.0), method="bounded", options={"xatol": 1e-3})
    kernel = axes @ (pull / (size + best[1])[:, None])
    params: dict[str, Any] = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(network, nnx.Param)))
    factor = float(np.exp(scale.x))
    params["readout"] = {
        "kernel": (factor * kernel).astype(np.float32),
        "bias": (factor * (mean_target - mean @ kernel)).astype(np.float32),
    }
    right = left_out.argmax(axis=1) == labels
    return _Readout(params, float(scale.fun), right[sample])
