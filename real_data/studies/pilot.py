"""The pilot: a small experiment that finds out which keep rule is best, and how good it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from data_pruning.arguments import check_integer, check_real, check_tuple, real_number
from real_data.experiments.config import Experiment
from real_data.models.config import ModelConfig
from real_data.scores.config import ScoreConfig
from real_data.selection.candidates import BASELINES, CANDIDATES, candidates_at
from real_data.training.config import TrainingConfig

__all__ = ["Pilot", "PilotSize", "pilot", "size_of"]

LEAST_KEPT_PER_CLASS = 2


FEW = (
    "window@0.25",
    "window@0.5",
    "proportional@0.25",
    "proportional@0.5+weighted@0.5",
    "proportional@1+trim@0.2",
    "coverage@0.1",
    "coverage@0.3",
)
"""Candidates where trainings are long."""


@dataclass(frozen=True)
class PilotSize:
    """How much a pilot trains where the caller does not say.

    Attributes:
        num_seeds: repetitions; a third of them, at least two, choose the rule, the others judge it.
        rules: rules tried.
        num_pools: pools on which the choice is judged: all that is allowed, a half and a quarter of it.
        num_score_networks: networks that the score is averaged over.
        retraining: settings that take the place of those of a full training.
    """

    num_seeds: int
    rules: tuple[str, ...]
    num_pools: int
    num_score_networks: int
    retraining: dict[str, Any] = field(default_factory=dict)


def size_of(kind: str) -> PilotSize:
    """What a pilot of networks of this kind trains, so that a thousand small photographs take minutes on two cores."""
    if kind in ("mlp", "random-features"):
        return PilotSize(num_seeds=18, rules=CANDIDATES, num_pools=3, num_score_networks=10)
    if kind == "patch-features":
        return PilotSize(num_seeds=24, rules=CANDIDATES, num_pools=3, num_score_networks=3)
    return PilotSize(12, FEW, 1, 3, {"num_steps": 200, "batch_size": 32})


@dataclass(frozen=True)
class Pilot:
    """The two parts of a pilot.

    Attributes:
        choosing: all rules, on the largest pool: the best on average is chosen.
        pool_sizes: pools on which it is judged, the largest last.
        num_judges: seeds that judge it; others than those that choose.
    """

    choosing: Experiment
    pool_sizes: tuple[int, ...]
    num_judges: int

    def judging(self, rules: Sequence[str]) -> Experiment:
        """The experiment that judges these rules."""
        return replace(
            self.choosing,
            rules=tuple(rules),
            pool_sizes=self.pool_sizes,
            first_seed=self.choosing.first_seed + self.choosing.num_seeds,
            num_seeds=self.num_judges,
        )


def pilot(
    num_images: int,
    num_classes: int,
    *,
    keep: float,
    dataset: str = "folder",
    path: str | None = None,
    image_size: int | None = None,
    test_folder: str | None = None,
    skip_undecodable: bool = False,
    model: ModelConfig | None = None,
    score: ScoreConfig | None = None,
    retraining: TrainingConfig | None = None,
    num_seeds: int | None = None,
    rules: tuple[str, ...] | None = None,
    num_pools: int | None = None,
    max_pool: int = 16_000,
    holdout: float = 0.2,
) -> Pilot:
    """The experiments that find out which rule to keep by.

    Args:
        num_images: number of training images of the data set.
        num_classes: its number of classes.
        keep: what to keep: a fraction in (0, 1), or a number of images, at least 1 and below ``num_images``.
        dataset: name of the data set; see :func:`real_data.datasets.load`.
        path: where the data set is.
        image_size: see :class:`real_data.Experiment`; so the next two.
        test_folder: see there.
        skip_undecodable: see there.
        model: the network; see :class:`real_data.ModelConfig`.
        score: how difficulty is scored.
        retraining: how the network is trained.
        num_seeds: repetitions, at least 4: a third of them choose the rule, the others judge it; None is as
            :func:`size_of` says, so the next two.
        rules: keep rules to choose from, by name; None leaves out those that drop more than ``keep`` allows.
        num_pools: pools, 1 to 3: the largest, a half and a quarter of it.
        max_pool: images in the largest pool, at least 2, as far as there are so many.
        holdout: share of the training images that errors are measured on, in (0, 1); test images are not touched.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or so few images that a class would be
            left with fewer than two.
    """
    keep = real_number("keep", keep)
    fraction = keep / num_images if keep >= 1 else keep
    if not 0 < fraction < 1 or (keep >= 1 and keep != round(keep)):
        raise ValueError(
            f"keep must be a fraction in (0, 1) or a whole number of images in [1, {num_images}), got {keep!r}"
        )
    network = model or ModelConfig()
    size = size_of(network.kind)
    seeds = size.num_seeds if num_seeds is None else num_seeds
    pools = size.num_pools if num_pools is None else num_pools
    candidates = candidates_at(fraction, size.rules) if rules is None else rules
    check_tuple("rules", candidates, str)
    if not candidates or set(candidates) & {*BASELINES, "all"}:
        raise ValueError(f"rules must be keep rules to choose from, not {', '.join(BASELINES)}, got {candidates}")
    check_integer("num_seeds (some choose, the others judge)", seeds, 4)
    check_integer("num_pools", pools, 1, 3)
    check_integer("max_pool", max_pool, 2)
    check_real("holdout", holdout, "(0, 1)")
    largest = min(max_pool, num_images - round(holdout * num_images))
    least = math.ceil(LEAST_KEPT_PER_CLASS * num_classes / fraction)
    sizes = [largest // part for part in (4, 2, 1)[3 - pools :] if largest // part >= least]
    if not sizes:
        raise ValueError(
            f"keep = {keep:g} leaves fewer than {LEAST_KEPT_PER_CLASS} images per class in a pilot of {largest} "
            f"images: a pilot of this fraction needs at least {least}"
            + (f"; keep at least {least / largest:.3f} of them" if least < largest / fraction else "")
            + (f", or raise max_pool, {max_pool} now" if max_pool <= largest else "")
        )
    num_choosing = max(2, seeds // 3)
    choosing = Experiment(
        dataset=dataset,
        path=path,
        image_size=image_size,
        test_folder=test_folder,
        skip_undecodable=skip_undecodable,
        scores=(score or ScoreConfig(num_networks=size.num_score_networks),),
        rules=(*candidates, "random"),
        fractions=(fraction,),
        pool_sizes=(sizes[-1],),
        num_seeds=num_choosing,
        holdout=holdout,
        model=network,
        retraining=retraining or TrainingConfig(**size.retraining),
    )
    return Pilot(choosing, tuple(sizes), seeds - num_choosing)
