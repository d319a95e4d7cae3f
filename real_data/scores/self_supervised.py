"""Self-supervised prototypes as scores of a data set: distances to clusters of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data_pruning import Results
from data_pruning.arguments import check_different
from data_pruning.records.fingerprint import sha256_of
from data_pruning.records.settings import to_json
from data_pruning.records.software import versions
from real_data.embeddings.cluster_distance import cluster_distance
from real_data.embeddings.config import ClusterConfig
from real_data.embeddings.embedding_file import Embedding
from real_data.scores.rank_agreement import rank_correlation
from real_data.scores.score_file import Scores

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["check_not_lost", "self_supervised_prototypes"]

METRIC = "ssl-prototypes"
OUTCOME = ("inertia", "num_iterations", "converged", "software", "rank_correlation_with_classes")


def self_supervised_prototypes(
    dataset: ImageDataset,
    embedding: Embedding,
    numbers: Sequence[int] = (),
    *,
    config: ClusterConfig | None = None,
    progress: bool = False,
) -> list[Scores]:
    """Scores by :func:`real_data.embeddings.cluster_distance.cluster_distance`, one for each number of clusters.

    Whether they are self-supervised is the encoder's matter: ``config["embedding"]["used_labels"]`` tells where it is
    known.

    Args:
        dataset: what the embeddings are of.
        embedding: one row for each training image, see :func:`real_data.embeddings.embedding_file.read_embedding`.
        numbers: of clusters; as many as there are classes, if left out.
        config: how the clusters are found; None is ``ClusterConfig()``.
        progress: show a progress bar on stderr.

    Returns:
        Scores in the order of ``numbers``.  Their ``config`` has the settings, the inertia, the number of iterations,
        where the embeddings come from, and, of several numbers, the rank correlation with as many clusters as there
        are classes (Sorscher et al. 2022 find little change within a factor of ten), which then is computed too.

    Raises:
        ValueError: embeddings of another number of images, or too few different ones for the clusters.
    """
    wanted = tuple(numbers) or (dataset.num_classes,)
    check_different("numbers", wanted)
    for name, rows, labels in (
        ("training", embedding.train, dataset.train_labels),
        ("test", embedding.test, dataset.test_labels),
    ):
        if rows is not None and len(rows) != len(labels):
            raise ValueError(f"embedding must have one row for each of {len(labels)} {name} images, got {len(rows)}")
    about = {name: value for name, value in embedding.about.items() if name not in ("notes", "accuracy")}
    source = about | {"rows_sha256": sha256_of(embedding.train)}
    how = config or ClusterConfig()

    def scores_of(number: int) -> Scores:
        found = cluster_distance(embedding.train, number, test_embeddings=embedding.test, config=how, progress=progress)
        settings = {
            "num_clusters": number,
            **to_json(how),
            "embedding": source,
            "inertia": found.inertia,
            "num_iterations": found.num_iterations,
            "converged": found.converged,
            "software": versions(("numpy", "scipy")),
        }
        of = (dataset.name, dataset.train_fingerprint, settings, (), dataset.notes)
        return Scores(METRIC, found.values, *of, test_values=found.test_values)

    found = [scores_of(number) for number in wanted]
    if len(wanted) == 1:
        return found
    of_classes = [scores for number, scores in zip(wanted, found, strict=True) if number == dataset.num_classes]
    reference = of_classes[0] if of_classes else scores_of(dataset.num_classes)
    agreement = rank_correlation([reference, *found])[0, 1:]
    return [
        replace(one, config={**one.config, "rank_correlation_with_classes": float(rho)})
        for one, rho in zip(found, agreement, strict=True)
    ]


def check_not_lost(path: Path, scores: Scores) -> None:
    """Raise a ``ValueError`` where a file holds scores of other images or settings, which would be lost."""
    if not path.exists():
        return
    about = Results.load(path).config
    there, here = (
        {name: value for name, value in dict(each or {}).items() if name not in OUTCOME}
        for each in (about.get("settings"), scores.config)
    )
    if about.get("fingerprint") != scores.fingerprint or there != here:
        what = "images" if about.get("fingerprint") != scores.fingerprint else "settings"
        raise ValueError(f"{path} holds scores of other {what}, which would be lost: give another folder")
