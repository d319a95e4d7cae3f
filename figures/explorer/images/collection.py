"""What is looked at: a data set, scores of its training images, and duplicates among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_pruning.arguments import check_different
from real_data.commands.options import ImageFiles

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.duplicates.report import Duplicates
    from real_data.scores import Scores

__all__ = ["Collection", "CollectionOptions", "load_collection"]

KEY_LETTERS = 16  # of the fingerprint, in addresses of pictures


@dataclass(frozen=True)
class CollectionOptions:
    """What the page of real data is to show.

    Attributes:
        scores: files of ``python -m real_data score``, of one data set.
        images: the images that were scored.
        duplicates: folder of ``python -m real_data duplicates``; None shows no duplicates.
    """

    scores: tuple[Path, ...] = ()
    images: ImageFiles = field(default_factory=ImageFiles)
    duplicates: Path | None = None

    @property
    def asked(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.scores) or self.duplicates is not None


@dataclass(frozen=True, eq=False)
class Collection:
    """A data set with its scores and duplicates; nothing of it changes.

    Attributes:
        options: where it came from.
        dataset: the images.
        scores: of the training images, by the name that the page calls them.
        duplicates: what was found; None where nobody looked.
        candidates: the training images that the list kept.txt of the duplicates keeps; None where there is none.
        prepared: the commands that make the files, where they are not there: those of a demonstration.
    """

    options: CollectionOptions
    dataset: ImageDataset
    scores: dict[str, Scores]
    duplicates: Duplicates | None = None
    candidates: Any = None
    prepared: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """What addresses of its pictures begin with: images of other contents have other addresses."""
        return self.dataset.fingerprint[:KEY_LETTERS]

    @property
    def num_images(self) -> int:
        """Number of training images."""
        return len(self.dataset.train_labels)

    def file_of(self, score: str) -> Path:
        """The file of a score.

        Raises:
            ValueError: there is no such score.
        """
        self.score(score)
        return self.options.scores[list(self.scores).index(score)]

    def score(self, name: str) -> Scores:
        """The score of a name.

        Raises:
            ValueError: there is none.
        """
        if name not in self.scores:
            raise ValueError(f"score must be one of {', '.join(self.scores) or 'none'}, got {name!r}")
        return self.scores[name]

    def class_name(self, label: int) -> str:
        """What a class is called."""
        names = self.dataset.class_names
        return str(label) if names is None else names[label]

    def image_name(self, index: int, *, in_test: bool = False) -> str:
        """File name of an image, or ``image 17`` and ``test image 17`` where there is none."""
        if not in_test:
            names = self.dataset.train_names
            return f"image {index}" if names is None else names[index]
        names = getattr(self.dataset.test_images, "names", None)
        return f"test image {index}" if names is None else names[index]


def load_collection(options: CollectionOptions) -> Collection | None:
    """Read the files that the options name; None where they name none.

    Raises:
        FileNotFoundError: a file, or the data set, is not there, or a folder in the place of a file.
        ValueError: a file twice, files of another kind, scores or duplicates of other images, or a data set with
            nothing to show of it; the message names the option.
    """
    if not options.asked:
        if options.images != ImageFiles():
            raise ValueError(
                f"--dataset {options.images.dataset} needs --scores FILE, from python -m real_data score, or "
                "--duplicates FOLDER, from python -m real_data duplicates: there is nothing to show of images alone"
            )
        return None
    if options.scores:
        check_different("--scores", tuple(str(path) for path in options.scores))
    for path in options.scores:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not there"
            raise FileNotFoundError(f"--scores must be files of python -m real_data score, but {path} is {what}")
    if options.duplicates is not None and not (options.duplicates / "duplicates.nc").is_file():
        raise FileNotFoundError(
            f"--duplicates must be a folder of python -m real_data duplicates, with duplicates.nc, got "
            f"{options.duplicates}"
        )
    from real_data.duplicates.report import Duplicates
    from real_data.scores import Scores

    for path in options.scores:  # what is no file of scores is refused before images are read
        _named(lambda path=path: Scores.load(path), "--scores")
    data = options.images.load()
    found = [_named(lambda path=path: Scores.load(path, data), "--scores") for path in options.scores]
    duplicates, candidates = None, None
    if options.duplicates is not None:
        folder = options.duplicates
        duplicates = _named(lambda: Duplicates.load(folder / "duplicates.nc"), "--duplicates")
        _named(lambda: duplicates.check(data), "--duplicates")
        candidates = _candidates(folder, data)
    names = score_names([one.metric for one in found], options.scores)
    return Collection(options, data, dict(zip(names, found, strict=True)), duplicates, candidates)


def score_names(metrics: Sequence[str], files: Sequence[Path]) -> list[str]:
    """Different names of scores: those of the metrics, of the files, or the whole paths."""
    for names in (list(metrics), [file.stem for file in files]):
        if len(set(names)) == len(names):
            return names
    return [str(file) for file in files]


def _candidates(folder: Path, data: ImageDataset) -> Any:
    """What kept.txt lists; None where somebody took it away."""
    from real_data.selection.kept_list import read_kept

    path = folder / "kept.txt"
    return _named(lambda: read_kept(path, data).indices, "--duplicates") if path.exists() else None


def _named(load: Any, option: str) -> Any:
    """What ``load`` returns; an error of its says the option first."""
    try:
        return load()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{option}: {error}") from error
    except (ValueError, OSError) as error:
        raise ValueError(f"{option}: {error}") from error
