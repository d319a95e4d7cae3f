"""A task of a transfer study: one pretraining with all of its fine-tunings, or the networks from scratch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data_pruning.records.lock import locked
from data_pruning.records.settings import digest_of, to_json
from real_data.experiments import checkpoints
from real_data.training.fine_tuning import Layers
from real_data.training.networks import TrainedNetworks
from real_data.transfer.fine_tuning import fine_tune, probe, scratch
from real_data.transfer.outcomes import FineTuned, read_fine_tuned, read_pretrained, save_fine_tuned
from real_data.transfer.pretraining import outcome_path, pretrain
from real_data.transfer.source_scores import measure_scores, scores_of
from real_data.transfer.study import Cell, Pretraining, Study, transfer_software

__all__ = ["SCRATCH", "Kind", "Task", "fine_tuned_path", "finished", "run_task", "score_source"]

SCRATCH: Literal["scratch"] = "scratch"
Kind = Layers | Literal["scratch"]


@dataclass(frozen=True)
class Task:
    """One pretraining with all of its fine-tunings, or networks of the same seed from random weights.

    Attributes:
        study: the study.
        seed: pretraining seed.
        key: of the pretraining, or ``scratch``.
        cell: the first of its cells; None for networks from scratch.
    """

    study: Study
    seed: int
    key: str
    cell: Cell | None

    @property
    def name(self) -> str:
        """Of its files."""
        return f"seed-{self.seed}-{self.key}"

    def kinds(self) -> Iterator[tuple[Kind, int]]:
        """What is fine-tuned, and the number of the target size."""
        config = self.study.config
        for target in range(len(config.target_sizes)):
            for kind in config.layers if self.cell is not None else (SCRATCH,):
                yield kind, target

    @property
    def num_networks(self) -> int:
        """Number of networks that are trained."""
        return (self.cell is not None) + sum(self.study.config.fine_tunings(target) for _, target in self.kinds())


def fine_tuned_path(study: Study, seed: int, key: str, kind: Kind, target: int, folder: Path) -> Path:
    """The file of the fine-tunings of a pretraining of this key, or of ``scratch``."""
    config = study.config
    determined = {
        "pretraining": key,
        "model": to_json(config.model),
        "kind": kind,
        "size": config.target_sizes[target],
        "number": config.fine_tunings(target),
        "training": to_json(config.training_of(kind, target)),
        "layer_decay": config.layer_decay if kind == "all" else None,
        "num_tests": config.num_tests,
        "seed": seed,
        "target": study.target_sha256,
        "software": study.software,
    }
    name = f"seed-{seed}-{kind}-{config.target_sizes[target]}-{digest_of(determined)}.nc"
    return folder / "fine_tunings" / name


def finished(task: Task, pretraining: Pretraining | None, folder: Path) -> int:
    """How many networks of a task are trained, or need not be, as their pretraining failed."""
    number = 0
    if pretraining is not None:
        outcome = read_pretrained(outcome_path(pretraining, folder))
        if outcome is not None and not outcome.learned:
            return task.num_networks
        number += outcome is not None
    for kind, target in task.kinds():
        if fine_tuned_path(task.study, task.seed, task.key, kind, target, folder).exists():
            number += task.study.config.fine_tunings(target)
    return number


def score_source(study: Study, seed: int, folder: Path) -> None:
    """Measure the scores of a pretraining seed, on a worker too."""
    _check_software(study)
    measure_scores(study, seed, folder)


def run_task(task: Task, folder: Path, report: Callable[[int], Any] = lambda number: None) -> None:
    """Train and save what is missing of a task.  Networks that did not learn are not fine-tuned.

    Args:
        task: the task.
        folder: the results folder.
        report: is told the number of networks just finished.

    Raises:
        ValueError: software, data or scores here are others.
    """
    study = task.study
    _check_software(study)
    with locked(folder / "locks" / task.name):
        networks: TrainedNetworks | None = None
        if task.cell is not None:
            pretraining = study.pretraining(task.cell, task.seed, scores_of(study, task.seed, folder))
            if pretraining.key != task.key:
                raise ValueError(f"the scores or rules of this worker are others: {task.cell} is {pretraining.key}")
            outcome, networks = pretrain(study, pretraining, folder, _provenance(task), report)
            if not outcome.learned:
                report(task.num_networks - 1)
                return
        for kind, target in task.kinds():
            path = fine_tuned_path(study, task.seed, task.key, kind, target, folder)
            if read_fine_tuned(path) is not None:
                continue
            number = study.config.fine_tunings(target)
            save_fine_tuned(
                path,
                _fine_tuned(task, networks, kind, target, folder / "checkpoints" / path.stem),
                {
                    **_provenance(task),
                    "kind": kind,
                    "target_size": study.config.target_sizes[target],
                },
            )
            checkpoints.discard(folder / "checkpoints" / path.stem)
            report(number)


def _fine_tuned(task: Task, networks: TrainedNetworks | None, kind: Kind, target: int, place: Path) -> FineTuned:
    study = task.study
    steps = study.config.training_of(kind, target).steps_for(study.config.target_sizes[target])
    kept = place if steps * study.config.fine_tunings(target) > checkpoints.CHECKPOINT_EVERY else None
    if kind == SCRATCH:
        return scratch(study, task.seed, target, kept)
    assert networks is not None  # learned
    if kind == "head":
        return probe(study, task.seed, networks, target)
    return fine_tune(study, task.seed, networks, target, kept)


def _check_software(study: Study) -> None:
    if digest_of(transfer_software()) != study.software:
        found = transfer_software()
        raise ValueError(f"the software or device of this worker is another than that of the first: {found}")


def _provenance(task: Task) -> dict[str, Any]:
    study = task.study
    return {
        "transfer": to_json(study.config),
        "seed": task.seed,
        "cell": None if task.cell is None else [*task.cell.curve, task.cell.fraction, task.cell.budget],
        "source_sha256": study.source_sha256,
        "target_sha256": study.target_sha256,
        "software": transfer_software(),
    }
