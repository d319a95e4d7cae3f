"""Jobs of a planned study: what a device has at a time, as the commands share the work out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from real_data.plan.stages import (
    FORWARD,
    Stage,
    Tasks,
    from_scratch,
    pretraining,
    scoring,
    tests_of_a_network,
    trainings,
    tunings_of_a_network,
)
from real_data.plan.study import PlannedStudy

__all__ = ["jobs_of"]


def jobs_of(study: PlannedStudy) -> tuple[Stage, ...]:
    """The work of :func:`real_data.plan.stages.stages_of` in the parts that devices are given.

    Scores that all seeds share come from the command ``score``, which trains networks beside each other, here one on
    each device; where scores are measured for each seed, its networks are one job.  ``transfer`` begins when all scores
    are there, and gives a device a pretraining with its fine-tunings and their tests; the networks of a seed from
    random weights are one more.  Where the target is pruned, ``run`` gives a device all fine-tunings of a seed.
    """
    if study.pruned == "source":
        return _pruned_source(study)
    return _pruned_target(study)


def _pruned_source(study: PlannedStudy) -> tuple[Stage, ...]:
    scores = _scores(study, ())
    beside = _together((*tunings_of_a_network(study), *tests_of_a_network(study)))
    jobs = [
        Tasks(tasks.what, tasks.number, Counter(tasks.images) + beside) for part in trainings(study) for tasks in part
    ]
    name = "pretrainings with their fine-tunings and tests"
    if study.from_scratch:
        images = _together([tasks for part in from_scratch(study) for tasks in part])
        jobs.append(Tasks("all networks of a seed from scratch", study.seeds, images))
        name += ", or networks of a seed from scratch"
    return (*scores, Stage(name, tuple(jobs), tuple(stage.name for stage in scores)))


def _pruned_target(study: PlannedStudy) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    before: tuple[str, ...] = ()
    if study.pretrain:
        one = pretraining(study)
        images = Counter(one.images) + Counter({FORWARD: study.tests})
        stages.append(Stage(f"pretraining{'s' if one.number > 1 else ''}", (Tasks(one.what, one.number, images),)))
        before = (stages[-1].name,)
    scores = _scores(study, before)
    images = Counter[str]()
    for tasks in (each for part in trainings(study) for each in part):
        number = tasks.number // study.repeats
        images += _together([Tasks(tasks.what, number, tasks.images), *tests_of_a_network(study) * number])
    jobs = Tasks("all fine-tunings of a seed", study.repeats, images)
    after = tuple(stage.name for stage in scores) or before
    return (*stages, *scores, Stage("seeds with all their fine-tunings and tests", (jobs,), after))


def _scores(study: PlannedStudy, before: tuple[str, ...]) -> tuple[Stage, ...]:
    each = [tasks for stage in scoring(study) for tasks in stage.tasks]
    if not each:
        return ()
    if study.score_sets > 1:
        images = _together([Tasks(tasks.what, tasks.number // study.score_sets, tasks.images) for tasks in each])
        jobs = [Tasks("all networks that score for a seed", study.score_sets, images)]
        return (Stage("sets of scores", tuple(jobs), before),)
    jobs = []
    for stage in scoring(study):
        (tasks,) = stage.tasks
        if stage.name == "scores":  # under the networks just before
            tasks = Tasks(jobs[-1].what, tasks.number, Counter(jobs.pop().images) + Counter(tasks.images))
        jobs.append(tasks)
    return (Stage("networks that score", tuple(jobs), before),)


def _together(tasks: Iterable[Tasks]) -> Counter[str]:
    """Images of all tasks, by the work on them."""
    images = Counter[str]()
    for each in tasks:
        images.update({work: each.number * number for work, number in each.images.items()})
    return images
