"""The outcomes of all pretrainings and fine-tunings of a transfer study as one result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_pruning import Results
from data_pruning.records.settings import to_json
from real_data.experiments.score_files import SavedScore
from real_data.transfer.outcomes import FineTuned, read_fine_tuned, read_pretrained
from real_data.transfer.pretraining import outcome_path
from real_data.transfer.source_scores import scores_of
from real_data.transfer.study import WHOLE, Cell, Study
from real_data.transfer.summary import add_summary
from real_data.transfer.task import SCRATCH, Kind, fine_tuned_path

__all__ = ["TITLE", "assembled"]

TITLE = "Transfer: networks pretrained on parts of a source and fine-tuned on a target"
SAME_SCORES = "scores from files are the same for all pretrainings: intervals do not hold for other scores"
_PRETRAINED = {
    "source_errors": "error on the test images of the source, fraction; NaN where the pretraining diverged",
    "num_kept": "number of source images trained on",
    "num_steps": "gradient steps of the pretraining",
    "source_training_errors": "error in the last quarter of the pretraining, fraction; NaN where it diverged",
    "source_learned": "whether the pretrained network is better than the most frequent class",
    "source_learning_rates": "learning rate of the pretraining in the end",
}


class _Columns:
    """Errors of fine-tunings, and whether networks learned, as arrays that are filled one pretraining at a time."""

    def __init__(self, study: Study, shape: tuple[int, ...]):
        config = study.config
        self.study = study
        self.most = max(config.fine_tunings(target) for target in range(len(config.target_sizes)))
        self.errors = np.full((*shape, self.most), np.nan)
        self.learned = np.ones((*shape, self.most), bool)

    def put(self, place: tuple[int, ...], target: int, found: FineTuned | None) -> None:
        """The fine-tunings of a pretraining; None where it failed."""
        number = self.study.config.fine_tunings(target)
        if found is None:
            self.learned[place][:number] = False
        else:
            self.errors[place][:number] = found.errors
            self.learned[place][:number] = found.learned

    def add(self, results: Results, suffix: str, dims: tuple[str, ...], what: str) -> None:
        """Add both to results."""
        described = f"error on test images of the target, fraction, {what}; NaN where pretraining or fine-tuning failed"
        dims = (*dims, "fine_tuning")
        results.add(f"errors{suffix}", dims, self.errors, "1", f"{described}, and beyond num_fine_tunings")
        results.add(
            f"learned{suffix}", dims, self.learned, "1", f"whether both learned, {what}; 1 beyond num_fine_tunings"
        )


def assembled(study: Study, folder: Path, software: dict[str, str], saved: Sequence[SavedScore]) -> Results:
    """The result of a study whose tasks have all finished.

    Args:
        study: the study.
        folder: its folder.
        software: what the outcomes were computed with.
        saved: what its files of scores hold.

    Returns:
        See :func:`real_data.transfer.measurement.measure_transfer`.
    """
    config = study.config
    source, target = study.source(), study.target()
    results = Results(
        TITLE,
        {
            "transfer": to_json(config),
            "source": {"name": source.name, "sha256": source.fingerprint, "num_images": len(source.train_labels)},
            "target": {"name": target.name, "sha256": target.fingerprint, "num_images": len(target.train_labels)},
            "notes": [*source.notes, *target.notes],
            "score_files": [one.about() for one in saved],
            "remarks": [*([SAME_SCORES] if saved else []), *(remark for one in saved for remark in one.remarks())],
            "software": software,
        },
    )
    _add_coordinates(results, study)
    curves, sizes = study.curves, range(len(config.target_sizes))
    grid = (len(curves), len(config.budgets), len(config.pruned))
    tail = (len(config.layers), len(sizes), len(config.seeds))
    parts, whole, scratch = _Columns(study, (*grid, *tail)), _Columns(study, tail), _Columns(study, tail[1:])
    pretrained = {name: np.zeros((*grid, len(config.seeds))) for name in _PRETRAINED}
    pretrained_all = {name: np.zeros(len(config.seeds)) for name in _PRETRAINED}
    for s, seed in enumerate(config.seeds):
        scores = scores_of(study, seed, folder)

        def fine_tuned(key: str, kind: Kind, t: int, seed: int = seed) -> FineTuned | None:
            return read_fine_tuned(fine_tuned_path(study, seed, key, kind, t, folder))

        for t in sizes:
            scratch.put((t, s), t, fine_tuned(SCRATCH, SCRATCH, t))
        for cell in study.cells():
            pretraining = study.pretraining(cell, seed, scores)
            outcome = read_pretrained(outcome_path(pretraining, folder))
            assert outcome is not None  # all tasks have finished
            place = _place(study, cell)
            columns, ours, beside = (whole, pretrained_all, ()) if cell == WHOLE else (parts, pretrained, place)
            for name, value in zip(_PRETRAINED, outcome, strict=True):
                ours[name][(*beside, s)] = value
            for layer, layers in enumerate(config.layers):
                for t in sizes:
                    found = fine_tuned(pretraining.key, layers, t) if outcome.learned else None
                    columns.put((*beside, layer, t, s), t, found)
    tails = ("layers", "target", "pretraining")
    parts.add(results, "", ("curve", "budget", "fraction", *tails), "pretrained on a part of the source")
    whole.add(results, "_all", tails, "pretrained on the whole source")
    scratch.add(results, "_scratch", tails[1:], "from random weights")
    for name, description in _PRETRAINED.items():
        counted = name in ("num_kept", "num_steps", "source_learned")
        values, values_all = (
            one[name].astype(np.int64) if counted else one[name] for one in (pretrained, pretrained_all)
        )
        results.add(name, ("curve", "budget", "fraction", "pretraining"), values, "1", description)
        results.add(f"{name}_all", "pretraining", values_all, "1", f"{description}; of the whole source")
    add_summary(results)
    return results


def _place(study: Study, cell: Cell) -> tuple[int, ...]:
    if cell == WHOLE:
        return ()
    config = study.config
    return study.curves.index(cell.curve), config.budgets.index(cell.budget), config.pruned.index(cell.fraction)


def _add_coordinates(results: Results, study: Study) -> None:
    config = study.config
    if study.metrics:
        results.add("metric", "metric", list(study.metrics), "", "score of difficulty")
    results.add("curve_metric", "curve", [curve.metric for curve in study.curves], "", "score of each curve")
    results.add("curve_rule", "curve", [curve.rule for curve in study.curves], "", "keep rule of each curve")
    results.add("fraction", "fraction", list(config.pruned), "1", "fraction of the source kept, f, below 1")
    lengths = "steps: as many gradient steps as on the whole source; epochs: as many epochs"
    results.add("budget", "budget", list(config.budgets), "", f"length of the pretraining; {lengths}")
    trained = "head: a linear probe; all: all layers"
    results.add("layers", "layers", list(config.layers), "", f"what is fine-tuned; {trained}")
    sizes = list(config.target_sizes)
    results.add("target_size", "target", sizes, "1", "number of target images that are fine-tuned on")
    numbers = [config.fine_tunings(t) for t in range(len(sizes))]
    results.add("num_fine_tunings", "target", numbers, "1", "fine-tunings of each pretrained network")
    results.add("pretraining", "pretraining", list(config.seeds), "1", "pretraining seed")
    results.add("fine_tuning", "fine_tuning", list(range(max(numbers))), "1", "number of the fine-tuning")
