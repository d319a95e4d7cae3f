"""The command that says which examples to keep."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import tyro

from data_pruning.records.writable import check_folder
from real_data.commands.options import (
    ImageOptions,
    Images,
    ModelOptions,
    TrainingOptions,
    any_given,
    cli,
    resolved,
    say_recipe,
    shell_options,
)
from real_data.experiments.config import Experiment
from real_data.models.config import ModelConfig
from real_data.recipes import pilot_network
from real_data.scores.config import MetricName, ScoreConfig

__all__ = ["learn_rule", "recommend"]


@cli.command
def recommend(
    keep: Annotated[float, tyro.conf.arg(aliases=("--fraction", "--f"))],
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    model: ModelOptions = ModelOptions(),  # noqa: B008
    metric: MetricName = "el2n",
    num_score_networks: int | None = None,
    scoring: TrainingOptions = TrainingOptions(),  # noqa: B008
    retraining: TrainingOptions = TrainingOptions(),  # noqa: B008
    num_seeds: int | None = None,
    rules: tuple[str, ...] | None = None,
    num_pools: int | None = None,
    max_pool: int = 16_000,
    holdout: float = 0.2,
    executor: str = "here",
    out: Path = Path("results/pilot"),
    quiet: bool = False,
) -> None:
    """Say which examples of a data set to keep within a budget, and what error to expect: from a small pilot.

    Tries windows of rank, soft rules (a chance for every image, larger for harder ones; even coverage of difficulty)
    and importance weights on a third of the seeds, tests on a part of the training images held out, and judges the best
    against random on the other seeds and several pools.  Test images are not touched; of digits, and
    of a folder that is not divided into train and test, a third is set aside as test images.  Networks with
    convolutions get a smaller pilot: see the numbers below.  Networks that learn nothing give no advice.

    Args:
        keep: the budget: a fraction in (0, 1), or a number of images.
        images: the images.
        model: the network of the pilot; for a folder patch-features, which err less than the mlp there and are solved
            for in a second, unless this or another option asks for gradient descent.
        metric: score of difficulty.
        num_score_networks: networks that the score is averaged over; None is 10, with patches or convolutions 3.
        scoring: their training.
        retraining: training on the kept examples; with convolutions 200 steps of 32 images unless given.
        num_seeds: repetitions, at least 4, a third of which choose; None is 18, with patch-features 24,
            with convolutions 12.
        rules: keep rules to choose from; None is five windows and twelve soft rules, with convolutions seven in all.
        num_pools: pools, 1 to 3; None is 3, with convolutions 1.
        max_pool: images in the largest pool.
        holdout: share of the training images that errors are measured on.
        executor: here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local.
        out: folder of the pilot; run again to continue there.
        quiet: no progress bar.
    """
    from real_data.experiments.execution import executor_named
    from real_data.studies.pilot import pilot, size_of
    from real_data.studies.recommendation import recommend_by

    check_folder("out", out)
    recipe = images.chosen_recipe
    data = images.load()
    network = _network(images, data.train_images.shape[1:], model, metric, scoring, retraining)
    size = size_of(network.kind)
    of_recipe = resolved(recipe.training, TrainingOptions(**size.retraining))
    number = size.num_score_networks if num_score_networks is None else num_score_networks
    score = ScoreConfig(metric, number, resolved(recipe.scoring, scoring))
    config = pilot(
        len(data.train_labels),
        data.num_classes,
        keep=keep,
        **images.arguments(),
        model=network,
        score=score,
        retraining=resolved(of_recipe, retraining),
        num_seeds=num_seeds,
        rules=rules,
        num_pools=num_pools,
        max_pool=max_pool,
        holdout=holdout,
    )
    choosing = config.choosing
    say_recipe(images, {"model": network, "scoring": score.training, "retraining": choosing.retraining})
    with executor_named(executor, out) as chosen:
        found = recommend_by(config, data, out=out, executor=chosen, progress=not quiet)
    print(found)
    print("To do so, with the network and the training of the pilot (a longer training may do better):")
    for words in next_commands(images, choosing, found.rule_name, found.num_kept / found.num_images):
        print(f"  {shlex.join(words)}")


def _network(
    images: Images, image_shape: tuple[int, ...], model: Any, metric: MetricName, *trainings: Any
) -> ModelConfig:
    """The network that rules are tried on: the recipe's for that, unless an option asks for gradient descent."""
    recipe = images.chosen_recipe
    descends = metric in ("grand", "forgetting") or model.hidden is not None or any_given(*trainings)
    return resolved(recipe.model if descends else pilot_network(recipe, image_shape), model)


def next_commands(images: Images, config: Experiment, rule: str, fraction: float) -> list[list[str]]:
    """The commands that score and train as the pilot did, word by word.

    Args:
        images: the images.
        config: the pilot.
        rule: name of the keep rule.
        fraction: fraction to keep.
    """
    recipe, (score,) = images.chosen_recipe, config.scores
    which = ["--dataset", images.dataset]
    for name in ("path", "image_size", "test_folder", "recipe"):
        if getattr(images, name) is not None:
            which += [f"--{name.replace('_', '-')}", str(getattr(images, name))]
    if images.skip_undecodable:
        which.append("--skip-undecodable")
    which += shell_options("model", config.model, recipe.model)
    train = ["python", "-m", "real_data", "train", *which]
    commands = []
    if rule != "random":
        commands.append(
            ["python", "-m", "real_data", "score", *which, "--metrics", score.metric, "--out", "scores"]
            + (["--num-networks", str(score.num_networks)] if score.num_networks != 10 else [])
            + shell_options("training", score.training, recipe.scoring)
        )
        train += ["--scores", f"scores/{images.dataset}-{score.metric}.nc"]
    train += ["--rule", rule, "--fraction", f"{fraction:.6g}"]
    commands.append(train + shell_options("training", config.retraining, recipe.training))
    return commands


@cli.command
def learn_rule(
    fraction: Annotated[float, tyro.conf.arg(aliases=("--keep", "--f"))],
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    pool_size: int | None = None,
    model: ModelOptions = ModelOptions(),  # noqa: B008
    metric: MetricName = "el2n",
    num_score_networks: int | None = None,
    scoring: TrainingOptions = TrainingOptions(),  # noqa: B008
    retraining: TrainingOptions = TrainingOptions(),  # noqa: B008
    min_class_share: float = 1.0,
    label_noise: float = 0.0,
    holdout: float = 0.2,
    num_bins: int = 10,
    num_pairs: int = 30,
    spread: float = 0.5,
    num_value_seeds: int = 2,
    num_pilot_seeds: int = 4,
    num_judge_seeds: int = 6,
    max_rounds: int = 3,
    first_seed: int = 0,
    executor: str = "here",
    out: Path = Path("results/learned"),
    quiet: bool = False,
) -> None:
    """Learn a keep rule from the data: which difficulty ranks are worth keeping more often.

    Measures the value of each rank (trainings on random policies, with standard errors), takes a step along it whose
    length is chosen on pilot seeds, judges it on other seeds, and goes on until no step helps beyond its 95 % interval.
    Prints the rule as train, prune and run take it (policy@...), and writes OUT/learned-rule.nc, which
    python -m figures learned-rule draws.  Run again after Ctrl-C to continue.

    Args:
        fraction: fraction to keep, in (0, 1).
        images: the images.
        pool_size: training images before pruning; None is all that are not held out.
        model: the network, as for recommend; random-features and patch-features are solved for, and take a fraction of
            a second each.
        metric: score of difficulty.
        num_score_networks: networks that the score is averaged over; None is as for recommend.
        scoring: their training.
        retraining: training on the kept examples.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; 1 ranks per class.
        label_noise: share of wrong labels put into the pool, in [0, 1).
        holdout: share of the training images that errors are measured on, in [0, 1); 0 takes the test images.
        num_bins: bins of difficulty rank.
        num_pairs: pairs of opposite policies in each round.
        spread: largest relative difference of their keep probabilities from the middle, in (0, 1).
        num_value_seeds: seeds that each of them is trained on, at least 2.
        num_pilot_seeds: seeds that choose the length of the step, at least 2.
        num_judge_seeds: seeds that judge it, at least 2.
        max_rounds: rounds at most.
        first_seed: the first seed.
        executor: here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local.
        out: folder for the results.
        quiet: no progress bar.
    """
    from real_data.experiments.execution import executor_named
    from real_data.studies.learned_rule import learn_rule as learn
    from real_data.studies.pilot import size_of

    check_folder("out", out)
    recipe = images.chosen_recipe
    network = _network(images, images.load().train_images.shape[1:], model, metric, scoring, retraining)
    number = size_of(network.kind).num_score_networks if num_score_networks is None else num_score_networks
    config = Experiment(
        **images.arguments(),
        scores=(ScoreConfig(metric, number, resolved(recipe.scoring, scoring)),),
        rules=("random",),
        fractions=(fraction,),
        pool_sizes=(pool_size,),
        num_seeds=2,
        first_seed=first_seed,
        min_class_share=min_class_share,
        label_noise=label_noise,
        holdout=holdout,
        model=network,
        retraining=resolved(recipe.training, retraining),
    )
    say_recipe(images, {"model": config.model, "scoring": config.scores[0].training, "retraining": config.retraining})
    with executor_named(executor, out) as chosen:
        found = learn(
            config,
            num_bins=num_bins,
            num_pairs=num_pairs,
            spread=spread,
            num_value_seeds=num_value_seeds,
            num_pilot_seeds=num_pilot_seeds,
            num_judge_seeds=num_judge_seeds,
            max_rounds=max_rounds,
            out=out,
            executor=chosen,
            progress=not quiet,
        )
    print(found)
    print(f"saved in {out / 'learned-rule.nc'}")
