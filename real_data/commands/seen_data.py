"""What the networks of the command score see: the images, or embeddings of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from real_data.commands.options import Images

__all__ = ["Seen"]


@dataclass(frozen=True)
class Seen:
    """What the networks see.

    Attributes:
        images: the data set that is scored.
        data: what networks are trained on: the images, or their embeddings.
        source: loads that, on a worker of an executor.
        embeddings: what the scores say of the embeddings; None where there are none.
    """

    images: Any
    data: Any
    source: Callable[[], Any]
    embeddings: dict[str, Any] | None

    @classmethod
    def of(cls, data: Any, images: Images, embeddings: Path | None) -> Seen:
        """The images, or embeddings of them from a file."""
        from real_data.datasets import load
        from real_data.embeddings.embedded_dataset import embedded, embedding_settings, load_embedded

        source = partial(load, images.dataset, images.path, **images.reading)
        if embeddings is None:
            return cls(data, data, source, None)
        rows = embedded(data, embeddings)
        return cls(data, rows, partial(load_embedded, embeddings, source), embedding_settings(rows, embeddings))

    def scores(self, found: Any) -> Any:
        """Scores of what the networks saw, as scores of the images."""
        if self.embeddings is None:
            return found
        config = {**found.config, "embeddings": self.embeddings}
        return replace(found, fingerprint=self.images.train_fingerprint, config=config)
