"""What determines the numbers of experiments on images besides their settings."""

from __future__ import annotations

from functools import cache

import jax

from data_pruning.records.software import source_digest, versions

__all__ = ["PACKAGES", "software"]

PACKAGES = ("numpy", "jax", "jaxlib", "flax", "optax")
SOURCES = (
    "data_pruning",
    "real_data.datasets",
    "real_data.models",
    "real_data.training",
    "real_data.subset_trainings",
    "real_data.scores",
    "real_data.selection",
    "real_data.experiments",
)


@cache
def software(sources: tuple[str, ...] = SOURCES) -> dict[str, str]:
    """Versions of the packages and the sources that determine numbers, number and kind of devices.

    Args:
        sources: the packages of ours that count.

    Returns:
        The version of each package; ``source``, SHA-256 of the sources; ``device``, number and kind, as JAX
        calls it.
    """
    device = f"{jax.local_device_count()} x {jax.devices()[0].device_kind}"
    return versions(PACKAGES, optional=("pillow",)) | {"source": source_digest(*sources), "device": device}
