"""The measurement: all depths, widths and pool sizes, each network size by itself, here or on an executor."""

from __future__ import annotations

import itertools
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from tqdm import tqdm

from data_pruning import Results
from data_pruning.records.settings import digest_of, to_json
from data_pruning.records.settings_file import write_settings
from real_data import models
from real_data.datasets import ImageDataset
from real_data.experiments.execution import finished_in_turn
from real_data.magnitude_pruning.config import MagnitudePruning
from real_data.magnitude_pruning.masks import num_weights
from real_data.magnitude_pruning.rounds import (
    COLUMNS,
    NetworkSize,
    load_images,
    prune_rounds,
    saved_rounds,
    software,
)

__all__ = ["measure_magnitude_pruning"]

EXTENSIBLE = ("depths", "widths", "pool_sizes", "rounds", "path")


def measure_magnitude_pruning(
    config: MagnitudePruning, *, out: str | os.PathLike[str] | None = None, executor: Any = None, progress: bool = True
) -> Results:
    """Measure test error against the density of weights, for networks of several sizes.

    With ``out``, each round is saved when it ends, under the digest of all that determines it (settings, data,
    software, device).  When interrupted or killed, the same call goes on: at most one round of the networks in hand is
    trained again, and the result is the same bit for bit.

    Args:
        config: the settings.
        out: folder for the results (``DATASET.nc``), the settings (``DATASET.json``) and the rounds (``networks``);
            None saves nothing.  Another call may have other depths, widths, pool sizes and more rounds, and takes over
            what is there; the other settings must be the same.
        executor: runs the network sizes, any ``concurrent.futures.Executor`` whose workers see ``out`` and the data;
            None runs them here.
        progress: show a progress bar on stderr.

    Returns:
        By network (depth, width and pool size): ``depth``, ``width``, ``pool_size``, ``num_weights``; ``density``
        (network, round); ``errors``, ``training_errors`` and ``learned`` (network, round, seed), ``mean`` and
        ``standard_error`` over seeds; ``guessing_error``, of the most frequent class of the test images.

    Raises:
        FileNotFoundError: the data set is not there.
        ValueError: a pool larger than the training set; so many rounds that the smallest network has no weight left; a
            rewind step after the end of the training; images that are read from files; a damaged file or other settings
            in ``out``; an executor without ``out``.
        FloatingPointError: a training diverged; all other networks are saved.
        OSError: the disk is full.
        KeyboardInterrupt: interrupted; the message says which rounds are saved.
    """
    if out is None:
        if executor is not None:
            raise ValueError("an executor needs out, a folder that its workers see too")
        with tempfile.TemporaryDirectory() as temporary:
            return _measure(config, Path(temporary), None, progress, kept=False)
    results = _measure(config, Path(out), executor, progress, kept=True)
    results.save(Path(out) / f"{config.dataset}.nc")
    return results


def _measure(config: MagnitudePruning, folder: Path, executor: Any, progress: bool, *, kept: bool) -> Results:
    data = load_images(config)
    versions = software() if executor is None else executor.submit(software).result()
    sizes = _sizes(config, data, digest_of(versions))
    weights = [_num_weights(config, data, size) for size in sizes]
    for size, number in zip(sizes, weights, strict=True):
        if config.num_left(number, config.rounds) < 1:
            raise ValueError(
                f"rounds = {config.rounds} leave none of the {number} weights of {size.name}: prune in fewer rounds"
            )
    if kept:
        write_settings(folder / f"{config.dataset}.json", to_json(config), may_change=EXTENSIBLE)
    total, done = config.rounds * len(sizes), _num_saved(sizes, folder)
    failures: list[FloatingPointError] = []
    try:
        with tqdm(total=total, initial=done, desc=config.dataset, unit="round", disable=not progress) as bar:
            unfinished = [size for size in sizes if _num_saved([size], folder) < config.rounds]
            if executor is None:
                for size in unfinished:
                    bar.set_postfix_str(size.name)
                    try:
                        prune_rounds(size, folder, bar.update)
                    except FloatingPointError as error:
                        failures.append(error)
            else:
                for _ in finished_in_turn(executor, prune_rounds, [(size, folder) for size in unfinished]):
                    bar.update(_num_saved(sizes, folder) - bar.n)
    except KeyboardInterrupt:
        number = _num_saved(sizes, folder)
        where = f"saved in {folder}. Run the same again to continue" if kept else "nothing was saved, as out is None"
        raise KeyboardInterrupt(f"{number} of {total} rounds finished; {where}") from None
    if failures:
        raise failures[0]
    return _assembled(config, data, sizes, weights, versions, folder)


def _sizes(config: MagnitudePruning, data: ImageDataset, versions: str) -> list[NetworkSize]:
    """The network sizes, the largest first, so that workers end together."""
    pools = [data.train_labels.size if size is None else size for size in config.pool_sizes]
    if len(set(pools)) < len(pools):
        raise ValueError(f"pool_sizes {config.pool_sizes} name the whole training set twice")
    for pool in pools:
        data.pool(pool, 0)  # complains about a size out of range
        config.check_rewind_step(config.training.steps_for(pool))
    grid = itertools.product(sorted(pools, reverse=True), sorted(config.widths, reverse=True), config.depths[::-1])
    return [NetworkSize(config, depth, width, pool, data.fingerprint, versions) for pool, width, depth in grid]


def _num_weights(config: MagnitudePruning, data: ImageDataset, size: NetworkSize) -> int:
    model = models.build(config.network(size.depth, size.width), data.train_images.shape[1:], data.num_classes)
    shapes = nnx.to_pure_dict(nnx.state(nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0))), nnx.Param))
    return num_weights(jax.tree.map(lambda leaf: np.empty((1, *leaf.shape), bool), shapes))


def _num_saved(sizes: list[NetworkSize], folder: Path) -> int:
    found = ((saved_rounds(size, folder), size.config.rounds) for size in sizes)
    return sum(min(saved.sizes["round"], most) for saved, most in found if saved is not None)


def _assembled(
    config: MagnitudePruning,
    data: ImageDataset,
    sizes: list[NetworkSize],
    weights: list[int],
    versions: dict[str, str],
    folder: Path,
) -> Results:
    results = Results(
        f"Test error of networks on {config.dataset}, against the density of their weights",
        {
            "magnitude_pruning": to_json(config),
            "fingerprint": data.fingerprint,
            "notes": list(data.notes),
            "software": versions,
        },
    )
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i].pool_size, sizes[i].depth, sizes[i].width))
    for name, values, described in (
        ("depth", [sizes[i].depth for i in order], "hidden layers l"),
        ("width", [sizes[i].width for i in order], "units of each, or factor on the channels, w"),
        ("pool_size", [sizes[i].pool_size for i in order], "training images n"),
        ("num_weights", [weights[i] for i in order], "weights that can be pruned, before pruning"),
    ):
        results.add(name, "network", values, "1", described)
    left = [[config.num_left(weights[i], number) for number in range(config.rounds)] for i in order]
    density = np.array(left) / results["num_weights"][:, None]
    results.add("density", ("network", "round"), density, "1", "share of weights left")
    results.add("seed", "seed", list(config.seeds), "1", "seed of pool and training")
    found = []
    for i in order:
        saved = saved_rounds(sizes[i], folder)
        assert saved is not None
        found.append(saved)
    for name, described in COLUMNS.items():
        of_networks = np.stack([saved[name][: config.rounds] for saved in found])
        results.add(name, ("network", "round", "seed"), of_networks, "1", described)
    errors, root = results["errors"], math.sqrt(config.num_seeds)
    results.add("mean", ("network", "round"), errors.mean(axis=-1), "1", "mean of errors over seeds")
    spread = errors.std(axis=-1, ddof=1) / root
    results.add("standard_error", ("network", "round"), spread, "1", "standard error of mean")
    guess = 1 - np.bincount(data.test_labels).max() / data.test_labels.size
    results.add("guessing_error", (), guess, "1", "test error of naming the most frequent class of the test images")
    return results
