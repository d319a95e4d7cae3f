"""Scores of a data set, and their files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_pruning import Results
from data_pruning.records.settings import to_json
from real_data.scores.disagreement import tie_share

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.models.config import ModelConfig
    from real_data.scores.config import ScoreConfig

__all__ = ["Scores", "settings_of", "taken"]

_TITLE = "Difficulty of training examples"


@dataclass(frozen=True, eq=False)
class Scores:
    """How difficult the training examples of a data set are.

    Attributes:
        metric: name of the score; see :data:`real_data.scores.config.METRICS`.
        values: difficulty of each training example, higher = harder, in data-set order, finite float64 of shape
            (num_examples,).
        dataset: name of the data set.
        fingerprint: ``train_fingerprint`` of the data set.
        config: settings that the scores were computed with; a JSON value.
        seeds: seeds of the networks that they are averages over; none if there were no networks.
        notes: what is worth knowing about the files of the data set, such as images that were left out.
        test_values: difficulty of each test image under the same networks, which have not seen it; None where it was
            not scored.
        standard_error: of each value, over networks, shape (num_examples,), at least 0; None where it is not known.
        noise_floor: what each value would be, on average, if there were nothing but noise, shape (num_examples,); None
            for scores that noise alone does not raise.
    """

    metric: str
    values: np.ndarray
    dataset: str
    fingerprint: str
    config: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    test_values: np.ndarray | None = None
    standard_error: np.ndarray | None = None
    noise_floor: np.ndarray | None = None

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        if values.ndim != 1 or values.size == 0:
            raise ValueError(f"values must have shape (num_examples,) with num_examples >= 1, got {values.shape}")
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ValueError(
                f"values must be finite, but {bad.size} of {values.size} are not: values[{bad[0]}] = {values[bad[0]]}"
            )
        values.flags.writeable = False
        object.__setattr__(self, "values", values)
        for name in ("standard_error", "noise_floor"):
            if (of_each := getattr(self, name)) is not None:
                object.__setattr__(self, name, _beside(name, of_each, values.size))

    @property
    def tied(self) -> float:
        """Share of the examples whose score others have too: among them a fraction kept is not defined by the score."""
        return tie_share(self.values)

    def check(self, dataset: ImageDataset) -> None:
        """Make sure that these are scores of the training examples of ``dataset``.

        Raises:
            ValueError: they are of other examples, of other labels or not as many.
        """
        if self.fingerprint != dataset.train_fingerprint:
            raise ValueError(
                f"these {self.metric} scores are of {self.dataset!r} with training images and labels "
                f"{self.fingerprint}, not of {dataset.name!r} with {dataset.train_fingerprint}; images are the same "
                "only when read alike, with the same image_size, test_folder and skip_undecodable (--image-size etc.)"
            )
        if self.values.size != len(dataset.train_labels):
            raise ValueError(
                f"there are {self.values.size} {self.metric} scores of {self.dataset!r}, "
                f"but {len(dataset.train_labels)} training images in {dataset.name!r}"
            )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the scores to ``path`` (NetCDF-3, suffix ``.nc``) and return the path."""
        results = Results(
            _TITLE,
            {
                "metric": self.metric,
                "dataset": self.dataset,
                "fingerprint": self.fingerprint,
                "settings": dict(self.config),
                "seeds": list(map(int, self.seeds)),
                "notes": list(self.notes),
                "tied": self.tied,
            },
        )
        results.add("score", "example", self.values, "1", f"{self.metric} of each training example, higher = harder")
        if self.test_values is not None:
            results.add("test_score", "test", self.test_values, "1", f"{self.metric} of each test image")
        if self.standard_error is not None:
            results.add("standard_error", "example", self.standard_error, "1", "standard error of the score")
        if self.noise_floor is not None:
            results.add("noise_floor", "example", self.noise_floor, "1", "mean of the score if there were only noise")
        return results.save(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], dataset: ImageDataset | None = None) -> Scores:
        """Read scores of ``dataset``, or of whichever there are where it is None, from a file that :meth:`save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not a file of scores, is damaged, or holds scores of another data set.
        """
        results = Results.load(path)
        if results.title != _TITLE or "score" not in results.variables:
            raise ValueError(f"{Path(path)} is not a file of scores, but: {results.title}")
        about = results.config
        optional = {
            name: results[name] if name in results.variables else None
            for name in ("test_score", "standard_error", "noise_floor")
        }
        try:
            scores = cls(
                str(about["metric"]),
                results["score"],
                str(about["dataset"]),
                str(about["fingerprint"]),
                about["settings"],
                tuple(about["seeds"]),
                tuple(about.get("notes", ())),
                *optional.values(),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{Path(path)} is damaged: {error}; delete it") from error
        try:
            if dataset is not None:
                scores.check(dataset)
        except ValueError as error:
            raise ValueError(f"{Path(path)}: {error}") from error
        return scores


def _beside(name: str, values: np.ndarray, size: int) -> np.ndarray:
    """What stands beside the values, checked and kept."""
    found = np.array(values, dtype=np.float64)
    if found.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), as values, got {found.shape}")
    bad = np.flatnonzero(~(np.isfinite(found) & (found >= 0)))
    if bad.size:
        raise ValueError(
            f"{name} must be finite and at least 0, but {bad.size} of {size} are not: {name}[{bad[0]}] = "
            f"{found[bad[0]]}"
        )
    found.flags.writeable = False
    return found


def settings_of(
    config: ScoreConfig,
    model: ModelConfig | Sequence[ModelConfig],
    seed: int,
    embeddings: Mapping[str, Any] | None = None,
    *,
    start_sha256: str | None = None,
) -> dict[str, Any]:
    """The settings that scores were computed with, as they stand in :attr:`Scores.config`."""
    networks = [to_json(one) for one in model] if isinstance(model, Sequence) else to_json(model)
    settings = {"score": to_json(config), "model": networks, "seed": int(seed)}
    if embeddings is not None:
        settings["embeddings"] = dict(embeddings)
    if start_sha256 is not None:
        settings["start_sha256"] = start_sha256
    return settings


def taken(
    path: Path,
    dataset: ImageDataset,
    config: ScoreConfig,
    model: ModelConfig | Sequence[ModelConfig],
    seed: int,
    embeddings: Mapping[str, Any] | None = None,
    *,
    start_sha256: str | None = None,
) -> bool:
    """Whether a file has these scores already; False if there is no such file.

    Args:
        path: the file.
        dataset: the data set to score.
        config: the score.
        model: the networks, of one kind or several.
        seed: seed of the networks.
        embeddings: what the networks saw in place of the images, None where they saw these.
        start_sha256: digest of what the networks start from; None of random weights.

    Raises:
        ValueError: the file has other scores, which would be lost, or is no file of scores.
    """
    if not path.exists():
        return False
    about = Results.load(path).config
    settings = settings_of(config, model, seed, embeddings, start_sha256=start_sha256)
    if about.get("fingerprint") != dataset.train_fingerprint or about.get("settings") != settings:
        what = "images" if about.get("fingerprint") != dataset.train_fingerprint else "settings"
        raise ValueError(f"{path} holds scores of other {what}, which would be lost: give another folder")
    return True
