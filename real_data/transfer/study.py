"""What all tasks of a transfer study share, and its cells: which part of the source is pretrained on, and how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from data_pruning.records.fingerprint import sha256_of
from data_pruning.records.settings import digest_of, to_json
from real_data import datasets
from real_data.selection.methods import chosen_examples
from real_data.software import PACKAGES, SOURCES, software
from real_data.training.examples import Examples
from real_data.transfer.config import Budget, Transfer
from real_data.transfer.data import Seeds, loaded

__all__ = ["WHOLE", "Cell", "Curve", "Pretraining", "Study", "transfer_software"]

# the work, not what is said about it: new tables do not call for new trainings
WORK = ("config", "data", "study", "fine_tuning", "outcomes", "pretraining", "source_scores", "task")


def transfer_software() -> dict[str, str]:
    """What determines the outcomes besides settings and data."""
    found = software((*SOURCES, *(f"real_data.transfer.{name}" for name in WORK)))
    return {name: found[name] for name in (*PACKAGES, "source", "device")}


class Curve(NamedTuple):
    """A way to choose source images: by a rule, from the scores of a metric; random is both for random images."""

    metric: str
    rule: str


class Cell(NamedTuple):
    """One way to pretrain: a curve at a fraction kept, for a budget."""

    curve: Curve
    fraction: float
    budget: Budget


WHOLE = Cell(Curve("random", "random"), 1.0, "steps")
"""The whole source; at f = 1 every cell is this one."""


@dataclass(frozen=True, eq=False)
class Pretraining:
    """The pretraining of a cell: cells of equal ones share it.

    Attributes:
        seed: of the pretraining.
        kept: the source images that are kept.
        num_steps: gradient steps.
        key: sixteen hexadecimal digits of all that determines the weights.
    """

    seed: int
    kept: Examples
    num_steps: int
    key: str

    @property
    def name(self) -> str:
        """Of its files."""
        return f"seed-{self.seed}-{self.key}"


@dataclass(frozen=True)
class Study:
    """What all tasks of a transfer study share; small, and picklable.

    Attributes:
        config: the settings.
        source_sha256: fingerprint of the source, so that a worker notices if its files are others.
        target_sha256: fingerprint of the target.
        software: digest of what else determines the outcomes.
        file_metrics: names of the scores of the files of scores.
        file_digests: of their values.
    """

    config: Transfer
    source_sha256: str
    target_sha256: str
    software: str
    file_metrics: tuple[str, ...] = ()
    file_digests: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all scores, those of files last."""
        return (*(score.metric for score in self.config.scores), *self.file_metrics)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """Random images first, then every score with every rule."""
        sighted = [rule for rule in self.config.rules if rule != "random"]
        return (WHOLE.curve, *(Curve(metric, rule) for metric in self.metrics for rule in sighted))

    def cells(self) -> Iterator[Cell]:
        """The whole source, then every part of it."""
        yield WHOLE
        for curve in self.curves:
            for budget in self.config.budgets:
                for fraction in self.config.pruned:
                    yield Cell(curve, fraction, budget)

    def source(self) -> datasets.ImageDataset:
        """The source, which must be the one that the study began with."""
        return _same("source", self.config.source.dataset, loaded(self.config.source), self.source_sha256)

    def target(self) -> datasets.ImageDataset:
        """The target, which must be the one that the study began with."""
        return _same("target", self.config.target.dataset, loaded(self.config.target), self.target_sha256)

    def pretraining(self, cell: Cell, seed: int, scores: dict[str, np.ndarray]) -> Pretraining:
        """The pretraining of a cell.

        Args:
            cell: the cell; its fraction may be 1.
            seed: pretraining seed.
            scores: of the source images under this seed, by metric, each of shape (num_source,).

        Raises:
            ValueError: the rule keeps no image, or leaves a class without any.
        """
        labels = np.asarray(self.source().train_labels)
        metric, rule = cell.curve
        chosen = chosen_examples(
            rule,
            cell.fraction,
            None if rule == "random" else scores[metric],
            labels,
            min_class_share=self.config.min_class_share,
            seed=Seeds(seed).pruning,
        )
        kept = _plain(chosen)
        num_steps = self.config.pretraining_steps(cell.budget, len(kept), labels.size)
        settings = to_json(self.config)
        # the length stands in num_steps
        training = {name: value for name, value in settings["pretraining"].items() if name not in _LENGTH}
        key = digest_of(
            {
                "kept_sha256": sha256_of(*kept.digested()),
                "num_steps": num_steps,
                "training": training,
                "model": settings["model"],
                "seed": seed,
                "source": self.source_sha256,
                "software": self.software,
            }
        )
        return Pretraining(seed, kept, num_steps, key)


_LENGTH = ("num_steps", "num_epochs")


def _plain(chosen: Examples) -> Examples:
    """Examples whose weights are all 1, as those of any rule at f = 1, have none."""
    if chosen.weights is None or not np.all(chosen.weights == 1):
        return chosen
    return Examples(chosen.indices)


def _same(name: str, dataset: str, found: datasets.ImageDataset, sha256: str) -> datasets.ImageDataset:
    if found.fingerprint != sha256:
        raise ValueError(f"the {name} {dataset} here, sha256 {found.fingerprint}, is not that of the study, {sha256}")
    return found
