"""Trained networks, and what they say about images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from data_pruning.compilation import quickly_compiled
from real_data.models.readout import ReadoutNetwork
from real_data.models.transformer import VisionTransformer
from real_data.training.augmentation import Standardization, to_inputs
from real_data.training.batches import batch_indices
from real_data.training.examples import Examples
from real_data.training.learning_check import has_learned, last_quarter

__all__ = [
    "Architecture",
    "Model",
    "Params",
    "TrainedNetworks",
    "architecture_of",
    "joined",
    "of_each",
    "picked",
    "replaced",
]

Model = Callable[..., nnx.Module]
"""Builds one network from the keyword ``rngs``, for example ``functools.partial(MLP, 64, 10)``.

Make it once and use it again: JAX compiles anew for every new object.
"""

Params = Any  # a pure dictionary of arrays
MOST_WEIGHTS = 1 << 20  # of all transformers that are one program; more of them are no faster side by side
MOST_TOKENS = 1 << 14  # of all images in one call of a transformer; the gradients of one take memory for each of them
FEW_IMAGES = 64  # whose fixed features a CPU computes in one call: with more it spends its time on pages of memory


@dataclass(frozen=True)
class Architecture:
    """Structure of a network.

    Attributes:
        graphdef: structure, without weights (Flax NNX).
        num_classes: number of logits.
        convolutional: whether it has convolutions.
        readout: whether its features are fixed and only the last layer is learned.
        layers: kinds of the layers, types of their activations and shapes of their weights, by name.
        num_weights: number of all weights.
        num_tokens: tokens of an image, where it is a vision transformer; else 0.
    """

    graphdef: Any
    num_classes: int
    convolutional: bool
    readout: bool
    layers: dict[str, str]
    num_weights: int
    num_tokens: int

    @property
    def most_side_by_side(self) -> int | None:
        """Most networks that are one program; None for any number.

        One where they have convolutions, which JAX would turn into slow grouped ones.  Transformers are side by side
        as long as they are tiny together: on a core, one after the other is as fast per image already at 10^5 weights.
        """
        if self.convolutional:
            return 1
        return max(1, MOST_WEIGHTS // self.num_weights) if self.num_tokens else None


def architecture_of(model: Model, image_shape: tuple[int, ...]) -> Architecture:
    """Structure of the networks that ``model`` builds, for images of shape (height, width, channels)."""
    abstract = nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0)))
    graphdef, *states = nnx.split(abstract, nnx.Param, nnx.BatchStat)
    params, batch_stats = (nnx.to_pure_dict(state) for state in states)
    inputs = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    logits = jax.eval_shape(lambda p, s, x: nnx.merge(graphdef, p, s)(x), params, batch_stats, inputs)
    modules = {"/".join(map(str, path)): module for path, module in nnx.iter_modules(abstract)}
    layers = {name: f"{type(module).__name__} {_type_of(module)}".strip() for name, module in modules.items()}
    for path, weight in jax.tree_util.tree_leaves_with_path((params, batch_stats)):
        layers[jax.tree_util.keystr(path[1:], simple=True, separator="/")] = f"{weight.dtype}{list(weight.shape)}"
    convolutional = any(isinstance(module, nnx.Conv) for module in modules.values())
    readout = isinstance(abstract, ReadoutNetwork)
    num_weights = sum(weight.size for weight in jax.tree.leaves(params))
    num_tokens = abstract.num_tokens if isinstance(abstract, VisionTransformer) else 0
    return Architecture(graphdef, logits.shape[-1], convolutional, readout, layers, num_weights, num_tokens)


def _type_of(module: nnx.Module) -> str:
    dtype = getattr(module, "dtype", None)
    return "" if dtype is None else jnp.dtype(dtype).name


@dataclass(frozen=True, eq=False)
class TrainedNetworks:
    """Networks after training.

    Attributes:
        architecture: structure of one network.
        params: weights, a pure dictionary of float32 arrays with a leading axis (num_networks,).
        batch_stats: running means and variances of batch normalisation, likewise; empty without it.
        standardization: what was done to the pixels.
        losses: training loss of each step, shape (num_networks, num_steps).
        correct: whether the network was right about each example of each batch, before the step was taken, shape
            (num_networks, num_steps, batch_size).
        examples: what each network was trained on.
        seeds: seed of each network.
        most_frequent: share of the most frequent class among the kept examples of each network, shape (num_networks,).
        learning_rates: learning rates that each network was trained at, the last being that of these weights; several
            where earlier trainings failed; see :func:`real_data.training.train.train`.
        observed: what was found at the ends of the epochs, by name, each with a leading axis (num_networks,); see
            :mod:`real_data.training.observation`.
    """

    architecture: Architecture
    params: Params
    batch_stats: Params
    standardization: Standardization
    losses: NDArray[np.float32]
    correct: NDArray[np.bool_]
    examples: tuple[Examples, ...]
    seeds: tuple[int, ...]
    most_frequent: NDArray[np.float64]
    learning_rates: tuple[tuple[float, ...], ...]
    observed: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def subsets(self) -> tuple[np.ndarray, ...]:
        """Indices of the kept examples of each network."""
        return tuple(one.indices for one in self.examples)

    @property
    def training_errors(self) -> NDArray[np.float64]:
        """Share of wrong answers in the batches of the last quarter of the training, shape (num_networks,)."""
        return 1 - last_quarter(self.correct).mean(axis=(1, 2))

    @property
    def learned(self) -> NDArray[np.bool_]:
        """Whether each network is better than its most frequent class; see :mod:`real_data.training.learning_check`."""
        return has_learned(self.correct, np.array([len(kept) for kept in self.subsets]), self.most_frequent)

    @property
    def graphdef(self) -> Any:
        """Structure of one network (Flax NNX)."""
        return self.architecture.graphdef

    @property
    def num_networks(self) -> int:
        """Number of networks."""
        return len(self.seeds)

    def network(self, i: int) -> nnx.Module:
        """Network number ``i``, as a module."""
        pick = partial(jax.tree.map, lambda array: jnp.asarray(array[i]))
        return nnx.merge(self.graphdef, pick(self.params), pick(self.batch_stats))

    def batches(self) -> NDArray[np.int32]:
        """Indices of the examples of every training step, shape (num_networks, num_steps, batch_size).

        Raises:
            ValueError: the examples depended on the losses, and are not known any more.
        """
        if any(one.skip_learned is not None for one in self.examples):
            raise ValueError("which examples were in a batch is not kept where those learned are skipped")
        _, num_steps, batch_size = self.correct.shape
        each = [
            batch_indices(one.indices, num_steps, batch_size, seed, per_epoch=one.per_epoch)
            for one, seed in zip(self.examples, self.seeds, strict=True)
        ]
        return np.stack(each)

    def prepare(self, images: np.ndarray) -> jax.Array:
        """Inputs of the networks for images: scaled and standardised as in training, not augmented."""
        return to_inputs(jnp.asarray(images), self.standardization)

    def map(
        self,
        function: Callable[[Any, jax.Array, jax.Array], jax.Array],
        images: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        batch_size: int = 1024,
    ) -> np.ndarray:
        """A function of each image under each network, for example its logits.

        The batch size does not matter beyond float32 rounding as long as the function treats every image by itself:
        the last batch is filled up with blank images, whose results are dropped.

        Args:
            function: takes a network (Flax NNX module), its inputs, shape (batch, height, width, channels), and
                labels, shape (batch,), and returns an array of shape (batch, ...).  Use the same function object
                again: JAX compiles anew for every new one.
            images: shape (num_images, height, width, channels), uint8 or float32, num_images >= 1.
            labels: integers of shape (num_images,); zeros if left out.
            batch_size: images per call of the network, at least 1; fewer are taken where there are fewer images, and by
                transformers as many as have 16,384 tokens.

        Returns:
            Shape (num_networks, num_images, ...).

        Raises:
            ValueError: ``batch_size`` below 1, no images, or not one label per image.
        """
        num_images = len(images)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if num_images < 1:
            raise ValueError("images must be at least one, got none")
        if labels is not None and np.shape(labels) != (num_images,):
            raise ValueError(f"labels must be {num_images}, one per image, got shape {np.shape(labels)}")
        if self.architecture.num_tokens:
            batch_size = min(batch_size, max(1, MOST_TOKENS // self.architecture.num_tokens))
        if num_images < batch_size:  # a power of two, so that few programs are compiled
            batch_size = min(batch_size, 1 << (num_images - 1).bit_length())
        classes = np.zeros(num_images, np.int32) if labels is None else np.asarray(labels, np.int32)
        at_once = self.architecture.most_side_by_side or self.num_networks
        groups = [slice(i, i + at_once) for i in range(0, self.num_networks, at_once)]
        of_group = [jax.device_put(_part((self.params, self.batch_stats), group)) for group in groups]
        parts = []
        for start in range(0, num_images, batch_size):
            chosen = slice(start, start + batch_size)
            batch = np.asarray(images[chosen])
            missing = batch_size - len(batch)
            padded = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0)))
            targets = np.pad(classes[chosen], (0, missing))
            values = [
                _mapped(function, self.graphdef, params, batch_stats, padded, targets, self.standardization)
                for params, batch_stats in of_group
            ]
            parts.append(np.concatenate([np.asarray(value)[:, : len(batch)] for value in values]))
        return np.concatenate(parts, axis=1)

    def logits(self, images: np.ndarray, *, batch_size: int = 1024) -> NDArray[np.float32]:
        """Logits of images under all networks, shape (num_networks, num_images, num_classes); see :meth:`map`."""
        if self.architecture.readout:
            return self._read_out(images, batch_size)
        return self.map(_logits, images, batch_size=batch_size)

    def _read_out(self, images: np.ndarray, batch_size: int) -> NDArray[np.float32]:
        """Logits of networks with fixed features, which those of equal seeds share."""
        if self.architecture.convolutional and jax.default_backend() == "cpu":
            batch_size = min(batch_size, FEW_IMAGES)
        readout = self.params["readout"]
        logits = np.empty((self.num_networks, len(images), self.architecture.num_classes), np.float32)
        seeds = np.array(self.seeds)
        for seed in np.unique(seeds):
            same = np.flatnonzero(seeds == seed)
            features = picked(self, same[:1]).features(images, batch_size=batch_size)[0]
            for i in same:
                logits[i] = features @ readout["kernel"][i] + readout["bias"][i]
        return logits

    def features(self, images: np.ndarray, *, batch_size: int = 1024) -> NDArray[np.float32]:
        """Activations of the last layer before the logits, shape (num_networks, num_images, width); see :meth:`map`."""
        return self.map(_features, images, batch_size=batch_size)

    def errors(self, images: np.ndarray, labels: np.ndarray) -> NDArray[np.float64]:
        """Fraction of images that each network classifies wrongly, shape (num_networks,)."""
        return self.wrong(images, labels).mean(axis=-1)

    def wrong(self, images: np.ndarray, labels: np.ndarray) -> NDArray[np.bool_]:
        """Which images each network classifies wrongly, shape (num_networks, num_images)."""
        if np.shape(labels) != (len(images),):
            raise ValueError(f"labels must be {len(images)}, one per image, got shape {np.shape(labels)}")
        return self.logits(images).argmax(axis=-1) != labels


def picked(networks: TrainedNetworks, chosen: NDArray[np.intp]) -> TrainedNetworks:
    """Some of the networks."""
    pick = partial(jax.tree.map, lambda array: array[chosen])
    return replace(
        networks,
        params=pick(networks.params),
        batch_stats=pick(networks.batch_stats),
        losses=networks.losses[chosen],
        correct=networks.correct[chosen],
        examples=tuple(networks.examples[i] for i in chosen),
        seeds=tuple(networks.seeds[i] for i in chosen),
        most_frequent=networks.most_frequent[chosen],
        learning_rates=tuple(networks.learning_rates[i] for i in chosen),
        observed=pick(networks.observed),
    )


def replaced(networks: TrainedNetworks, chosen: NDArray[np.intp], others: TrainedNetworks) -> TrainedNetworks:
    """The networks with those chosen exchanged for others, whose earlier learning rates they keep."""

    def put(array: np.ndarray, new: np.ndarray) -> np.ndarray:
        array = np.array(array)
        array[chosen] = new
        return array

    rates = list(networks.learning_rates)
    for i, new in zip(chosen, others.learning_rates, strict=True):
        rates[i] = rates[i] + new
    return replace(
        networks,
        params=jax.tree.map(put, networks.params, others.params),
        batch_stats=jax.tree.map(put, networks.batch_stats, others.batch_stats),
        losses=put(networks.losses, others.losses),
        correct=put(networks.correct, others.correct),
        learning_rates=tuple(rates),
        observed=jax.tree.map(put, networks.observed, others.observed),
    )


def joined(trained: list[TrainedNetworks]) -> TrainedNetworks:
    """The networks of several groups, one after another."""
    if len(trained) == 1:
        return trained[0]
    join = partial(jax.tree.map, lambda *arrays: np.concatenate(arrays))
    return replace(
        trained[0],
        params=join(*(one.params for one in trained)),
        batch_stats=join(*(one.batch_stats for one in trained)),
        losses=np.concatenate([one.losses for one in trained]),
        correct=np.concatenate([one.correct for one in trained]),
        examples=tuple(examples for one in trained for examples in one.examples),
        seeds=tuple(seed for one in trained for seed in one.seeds),
        most_frequent=np.concatenate([one.most_frequent for one in trained]),
        learning_rates=tuple(rates for one in trained for rates in one.learning_rates),
        observed=join(*(one.observed for one in trained)),
    )


def _part(tree: Params, group: slice) -> Params:
    return jax.tree.map(lambda array: array[group], tree)


def of_each(function: Callable[..., Any], num_networks: int) -> Callable[..., Any]:
    """``function`` of each network: vmap, but without a batch dimension around convolutions for a single network."""
    if num_networks > 1:
        return jax.vmap(function)

    def of_the_only_one(*arguments: Any) -> Any:
        return jax.tree.map(lambda x: x[None], function(*jax.tree.map(lambda x: x[0], arguments)))

    return of_the_only_one


@quickly_compiled(static_argnames=("function", "graphdef"))
def _mapped(
    function: Callable[..., jax.Array],
    graphdef: Any,
    params: Params,
    batch_stats: Params,
    images: jax.Array,
    labels: jax.Array,
    standardization: Standardization,
) -> jax.Array:
    inputs = to_inputs(images, standardization)

    def of_one(params: Params, batch_stats: Params) -> jax.Array:
        return function(nnx.merge(graphdef, params, batch_stats), inputs, labels)

    return of_each(of_one, len(jax.tree.leaves(params)[0]))(params, batch_stats)


def _logits(network: Any, inputs: jax.Array, labels: jax.Array) -> jax.Array:
    return network(inputs)


def _features(network: Any, inputs: jax.Array, labels: jax.Array) -> jax.Array:
    return network.features(inputs)
