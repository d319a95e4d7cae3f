"""One task of an experiment: draw a pool, score it, prune it for every cell, train and test."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning import Results
from data_pruning.records.lock import locked
from data_pruning.records.settings import digest_of, to_json
from real_data import datasets, models, scores
from real_data.experiments.cells import Cell, CellFolder, Outcome, group_name
from real_data.experiments.class_recalls import cross_fitted_recalls
from real_data.experiments.config import Experiment
from real_data.experiments.pool import divided, load_for, pool_within, whole_data
from real_data.experiments.score_files import SavedScore, same_scores, saved_scores
from real_data.scores.config import ScoreConfig
from real_data.selection import methods
from real_data.software import software
from real_data.training import train as training
from real_data.training.examples import Examples

__all__ = [
    "Task",
    "load_for",
    "pool_of",
    "recalls_of_pool",
    "run_task",
    "saved_scores_of",
    "scores_of_pool",
    "scores_of_tests",
]

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
        score_digests: of the scores in the experiment's files, so that a worker notices if they are others.
    """

    config: Experiment
    pool_size: int
    seed: int
    fingerprint: str
    networks_at_once: int | None
    software: str
    score_digests: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Beginning of the names of the task's files."""
        return f"pool-{self.pool_size}-seed-{self.seed}"

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
        computed = [i for i in used if i < len(config.scores)]
        difficulty = {i: _of_file(task, i) for i in used if i >= len(config.scores)}
        found_scores = _scored(task, data, [config.scores[i] for i in computed], score_seed, folder / "scores")
        for number, found in zip(computed, found_scores, strict=True):
            _save_test_scores(task, number, found, folder)
            difficulty[number] = found.values
        by_error = any(methods.looks_at_recalls(cell.rule) for cell in pending)
        recalls = recalls_of_pool(task, data, folder) if by_error else None
        kept = {cell.key: _kept(task, cell, difficulty, recalls, data, prune_seed) for cell in pending}
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
    task: Task,
    cell: Cell,
    difficulty: dict[int, np.ndarray],
    recalls: np.ndarray | None,
    data: datasets.ImageDataset,
    seed: int,
) -> Examples:
    """The examples of the pool that a cell is trained on."""
    values = None if cell.score is None else difficulty[cell.score]
    share = task.config.min_class_share
    return methods.chosen_examples(
        cell.rule,
        cell.fraction,
        values,
        data.train_labels,
        min_class_share=share,
        class_recalls=recalls,
        seed=seed,
    )


def recalls_of_pool(task: Task, data: datasets.ImageDataset, folder: Path) -> np.ndarray:
    """How well each class of the pool of a task is recognised, shape (num_classes,); measured unless it is known."""
    name = f"{task.name}-{digest_of({'task': task.domain(), 'what': 'recalls'})}"
    num_steps = task.config.retraining.steps_for(len(data.train_labels))
    checkpoints = _checkpoints(folder, f"recalls-{name}", num_steps)
    found = cross_fitted_recalls(
        data,
        task.config.model,
        task.config.retraining,
        seed=int(np.random.SeedSequence([task.seed, 3]).generate_state(1)[0]),
        path=folder / "recalls" / f"{name}.nc",
        checkpoints=checkpoints,
        provenance=_provenance(task),
    )
    _discard(checkpoints)
    return found


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
    pool, noise_seed = pool_within(config, data, task.pool_size, task.seed)
    if config.label_noise == 0:
        return data if pool.size == data.train_labels.size else data.subset(pool)
    labels = data.train_labels[pool]
    rng = np.random.default_rng(noise_seed)
    wrong = rng.choice(pool.size, round(config.label_noise * pool.size), replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, data.num_classes, wrong.size)) % data.num_classes
    return data.subset(pool, labels)


def saved_scores_of(config: Experiment) -> tuple[SavedScore, ...]:
    """What the files of scores of an experiment hold.

    Raises:
        FileNotFoundError, ValueError: see :func:`real_data.experiments.score_files.saved_scores`.
    """
    if not config.score_files:
        return ()
    metrics = [score.metric for score in config.scores]
    return saved_scores(config.score_files, whole_data(config, config.first_seed), metrics)


def _file_of(task: Task, score: int) -> scores.Scores:
    number = score - len(task.config.scores)
    whole = whole_data(task.config, task.seed)
    return same_scores(task.config.score_files[number], whole, task.score_digests[number])


def _of_file(task: Task, score: int) -> np.ndarray:
    """The part of a file's scores that belongs to the pool of a task."""
    values = _file_of(task, score).values
    if task.config.holdout > 0:
        values = values[divided(task.config, whole_data(task.config, task.seed), task.seed)[1]]
    pool, _ = pool_within(task.config, load_for(task.config, task.seed), task.pool_size, task.seed)
    return values[pool]


def scores_of_pool(task: Task, score: int, data: datasets.ImageDataset, folder: Path) -> np.ndarray:
    """How difficult the images of the pool of a task are, shape (pool_size,); computed unless the folder has it."""
    if score >= len(task.config.scores):
        return _of_file(task, score)
    seed = np.random.SeedSequence(task.seed).generate_state(4).tolist()[1]
    return _scored(task, data, [task.config.scores[score]], seed, folder / "scores")[0].values


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
    """How difficult each test image is under the networks that scored the pool of a task; None where not known.

    Files of scores know nothing of training images that are set aside to be tested on: their networks have seen them.
    """
    if score >= len(task.config.scores):
        return _file_of(task, score).test_values if task.config.holdout == 0 else None
    path = _test_scores_path(task, score, folder)
    return Results.load(path)["test_score"] if path.exists() else None


def _provenance(task: Task) -> dict[str, Any]:
    """What determines the outcomes of a task, for the reader of its files."""
    return {
        "experiment": to_json(task.config),
        "pool_size": task.pool_size,
        "seed": task.seed,
        "dataset": {"name": task.config.dataset, "sha256": task.fingerprint},
        "software": software(),
    }
