"""What determines the numbers of an embedding besides its settings."""

from __future__ import annotations

from data_pruning.records.software import source_digest
from real_data.software import software

__all__ = ["sources"]

SOURCES = ("data_pruning", "real_data.datasets", "real_data.models", "real_data.training", "real_data.embeddings")


def sources() -> dict[str, str]:
    """As :func:`real_data.software.software`, of the sources that embeddings come from, not those of scores."""
    return software() | {"source": source_digest(*SOURCES)}
