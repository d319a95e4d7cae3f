"""What determines the curves of theory besides their settings."""

from __future__ import annotations

from functools import cache

from data_pruning.records.software import source_digest, versions

__all__ = ["software"]


@cache
def software() -> dict[str, str]:
    """Versions of the packages, and SHA-256 of the sources, that determine the numbers of theory."""
    source = source_digest("data_pruning", "perceptron_theory", "figures.compute")
    return versions(("jax", "jaxlib", "numpy", "scipy")) | {"source": source}
