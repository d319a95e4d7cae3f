"""The transfer study: score the source, pretrain on parts of it, fine-tune on the target, test."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from data_pruning import Results
from data_pruning.records.settings import digest_of, to_json
from data_pruning.records.settings_file import write_settings
from real_data.experiments.execution import finished_in_turn
from real_data.experiments.score_files import SavedScore, saved_scores
from real_data.scores.families import family_of
from real_data.scores.subset_scores import check_subset_scores
from real_data.selection.methods import chosen_examples
from real_data.transfer.assembly import assembled
from real_data.transfer.config import Transfer
from real_data.transfer.data import Seeds, check_pair
from real_data.transfer.data import loaded as load
from real_data.transfer.source_scores import are_scored, scores_of
from real_data.transfer.study import Cell, Pretraining, Study, transfer_software
from real_data.transfer.task import SCRATCH, Task, finished, run_task, score_source

__all__ = ["RESULT", "measure_transfer"]

RESULT = "transfer.nc"
SETTINGS = "transfer.json"
EXTENSIBLE = (
    "source",
    "target",
    "scores",
    "score_files",
    "rules",
    "fractions",
    "budgets",
    "layers",
    "target_sizes",
    "num_pretrainings",
    "first_seed",
    "num_fine_tunings",
    "fine_tuning_steps",
)
"""Settings that may change in a folder: what is there already is taken over.  Digests of the images stay the same."""


def measure_transfer(
    config: Transfer, *, out: str | os.PathLike[str], executor: Any = None, progress: bool = True
) -> Results:
    """Measure what pruning the source of a pretraining does to the error on a target.

    The pretraining seed is the unit: its score networks, its cells and their fine-tunings are drawn anew, and all of
    its cells share initial weights, order of batches, target images and heads, so that differences are paired.  Cells
    that keep the same images for as many steps are one pretraining: at f = 1 all rules are the whole source, and
    random images are the same for all scores.

    Scores, weights and outcomes are saved as they come, under the digest of all that determines them (settings, data,
    software, device), in the folders ``scores``, ``pretrainings`` and ``fine_tunings`` of ``out``.  When interrupted or
    killed, the same call continues after the last of them, and the result is the same bit for bit; trainings of more
    than 1,000 steps go on from their last checkpoint.

    Args:
        config: the settings.
        out: folder for the results (``transfer.nc``), the settings (``transfer.json``) and the files above.
        executor: runs the tasks, each one pretraining with its fine-tunings: any ``concurrent.futures.Executor``, or
            what :func:`real_data.experiments.execution.executor_named` gives; its workers must see ``out`` and the
            data.  None runs them here.
        progress: show a progress bar over networks on stderr.

    Returns:
        Errors as fractions: ``errors`` (curve, budget, fraction, layers, target, pretraining, fine_tuning) with
        ``curve_metric`` and ``curve_rule`` (curve); ``errors_all`` of the whole source, ``errors_scratch`` of the same
        networks from random weights; ``source_errors``; ``learned``; and what
        :func:`real_data.transfer.summary.add_summary` adds.

    Raises:
        FileNotFoundError: images or scores are not there.
        ValueError: images of other shapes, sizes out of range, a damaged file, or a folder that belongs to others.
        RuntimeError: the networks that score have not learned; all other seeds are finished.
        OSError: the disk is full.
        KeyboardInterrupt: interrupted; the message says what is saved.
    """
    folder = Path(out)
    # of a worker: the machine that hands out the work may be another
    versions = transfer_software() if executor is None else executor.submit(transfer_software).result()
    study, saved = study_of(config, digest_of(versions))
    digests = {"source_sha256": study.source_sha256, "target_sha256": study.target_sha256}
    write_settings(folder / SETTINGS, to_json(config) | digests, may_change=EXTENSIBLE)
    failures: list[Exception] = []
    try:
        scored = _score(study, folder, executor, progress, failures)
        tasks = {seed: tasks_of(study, seed, folder) for seed in scored}
        _run(tasks, folder, executor, progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what was finished is saved in {folder}. Run the same again to continue") from None
    if failures:
        raise failures[0]
    results = assembled(study, folder, versions, saved)
    results.save(folder / RESULT)
    return results


def study_of(config: Transfer, software: str) -> tuple[Study, tuple[SavedScore, ...]]:
    """What all tasks share, and what the files of scores hold, after all has been checked that can be."""
    source, target = load(config.source), load(config.target)
    check_pair(config, source, target)
    saved = saved_scores(config.score_files, source, [score.metric for score in config.scores])
    if any(family_of(score.metric) == "embeddings" for score in config.scores):
        raise ValueError("scores of embeddings must come from files: python -m real_data score writes them")
    if any(family_of(score.metric) == "subsets" for score in config.scores):
        check_subset_scores(source, (config.model,), Seeds(config.first_seed).scoring, config.scores)
    _check_classes(config, np.asarray(source.train_labels))
    metrics, digests = tuple(one.metric for one in saved), tuple(one.digest for one in saved)
    return Study(config, source.fingerprint, target.fingerprint, software, metrics, digests), saved


def _check_classes(config: Transfer, labels: np.ndarray) -> None:
    """Raise where a rule empties a class; with equal shares that does not depend on the scores."""
    if config.min_class_share == 1:
        for rule, fraction in itertools.product(("random", *config.rules), config.pruned):
            chosen_examples(rule, fraction, np.arange(labels.size, dtype=float), labels)


def tasks_of(study: Study, seed: int, folder: Path) -> list[tuple[Pretraining | None, Task]]:
    """The tasks of a pretraining seed whose scores are there: networks from scratch, then every pretraining once."""
    scores = scores_of(study, seed, folder)
    first: dict[str, tuple[Pretraining, Cell]] = {}
    for cell in study.cells():
        pretraining = study.pretraining(cell, seed, scores)
        first.setdefault(pretraining.key, (pretraining, cell))
    return [
        (None, Task(study, seed, SCRATCH, None)),
        *((pretraining, Task(study, seed, key, cell)) for key, (pretraining, cell) in first.items()),
    ]


def _score(study: Study, folder: Path, executor: Any, progress: bool, failures: list[Exception]) -> list[int]:
    """Measure the scores of all pretraining seeds; the seeds where they are there in the end."""
    missing = [seed for seed in study.config.seeds if not are_scored(study, seed, folder)]
    with tqdm(total=len(missing), desc="scores of the source", unit="seed", disable=not (progress and missing)) as bar:
        if executor is None:
            for seed in missing:
                try:
                    score_source(study, seed, folder)
                except (RuntimeError, FloatingPointError) as error:
                    failures.append(error)
                bar.update()
        else:
            try:
                for _ in finished_in_turn(executor, score_source, [(study, seed, folder) for seed in missing]):
                    bar.update()
            except (RuntimeError, FloatingPointError) as error:
                failures.append(error)
    return [seed for seed in study.config.seeds if are_scored(study, seed, folder)]


def _run(
    tasks: dict[int, list[tuple[Pretraining | None, Task]]],
    folder: Path,
    executor: Any,
    progress: bool,
) -> None:
    """Run what is not finished of the tasks; others go on where one fails."""
    each = [one for of_seed in tasks.values() for one in of_seed]
    done = [finished(task, pretraining, folder) for pretraining, task in each]
    still = [task for number, (_, task) in zip(done, each, strict=True) if number < task.num_networks]
    total = sum(task.num_networks for _, task in each)
    with tqdm(total=total, initial=sum(done), desc="transfer", unit="network", disable=not progress) as bar:
        if executor is None:
            for task in still:
                bar.set_postfix_str(_said(task))
                run_task(task, folder, bar.update)
        else:
            before = {task.name: number for number, (_, task) in zip(done, each, strict=True)}
            for task in finished_in_turn(executor, _finished_task, [(task, folder) for task in still]):
                bar.update(task.num_networks - before[task.name])


def _finished_task(task: Task, folder: Path) -> Task:
    run_task(task, folder)
    return task


def _said(task: Task) -> str:
    if task.cell is None:
        return f"seed {task.seed}, from scratch"
    (metric, rule), fraction, budget = task.cell
    which = "random" if rule == "random" else f"{rule} by {metric}"
    return f"seed {task.seed}, {'all' if fraction == 1 else f'{which}, f = {fraction:g}, equal {budget}'}"
