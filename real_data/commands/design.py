"""Options of the commands that run experiments: what is scored, pruned and trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from real_data.commands.fine_tuning_options import FineTuningOptions
from real_data.commands.options import Images, ModelOptions, TrainingOptions, resolved, say_recipe
from real_data.experiments.config import Experiment
from real_data.models.config import ModelConfig
from real_data.recipes import Recipe
from real_data.scores.config import MetricName, ScoreConfig
from real_data.scores.families import family_of

__all__ = ["Design", "DesignOptions", "Fractions"]

Fractions = Annotated[tuple[float, ...], tyro.conf.arg(aliases=("--fraction", "--f"))]


@dataclass(frozen=True)
class Design:
    """What is scored, pruned and trained, and how often.

    Attributes:
        metrics: scores of difficulty, measured anew for each seed, see the command score; None is el2n, or none where
            there are files of scores.
        scores: files of scores of these images, as the command score writes them; they are the same for all seeds.
        pool_sizes: numbers of training images before pruning; None is all.
        num_seeds: repetitions, at least 2; 4 where rules are chosen and judged.
        first_seed: the first seed.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; 1 ranks per class.
        label_noise: share of wrong labels put into the pool, in [0, 1).
        holdout: share of the training images that takes the place of the test images, in [0, 1); 0 tests on the
            test images.
        model: the network.
        num_score_networks: networks that a measured score is averaged over; None is as for the command score.
        scoring: training of the networks that score; for the metrics of random shares as long as that on kept images
            unless given, see the command score.
        retraining: training on the kept examples.
        fine_tuning: weights that all networks start from, those that score too.
    """

    metrics: tuple[MetricName, ...] | None = None
    scores: tuple[Path, ...] = ()
    pool_sizes: tuple[int | None, ...] = (None,)
    num_seeds: int = 10
    first_seed: int = 0
    min_class_share: float = 1.0
    label_noise: float = 0.0
    holdout: float = 0.0
    model: ModelOptions = ModelOptions()  # noqa: RUF009  (frozen)
    num_score_networks: int | None = None
    scoring: TrainingOptions = TrainingOptions()  # noqa: RUF009
    retraining: TrainingOptions = TrainingOptions()  # noqa: RUF009
    fine_tuning: FineTuningOptions = FineTuningOptions()  # noqa: RUF009

    def network(self, recipe: Recipe) -> ModelConfig:
        """The network, with what the recipe says of it."""
        return resolved(recipe.model, self.model)

    def experiment(self, images: Images, rules: tuple[str, ...], fractions: tuple[float, ...]) -> Experiment:
        """The experiment with these rules, and what is said on stderr about its settings."""
        recipe = images.chosen_recipe
        score_training = resolved(recipe.scoring, self.scoring)
        on_shares = resolved(recipe.training, self.scoring)  # a whole training, as in the command score
        metrics: tuple[MetricName, ...] = ("el2n",) if self.metrics is None and not self.scores else self.metrics or ()
        of_scores: Any = {} if self.num_score_networks is None else {"num_networks": self.num_score_networks}
        config = Experiment(
            **images.arguments(),
            scores=tuple(
                ScoreConfig(
                    metric,
                    training=on_shares if family_of(metric) == "subsets" else score_training,
                    **of_scores,
                )
                for metric in metrics
            ),
            score_files=tuple(map(str, self.scores)),
            rules=rules,
            fractions=fractions,
            pool_sizes=self.pool_sizes,
            num_seeds=self.num_seeds,
            first_seed=self.first_seed,
            min_class_share=self.min_class_share,
            label_noise=self.label_noise,
            holdout=self.holdout,
            model=self.network(recipe),
            retraining=resolved(recipe.training, self.retraining),
            fine_tuning=self.fine_tuning.settings,
        )
        say_recipe(images, {"model": config.model, "scoring": score_training, "retraining": config.retraining})
        return config


DesignOptions = Annotated[Design, tyro.conf.arg(name="")]
