"""The experiment: score, prune, retrain, test; for several scores, pools, rules, fractions and seeds.

The work is cut into tasks, one for each pool size and seed: a task draws its pool, scores it, prunes it for every cell
and trains.  Tasks run one after another here, or wherever a ``concurrent.futures.Executor`` takes them.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from data_pruning import Results
from data_pruning.records.settings import digest_of, to_json
from data_pruning.records.settings_file import check_settings, write_settings
from real_data import models
from real_data.experiments.assembly import assembled
from real_data.experiments.cells import CellFolder
from real_data.experiments.config import Experiment
from real_data.experiments.execution import finished_in_turn
from real_data.experiments.pool import load_for, source_of
from real_data.experiments.pool_scores import saved_scores_of
from real_data.experiments.score_files import SavedScore
from real_data.experiments.starts import start_digest_of
from real_data.experiments.task import Task, pool_of
from real_data.experiments.task_run import run_task
from real_data.scores.families import family_of
from real_data.scores.subset_scores import check_subset_scores
from real_data.selection.methods import chosen_examples, looks_at_recalls
from real_data.software import software

__all__ = ["run_experiment", "tasks_of"]

EXTENSIBLE = ("scores", "rules", "fractions", "pool_sizes", "num_seeds", "first_seed")
MOVABLE = ("path", "labels", "score_files", "fine_tuning.weights")


def run_experiment(
    config: Experiment,
    *,
    out: str | os.PathLike[str] | None = None,
    executor: Any = None,
    networks_at_once: int | None = None,
    progress: bool = True,
    report: Callable[[int, int, float], Any] | None = None,
) -> Results:
    """Measure test error against the number of examples kept.

    With ``out``, scores and finished cells are saved at once, in ``out/scores`` and ``out/cells``, under the digest of
    all that determines them (settings, data, software, device).  When interrupted or killed, the same call continues
    after the last finished cells, and the result is the same bit for bit; trainings of more than 1,000 steps go on from
    their last checkpoint.  A cell is never trained twice, also where two processes share the folder or an earlier
    experiment had it too.  (Networks trained side by side are rounded in another way than one by one: cells that are
    added to a grid may differ in the last digits of float32 from those of a larger grid run at once.)

    Args:
        config: the settings.
        out: folder for the results (``DATASET.nc``), the settings (``DATASET.json``) and the files above; None saves
            nothing.  An experiment in the same folder may have other scores, rules, fractions, pool sizes and seeds,
            and takes over the cells that are there; its other settings must be the same.
        executor: runs the tasks: any ``concurrent.futures.Executor``, for example that of a Dask client
            (``client.get_executor()``), or a ``submitit.AutoExecutor`` for SLURM.  Its workers must see ``out`` and the
            data.  None runs them here.
        networks_at_once: networks that are trained side by side; see :func:`real_data.training.train.train`.
        progress: show a progress bar on stderr.
        report: is told, whenever cells have finished, how many have in this call, how many there were to do, and the
            seconds since it began.

    Returns:
        Errors as fractions: ``errors`` (metric, pool, rule, fraction, seed), their ``mean`` and ``standard_error`` over
        seeds (metric, pool, rule, fraction), ``num_kept``, ``training_errors``, ``learned`` (1 where the network is
        better than the most frequent class of its training images) and ``learning_rates`` (metric, pool, rule,
        fraction, seed); ``errors_all`` (pool, seed) and so on, ``mean_all`` and ``standard_error_all`` (pool) of the
        whole training pool; ``wrong`` (metric, pool, rule, fraction, seed, test), ``wrong_all`` (pool, seed, test) and
        ``test_scores`` (metric, pool, seed, test), see :func:`real_data.findings.errors_by_rank.errors_by_rank`;
        coordinates ``metric``, ``pool_size``, ``rule``, ``fraction``, ``seed``.  The result's ``config`` holds what is
        needed to compute it again.

    Raises:
        FileNotFoundError: the data set is not there.
        ValueError: a pool larger than the training set, a fraction so small that a class would be left empty, a damaged
            file in ``out``, a folder that belongs to other settings, or an executor without an ``out`` folder.
        FloatingPointError: a training diverged; the message names the cells, all others are saved.
        OSError: the disk is full.
        KeyboardInterrupt: interrupted; the message says which cells are saved.
    """
    if executor is not None and out is None:
        raise ValueError("an executor needs out, a folder that its workers see too")
    if out is None:
        with tempfile.TemporaryDirectory() as temporary:
            return _run(config, Path(temporary), None, networks_at_once, progress, report, kept=False)
    folder = Path(out)
    results = _run(config, folder, executor, networks_at_once, progress, report, kept=True)
    results.save(folder / f"{config.dataset}.nc")
    return results


def _run(
    config: Experiment,
    folder: Path,
    executor: Any,
    networks_at_once: int | None,
    progress: bool,
    report: Callable[[int, int, float], Any] | None,
    *,
    kept: bool,
) -> Results:
    # of a worker: the machine that hands out the work may be another
    versions = software() if executor is None else executor.submit(software).result()
    saved = saved_scores_of(config)
    tasks = tasks_of(config, networks_at_once, digest_of(versions), saved)
    if kept:
        settings: dict[str, Any] = {"path": folder / f"{config.dataset}.json", "settings": to_json(config)}
        check_settings(**settings, may_change=EXTENSIBLE + MOVABLE)
        _check_origin(folder / f"{config.dataset}.nc", source_of(config), tasks[0].start_sha256)
        write_settings(**settings, may_change=EXTENSIBLE + MOVABLE)
    cells = CellFolder(folder / "cells")
    wanted = {cell.key for task in tasks for cell in task.cells().values()}
    done = wanted & cells.outcomes().keys()
    failures: list[FloatingPointError] = []
    began, num_open = time.monotonic(), len(wanted) - len(done)

    def finished(number: int) -> None:
        bar.update(number)
        if report is not None:
            report(bar.n - len(done), num_open, time.monotonic() - began)

    try:
        with tqdm(total=len(wanted), initial=len(done), desc=config.dataset, unit="cell", disable=not progress) as bar:
            open_tasks = [task for task in tasks if not {c.key for c in task.cells().values()} <= done]
            if executor is None:
                for task in open_tasks:
                    bar.set_postfix_str(task.name)
                    try:
                        run_task(task, folder, finished)
                    except FloatingPointError as error:
                        failures.append(error)
            else:
                for _ in finished_in_turn(executor, run_task, [(task, folder) for task in open_tasks]):
                    finished(len(wanted & cells.outcomes().keys()) - bar.n)
    except KeyboardInterrupt:
        number = len(wanted & cells.outcomes().keys())
        where = f"saved in {folder}. Run the same again to continue" if kept else "nothing was saved, as out is None"
        raise KeyboardInterrupt(f"{number} of {len(wanted)} cells finished; {where}") from None
    if failures:
        raise failures[0]
    return assembled(config, tasks, cells.outcomes(), versions, folder, saved)


def _check_origin(path: Path, source: str, start: str | None) -> None:
    """Refuse to replace the results of another data set of the same name, another folder of images for example.

    The same for networks that started from other weights in a file of the same name.
    """
    if not path.exists():
        return
    config = Results.load(path).config
    if config.get("source", source) != source:
        raise ValueError(f"{path} holds the results of other images: give another folder")
    if config.get("start_sha256") != start:
        raise ValueError(f"{path} holds the results of networks that started from other weights: give another folder")


def tasks_of(
    config: Experiment, networks_at_once: int | None, versions: str, saved: tuple[SavedScore, ...] = ()
) -> list[Task]:
    """The tasks of an experiment, after all has been checked that can be checked before work begins."""
    tasks = []
    start = start_digest_of(config)
    for seed in config.seeds:
        data = load_for(config, seed)
        models.build(config.model, data.train_images.shape[1:], data.num_classes)  # complains about its images
        for given in config.pool_sizes:
            size = len(data.train_labels) if given is None else given
            data.pool(size, 0)  # complains about a size out of range
            digests = tuple(one.digest for one in saved)
            tasks.append(Task(config, size, seed, data.fingerprint, networks_at_once, versions, digests, start))
    if len({task.pool_size for task in tasks}) < len(config.pool_sizes):
        raise ValueError(f"pool_sizes {config.pool_sizes} name the whole training set twice")
    if any(family_of(score.metric) == "subsets" for score in config.scores):
        for task in tasks:
            check_subset_scores(pool_of(task), (config.model,), task.score_seed, config.scores)
    # whether a class is left empty does not depend on the scores with equal shares, nor on the recalls by error
    certain = [rule for rule in config.rules if config.min_class_share == 1 or looks_at_recalls(rule)]
    for task in tasks[: len(config.pool_sizes)] if certain else ():
        pool = pool_of(task)
        labels, recalls = pool.train_labels, np.zeros(pool.num_classes)
        for rule, f in itertools.product(certain, config.fractions):
            chosen_examples(rule, f, np.arange(labels.size, dtype=float), labels, class_recalls=recalls)
    return tasks
