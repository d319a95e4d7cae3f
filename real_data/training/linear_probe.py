"""Linear probes of images that are not augmented: the head alone is trained, on features that are computed once.

All else of the network stays as it is, so that its features of an image are the same in every step; the head on them is
a network of one dense layer, whose steps are thousands of times as fast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from data_pruning.records.fingerprint import sha256_of
from real_data.models import CNN, MLP, ResNet, VisionTransformer
from real_data.training.augmentation import Standardization
from real_data.training.config import TrainingConfig
from real_data.training.examples import Examples
from real_data.training.fit import Job
from real_data.training.initial_weights import drawn_at_random
from real_data.training.layers import by_name, head_of, with_values
from real_data.training.networks import Architecture, Model, TrainedNetworks, architecture_of
from real_data.training.observation import Observation, Observer
from real_data.training.start import Start

__all__ = ["LinearProbe", "looks_once", "probes_at_once"]

MOST_PROBES = 64
MOST_PROBE_WEIGHTS = 2**28
"""Heads that are trained side by side, and the weights of their networks, which in the end are whole."""

MOST_BYTES = 2**31
"""Features of more bytes are not kept: they are computed in every step."""

_IMAGES_AT_ONCE = 4096
_WITH_HEAD = (MLP, CNN, ResNet, VisionTransformer)  # logits are a dense layer of the features


def looks_once(model: Model, config: TrainingConfig, start: Start | None, num_kept: int) -> bool:
    """Whether a training looks at every image once, for its features.

    That is a linear probe without augmentation of networks that all have the same body, if the features fit into
    memory.

    Args:
        model: builds one network.
        config: its training.
        start: what networks start from.
        num_kept: number of different images that they are trained on.
    """
    if start is None or start.layers != "head" or config.augmentation != "none":
        return False
    abstract = nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0)))
    if not isinstance(abstract, _WITH_HEAD):
        return False
    _, *states = nnx.split(abstract, nnx.Param, nnx.BatchStat)
    params, batch_stats = map(nnx.to_pure_dict, states)
    head = {name.rsplit("/", 1)[1]: name for name in head_of(list(by_name("params", params)))}
    if set(drawn_at_random(start, params, batch_stats)) - set(head.values()):
        return False
    width = by_name("params", params)[head["kernel"]].shape[0]
    return num_kept * width * np.dtype(np.float32).itemsize <= MOST_BYTES


def probes_at_once(num_weights: int) -> int:
    """How many networks of so many weights are trained side by side where their heads alone are."""
    return max(1, min(MOST_PROBES, MOST_PROBE_WEIGHTS // num_weights))


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """The training of heads on features.

    Attributes:
        job: the job whose images are the features of the kept images.
        kept: indices of these images, increasing.
        body: a network before its first step; all have the same weights but for their heads.
        head: names of the weights of the head: kernel and bias.
        whole: the job of the whole networks.
    """

    job: Job
    kept: NDArray[np.int64]
    body: TrainedNetworks
    head: dict[str, str]
    whole: Job

    @classmethod
    def of(cls, job: Job, body: TrainedNetworks, examples: list[Examples]) -> LinearProbe:
        """The probes of a job that :func:`looks_once`.

        Args:
            job: of the whole networks.
            body: one of them, before its first step.
            examples: what all of them are trained on.
        """
        assert job.origin is not None
        head = head_of(list(by_name("params", body.params)))
        of_head = {name.rsplit("/", 1)[1]: name for name in head}
        width, num_classes = by_name("params", body.params)[of_head["kernel"]].shape[1:]
        kept = np.unique(np.concatenate([one.indices for one in examples]))
        parts = [
            body.features(job.images[kept[first : first + _IMAGES_AT_ONCE]])[0]
            for first in range(0, kept.size, _IMAGES_AT_ONCE)
        ]
        features = np.concatenate(parts).reshape(kept.size, 1, 1, width)
        data = job.data
        if data is not None:  # the heads' layers say nothing of the body's
            of_body = {"start_sha256": job.origin.digest, "features_of": job.architecture.layers}
            data = data | {"kept_sha256": sha256_of(kept)} | of_body
        one = replace(
            job,
            images=features,
            labels=job.labels[kept],
            architecture=_architecture(width, num_classes),
            standardization=Standardization(np.zeros(1, np.float32), np.ones(1, np.float32)),
            data=data,
            origin=None,
        )
        probe = cls(one, kept, body, of_head, job)
        if job.observation is None:
            return probe
        return replace(probe, job=replace(one, observation=_OfWhole(job.observation, probe)))

    def heads(self, networks: TrainedNetworks) -> TrainedNetworks:
        """The heads of whole networks before their first step, as networks of one dense layer."""
        weights = by_name("params", networks.params)
        return replace(
            networks,
            architecture=self.job.architecture,
            params={"layers": {0: {part: weights[name] for part, name in self.head.items()}}},
            batch_stats={},
            standardization=self.job.standardization,
            examples=tuple(replace(one, indices=np.searchsorted(self.kept, one.indices)) for one in networks.examples),
        )

    def joined(self, heads: TrainedNetworks) -> TrainedNetworks:
        """Whole networks of these heads."""
        layer = heads.params["layers"][0]
        own = {name: layer[part] for part, name in self.head.items()}
        repeated: Any = partial(jax.tree.map, lambda array: np.repeat(array, heads.num_networks, axis=0))
        return replace(
            heads,
            architecture=self.whole.architecture,
            params=with_values("params", repeated(self.body.params), own),
            batch_stats=repeated(self.body.batch_stats),
            standardization=self.whole.standardization,
            examples=tuple(replace(one, indices=self.kept[one.indices]) for one in heads.examples),
        )


def _architecture(width: int, num_classes: int) -> Architecture:
    return architecture_of(partial(MLP, width, num_classes, ()), (1, 1, width))


@dataclass(frozen=True, eq=False)
class _OfWhole:
    """An observation of whole networks, of trainings of their heads."""

    observation: Observation
    probe: LinearProbe

    @property
    def settings(self) -> Any:
        return self.observation.settings

    def begin(self, start: TrainedNetworks) -> Observer:
        return _WholeObserver(self.observation.begin(self.probe.joined(start)), self.probe)


@dataclass(frozen=True, eq=False)
class _WholeObserver:
    observer: Observer
    probe: LinearProbe

    def observe(self, networks: TrainedNetworks) -> None:
        self.observer.observe(self.probe.joined(networks))

    def memory(self) -> Any:
        return self.observer.memory()

    def remember(self, memory: Any) -> None:
        self.observer.remember(memory)

    def result(self) -> dict[str, NDArray[np.float64]]:
        return self.observer.result()
