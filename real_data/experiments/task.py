"""A task of an experiment, all cells of one pool and seed, and its pool."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_pruning.records.settings import digest_of, to_json
from real_data import datasets
from real_data.experiments.cells import Cell
from real_data.experiments.config import Experiment
from real_data.experiments.pool import load_for, pool_within
from real_data.selection import methods
from real_data.software import software

__all__ = ["Task", "load_for", "pool_of"]

KEY_SETTINGS = ("model", "retraining", "min_class_share", "label_noise", "holdout")


@dataclass(frozen=True)
class Task:
    """All cells of one pool size and seed.

    Attributes:
        config: the experiment.
        pool_size: number of training images in the pool.
        seed: seed of the repetition.
        fingerprint: of the data set, so that a worker notices if its files are others.
        networks_at_once: networks that are trained side by side.
        software: versions of what determines the numbers.
        score_digests: of the scores in the experiment's files, so that a worker notices if they are others.
        start_sha256: digest of what networks start from, likewise; None of random weights.
    """

    config: Experiment
    pool_size: int
    seed: int
    fingerprint: str
    networks_at_once: int | None
    software: str
    score_digests: tuple[str, ...] = ()
    start_sha256: str | None = None

    @property
    def name(self) -> str:
        """Beginning of the names of the task's files."""
        return f"pool-{self.pool_size}-seed-{self.seed}"

    @property
    def score_seed(self) -> int:
        """Seed of the networks that score the pool."""
        return self._seeds[1]

    @property
    def prune_seed(self) -> int:
        """Seed of keep rules."""
        return self._seeds[2]

    @property
    def train_seed(self) -> int:
        """Seed of the networks of all cells."""
        return self._seeds[3]

    @property
    def _seeds(self) -> list[int]:
        seeds: list[int] = np.random.SeedSequence(self.seed).generate_state(4).tolist()
        return seeds

    @property
    def num_scores(self) -> int:
        """How many scores there are, those from files last."""
        return len(self.config.scores) + len(self.config.score_files)

    def cells(self) -> dict[tuple[int, str, float], Cell]:
        """The cell of each score (by number), rule and fraction, and the whole pool as (0, "all", 1)."""
        grid = itertools.product(range(self.num_scores), self.config.rules, self.config.fractions)
        everything = {(score, rule, f): self._cell(score, rule, f) for score, rule, f in grid}
        return {**everything, (0, "all", 1.0): self._cell(0, "all", 1.0)}

    def _cell(self, score: int, rule: str, fraction: float) -> Cell:
        if fraction == 1 and not methods.may_differ_from_all(rule):
            rule = "all"
        blind = not methods.looks_at_scores(rule)
        own = {"score": None if blind else self._score_key(score), "rule": rule, "fraction": fraction}
        return Cell(rule, fraction, None if blind else score, digest_of({**self._shared(), **own}))

    def _score_key(self, score: int) -> Any:
        """What determines a score: its settings, or its values where they come from a file, wherever that lies."""
        number = score - len(self.config.scores)
        return to_json(self.config.scores[score]) if number < 0 else {"values_sha256": self.score_digests[number]}

    def domain(self) -> str:
        """Digest of what all cells have in common, whatever the rules, fractions and scores of the experiment."""
        return digest_of(self._shared())

    def provenance(self) -> dict[str, Any]:
        """What determines the outcomes of the task, for the reader of its files."""
        return {
            "experiment": to_json(self.config),
            "pool_size": self.pool_size,
            "seed": self.seed,
            "dataset": {"name": self.config.dataset, "sha256": self.fingerprint},
            "software": software(),
            **self.start_key,
        }

    def _shared(self) -> dict[str, Any]:
        settings = to_json(self.config)
        return {name: settings[name] for name in KEY_SETTINGS} | {
            "dataset": self.fingerprint,
            "pool_size": self.pool_size,
            "seed": self.seed,
            "software": self.software,
            **self.start_key,
        }

    @property
    def start_key(self) -> dict[str, str]:
        """What says, among what determines numbers, where networks start; nothing for random weights."""
        return {} if self.start_sha256 is None else {"start_sha256": self.start_sha256}


def pool_of(task: Task) -> datasets.ImageDataset:
    """The data set of a task, its training part reduced to the pool, with wrong labels if there are to be any."""
    config = task.config
    data = load_for(config, task.seed)
    if data.fingerprint != task.fingerprint:
        raise ValueError(
            f"the data set {config.dataset} here, sha256 {data.fingerprint}, is not that of the experiment, "
            f"{task.fingerprint}"
        )
    pool, noise_seed = pool_within(config, data, task.pool_size, task.seed)
    if config.label_noise == 0:
        return data if pool.size == data.train_labels.size else data.subset(pool)
    labels = data.train_labels[pool]
    rng = np.random.default_rng(noise_seed)
    wrong = rng.choice(pool.size, round(config.label_noise * pool.size), replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, data.num_classes, wrong.size)) % data.num_classes
    return data.subset(pool, labels)
