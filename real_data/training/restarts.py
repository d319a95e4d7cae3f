"""Trainings that failed, started again at a lower learning rate."""

from __future__ import annotations

import sys
from dataclasses import replace

import jax
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from real_data.training.fit import Job, fit
from real_data.training.learning_check import label_statistics, stands_still
from real_data.training.networks import TrainedNetworks, picked, replaced

__all__ = ["trained_with_restarts"]

MOST_RESTARTS = 3


def trained_with_restarts(job: Job, start: TrainedNetworks, name: str, bar: tqdm) -> TrainedNetworks:
    """Networks trained; those that failed from the start again, at a third of the learning rate, a few times.

    Args:
        job: what they share with others.
        start: the networks before their first step.
        name: of the folder of their checkpoints, in that of the job.
        bar: is told every step of every network.

    Raises:
        FloatingPointError: a loss or weight is no longer finite, at the lowest learning rate tried.
    """
    networks = fit(job, start, job.config, job.run_folder(name, start, job.config), bar)
    for restart in range(1, MOST_RESTARTS + 1):
        failed = np.flatnonzero(_failed(job, networks))
        if failed.size == 0:
            break
        config = replace(job.config, learning_rate=job.config.learning_rate / 3**restart)
        again = picked(start, failed)
        seeds = ", ".join(map(str, again.seeds))
        tqdm.write(
            f"training failed at learning rate {job.config.learning_rate / 3 ** (restart - 1):.4g} (seed {seeds}: "
            f"diverged or stuck at chance): started again at {config.learning_rate:.4g}",
            file=sys.stderr,
        )
        bar.total += again.losses.size
        again = fit(job, again, config, job.run_folder(f"{name}-restart-{restart}", again, config), bar)
        networks = replaced(networks, failed, again)
    diverged = ~_finite(networks)
    if diverged.any():
        i = int(np.flatnonzero(diverged)[0])
        rates = ", ".join(f"{rate:.4g}" for rate in networks.learning_rates[i])
        raise FloatingPointError(
            f"training diverged at learning rates {rates} (seed {networks.seeds[i]}): lower the learning_rate of "
            f"{job.config}"
        )
    return networks


def _failed(job: Job, networks: TrainedNetworks) -> NDArray[np.bool_]:
    """Which networks diverged, or are stuck: no better than the most frequent class, the loss that of no answer."""
    entropy = np.array([label_statistics(job.labels[kept])[1] for kept in networks.subsets])
    return ~_finite(networks) | (~networks.learned & stands_still(networks.losses, entropy))


def _finite(networks: TrainedNetworks) -> NDArray[np.bool_]:
    """Whether all losses and weights of each network are finite."""
    finite = np.all(np.isfinite(networks.losses), axis=1)
    for array in jax.tree.leaves((networks.params, networks.batch_stats)):
        finite &= np.all(np.isfinite(array.reshape(len(array), -1)), axis=1)
    return finite
