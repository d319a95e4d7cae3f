"""Stages of a planned study: how many tasks, on how many images, after which others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from real_data.plan.study import PlannedStudy
from real_data.scores.families import family_of

__all__ = ["FORWARD", "GRADIENT_NORM", "TRAINING", "Stage", "Tasks", "stages_of", "works_of"]

TRAINING, FORWARD, GRADIENT_NORM = "training step", "forward", "GraNd"
"""Work on an image, as ``benchmarks/images.py`` calls it."""

_OF_EPOCHS = ("aum", "dyn-unc", "tdds", "dual")  # of the course of training, that look at all images after each epoch
_PASSES = {"prototypes": 2, "moderate": 1}  # over the features; all scores of logits share one pass


@dataclass(frozen=True)
class Tasks:
    """Equal tasks, none of which waits for another.

    Attributes:
        what: what each does.
        number: of them, at least 1.
        images: by the work on them, images that each passes.
        networks_kept: networks that each leaves on disk.
    """

    what: str
    number: int
    images: Mapping[str, int]
    networks_kept: int = 0


@dataclass(frozen=True)
class Stage:
    """Tasks that may begin when all of some other stages are done.

    Attributes:
        name: of the stage.
        tasks: what there is to do.
        after: names of the stages before it.
    """

    name: str
    tasks: tuple[Tasks, ...]
    after: tuple[str, ...] = field(default=())

    def total(self, work: str) -> int:
        """Images of all tasks with this work."""
        return sum(tasks.number * tasks.images.get(work, 0) for tasks in self.tasks)

    @property
    def number(self) -> int:
        """Number of tasks."""
        return sum(tasks.number for tasks in self.tasks)


def stages_of(study: PlannedStudy) -> tuple[Stage, ...]:
    """The stages of a study, each after those it waits for.

    Every task of a stage waits for all of the stages before it, which is more than needed for some: a fine-tuning needs
    one pretraining.  What is computed twice is what this package computes twice: networks of different families of
    scores are trained apart, and those of a score apart from the pretrainings.
    """
    return _pruned_source(study) if study.pruned == "source" else _pruned_target(study)


def _pruned_source(study: PlannedStudy) -> tuple[Stage, ...]:
    scoring, scored = _scoring(study, ())
    whole, pruned = _trainings(
        study, "pretraining", (study.images, study.epochs, study.batch_size), study.seeds, keep=1
    )
    pretrained = sum(tasks.number for tasks in (*whole, *pruned))
    stages = [*scoring, Stage("pretrainings, all images or random", whole)]
    before = [stages[-1].name]
    if pruned:
        stages.append(Stage("pretrainings, pruned", pruned, scored))
        before.append(stages[-1].name)
    tunings = []
    tests = [Tasks("test of a pretrained network", pretrained, {FORWARD: study.tests})]
    scratch = []
    for number in study.target_images:
        seen = _seen(number, study.target_epochs, study.target_batch_size)
        if "head" in study.layers:
            tunings.append(Tasks(f"features of {number:,} images", pretrained, {FORWARD: number}))
            tests.append(Tasks("test of the linear probes of a network", pretrained, {FORWARD: study.target_tests}))
        if "all" in study.layers:
            count = pretrained * study.fine_tunings
            tunings.append(Tasks(f"fine-tuning on {number:,} images", count, {TRAINING: seen}))
            tests.append(Tasks("test of a fine-tuned network", count, {FORWARD: study.target_tests}))
        if study.from_scratch:
            count = study.seeds * study.fine_tunings
            scratch.append(Tasks(f"training on {number:,} images", count, {TRAINING: seen}))
            tests.append(Tasks("test of a network from scratch", count, {FORWARD: study.target_tests}))
    stages.append(Stage("fine-tunings", tuple(tunings), tuple(before)))
    before = ["fine-tunings"]
    if scratch:
        stages.append(Stage("trainings on the target from scratch", tuple(scratch)))
        before.append(stages[-1].name)
    return (*stages, Stage("tests", tuple(tests), tuple(before)))


def _pruned_target(study: PlannedStudy) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    before: tuple[str, ...] = ()
    networks = 1
    if study.pretrain:
        seen = _seen(study.images, study.epochs, study.batch_size)
        pretrainings = Tasks("pretraining on all images", study.seeds, {TRAINING: seen}, networks_kept=1)
        stages.append(Stage("pretrainings", (pretrainings,)))
        before, networks = ("pretrainings",), study.seeds
    scoring, scored = _scoring(study, before)
    target = (study.scored_images, study.target_epochs, study.target_batch_size)
    repeats = networks * study.fine_tunings
    whole, pruned = _trainings(study, "fine-tuning", target, repeats)
    stages += [*scoring, Stage("fine-tunings, all images or random", whole, before)]
    last = [stages[-1].name]
    if pruned:
        stages.append(Stage("fine-tunings, pruned", pruned, scored))
        last.append(stages[-1].name)
    number = sum(tasks.number for tasks in (*whole, *pruned))
    tests = [Tasks("test of a fine-tuned network", number, {FORWARD: study.target_tests})]
    if study.pretrain:
        tests.append(Tasks("test of a pretrained network", study.seeds, {FORWARD: study.tests}))
    return (*stages, Stage("tests", tuple(tests), tuple(last)))


def _seen(images: int, epochs: int, batch_size: int) -> int:
    """Images that are presented in whole steps."""
    return -(-images * epochs // batch_size) * batch_size


def _trainings(
    study: PlannedStudy, what: str, set_of: tuple[int, int, int], repeats: int, keep: int = 0
) -> tuple[tuple[Tasks, ...], tuple[Tasks, ...]]:
    """Trainings that wait for no score, on all images and on random ones, and those that do.

    ``set_of`` is the number of images, epochs, and images per step.
    """
    images, epochs, batch_size = set_of
    whole, pruned = [], []
    all_images = _seen(images, epochs, batch_size)
    curves = len(study.metrics) * len(study.rules)
    for fraction in study.fractions:
        if fraction == 1:
            whole.append(Tasks(f"{what} on all images", repeats, {TRAINING: all_images}, keep))
            continue
        for budget in study.budgets:
            kept = max(1, round(fraction * images))
            seen = all_images if budget == "steps" else _seen(kept, epochs, batch_size)
            name = f"{what} on {100 * fraction:g} %, equal {budget}"
            whole.append(Tasks(f"{name}, random", repeats, {TRAINING: seen}, keep))
            pruned.append(Tasks(name, repeats * curves, {TRAINING: seen}, keep))
    return tuple(whole), tuple(pruned)


def _scoring(study: PlannedStudy, before: tuple[str, ...]) -> tuple[list[Stage], tuple[str, ...]]:
    """Stages up to the scores, and the names of those that pruning waits for."""
    images, families = study.scored_images, {family_of(metric) for metric in study.metrics}
    whole_length = study.epochs if study.pruned == "source" else study.target_epochs
    number = study.score_networks * study.score_sets
    stages: list[Stage] = []
    wait: list[str] = []
    if min(study.fractions) == 1:  # nothing is pruned
        return stages, ()
    if families & {"logits", "gradient", "features"}:
        short = {TRAINING: _seen(images, study.score_epochs, study.scoring_batch_size)}
        networks = Tasks("score network", number, short)
        stages.append(Stage("score networks", (networks,), before))
        passes = int("logits" in families) + sum(_PASSES.get(metric, 0) for metric in study.metrics)
        looks = {FORWARD: passes * images, GRADIENT_NORM: int("grand" in study.metrics) * images}
        looks = {work: total for work, total in looks.items() if total}
        scores = Tasks("scores under one network", number, looks)
        stages.append(Stage("scores", (scores,), ("score networks",)))
        wait.append("scores")
    if "course" in families:
        looks = {TRAINING: _seen(images, whole_length, study.scoring_batch_size)}
        if any(metric in _OF_EPOCHS for metric in study.metrics):
            looks[FORWARD] = whole_length * images
        networks = Tasks("network observed in training", number, looks)
        stages.append(Stage("networks observed in training", (networks,), before))
        wait.append(stages[-1].name)
    if "subsets" in families:
        share = round(study.subset_share * images)
        tests = study.tests if study.pruned == "source" else study.target_tests
        looks = {TRAINING: _seen(share, whole_length, study.scoring_batch_size), FORWARD: images + tests}
        networks = Tasks("network of a random share", study.subset_networks * study.score_sets, looks)
        stages.append(Stage("networks of random shares", (networks,), before))
        wait.append(stages[-1].name)
    return stages, tuple(wait)


def works_of(study: PlannedStudy) -> tuple[str, ...]:
    """The kinds of work that a study has, of training step, forward and GraNd."""
    stages = stages_of(study)
    return tuple(work for work in (TRAINING, FORWARD, GRADIENT_NORM) if any(stage.total(work) for stage in stages))
