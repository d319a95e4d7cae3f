"""The work of a task: draw the pool, score it, prune it for every cell, train and test."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning.records.lock import locked
from data_pruning.records.settings import digest_of
from real_data import datasets, models
from real_data.experiments import checkpoints
from real_data.experiments.cells import Cell, CellFolder, Outcome, group_name
from real_data.experiments.pool_scores import difficulties_of_pool, recalls_of_pool
from real_data.experiments.starts import start_of_task
from real_data.experiments.task import Task, pool_of
from real_data.selection import methods
from real_data.software import software
from real_data.training import train as training
from real_data.training.examples import Examples

__all__ = ["run_task"]


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
        start = start_of_task(task, data)
        used = sorted({cell.score for cell in pending if cell.score is not None})
        difficulty = difficulties_of_pool(task, used, data, folder)
        by_error = any(methods.looks_at_recalls(cell.rule) for cell in pending)
        recalls = recalls_of_pool(task, data, folder) if by_error else None
        kept = {cell.key: _kept(task, cell, difficulty, recalls, data) for cell in pending}
        at_once = task.networks_at_once or training.default_networks_at_once(
            model, data.train_images, config=config.retraining, start=start
        )
        steps = {key: config.retraining.steps_for(examples.epoch_size) for key, examples in kept.items()}
        descends = not config.model.solved_for
        groups = _groups(pending, at_once, {key: _kind(one, steps[key]) for key, one in kept.items() if descends})
        while groups:
            cells = groups.pop(0)
            place = checkpoints.place_of(folder, group_name(cells), steps[cells[0].key])
            try:
                networks = training.train(
                    model,
                    data.train_images,
                    data.train_labels,
                    [kept[cell.key] for cell in cells],
                    seeds=[task.train_seed] * len(cells),
                    config=config.retraining,
                    networks_at_once=len(cells),
                    folder=place,
                    checkpoint_every=checkpoints.CHECKPOINT_EVERY,
                    start=start,
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
            store.add(task.name, cells, outcomes, task.provenance())
            checkpoints.discard(place)
            report(len(cells))
    if failures:
        raise FloatingPointError(
            f"training diverged with pool {task.pool_size}, seed {task.seed}: {', '.join(failures)}; all other cells "
            f"are saved. Lower retraining.learning_rate, {config.retraining.learning_rate:g} now"
        )


def _kept(
    task: Task,
    cell: Cell,
    difficulty: dict[int, np.ndarray],
    recalls: np.ndarray | None,
    data: datasets.ImageDataset,
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
        seed=task.prune_seed,
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
