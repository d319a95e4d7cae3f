"""Options of scores that come from subset trainings, and the plan of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from data_pruning.arguments import check_integer, check_real
from real_data.commands.options import Images
from real_data.models.config import Kind, ModelConfig
from real_data.scores.config import MetricName, ScoreConfig
from real_data.scores.families import family_of
from real_data.training.config import TrainingConfig

if TYPE_CHECKING:
    from real_data.scores.subset_plan import SubsetPlan

__all__ = ["SubsetOptions", "Subsets"]


@dataclass(frozen=True)
class Subsets:
    """Scores of networks that are each trained on a random share of the images.

    Attributes:
        subset_share: share of the images that each network is trained on, in (0, 1).
        test_classes: where the influence of an image is looked for: on all test images, or those of its class.
        subtract_noise: take the noise floor off influence-sum.
        kinds: networks of several kinds that take turns, for example mlp cnn patch-features; in place of model.kind.
        executor: where these networks are trained, ten in each piece of work: here; processes:N; dask:ADDRESS;
            slurm:PARTITION[,gpus=1,cpus=8,hours=24,memory_gb=64]; submitit-local.
        plan: print what these trainings take (steps, time here, disk, memory) and stop.
        plan_images: with plan: number of training images, in place of those of the data set, which is not read then.
        plan_tests: number of test images.
        plan_classes: number of classes.
        seconds_per_step: time of one step of one network for the plan; None measures it here, on a few steps.
    """

    subset_share: float = 0.7
    test_classes: Literal["all", "same"] = "all"
    subtract_noise: bool = False
    kinds: tuple[Kind, ...] = ()
    executor: str = "here"
    plan: bool = False
    plan_images: int | None = None
    plan_tests: int | None = None
    plan_classes: int | None = None
    seconds_per_step: float | None = None

    def __post_init__(self) -> None:
        sizes = (self.plan_images, self.plan_tests, self.plan_classes)
        if any(size is not None for size in sizes):
            if not self.plan or any(size is None for size in sizes):
                raise ValueError("--plan-images, --plan-tests and --plan-classes belong together, and to --plan")
            for name, size, least in zip(("images", "tests", "classes"), sizes, (2, 1, 2), strict=True):
                check_integer(f"--plan-{name}", size or 0, least)
        if self.seconds_per_step is not None:
            check_real("--seconds-per-step", self.seconds_per_step, "(0, inf)")

    def models(self, model: ModelConfig) -> tuple[ModelConfig, ...]:
        """The kinds of networks; one where no kinds are given."""
        return tuple(replace(model, kind=kind) for kind in self.kinds) or (model,)

    def config(self, metric: MetricName, num_networks: int | None, training: TrainingConfig) -> ScoreConfig:
        """The settings of a score."""
        number: dict[str, Any] = {} if num_networks is None else {"num_networks": num_networks}
        if family_of(metric) == "subsets":
            number["subset_share"] = self.subset_share
        if metric.startswith("influence"):
            number["test_classes"] = self.test_classes
        if metric == "influence-sum":
            number["subtract_noise"] = self.subtract_noise
        return ScoreConfig(metric, training=training, **number)

    def check(self, metrics: Sequence[str]) -> None:
        """Raise a ``ValueError`` where an option is given that none of the metrics looks at."""
        given = {name: value for name, value in vars(self).items() if value != getattr(Subsets(), name)}
        of_subsets = [metric for metric in metrics if family_of(metric) == "subsets"]
        asked = ", ".join(metrics)
        if given and not of_subsets:
            names = ", ".join(f"--{name}".replace("_", "-") for name in given)
            raise ValueError(f"{names}: for the scores of random shares, as memorization, not for {asked}")
        if self.kinds and len(of_subsets) < len(metrics):
            raise ValueError(f"--kinds is for the scores of random shares, as ddd: got {asked}")
        if "test_classes" in given and not any(metric.startswith("influence") for metric in metrics):
            raise ValueError(f"--test-classes is for influence-max and influence-sum, not for {asked}")
        if self.subtract_noise and "influence-sum" not in metrics:
            raise ValueError(f"--subtract-noise is for influence-sum, not for {asked}")

    def sized_plan(self, images: Images, models: tuple[ModelConfig, ...], configs: Sequence[ScoreConfig]) -> SubsetPlan:
        """The plan for images that are not there."""
        side = images.image_size or (224 if images.dataset == "imagenet" else 32)
        sizes = (self.plan_images or 0, self.plan_tests or 0, self.plan_classes or 0)  # checked to be there
        return self._plan(models, configs, (side, side, 3), sizes, None)

    def checked_plan(
        self,
        data: Any,
        models: tuple[ModelConfig, ...],
        configs: Sequence[ScoreConfig],
        seed: int,
        folder: Path,
        start_sha256: str | None = None,
    ) -> SubsetPlan:
        """The plan for a data set, after it was made sure that all images can be scored.

        ``start_sha256`` is the digest of what the networks start from; None of random weights.

        Raises:
            ValueError: there are too few networks for the number of images.
        """
        from real_data.subset_trainings.group import training_software
        from real_data.subset_trainings.settings import SubsetTrainings, check_memberships
        from real_data.subset_trainings.trainings import open_groups, subset_folder

        first = configs[0]
        settings = SubsetTrainings(models, (first.training,), first.subset_share, seed, start_sha256)
        number = len(data.train_labels)
        check_memberships(settings, first.num_networks, number)
        place = subset_folder(folder, data, settings, training_software())
        num_open = sum(map(len, open_groups(place, first.num_networks)))
        sizes = number, len(data.test_labels), data.num_classes
        return self._plan(models, configs, data.train_images.shape[1:], sizes, num_open)

    def _plan(
        self,
        models: tuple[ModelConfig, ...],
        configs: Sequence[ScoreConfig],
        image_shape: tuple[int, int, int],
        sizes: tuple[int, int, int],
        num_open: int | None,
    ) -> SubsetPlan:
        from real_data.scores.subset_plan import influence_rate, plan_subsets
        from real_data.subset_trainings.rates import Rates, measured_rates
        from real_data.subset_trainings.settings import SubsetTrainings

        first = configs[0]
        settings = SubsetTrainings(models, (first.training,), first.subset_share)
        rates = None
        if self.seconds_per_step is not None and any(model.solved_for for model in models):
            solved = ", ".join(model.kind for model in models if model.solved_for)
            raise ValueError(f"--seconds-per-step is for networks that take steps: {solved} are solved for")
        if self.seconds_per_step is not None:  # an answer is a third of a step of one image: no gradient
            answer = self.seconds_per_step / (3 * first.training.batch_size)
            number = len(models)
            rates = Rates((0.0,) * number, (self.seconds_per_step,) * number, (0.0,) * number, (answer,) * number)
        elif num_open != 0:
            rates = measured_rates(settings, image_shape, sizes[2], len(models))
        influence = next((config for config in configs if config.metric.startswith("influence")), None)
        return plan_subsets(
            settings,
            num_networks=first.num_networks,
            num_examples=sizes[0],
            num_tests=sizes[1],
            num_classes=sizes[2],
            num_open=num_open,
            rates=rates,
            influence_classes=influence.test_classes if influence else None,
            seconds_per_pair=influence_rate(first.num_networks) if influence else None,
        )


SubsetOptions = Annotated[Subsets, tyro.conf.arg(name="")]
