"""What determines the numbers of an embedding besides its settings."""

from __future__ import annotations

from data_pruning.records.software import source_digest
from real_data.software import software

__all__ = ["sources"]


def sources() -> dict[str, str]:
    """As :func:`real_data.software.software`, with a digest of the sources of embeddings."""
    return software() | {"embeddings": source_digest("real_data.embeddings")}
