"""Options of scores by clusters of embeddings, and what the command score does with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from data_pruning.arguments import check_integer
from data_pruning.command_line import table
from real_data.commands.options import Images
from real_data.embeddings.config import ClusterConfig

__all__ = ["METRIC", "ClusterOptions", "Clusters"]

METRIC = "ssl-prototypes"


@dataclass(frozen=True)
class Clusters:
    """Clusters of embeddings, for ssl-prototypes.

    Attributes:
        embeddings: FILE.npy, of the command embed or your own: one row per training image in the order of the data set
            (test images in FILE-test.npy, if it is there); or FILE.npz, with arrays train and test.
        num_clusters: numbers of clusters; as many as there are classes, if left out. Of several, each has its file
            OUT/DATASET-ssl-prototypes-NUMBER.nc, and its rank correlation with as many clusters as classes is told.
        euclidean: Euclidean distances to the nearest centroid, not 1 - cosine.
        num_starts: how often k-means begins anew; the best clusters are taken.
        max_iterations: most iterations of k-means.
    """

    embeddings: Path | None = None
    num_clusters: tuple[int, ...] = ()
    euclidean: bool = False
    num_starts: int = 1
    max_iterations: int = 100

    def check(self, metrics: tuple[str, ...]) -> None:
        """Raise a ``ValueError`` unless there are embeddings just where a metric needs them, and sensible settings."""
        if (METRIC in metrics) != (self.embeddings is not None):
            raise ValueError(f"--embeddings is for --metrics {METRIC}, which needs it: got {', '.join(metrics)}")
        if len(set(self.num_clusters)) < len(self.num_clusters):
            raise ValueError(f"num_clusters must be different ones, got {' '.join(map(str, self.num_clusters))}")
        for number in self.num_clusters:
            check_integer("each of num_clusters", number, 1)
        self.config(0)

    def config(self, seed: int) -> ClusterConfig:
        """How the clusters are found."""
        return ClusterConfig(not self.euclidean, seed, self.num_starts, self.max_iterations)

    def score(self, data: Any, images: Images, seed: int, out: Path, quiet: bool) -> None:
        """Score, save and print a table."""
        from real_data.embeddings.embedding_file import read_embedding
        from real_data.scores.self_supervised import check_not_lost, self_supervised_prototypes

        assert self.embeddings is not None
        embedding = read_embedding(self.embeddings, data)
        found = self_supervised_prototypes(
            data, embedding, self.num_clusters, config=self.config(seed), progress=not quiet
        )
        names = [f"-{scores.config['num_clusters']}" if len(found) > 1 else "" for scores in found]
        paths = [out / f"{images.dataset}-{METRIC}{name}.nc" for name in names]
        for path, scores in zip(paths, found, strict=True):
            check_not_lost(path, scores)
        rows = []
        for path, scores in zip(paths, found, strict=True):
            scores.save(path)
            about = scores.config
            agreement = about.get("rank_correlation_with_classes")
            rows.append(
                [
                    str(about["num_clusters"]),
                    f"{about['inertia']:.6g}",
                    f"{about['num_iterations']}{'' if about['converged'] else ' (not converged)'}",
                    ", ".join(f"{value:.3g}" for value in np.quantile(scores.values, [0.05, 0.5, 0.95])),
                    "" if agreement is None else f"{agreement:.3f}",
                    str(path),
                ]
            )
        with_classes = f"rank correlation with {data.num_classes}"
        print(table(["clusters", "inertia", "iterations", "quantiles 5, 50, 95 %", with_classes, "saved in"], rows))
        if embedding.about.get("used_labels"):
            print("labels took part in the training of this encoder: these scores are not self-supervised")


ClusterOptions = Annotated[Clusters, tyro.conf.arg(name="")]
