"""Error against density, network by network, as the law is fitted to it; networks that failed to train set apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results

__all__ = ["PruningCurves", "curves_of"]

Floats = NDArray[np.float64]

PLATEAU = 0.4  # density above which pruning costs nothing
STUCK = 2.0  # times the error of the middle seed


@dataclass(frozen=True)
class PruningCurves:
    """Measured curves of several networks.

    Attributes:
        depth, width, pool_size, num_weights: of each network, shape (num_networks,).
        density: share of weights left, shape (num_networks, num_rounds).
        errors: test errors, shape (num_networks, num_rounds, num_seeds).
        guessing_error: error of the most frequent class.
        failed: what was left out and why, a sentence for each network.
    """

    depth: NDArray[np.int64]
    width: Floats
    pool_size: NDArray[np.int64]
    num_weights: NDArray[np.int64]
    density: Floats
    errors: Floats
    guessing_error: float
    failed: tuple[str, ...] = ()

    @property
    def mean(self) -> Floats:
        """Mean over seeds, shape (num_networks, num_rounds)."""
        return self.errors.mean(axis=-1)

    @property
    def standard_error(self) -> Floats:
        """Standard error of the mean, likewise."""
        return self.errors.std(axis=-1, ddof=1) / np.sqrt(self.errors.shape[-1])

    @property
    def unpruned_error(self) -> Floats:
        """Mean error at densities above 0.4, where pruning costs nothing, shape (num_networks,)."""
        on_plateau = self.density > PLATEAU
        return np.sum(self.mean * on_plateau, axis=1) / on_plateau.sum(axis=1)

    @property
    def names(self) -> list[str]:
        """What each network is called."""
        each = zip(self.depth, self.width, self.pool_size, strict=True)
        return [f"depth {depth}, width {width:g}, {size} images" for depth, width, size in each]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """A number for each network that those of one depth and width share, shape (num_networks,)."""
        pairs = np.stack([self.depth.astype(np.float64), self.width], axis=1)
        return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)

    def part(self, chosen: NDArray[np.bool_]) -> PruningCurves:
        """Some of the networks."""
        arrays = ("depth", "width", "pool_size", "num_weights", "density", "errors")
        return replace(self, **{name: getattr(self, name)[chosen] for name in arrays})


def curves_of(results: Results) -> PruningCurves:
    """The curves of networks that were trained without fail.

    A network has failed where one of its seeds, over the rounds with densities above 0.4, has learned no more than the
    most frequent class (:mod:`real_data.training.learning_check`), or errs more than twice as often as the middle one
    of them: then the mean over seeds is that of networks of two kinds, those trained and those stuck.

    Args:
        results: of :func:`real_data.magnitude_pruning.measurement.measure_magnitude_pruning`.

    Returns:
        The curves; ``failed`` names the networks left out.

    Raises:
        KeyError: the results are of something else.
        ValueError: a test error is 0, which no law with a logarithm of the error can be fitted to.
    """
    curves = PruningCurves(
        depth=results["depth"],
        width=results["width"].astype(np.float64),
        pool_size=results["pool_size"],
        num_weights=results["num_weights"],
        density=results["density"],
        errors=results["errors"],
        guessing_error=float(results["guessing_error"]),
    )
    if np.any(curves.mean <= 0):
        raise ValueError("a law of the logarithm of the error needs errors above 0: take more seeds or test images")
    failed = {}
    for i, name in enumerate(curves.names):
        on_plateau = curves.density[i] > PLATEAU
        by_seed = curves.errors[i, on_plateau].mean(axis=0)
        if not np.all(results["learned"][i, on_plateau]):
            failed[i] = f"{name}: a seed is no better than the most frequent class before it is pruned"
        elif by_seed.max() > STUCK * np.median(by_seed):
            times = by_seed.max() / np.median(by_seed)
            failed[i] = f"{name}: one seed errs {times:.1f} times as often as the middle one before it is pruned"
    trained = np.array([i not in failed for i in range(len(curves.depth))])
    return replace(curves.part(trained), failed=tuple(failed.values()))
