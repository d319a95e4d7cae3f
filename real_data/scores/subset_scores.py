"""Scores of networks that are each trained on a random share of the pool; all of them come from the same trainings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from data_pruning.records.settings import to_json
from real_data.scores.config import ScoreConfig
from real_data.scores.consistency import inconsistency
from real_data.scores.disagreement import held_out_disagreement
from real_data.scores.families import FAMILIES, family_of
from real_data.scores.held_out import Estimate, held_out_mean
from real_data.scores.influence import Influence, influence
from real_data.scores.memorization import memorization
from real_data.scores.request import Found, ScoreRequest
from real_data.scores.uncertainty import uncertainty_from_sums, variation_ratio, votes_of
from real_data.subset_trainings.group import MOST_SUMS
from real_data.subset_trainings.outcomes import SubsetOutcomes
from real_data.subset_trainings.settings import SubsetTrainings, check_memberships
from real_data.subset_trainings.trainings import train_on_subsets
from real_data.training.config import TrainingConfig

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.models.config import ModelConfig

__all__ = ["check_subset_scores", "score_on_subsets", "scores_of_outcomes", "subset_settings"]

_OF_EXAMPLES = ("memorization", "influence-max", "influence-sum")
_OF_TESTS = tuple(metric for metric in FAMILIES["subsets"] if metric not in _OF_EXAMPLES)
"""Scores that test images have too: no network has seen them."""

_OF_SUMS = ("entropy", "mutual-information")
"""Scores that need sums of probabilities."""


def subset_settings(request: ScoreRequest, config: ScoreConfig) -> SubsetTrainings:
    """The subset trainings that a score comes from."""
    digest = None if request.start is None else request.start.digest
    return SubsetTrainings(request.models, (config.training,), config.subset_share, request.seed, digest)


def check_subset_scores(
    dataset: ImageDataset, models: tuple[ModelConfig, ...], seed: int, configs: Sequence[ScoreConfig]
) -> None:
    """Make sure, before any training, that scores of the subset family can be had; others are not looked at.

    Raises:
        ValueError: too few networks for the number of examples, or too many images times classes for a score.
    """
    configs = [config for config in configs if family_of(config.metric) == "subsets"]
    shared = dict.fromkeys((config.num_networks, config.training, config.subset_share) for config in configs)
    for number, training, share in shared:
        check_memberships(SubsetTrainings(models, (training,), share, seed), number, len(dataset.train_labels))
    of_sums = [config.metric for config in configs if config.metric in _OF_SUMS]
    images = max(len(dataset.train_labels), len(dataset.test_labels))
    if of_sums and images * dataset.num_classes > MOST_SUMS:
        raise ValueError(
            f"{' and '.join(dict.fromkeys(of_sums))} need sums of probabilities, which are kept of at most "
            f"{MOST_SUMS:,} images times classes, but there are {images:,} images in {dataset.num_classes:,} "
            "classes: take variation-ratio"
        )


def score_on_subsets(request: ScoreRequest, configs: Sequence[ScoreConfig]) -> dict[ScoreConfig, Found]:
    """Scores of the subset family; those of equal trainings and shares share the networks.

    Raises:
        ValueError, RuntimeError, FloatingPointError: see :func:`real_data.subset_trainings.train_on_subsets`.
    """
    shared: dict[tuple[int, TrainingConfig, float], list[ScoreConfig]] = {}
    for config in configs:
        shared.setdefault((config.num_networks, config.training, config.subset_share), []).append(config)
    found: dict[ScoreConfig, Found] = {}
    for (num_networks, *_), alike in shared.items():
        outcomes = train_on_subsets(
            request.dataset,
            subset_settings(request, alike[0]),
            num_networks=num_networks,
            folder=request.folder,
            executor=request.executor,
            source=request.source,
            start=request.start,
            start_source=request.start_source,
            progress=request.progress,
        )
        labels = np.asarray(request.dataset.train_labels), np.asarray(request.dataset.test_labels)
        found |= scores_of_outcomes(outcomes, alike, *labels, test_images=request.test_images)
    return found


def scores_of_outcomes(
    outcomes: SubsetOutcomes,
    configs: Sequence[ScoreConfig],
    labels: NDArray[np.int64],
    test_labels: NDArray[np.int64],
    *,
    test_images: bool = False,
) -> dict[ScoreConfig, Found]:
    """Scores of the subset family from trainings that are there.

    Args:
        outcomes: what the networks say.
        configs: the scores; their trainings are taken to be those of the outcomes.
        labels: classes of the examples; for influence on test images of the same class.
        test_labels: classes of the test images.
        test_images: whether test images are scored too, by the scores that can.
    """
    influences: dict[str, Influence] = {}
    found = {}
    for config in configs:
        if config.metric.startswith("influence"):
            if config.test_classes not in influences:
                same = config.test_classes == "same"
                classes = (labels, test_labels) if same else (None, None)
                influences[config.test_classes] = influence(
                    outcomes.test_right, outcomes.members, labels=classes[0], test_labels=classes[1]
                )
                _save_influences(influences[config.test_classes], outcomes, config)
            found[config] = _of_influence(influences[config.test_classes], config, outcomes.seeds)
            continue
        tests = (
            _estimate(outcomes, config.metric, tests=True).values
            if test_images and config.metric in _OF_TESTS
            else None
        )
        values, errors = _estimate(outcomes, config.metric)
        if np.all(np.isfinite(errors)):
            found[config] = Found(values, outcomes.seeds, tests, errors)
        else:
            notes = (f"standard errors of {config.metric} are not known from {outcomes.num_networks} networks",)
            found[config] = Found(values, outcomes.seeds, tests, notes=notes)
    return found


def _estimate(outcomes: SubsetOutcomes, metric: str, *, tests: bool = False) -> Estimate:
    """A score that is a mean over networks that have not seen an example; or memorization."""
    if metric == "memorization":
        return memorization(outcomes.right, outcomes.members)
    if metric in ("ddd", "consistency"):
        if tests:
            right = outcomes.test_right.all()
            return inconsistency(right, np.zeros_like(right))
        of_bits = held_out_disagreement if metric == "ddd" else inconsistency
        return of_bits(outcomes.right, outcomes.members)
    if metric == "variation-ratio":
        return variation_ratio(votes_of(outcomes.each("predicted", tests=tests), outcomes.num_classes))
    if metric in _OF_SUMS:
        both = uncertainty_from_sums(lambda: outcomes.sums(tests=tests))
        return both.entropy if metric == "entropy" else both.mutual_information
    if metric == "margin-held-out":
        risen = held_out_mean(outcomes.each("risen_margin", tests=tests))
        return Estimate(risen.values - 1, risen.standard_error)
    return held_out_mean(outcomes.each("el2n", tests=tests))


def _of_influence(found: Influence, config: ScoreConfig, seeds: tuple[int, ...]) -> Found:
    which = "" if config.test_classes == "all" else ", of test images of the same class"
    if config.metric == "influence-max":
        return Found(found.largest, seeds, None, found.largest_error, found.largest_floor)
    if not config.subtract_noise:
        return Found(found.total, seeds, None, found.total_error, found.total_floor)
    notes = (f"the noise floor has been taken off influence-sum{which}",)
    without = np.zeros_like(found.total_floor)  # what noise alone would give now
    return Found(found.total - found.total_floor, seeds, None, found.total_error, without, notes)


def _save_influences(found: Influence, outcomes: SubsetOutcomes, config: ScoreConfig) -> None:
    """Beside the files of the trainings: which test images each example has the largest influence on."""
    first = outcomes.files[0]
    if not isinstance(first, Path):
        return
    results = Results(
        "Test images that each training example has the largest influence on",
        {
            "settings": to_json(outcomes.settings),
            "test_classes": config.test_classes,
            "num_networks": len(outcomes.seeds),
        },
    )
    results.add("test", ("example", "place"), found.top_tests, "1", "number of the test image; -1: none")
    results.add("influence", ("example", "place"), found.top_values, "1", "influence on it")
    results.add("largest_error", "example", found.largest_error, "1", "standard error of the first influence")
    results.save(first.parent / f"influence-{config.test_classes}-{len(outcomes.seeds)}.nc")
