"""What counts as a duplicate, and which one of a group is kept; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from data_pruning.arguments import check_boolean, check_choice, check_different, check_integer, check_real, check_tuple

__all__ = ["KEEP", "WHERE", "DuplicateConfig", "Keep", "Where"]

Where = Literal["train-test", "train-train"]
WHERE: tuple[str, ...] = get_args(Where)

Keep = Literal["farthest", "hardest", "easiest", "largest", "first"]
KEEP: tuple[str, ...] = get_args(Keep)


@dataclass(frozen=True)
class DuplicateConfig:
    """Which images are duplicates, and which of them is kept.

    Attributes:
        threshold: least cosine of duplicates, in (-1, 1]; None leaves it to ``flag``, and where that is None too only
            exact copies count.
        flag: number of test images that are to have a near-duplicate among the training images, at least 1: the
            threshold follows from it.  Without ``train-test`` in ``where`` it is that of training images that have one
            among the others.
        where: pairs looked for: ``train-test``, whose training image is dropped, and ``train-train``.
        keep: which of a group is kept: ``farthest`` from the centroid (Abbas et al. 2023, in their text), the
            ``hardest`` or ``easiest`` by a score, the ``largest`` in pixels, the ``first`` in data-set order.
        mirror: compare with mirrored images as well.
        num_cells: cells of the search, at least 1: only images of neighbouring cells are compared; 1 compares all
            pairs; None does so up to 100,000 images, and takes sqrt(2 number) cells above.
        num_probes: nearest cells that each image is compared with, at least 1.
        seed: seed of the cells and of the changes that thumbnails are made to withstand, at least 0.
    """

    threshold: float | None = None
    flag: int | None = None
    where: tuple[Where, ...] = ("train-test", "train-train")
    keep: Keep = "farthest"
    mirror: bool = False
    num_cells: int | None = None
    num_probes: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.threshold is not None:
            check_real("threshold", self.threshold, "(-1, 1]")
            if self.flag is not None:
                raise ValueError(f"threshold and flag exclude each other, got {self.threshold} and {self.flag}")
        if self.flag is not None:
            check_integer("flag", self.flag, 1)
        check_tuple("where", self.where, str)
        check_different("where", self.where)
        for place in self.where:
            check_choice("where", place, WHERE)
        check_choice("keep", self.keep, KEEP)
        check_boolean("mirror", self.mirror)
        if self.num_cells is not None:
            check_integer("num_cells", self.num_cells, 1)
        check_integer("num_probes", self.num_probes, 1)
        check_integer("seed", self.seed, 0)
