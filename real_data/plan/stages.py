"""Stages of a planned study: how many tasks there are, on how many images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from real_data.plan.study import PlannedStudy
from real_data.scores.families import family_of

__all__ = [
    "FORWARD",
    "GRADIENT_NORM",
    "TRAINING",
    "Stage",
    "Tasks",
    "from_scratch",
    "pretraining",
    "scoring",
    "stages_of",
    "tests_of_a_network",
    "trainings",
    "tunings_of_a_network",
    "works_of",
]

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
    """Tasks of a kind.

    Attributes:
        name: of the stage.
        tasks: what there is to do.
        after: names of the stages that must be done before it, where that is of interest.
    """

    name: str
    tasks: tuple[Tasks, ...]
    after: tuple[str, ...] = ()

    def total(self, work: str) -> int:
        """Images of all tasks with this work."""
        return sum(tasks.number * tasks.images.get(work, 0) for tasks in self.tasks)

    @property
    def number(self) -> int:
        """Number of tasks."""
        return sum(tasks.number for tasks in self.tasks)


def stages_of(study: PlannedStudy) -> tuple[Stage, ...]:
    """The stages of a study, in turn; which devices have which of it is in :func:`real_data.plan.jobs.jobs_of`.

    What is computed twice is what this package computes twice: networks that score are trained apart from those that
    are pretrained, and apart from each other where their trainings differ in length.
    """
    whole, pruned = trainings(study)
    number = sum(tasks.number for tasks in (*whole, *pruned))
    what = "pretrainings" if study.pruned == "source" else "fine-tunings"
    stages = [*scoring(study), Stage(f"{what}, all or random", whole)]
    if pruned:
        stages.append(Stage(f"{what}, pruned", pruned))
    if study.pruned == "target":
        tests = _times(tests_of_a_network(study), number)
        if study.pretrain:
            stages.insert(0, Stage("pretrainings", (pretraining(study),)))
            tests += (Tasks("test of a pretrained network", study.seeds, {FORWARD: study.tests}),)
        return (*stages, Stage("tests", tests))
    tests = _times(tests_of_a_network(study), number)
    stages.append(Stage("fine-tunings", _times(tunings_of_a_network(study), number)))
    if study.from_scratch:
        trained, tested = (_times(tasks, study.seeds) for tasks in from_scratch(study))
        stages.append(Stage("from scratch", trained))
        tests += tested
    return (*stages, Stage("tests", tests))


def scoring(study: PlannedStudy) -> tuple[Stage, ...]:
    """Networks that score, and their scores; nothing where nothing is pruned."""
    images, families = study.scored_images, {family_of(metric) for metric in study.metrics}
    whole_length = study.epochs if study.pruned == "source" else study.target_epochs
    number = study.score_networks * study.score_sets
    stages: list[Stage] = []
    if min(study.fractions) == 1:
        return ()
    after_each = whole_length * images if any(metric in _OF_EPOCHS for metric in study.metrics) else 0
    together = "course" in families and study.score_epochs == whole_length  # equal trainings are one
    if families & {"logits", "gradient", "features"}:
        short = {TRAINING: _seen(images, study.score_epochs, study.scoring_batch_size)}
        if together and after_each:
            short[FORWARD] = after_each
        stages.append(Stage("score networks", (Tasks("score network", number, short),)))
        passes = int("logits" in families) + sum(_PASSES.get(metric, 0) for metric in study.metrics)
        looks = {FORWARD: passes * images, GRADIENT_NORM: int("grand" in study.metrics) * images}
        looks = {work: total for work, total in looks.items() if total}
        stages.append(Stage("scores", (Tasks("scores under one network", number, looks),)))
    if "course" in families and not (together and stages):
        looks = {TRAINING: _seen(images, whole_length, study.scoring_batch_size)}
        if after_each:
            looks[FORWARD] = after_each
        stages.append(Stage("observed networks", (Tasks("network observed in training", number, looks),)))
    if "subsets" in families:
        share = round(study.subset_share * images)
        tests = study.tests if study.pruned == "source" else study.target_tests
        looks = {TRAINING: _seen(share, whole_length, study.scoring_batch_size), FORWARD: images + tests}
        networks = Tasks("network of a random share", study.subset_networks * study.score_sets, looks)
        stages.append(Stage("networks of shares", (networks,)))
    return tuple(stages)


def pretraining(study: PlannedStudy) -> Tasks:
    """Pretraining on all of the source, where the target is pruned."""
    seen = _seen(study.images, study.epochs, study.batch_size)
    return Tasks("pretraining on all images", study.seeds, {TRAINING: seen}, networks_kept=1)


def trainings(study: PlannedStudy) -> tuple[tuple[Tasks, ...], tuple[Tasks, ...]]:
    """Trainings on parts of what is pruned: of all images and of random ones, and those that wait for scores.

    All images are there once for all scores, rules and lengths, whether f = 1 is among the fractions or not.
    """
    if study.pruned == "source":
        what, repeats, keep = "pretraining", study.seeds, 1
        images, epochs, batch_size = study.images, study.epochs, study.batch_size
    else:
        what, repeats, keep = "fine-tuning", study.repeats, 0
        images, epochs, batch_size = study.target_images[0], study.target_epochs, study.target_batch_size
    all_images = _seen(images, epochs, batch_size)
    whole, pruned = [Tasks(f"{what} on all images", repeats, {TRAINING: all_images}, keep)], []
    curves = len(study.metrics) * len(study.rules)
    for fraction in study.fractions:
        for budget in study.budgets if fraction < 1 else ():
            kept = max(1, round(fraction * images))
            seen = all_images
            if budget == "epochs" and study.pruned == "source":  # in proportion to the steps on all images
                seen = -(-(all_images // batch_size) * kept // images) * batch_size
            elif budget == "epochs":
                seen = _seen(kept, epochs, batch_size)
            name = f"{what} on {100 * fraction:g} %, equal {budget}"
            whole.append(Tasks(f"{name}, random", repeats, {TRAINING: seen}, keep))
            pruned.append(Tasks(name, repeats * curves, {TRAINING: seen}, keep))
    return tuple(whole), tuple(pruned)


def tunings_of_a_network(study: PlannedStudy) -> tuple[Tasks, ...]:
    """Fine-tunings of one pretrained network on all targets, where the source is pruned.

    Each fine-tuning draws its own images; linear probes need the features of all that were drawn, once.
    """
    found = []
    for number in study.target_images:
        if "head" in study.layers:
            drawn = min(study.fine_tunings * number, study.target_pool)
            found.append(Tasks(f"features of {drawn:,} images", 1, {FORWARD: drawn}))
        if "all" in study.layers:
            seen = _seen(number, study.target_epochs, study.target_batch_size)
            found.append(Tasks(f"fine-tuning on {number:,} images", study.fine_tunings, {TRAINING: seen}))
    return tuple(found)


def tests_of_a_network(study: PlannedStudy) -> tuple[Tasks, ...]:
    """Tests of one network that was trained on a part of what is pruned, and of its fine-tunings."""
    if study.pruned == "target":
        return (Tasks("test of a fine-tuned network", 1, {FORWARD: study.target_tests}),)
    found = [Tasks("test of a pretrained network", 1, {FORWARD: study.tests})]
    for _ in study.target_images:
        if "head" in study.layers:
            found.append(Tasks("test of the linear probes of a network", 1, {FORWARD: study.target_tests}))
        if "all" in study.layers:
            found.append(Tasks("test of a fine-tuned network", study.fine_tunings, {FORWARD: study.target_tests}))
    return tuple(found)


def from_scratch(study: PlannedStudy) -> tuple[tuple[Tasks, ...], tuple[Tasks, ...]]:
    """Networks of one seed that are trained on the targets from random weights, and their tests."""
    trained, tested = [], []
    for number in study.target_images:
        seen = _seen(number, study.target_epochs, study.target_batch_size)
        trained.append(Tasks(f"training on {number:,} images", study.fine_tunings, {TRAINING: seen}))
        tested.append(Tasks("test of a network from scratch", study.fine_tunings, {FORWARD: study.target_tests}))
    return tuple(trained), tuple(tested)


def works_of(study: PlannedStudy) -> tuple[str, ...]:
    """The kinds of work that a study has, of training step, forward and GraNd."""
    stages = stages_of(study)
    return tuple(work for work in (TRAINING, FORWARD, GRADIENT_NORM) if any(stage.total(work) for stage in stages))


def _times(tasks: tuple[Tasks, ...], number: int) -> tuple[Tasks, ...]:
    return tuple(replace(each, number=number * each.number) for each in tasks)


def _seen(images: int, epochs: int, batch_size: int) -> int:
    """Images that are presented in whole steps."""
    return -(-images * epochs // batch_size) * batch_size
