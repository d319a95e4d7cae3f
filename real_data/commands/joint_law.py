"""The command that measures the joint law of examples and network size, and fits it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from data_pruning import Results
from data_pruning.records.writable import check_folder
from real_data.commands.options import ImageFileOptions, ImageFiles, ModelOptions, TrainingOptions, cli, resolved
from real_data.recipes import default_recipe
from real_data.scores.config import MetricName, ScoreConfig
from real_data.studies.model_sizes import WHOLE_POOLS, ModelSizes, default_sizes, measure_model_sizes

__all__ = ["joint_law"]


@cli.command
def joint_law(
    images: ImageFileOptions = ImageFiles(),  # noqa: B008  (frozen)
    widths: tuple[float, ...] | None = None,
    depths: tuple[int, ...] | None = None,
    pool_sizes: tuple[int | None, ...] | None = None,
    rules: tuple[str, ...] = (),
    fractions: Annotated[tuple[float, ...], tyro.conf.arg(aliases=("--fraction", "--f"))] = (0.4,),
    num_seeds: int | None = None,
    first_seed: int = 0,
    label_noise: float = 0.0,
    teacher: tuple[int, ...] | None = None,
    metric: MetricName = "el2n",
    num_score_networks: int = 3,
    model: ModelOptions = ModelOptions(),  # noqa: B008
    scoring: TrainingOptions = TrainingOptions(),  # noqa: B008
    retraining: TrainingOptions = TrainingOptions(),  # noqa: B008
    executor: str = "here",
    out: Path = Path("results/joint_law"),
    quiet: bool = False,
) -> None:
    """Measure test error over number of examples, width and depth; fit laws to the small part, judge them on the large.

    Envelope (Rosenfeld et al. 2020), additive and Kaplan's law, against the number of parameters and against width and
    depth; with rules, for the kept part of the data by each of them.  Writes OUT/DATASET.nc, the errors,
    OUT/DATASET-joint-law.nc, the fits, and OUT/depth-L-width-W as it goes; run again after Ctrl-C to continue, or with
    more sizes, pools, rules or seeds.  None is as in the design for the data set.

    Args:
        images: the images.
        widths: units of each hidden layer of an mlp; of other networks factors on their channels or features.
        depths: numbers of hidden layers of an mlp; other kinds have one depth only.
        pool_sizes: numbers of training images.
        rules: keep rules, see the command run; none trains on whole pools only.
        fractions: fractions of the pool kept by the rules, in (0, 1].
        num_seeds: repetitions, at least 2.
        first_seed: the first seed.
        label_noise: share of wrong labels put into the pools, in [0, 1); with a teacher they are measured beside right
            ones.
        teacher: hidden widths of an mlp that labels all images, one of the networks: then the sources of error are told
            apart as far as they can be.
        metric: score of difficulty, by networks of each size.
        num_score_networks: networks that the score is averaged over.
        model: the network; of an mlp hidden takes no part.
        scoring: training of the networks that score.
        retraining: training of the networks, and of the teacher.
        executor: here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local.
        out: folder for the results.
        quiet: no progress bar.
    """
    from real_data.experiments.execution import executor_named
    from real_data.studies.error_sources import check_teacher, error_sources, label_by_teacher, source_table

    check_folder("out", out)
    recipe = default_recipe(images.dataset)
    design = default_sizes(images.dataset, resolved(recipe.model, model))
    given: dict[str, Any] = {"pool_sizes": pool_sizes, "num_seeds": num_seeds}
    experiment = replace(
        design.experiment,
        **images.arguments(),
        **{name: value for name, value in given.items() if value is not None},
        **({"rules": rules, "fractions": fractions} if rules else WHOLE_POOLS),
        scores=(ScoreConfig(metric, num_score_networks, resolved(recipe.scoring, scoring)),),
        first_seed=first_seed,
        label_noise=label_noise,
        retraining=resolved(design.experiment.retraining, retraining),
    )
    config = ModelSizes(
        experiment,
        design.widths if widths is None else tuple(int(width) if width.is_integer() else width for width in widths),
        design.depths if depths is None else depths,
    )
    with executor_named(executor, out) as chosen:
        if teacher is None:
            _measure_and_fit(config, out, chosen, quiet)
            return
        check_teacher(config, teacher)
        labelled = label_by_teacher(experiment, teacher, experiment.retraining, out, progress=not quiet)
        clean = replace(config, experiment=replace(labelled, label_noise=0.0))
        results, noisy = _measure_and_fit(clean, out, chosen, quiet), None
        if label_noise > 0:
            print(f"\nWith {100 * label_noise:g} % wrong labels:")
            noisy = _measure_and_fit(replace(config, experiment=labelled), out / "noisy", chosen, quiet)
    sources = error_sources(results, teacher, noisy)
    written = sources.save(out / f"{experiment.dataset}-error-sources.nc")
    print(f"\n{source_table(sources)}\nsaved in {written}")


def _measure_and_fit(config: ModelSizes, out: Path, executor: Any, quiet: bool) -> Results:
    from real_data.studies.joint_law import joint_law as fitted
    from real_data.studies.joint_law_table import joint_law_table

    results = measure_model_sizes(config, out=out, executor=executor, progress=not quiet)
    path = out / f"{config.experiment.dataset}.nc"
    print(f"saved in {path}")
    law = fitted(results)
    written = law.save(path.with_name(f"{config.experiment.dataset}-joint-law.nc"))
    print(f"{joint_law_table(law)}\nsaved in {written}")
    return results
