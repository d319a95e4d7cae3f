"""How difficult the source images are, for each pretraining seed: measured, or from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_pruning.records.lock import locked
from data_pruning.records.settings import digest_of, to_json
from real_data import scores
from real_data.experiments import checkpoints
from real_data.experiments.score_files import same_scores
from real_data.scores.families import family_of
from real_data.transfer.data import Seeds
from real_data.transfer.study import Study

__all__ = ["are_scored", "measure_scores", "scores_of"]


def are_scored(study: Study, seed: int, folder: Path) -> bool:
    """Whether all scores of a pretraining seed that must be measured are there."""
    return all(path.exists() for path in _paths(study, seed, folder))


def measure_scores(study: Study, seed: int, folder: Path) -> None:
    """Measure and save the scores of a pretraining seed that are not there yet.

    Raises:
        RuntimeError: a network that scores has not learned.
        FloatingPointError: one diverged.
    """
    with locked(folder / "locks" / f"scores-{seed}-{digest_of(study.software)}"):
        paths = _paths(study, seed, folder)
        missing = [i for i, path in enumerate(paths) if not path.exists()]
        if not missing:
            return
        source = study.source()
        configs = [study.config.scores[i] for i in missing]
        num_steps = max(config.training.steps_for(len(source.train_labels)) for config in configs)
        on_shares = any(family_of(config.metric) == "subsets" for config in configs)
        name = f"scores-{digest_of([paths[i].name for i in missing])}"
        place = checkpoints.place_of(folder, name, num_steps, always=on_shares)
        found = scores.score_all(source, configs, model=study.config.model, seed=Seeds(seed).scoring, folder=place)
        for i, one in zip(missing, found, strict=True):
            one.save(paths[i])
        checkpoints.discard(place)


def scores_of(study: Study, seed: int, folder: Path) -> dict[str, np.ndarray]:
    """Scores of the source images by metric, each of shape (num_source,), higher = harder.

    Raises:
        FileNotFoundError: one is not measured yet, or a file of scores is not there any more.
        ValueError: a file is damaged or holds other scores.
    """
    source = study.source()
    found: dict[str, np.ndarray] = {
        config.metric: scores.Scores.load(path, source).values
        for config, path in zip(study.config.scores, _paths(study, seed, folder), strict=True)
    }
    for metric, path, digest in zip(study.file_metrics, study.config.score_files, study.file_digests, strict=True):
        found[metric] = same_scores(path, source, digest).values
    return found


def _paths(study: Study, seed: int, folder: Path) -> list[Path]:
    shared = {
        "model": to_json(study.config.model),
        "seed": Seeds(seed).scoring,
        "source": study.source_sha256,
        "software": study.software,
    }
    return [
        folder / "scores" / f"{config.metric}-seed-{seed}-{digest_of(shared | {'score': to_json(config)})}.nc"
        for config in study.config.scores
    ]
