"""What a transfer study costs: networks, gradient steps, and the time that takes here, by rates measured here."""

from __future__ import annotations

from typing import Any, NamedTuple

from data_pruning.command_line import table
from real_data import datasets
from real_data.scores.config import ScoreConfig
from real_data.scores.course import OF_EPOCHS
from real_data.scores.families import OF_WHOLE_POOL, family_of
from real_data.subset_trainings.rates import measured_rates
from real_data.subset_trainings.settings import SubsetTrainings
from real_data.training.config import TrainingConfig
from real_data.training.observation import epoch_ends
from real_data.transfer.config import Transfer
from real_data.transfer.data import check_pair, loaded

__all__ = ["Stage", "planned", "stages"]


class Stage(NamedTuple):
    """A part of the work of a transfer study, of all pretraining seeds together.

    Attributes:
        name: what is done.
        networks: number of networks that are trained.
        steps: their gradient steps.
        answers: images that networks are asked about.
        training: the training whose rate the steps have: ``pretraining``, ``fine_tuning`` or ``head``, whose steps on
            features cost next to nothing.
        examples: images that are trained on, each step a batch of its own training's size.
    """

    name: str
    networks: int
    steps: int
    answers: int
    training: str
    examples: int


def stages(config: Transfer, source: datasets.ImageDataset, target: datasets.ImageDataset) -> list[Stage]:
    """The parts of the work, counted: identical pretrainings once."""
    seeds, num_source = config.num_pretrainings, len(source.train_labels)
    tests = len(target.test_labels) if config.num_tests is None else config.num_tests
    found = [_scoring(config, source)]
    lengths = [config.pretraining_steps("steps", num_source, num_source)]
    num_metrics = len(config.scores) + len(config.score_files)
    curves = 1 + num_metrics * sum(rule != "random" for rule in config.rules)
    for fraction in config.pruned:
        kept = round(fraction * num_source)
        of_budgets = {config.pretraining_steps(budget, kept, num_source) for budget in config.budgets}
        lengths += [length for length in of_budgets for _ in range(curves)]
    pretrainings = seeds * len(lengths)
    asked = pretrainings * len(source.test_labels)
    steps = seeds * sum(lengths)
    examples = steps * config.pretraining.batch_size
    found.append(Stage("pretraining", pretrainings, steps, asked, "pretraining", examples))
    for t, size in enumerate(config.target_sizes):
        number = config.fine_tunings(t)
        for layers in config.layers:
            networks = pretrainings * number
            training = config.training_of(layers, t)
            steps = networks * training.steps_for(size)
            examples = steps * training.batch_size
            if layers == "head":
                asked = pretrainings * (min(number * size, len(target.train_labels)) + tests)  # features, once
                found.append(Stage(f"linear probes, {size} images", networks, steps, asked, "head", examples))
            else:
                asked = networks * tests
                found.append(Stage(f"fine-tuning, {size} images", networks, steps, asked, "fine_tuning", examples))
        training = config.training_of("scratch", t)
        networks = seeds * number
        steps = networks * training.steps_for(size)
        examples = steps * training.batch_size
        found.append(Stage(f"from scratch, {size} images", networks, steps, networks * tests, "fine_tuning", examples))
    return found


def planned(config: Transfer) -> str:
    """A table of the work and of the time it takes here, one task after another.

    Raises:
        FileNotFoundError, ValueError: see :func:`real_data.transfer.measurement.measure_transfer`.
    """
    source, target = loaded(config.source), loaded(config.target)
    check_pair(config, source, target)
    work = stages(config, source, target)
    settings = SubsetTrainings(models=(config.model,), trainings=(config.pretraining, config.fine_tuning))
    shape = tuple(source.train_images.shape[1:])
    rates = measured_rates(settings, (shape[0], shape[1], shape[2]), source.num_classes, 2)
    batch_sizes = config.pretraining.batch_size, config.fine_tuning.batch_size  # of the steps that were measured
    rows, total = [], 0.0
    for stage in work:
        kind = int(stage.training == "fine_tuning")
        seconds = stage.answers * rates.per_answer[kind]
        if stage.training != "head":  # a step costs in proportion to its images
            seconds += stage.examples * rates.per_step[kind] / batch_sizes[kind]
            seconds += stage.networks * rates.per_network[kind]
        total += seconds
        rows.append([stage.name, f"{stage.networks:,}", f"{stage.steps:,}", f"{stage.answers:,}", _minutes(seconds)])
    rows.append(["all", "", "", "", _minutes(total)])
    return (
        f"{table(['work', 'networks', 'steps', 'images asked about', 'minutes'], rows)}\n"
        "minutes: of one worker here, by rates just measured after compilation; those of probes are for their features"
    )


def _scoring(config: Transfer, source: datasets.ImageDataset) -> Stage:
    """Networks that score; those of equal trainings are shared."""
    num_source, shared = len(source.train_labels), dict[Any, list[ScoreConfig]]()
    for score in config.scores:
        family = family_of(score.metric)
        if family in (*OF_WHOLE_POOL, "subsets"):
            share = score.subset_share if family == "subsets" else 1.0
            shared.setdefault((share, score.num_networks, score.training), []).append(score)
    networks = steps = answers = examples = 0
    for (share, number, training), scores in shared.items():
        length = training.steps_for(round(share * num_source))
        networks += number
        steps += number * length
        examples += number * length * training.batch_size
        answers += number * _asked({score.metric for score in scores}, training, source)
    seeds = config.num_pretrainings
    of_all = (seeds * networks, seeds * steps, seeds * answers, "pretraining", seeds * examples)
    return Stage("scores of the source", *of_all)


def _asked(metrics: set[str], training: TrainingConfig, source: datasets.ImageDataset) -> int:
    """Images that a network of these scores is asked about."""
    number = len(source.train_labels)
    if any(family_of(metric) == "subsets" for metric in metrics):
        return number + len(source.test_labels)
    times = len({family_of(metric) for metric in metrics} - {"course"})
    if metrics & set(OF_EPOCHS):
        times += len(epoch_ends(training, number))
    return times * number


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f}"
