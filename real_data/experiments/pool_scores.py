"""What is known of a task's pool before it is pruned: how difficult its images are, how well classes are recognised."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from data_pruning import Results
from data_pruning.records.settings import digest_of, to_json
from real_data import datasets, scores
from real_data.experiments import checkpoints
from real_data.experiments.class_recalls import cross_fitted_recalls
from real_data.experiments.config import Experiment
from real_data.experiments.pool import divided, load_for, pool_within, whole_data
from real_data.experiments.score_files import SavedScore, same_scores, saved_scores
from real_data.experiments.starts import start_of_task
from real_data.experiments.task import Task
from real_data.scores.config import ScoreConfig
from real_data.scores.families import family_of

__all__ = ["difficulties_of_pool", "recalls_of_pool", "saved_scores_of", "scores_of_pool", "scores_of_tests"]


def saved_scores_of(config: Experiment) -> tuple[SavedScore, ...]:
    """What the files of scores of an experiment hold.

    Raises:
        FileNotFoundError, ValueError: see :func:`real_data.experiments.score_files.saved_scores`.
    """
    if not config.score_files:
        return ()
    metrics = [score.metric for score in config.scores]
    return saved_scores(config.score_files, whole_data(config, config.first_seed), metrics)


def difficulties_of_pool(
    task: Task, wanted: Collection[int], data: datasets.ImageDataset, folder: Path
) -> dict[int, np.ndarray]:
    """How difficult the images of the pool of a task are by several scores; those of test images are kept too.

    Args:
        task: the task.
        wanted: numbers of the scores, those from files last.
        data: the pool.
        folder: the results folder of the experiment, whose scores are not computed again.

    Returns:
        By number of the score, each of shape (pool_size,).
    """
    computed = [i for i in wanted if i < len(task.config.scores)]
    difficulty = {i: _of_file(task, i) for i in wanted if i >= len(task.config.scores)}
    found_scores = _scored(task, data, [task.config.scores[i] for i in computed], folder / "scores")
    for number, found in zip(computed, found_scores, strict=True):
        _save_test_scores(task, number, found, folder)
        difficulty[number] = found.values
    return difficulty


def scores_of_pool(task: Task, score: int, data: datasets.ImageDataset, folder: Path) -> np.ndarray:
    """How difficult the images of the pool of a task are, shape (pool_size,); computed unless the folder has it."""
    if score >= len(task.config.scores):
        return _of_file(task, score)
    return _scored(task, data, [task.config.scores[score]], folder / "scores")[0].values


def scores_of_tests(task: Task, score: int, folder: Path) -> np.ndarray | None:
    """How difficult each test image is under the networks that scored the pool of a task; None where not known.

    Files of scores know nothing of training images that are set aside to be tested on: their networks have seen them.
    """
    if score >= len(task.config.scores):
        return _file_of(task, score).test_values if task.config.holdout == 0 else None
    path = _test_scores_path(task, score, folder)
    return Results.load(path)["test_score"] if path.exists() else None


def recalls_of_pool(task: Task, data: datasets.ImageDataset, folder: Path) -> np.ndarray:
    """How well each class of the pool of a task is recognised, shape (num_classes,); measured unless it is known."""
    name = f"{task.name}-{digest_of({'task': task.domain(), 'what': 'recalls'})}"
    num_steps = task.config.retraining.steps_for(len(data.train_labels))
    place = checkpoints.place_of(folder, f"recalls-{name}", num_steps)
    found = cross_fitted_recalls(
        data,
        task.config.model,
        task.config.retraining,
        seed=int(np.random.SeedSequence([task.seed, 3]).generate_state(1)[0]),
        path=folder / "recalls" / f"{name}.nc",
        checkpoints=place,
        provenance=task.provenance(),
        start=start_of_task(task, data),
    )
    checkpoints.discard(place)
    return found


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


def _scored(task: Task, data: datasets.ImageDataset, wanted: list[ScoreConfig], folder: Path) -> list[scores.Scores]:
    """Scores of the pool, from their files where there are some."""
    seed = task.score_seed
    about = {"data": data.train_fingerprint, "software": task.software, **task.start_key}
    key = {"model": to_json(task.config.model), "seed": seed, **about}
    paths = [
        folder / f"{config.metric}-{task.name}-{digest_of({**key, 'score': to_json(config)})}.nc" for config in wanted
    ]
    missing = [(config, path) for config, path in zip(wanted, paths, strict=True) if not path.exists()]
    if missing:
        num_steps = max(config.training.steps_for(len(data.train_labels)) for config, _ in missing)
        name = f"scores-{digest_of([path.name for _, path in missing])}"
        on_shares = any(family_of(config.metric) == "subsets" for config, _ in missing)  # many networks, one by one
        place = checkpoints.place_of(folder.parent, name, num_steps, always=on_shares)
        settings = [config for config, _ in missing]
        found = scores.score_all(
            data,
            settings,
            model=task.config.model,
            seed=seed,
            folder=place,
            test_images=True,
            start=start_of_task(task, data),
        )
        for one, (_, path) in zip(found, missing, strict=True):
            one.save(path)
        checkpoints.discard(place)
    return [scores.Scores.load(path, data) for path in paths]


def _test_scores_path(task: Task, score: int, folder: Path) -> Path:
    key = digest_of({"task": task.domain(), "score": to_json(task.config.scores[score])})
    return folder / "test-scores" / f"{task.config.scores[score].metric}-{task.name}-{key}.nc"


def _save_test_scores(task: Task, score: int, found: scores.Scores, folder: Path) -> None:
    path = _test_scores_path(task, score, folder)
    if found.test_values is None or path.exists():
        return
    results = Results("Difficulty of test images", task.provenance())
    results.add("test_score", "test", found.test_values, "1", f"{found.metric} of each test image, higher = harder")
    results.save(path)
