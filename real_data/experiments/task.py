"""One task of an experiment: draw a pool, score it, prune it for every cell, train and test."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning import Results
from data_pruning.records.lock import locked
from data_pruning.records.settings import digest_of, to_json
from real_data import datasets, models, scores
from real_data.datasets.label_file import relabelled
from real_data.experiments.cells import Cell, CellFolder, Outcome, group_name
from real_data.experiments.config import Experiment
from real_data.scores.config import ScoreConfig
from real_data.selection import methods
from real_data.software import software
from real_data.training import train as training
from real_data.training.examples import Examples

__all__ = ["Task", "load_for", "pool_of", "run_task", "scores_of_tests", "source_of"]

KEY_SETTINGS = ("model", "retraining", "min_class_share", "label_noise", "holdout")
CHECKPOINT_EVERY = 1000  # steps


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
    """

    config: Experiment
    pool_size: int
    seed: int
    fingerprint: str
    networks_at_once: int | None
    software: str

    @property
    def name(self) -> str:
        """Beginning of the names of the task's files."""
        return f"pool-{self.pool_size}-seed-{self.seed}"

    def cells(self) -> dict[tuple[int, str, float], Cell]:
        """The cell of each score (by number), rule and fraction, and the whole pool as (0, "all", 1)."""
        grid = itertools.product(range(len(self.config.scores)), self.config.rules, self.config.fractions)
        everything = {(score, rule, f): self._cell(score, rule, f) for score, rule, f in grid}
        return {**everything, (0, "all", 1.0): self._cell(0, "all", 1.0)}

    def _cell(self, score: int, rule: str, fraction: float) -> Cell:
        if fraction == 1 and not methods.may_differ_from_all(rule):
            rule = "all"
        blind = not methods.looks_at_scores(rule)
        own = {"score": None if blind else to_json(self.config.scores[score]), "rule": rule, "fraction": fraction}
        return Cell(rule, fraction, None if blind else score, digest_of({**self._shared(), **own}))

    def domain(self) -> str:
        """Digest of what all cells have in common, whatever the rules, fractions and scores of the experiment."""
        return digest_of(self._shared())

    def _shared(self) -> dict[str, Any]:
        settings = to_json(self.config)
        return {name: settings[name] for name in KEY_SETTINGS} | {
            "dataset": self.fingerprint,
            "pool_size": self.pool_size,
            "seed": self.seed,
            "software": self.software,
        }


def run_task(task: Task, folder: Path, report: Callable[[int], Any] = lambda number: None) -> None:
    """Train and save the cells of a task that are not saved yet.

    Args:
        task: the task.
        folder: the results folder of the experiment.
        report: is told the number of cells just finished.
    """
    config = task.config
    if digest_of(software()) != task.software:
        raise ValueError(f"the software or device of this worker is another than that of the first: {software()}")
    failures: list[str] = []
    with locked(folder / "locks" / f"{task.name}-{task.domain()}"):
        store = CellFolder(folder / "cells")
        done = store.outcomes()
        pending = list({cell.key: cell for cell in task.cells().values() if cell.key not in done}.values())
        if not pending:
            return
        data = pool_of(task)
        model = models.build(config.model, data.train_images.shape[1:], data.num_classes)
        _, score_seed, prune_seed, train_seed = np.random.SeedSequence(task.seed).generate_state(4).tolist()
        used = sorted({cell.score for cell in pending if cell.score is not None})
        difficulty = _scored(task, data, [config.scores[i] for i in used], score_seed, folder / "scores")
        by_score = dict(zip(used, difficulty, strict=True))
        for number, found in by_score.items():
            _save_test_scores(task, number, found, folder)
        kept = {cell.key: _kept(task, cell, by_score, data, prune_seed) for cell in pending}
        at_once = task.networks_at_once or training.default_networks_at_once(model, data.train_images)
        steps = {key: config.retraining.steps_for(examples.epoch_size) for key, examples in kept.items()}
        descends = not config.model.solved_for
        groups = _groups(pending, at_once, {key: _kind(one, steps[key]) for key, one in kept.items() if descends})
        while groups:
            cells = groups.pop(0)
            checkpoints = _checkpoints(folder, group_name(cells), steps[cells[0].key])
            try:
                networks = training.train(
                    model,
                    data.train_images,
                    data.train_labels,
                    [kept[cell.key] for cell in cells],
                    seeds=[train_seed] * len(cells),
                    config=config.retraining,
                    networks_at_once=len(cells),
                    folder=checkpoints,
                    checkpoint_every=CHECKPOINT_EVERY,
                )
            except FloatingPointError:
                if len(cells) == 1:
                    failures.append(f"{cells[0].rule} at f = {cells[0].fraction:g}")
                else:  # one by one: those that do not diverge are not lost
                    groups = [[cell] for cell in cells] + groups
                continue
            wrong = networks.wrong(data.test_images, data.test_labels)
            outcomes = [
                Outcome(
                    float(np.mean(of_test)),
                    kept[cell.key].epoch_size,
                    float(training_error),
                    bool(ok),
                    rates[-1],
                    of_test,
                )
                for cell, of_test, training_error, ok, rates in zip(
                    cells, wrong, networks.training_errors, networks.learned, networks.learning_rates, strict=True
                )
            ]
            store.add(task.name, cells, outcomes, _provenance(task))
            _discard(checkpoints)
            report(len(cells))
    if failures:
        raise FloatingPointError(
            f"training diverged with pool {task.pool_size}, seed {task.seed}: {', '.join(failures)}; all other cells "
            f"are saved. Lower retraining.learning_rate, {config.retraining.learning_rate:g} now"
        )


def _checkpoints(folder: Path, name: str, num_steps: int) -> Path | None:
    """Where a training keeps its checkpoints; a short one needs none."""
    return folder / "checkpoints" / name if num_steps > CHECKPOINT_EVERY else None


def _discard(checkpoints: Path | None) -> None:
    if checkpoints is not None and checkpoints.exists():  # what is solved for has none
        shutil.rmtree(checkpoints)


def _kept(
    task: Task, cell: Cell, difficulty: dict[int, scores.Scores], data: datasets.ImageDataset, seed: int
) -> Examples:
    """The examples of the pool that a cell is trained on."""
    values = None if cell.score is None else difficulty[cell.score].values
    share = task.config.min_class_share
    return methods.chosen_examples(
        cell.rule, cell.fraction, values, data.train_labels, min_class_share=share, seed=seed
    )


def _kind(examples: Examples, num_steps: int) -> tuple[int, bool, bool]:
    """What trainings by gradient descent side by side must have in common."""
    return num_steps, examples.weighted, examples.skip_learned is not None


def _groups(cells: list[Cell], at_once: int, kinds: dict[str, tuple[int, bool, bool]]) -> list[list[Cell]]:
    """Cells that are trained side by side, at most ``at_once``: of one kind where that matters."""

    def kind(cell: Cell) -> tuple[int, bool, bool]:
        return kinds.get(cell.key, (0, False, False))

    groups = []
    for _, same in itertools.groupby(sorted(cells, key=kind), key=kind):
        alike = list(same)
        groups += [alike[first : first + at_once] for first in range(0, len(alike), at_once)]
    return groups


def pool_of(task: Task) -> datasets.ImageDataset:
    """The data set of a task, its training part reduced to the pool, with wrong labels if there are to be any."""
    config = task.config
    data = load_for(config, task.seed)
    if data.fingerprint != task.fingerprint:
        raise ValueError(
            f"the data set {config.dataset} here, sha256 {data.fingerprint}, is not that of the experiment, "
            f"{task.fingerprint}"
        )
    pool_seed, noise_seed = np.random.SeedSequence([task.seed, 1]).generate_state(2).tolist()
    pool = data.pool(task.pool_size, pool_seed)
    if config.label_noise == 0:
        return data if pool.size == data.train_labels.size else data.subset(pool)
    labels = data.train_labels[pool]
    rng = np.random.default_rng(noise_seed)
    wrong = rng.choice(pool.size, round(config.label_noise * pool.size), replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, data.num_classes, wrong.size)) % data.num_classes
    return data.subset(pool, labels)


def source_of(config: Experiment) -> str:
    """Fingerprint of the images of an experiment, however its seeds divide them."""
    return _load(config.dataset, config.path, *_reading(config), 0).fingerprint


def _reading(config: Experiment) -> tuple[int | None, str | None, bool, str | None]:
    return config.image_size, config.test_folder, config.skip_undecodable, config.labels


def load_for(config: Experiment, seed: int) -> datasets.ImageDataset:
    """The data set of an experiment for one of its seeds.

    Data sets without an official test set are divided anew for every seed; with ``holdout``, a part of the training
    images takes the place of the test images.
    """
    # with holdout the test images are those that everything else calls test images, and are left alone
    same = config.holdout > 0 or config.labels is not None  # a file of labels belongs to one division
    split_seed = seed if config.dataset in datasets.UNDIVIDED and not same else 0
    data = _load(config.dataset, config.path, *_reading(config), split_seed)
    if config.holdout == 0:
        return data
    number = data.train_labels.size
    held = data.pool(round(config.holdout * number), int(np.random.SeedSequence([seed, 2]).generate_state(1)[0]))
    test = data.subset(held)
    rest = data.subset(np.setdiff1d(np.arange(number), held))
    return replace(rest, test_images=test.train_images, test_labels=test.train_labels)


def _scored(
    task: Task, data: datasets.ImageDataset, wanted: list[ScoreConfig], seed: int, folder: Path
) -> list[scores.Scores]:
    """Scores of the pool, from their files where there are some."""
    key = {"model": to_json(task.config.model), "seed": seed, "data": data.train_fingerprint, "software": task.software}
    paths = [
        folder / f"{config.metric}-{task.name}-{digest_of({**key, 'score': to_json(config)})}.nc" for config in wanted
    ]
    missing = [(config, path) for config, path in zip(wanted, paths, strict=True) if not path.exists()]
    if missing:
        num_steps = max(config.training.steps_for(len(data.train_labels)) for config, _ in missing)
        checkpoints = _checkpoints(folder.parent, f"scores-{digest_of([path.name for _, path in missing])}", num_steps)
        settings = [config for config, _ in missing]
        found = scores.score_all(
            data, settings, model=task.config.model, seed=seed, folder=checkpoints, test_images=True
        )
        for one, (_, path) in zip(found, missing, strict=True):
            one.save(path)
        _discard(checkpoints)
    return [scores.Scores.load(path, data) for path in paths]


def _test_scores_path(task: Task, score: int, folder: Path) -> Path:
    key = digest_of({"task": task.domain(), "score": to_json(task.config.scores[score])})
    return folder / "test-scores" / f"{task.config.scores[score].metric}-{task.name}-{key}.nc"


def _save_test_scores(task: Task, score: int, found: scores.Scores, folder: Path) -> None:
    path = _test_scores_path(task, score, folder)
    if found.test_values is None or path.exists():
        return
    results = Results("Difficulty of test images", _provenance(task))
    results.add("test_score", "test", found.test_values, "1", f"{found.metric} of each test image, higher = harder")
    results.save(path)


def scores_of_tests(task: Task, score: int, folder: Path) -> np.ndarray | None:
    """How difficult each test image is under the networks that scored the pool of a task; None where not known."""
    path = _test_scores_path(task, score, folder)
    return Results.load(path)["test_score"] if path.exists() else None


@lru_cache(maxsize=2)
def _load(
    name: str,
    path: str | None,
    image_size: int | None,
    test_folder: str | None,
    skip_undecodable: bool,
    labels: str | None,
    split_seed: int,
) -> datasets.ImageDataset:
    data = datasets.load(
        name,
        path,
        split_seed=split_seed,
        image_size=image_size,
        test_folder=test_folder,
        skip_undecodable=skip_undecodable,
    )
    return data if labels is None else relabelled(data, labels)


def _provenance(task: Task) -> dict[str, Any]:
    """What determines the outcomes of a task, for the reader of its files."""
    return {
        "experiment": to_json(task.config),
        "pool_size": task.pool_size,
        "seed": task.seed,
        "dataset": {"name": task.config.dataset, "sha256": task.fingerprint},
        "software": software(),
    }
