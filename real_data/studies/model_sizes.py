"""Test error over number of examples, width and depth: one experiment for each size of the network, joined.

Rosenfeld, Rosenfeld, Belinkov and Shavit, *A constructive prediction of the generalization error across scales* (ICLR
2020), measure such grids; :mod:`real_data.studies.joint_law` fits their law, and others, to ours.
"""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning import Results
from data_pruning.arguments import check_different, check_integer, check_real, check_settings, check_tuple
from data_pruning.records.settings import to_json
from real_data.experiments.config import Experiment
from real_data.models.config import HEADS, ModelConfig
from real_data.selection.methods import may_differ_from_all
from real_data.training.config import TrainingConfig

__all__ = ["ModelSizes", "default_sizes", "failed_networks", "measure_model_sizes"]

DEPTHS = {"cnn": 4, "resnet18": 18, "resnet50": 50, "random-features": 1, "patch-features": 1}
"""Depth of networks that have only one; their width is a factor on the number of channels or features."""
WHOLE_POOLS: dict[str, Any] = {"rules": ("random",), "fractions": (1.0,)}
"""Of an experiment that prunes nothing."""
OF_CELLS = {
    "errors": "test error, fraction",
    "num_kept": "number of examples kept n",
    "training_errors": "error in the last quarter of the training, fraction",
    "learned": "1 where the network is better than the most frequent class of its training images",
    "learning_rates": "learning rate of the training, lower than that of the settings where that failed",
}


@dataclass(frozen=True)
class ModelSizes:
    """Test error of networks of several widths and depths: a grid depth x width x pool x rule x fraction x seed.

    ``python -m real_data joint-law`` measures the default, handwritten digits, in a minute on two cores.

    Attributes:
        experiment: what is the same for all sizes; the size of its network is replaced by each of them.  Where it
            scores examples, each size scores them by networks of its own.
        widths: units of each hidden layer of an MLP, whole numbers; of other networks the factor on their channels.
        depths: numbers of hidden layers of an MLP or of blocks of a vision transformer; other kinds have one depth, a
            cnn 4 for example.
    """

    experiment: Experiment = field(
        default_factory=lambda: Experiment(
            pool_sizes=(75, 150, 300, 600, 1200), num_seeds=4, retraining=TrainingConfig(num_steps=800), **WHOLE_POOLS
        )
    )
    widths: tuple[float, ...] = (4, 8, 16, 32, 64, 128)
    depths: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        check_settings("experiment", self.experiment, Experiment)
        kind = self.experiment.model.kind
        if len(self.experiment.scores) != 1:
            raise ValueError(f"experiment.scores must be one, got {len(self.experiment.scores)}")
        for name in ("widths", "depths"):
            check_tuple(name, getattr(self, name))
            check_different(name, getattr(self, name))
        for depth in self.depths:
            check_integer("each of depths", depth, 1)
        for width in self.widths:
            if kind == "mlp":
                check_integer("each of widths, units of an mlp,", width, 1)  # type: ignore[arg-type]
            else:
                check_real("each of widths", width, "(0, inf)")
        if kind in DEPTHS and self.depths != (DEPTHS[kind],):
            raise ValueError(f"depths must be ({DEPTHS[kind]},), the only depth of {kind}, got {self.depths!r}")

    @property
    def sizes(self) -> list[tuple[int, float]]:
        """Depth and width of every network."""
        return list(itertools.product(self.depths, self.widths))

    def network(self, depth: int, width: float) -> ModelConfig:
        """The settings of the network of a depth and width."""
        model = self.experiment.model
        if model.kind == "mlp":
            return replace(model, hidden=(int(width),) * depth)
        return replace(model, width=width, depth=depth) if model.attends else replace(model, width=width)

    @property
    def selections(self) -> list[tuple[str, float]]:
        """Rule and fraction of every way to choose examples, the whole pool, ("all", 1), first."""
        pruned = itertools.product(self.experiment.rules, self.experiment.fractions)
        return [("all", 1.0), *((rule, f) for rule, f in pruned if f < 1 or may_differ_from_all(rule))]


FASHION = ModelSizes(
    Experiment(
        dataset="fashion-mnist",
        pool_sizes=(250, 500, 1000, 2000, 4000, 8000, 16000),
        num_seeds=5,
        retraining=TrainingConfig(num_steps=3200),
        **WHOLE_POOLS,
    ),
    (8, 16, 32, 64, 128, 256),
    (1, 2),
)
CONVOLUTIONAL = ModelSizes(
    replace(
        FASHION.experiment,
        pool_sizes=(500, 1000, 2000, 4000, 8000),
        num_seeds=3,
        model=ModelConfig("cnn"),
        retraining=TrainingConfig(num_steps=2000),
    ),
    (1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2),
    (DEPTHS["cnn"],),
)


def default_sizes(dataset: str, model: ModelConfig) -> ModelSizes:
    """The grid for a data set and a kind of network: digits their own, other sets that of Fashion-MNIST.

    Networks with a factor on their channels have five widths, 1/8 to 1/2, and train for 2,000 steps; at 1/16 a cnn is
    not converged by then.  Vision transformers have one, two and three heads.
    """
    if model.kind != "mlp":
        experiment = replace(CONVOLUTIONAL.experiment, dataset=dataset, model=model)
        if model.attends:
            return ModelSizes(experiment, tuple(n / HEADS[model.kind] for n in (1, 2, 3)), (model.depth or 12,))
        return ModelSizes(experiment, CONVOLUTIONAL.widths, (DEPTHS[model.kind],))
    design = ModelSizes() if dataset == "digits" else FASHION
    return replace(design, experiment=replace(design.experiment, dataset=dataset, model=model))


def measure_model_sizes(
    config: ModelSizes, *, out: str | os.PathLike[str], executor: Any = None, progress: bool = True
) -> Results:
    """Measure test error over number of examples, width and depth, and where asked for by rule and fraction kept.

    Each size is an experiment in a sub-folder of its own, ``out/depth-L-width-W``, see
    :func:`real_data.run_experiment`: finished cells are saved at once, the same call continues after an interruption to
    the same bits, and another call may add widths, depths, pools, rules, fractions and seeds.

    Args:
        config: the grid.
        out: folder of the sub-folders, and of what is returned, ``DATASET.nc``.
        executor: runs the tasks of each experiment; None runs them here.
        progress: show a progress bar on stderr for each size.

    Returns:
        By model ``depth``, ``width`` and ``num_parameters`` m (weights and biases); ``pool_size`` (pool); ``rule`` and
        ``fraction`` (selection), of which the first is the whole pool; ``seed``; over (model, pool, selection, seed)
        ``errors``, ``num_kept`` n, ``training_errors``, ``learned``, ``learning_rates``; ``mean`` and
        ``standard_error`` of the errors over seeds; ``guessing_error``, of the most frequent class of the test images.

    Raises:
        Exception: as :func:`real_data.run_experiment`.
    """
    from real_data.experiments.experiment import run_experiment

    folder = Path(out)
    each = []
    for number, (depth, width) in enumerate(config.sizes):
        experiment = replace(config.experiment, model=config.network(depth, width))
        try:
            each.append(
                run_experiment(experiment, out=_folder(folder, depth, width), executor=executor, progress=progress)
            )
        except KeyboardInterrupt as reason:
            raise KeyboardInterrupt(f"{number} of {len(config.sizes)} sizes finished; of the next {reason}") from None
    results = _joined(config, each)
    results.save(folder / f"{config.experiment.dataset}.nc")
    return results


def failed_networks(results: Results) -> list[str]:
    """The networks of :func:`measure_model_sizes` that did not learn with some seed, a phrase each."""
    found = []
    for i, j, k in np.argwhere(np.any(results["learned"] == 0, axis=-1)):
        seeds = results["seed"][results["learned"][i, j, k] == 0].tolist()
        name, f = results["rule"][k], results["fraction"][k]
        chosen = "all" if name == "all" else f"{name} at f = {f:g}"
        found.append(
            f"depth {results['depth'][i]}, width {results['width'][i]:g}, pool {results['pool_size'][j]}, {chosen}: "
            f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
        )
    return found


def _folder(out: Path, depth: int, width: float) -> Path:
    return out / f"depth-{depth}-width-{width:g}"


def _joined(config: ModelSizes, each: list[Results]) -> Results:
    from real_data.experiments.task import load_for

    data = load_for(config.experiment, config.experiment.first_seed)
    settings = to_json(config)
    found = Results(
        f"Test error of networks on {config.experiment.dataset}, over number of examples, width and depth",
        {
            "model_sizes": settings,
            **{name: each[0].config[name] for name in ("source", "fingerprints", "notes", "software")},
        },
    )
    for name, values, described in (
        ("depth", [depth for depth, _ in config.sizes], "hidden layers of an MLP, layers with weights of others"),
        ("width", [float(width) for _, width in config.sizes], "units of each hidden layer, or factor on the channels"),
        ("num_parameters", _num_parameters(config, data), "weights and biases m"),
    ):
        found.add(name, "model", values, "1", described)
    found.add("pool_size", "pool", each[0]["pool_size"], "1", "number of training images before pruning")
    found.add("rule", "selection", [rule for rule, _ in config.selections], "", "keep rule")
    found.add("fraction", "selection", [f for _, f in config.selections], "1", "fraction of the pool kept, f")
    found.add("seed", "seed", each[0]["seed"], "1", "seed of pool, scores and training")
    for name, described in OF_CELLS.items():
        cells = np.stack([_of_selections(name, config, one) for one in each])
        found.add(name, ("model", "pool", "selection", "seed"), cells, "1", described)
    errors, root = found["errors"], math.sqrt(len(found["seed"]))
    points = ("model", "pool", "selection")
    found.add("mean", points, errors.mean(axis=-1), "1", "mean of errors over seeds")
    found.add("standard_error", points, errors.std(axis=-1, ddof=1) / root, "1", "standard error of mean")
    guess = 1 - np.bincount(data.test_labels).max() / data.test_labels.size
    found.add("guessing_error", (), guess, "1", "test error of naming the most frequent class of the test images")
    return found


def _of_selections(name: str, config: ModelSizes, results: Results) -> np.ndarray:
    """A quantity of one experiment, shape (pool, selection, seed)."""
    columns = []
    for rule, fraction in config.selections:
        if rule != "all":
            place = config.experiment.rules.index(rule), config.experiment.fractions.index(fraction)
            columns.append(results[name][0, :, place[0], place[1]])
        elif name == "num_kept":
            columns.append(np.broadcast_to(results["pool_size"][:, None], results["errors_all"].shape))
        else:
            columns.append(results[f"{name}_all"])
    return np.stack(columns, axis=1)


def _num_parameters(config: ModelSizes, data: Any) -> list[int]:
    import jax
    from flax import nnx

    from real_data import models

    def number(depth: int, width: float) -> int:
        model = models.build(config.network(depth, width), data.train_images.shape[1:], data.num_classes)
        return sum(
            leaf.size for leaf in jax.tree.leaves(nnx.state(nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0))), nnx.Param))
        )

    return [number(depth, width) for depth, width in config.sizes]
