"""An encoder trained without labels: two views of an image are to have like features, those of other images unlike.

Source: Chen, Kornblith, Norouzi and Hinton, *A simple framework for contrastive learning of visual representations*
(ICML 2020), SimCLR: views, a projection of two layers behind the features, the loss over the batch.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray
from tqdm import tqdm

from data_pruning.arguments import check_integer
from data_pruning.compilation import quickly_compiled
from data_pruning.records.fingerprint import sha256_of
from data_pruning.records.settings import to_json
from real_data import models
from real_data.embeddings.config import ContrastiveConfig
from real_data.embeddings.contrastive_step import State, initial_state, step_on_images
from real_data.embeddings.sources import sources
from real_data.training.augmentation import Standardization, standardization_of, to_inputs
from real_data.training.batches import batch_indices
from real_data.training.networks import Params, architecture_of
from real_data.training.run_folder import RunFolder
from real_data.training.train import initial_weights

__all__ = ["ContrastiveEncoder", "check_images", "train_encoder"]

STEPS_AT_ONCE = 20  # that the device may be behind
NUM_CLASSES = 2  # of a layer that takes no part: networks are built with one


@dataclass(frozen=True, eq=False)
class ContrastiveEncoder:
    """A network whose features are an embedding.

    Attributes:
        graphdef: structure (Flax NNX).
        params: weights, a pure dictionary of float32 arrays.
        batch_stats: running means and variances of batch normalisation; empty without it.
        standardization: what is done to the pixels.
        losses: loss of each step of the training, shape (num_steps,).
    """

    graphdef: Any
    params: Params
    batch_stats: Params
    standardization: Standardization
    losses: NDArray[np.float32]

    def features(self, images: np.ndarray) -> NDArray[np.float32]:
        """Features of images, shape (num_images, width); images as in training, not augmented."""
        numbers = (self.params, self.batch_stats, self.standardization)
        return np.asarray(_features(self.graphdef, *numbers, jnp.asarray(images)))


def train_encoder(
    images: Any,
    config: ContrastiveConfig,
    *,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 500,
    progress: bool = False,
) -> ContrastiveEncoder:
    """Train an encoder on images without labels.

    Every random number depends on the seed and the number of the step alone: a training that was killed goes on from
    its last checkpoint to the same weights, bit for bit.

    Args:
        images: shape (num_images, height, width, channels), uint8 (scaled to [0, 1]) or float32, or
            :class:`real_data.datasets.ImageFiles`, at least ``batch_size`` of them.
        config: the settings.
        seed: integer in [0, 2^32), for initial weights, order of batches and views.
        folder: where settings, metrics and checkpoints go; None saves nothing.
        checkpoint_every: steps between checkpoints, at least 1.
        progress: show a progress bar on stderr.

    Raises:
        ValueError: ``images`` or ``seed`` are not what they should be, or the folder belongs to another training.
        FloatingPointError: the loss is no longer finite.
        KeyboardInterrupt: interrupted; the message says what is saved.
    """
    check_images(images, config)
    check_integer("seed", seed, 0, 2**32 - 1)
    check_integer("checkpoint_every", checkpoint_every, 1)
    model = models.build(config.model, images.shape[1:], NUM_CLASSES)
    architecture = architecture_of(model, images.shape[1:])
    params, batch_stats = jax.tree.map(lambda array: array[0], initial_weights(model, [seed]))
    standardization = standardization_of(images, standardize=True)
    run = None
    if folder is not None and config.num_steps:
        about = {"contrastive": to_json(config), "seed": seed, "images_sha256": sha256_of(images)}
        run = RunFolder(Path(folder), about | {"layers": architecture.layers, "software": sources()})
    width = _width(architecture.graphdef, params, batch_stats, images)
    state = initial_state(params, batch_stats, width, config, seed)
    losses = np.zeros(config.num_steps, np.float32)
    options: dict[str, Any] = {"checkpoint_every": checkpoint_every, "progress": progress}
    try:
        state, losses = _fit(
            state, losses, architecture.graphdef, images, config, standardization, seed, run, **options
        )
    except KeyboardInterrupt:
        where = "nothing is saved" if folder is None else f"run it again to go on from the last checkpoint in {folder}"
        raise KeyboardInterrupt(where) from None
    params, batch_stats = jax.tree.map(np.asarray, (state.params, state.batch_stats))
    return ContrastiveEncoder(architecture.graphdef, params, batch_stats, standardization, losses)


def check_images(images: Any, config: ContrastiveConfig) -> None:
    """Raise a ``ValueError`` unless these are images, at least as many as a batch has."""
    if len(images.shape) != 4 or images.dtype not in (np.uint8, np.float32):
        raise ValueError(
            "images must be uint8 or float32 of shape (num_images, height, width, channels), got "
            f"{images.dtype} of shape {images.shape}"
        )
    if config.num_steps and len(images) < config.batch_size:
        raise ValueError(f"images must be at least batch_size, {config.batch_size}, got {len(images)}")


def _fit(
    state: State,
    losses: NDArray[np.float32],
    graphdef: Any,
    images: Any,
    config: ContrastiveConfig,
    standardization: Standardization,
    seed: int,
    run: RunFolder | None,
    *,
    checkpoint_every: int,
    progress: bool,
) -> tuple[State, NDArray[np.float32]]:
    """The steps of the training, from the last checkpoint."""
    step, num_steps = 0, config.num_steps
    if run is not None:
        step, (state, losses) = run.restore((state, losses))
        losses = np.array(losses)
    rates = _rates(config)
    key = jax.random.key(seed, impl="threefry2x32")
    with tqdm(total=num_steps, initial=step, desc="contrastive training", unit="step", disable=not progress) as bar:
        began = time.perf_counter()
        while step < num_steps:
            count = min(STEPS_AT_ONCE, num_steps - step, checkpoint_every - step % checkpoint_every)
            batches = batch_indices(np.arange(len(images)), count, config.batch_size, seed, first_step=step)
            found = []
            for i, batch in enumerate(batches):
                state, loss = step_on_images(
                    graphdef, config, state, images[np.sort(batch)], rates[step + i], step + i, key, standardization
                )
                found.append(loss)
            part = losses[step : step + count] = np.array(found)
            if not np.all(np.isfinite(part)):
                raise FloatingPointError(
                    f"contrastive training diverged near step {step}: lower the learning_rate, {config.learning_rate:g}"
                )
            step += count
            bar.update(count)
            bar.set_postfix(loss=f"{part.mean():.3f}")
            if run is not None:
                speed = count * config.batch_size / (time.perf_counter() - began)
                run.log(step, loss=float(part.mean()), learning_rate=rates[step - 1], images_per_second=speed)
                if step % checkpoint_every == 0 or step == num_steps:
                    run.save(step, (jax.tree.map(np.asarray, state), losses))
            began = time.perf_counter()
    return state, losses


def _rates(config: ContrastiveConfig) -> NDArray[np.float32]:
    """Learning rate of each step: rising over the first tenth, then a falling cosine."""
    steps = np.arange(config.num_steps) + 0.5
    warm = max(1, config.num_steps // 10)
    falling = 0.5 * (1 + np.cos(np.pi * np.clip((steps - warm) / max(1, config.num_steps - warm), 0, 1)))
    return (config.learning_rate * np.minimum(steps / warm, 1) * falling).astype(np.float32)


def _width(graphdef: Any, params: Params, batch_stats: Params, images: Any) -> int:
    inputs = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    return int(jax.eval_shape(lambda x: nnx.merge(graphdef, params, batch_stats).features(x), inputs).shape[-1])


@quickly_compiled(static_argnames=("graphdef",))
def _features(
    graphdef: Any, params: Params, batch_stats: Params, standardization: Standardization, images: jax.Array
) -> jax.Array:
    return nnx.merge(graphdef, params, batch_stats).features(to_inputs(images, standardization))
