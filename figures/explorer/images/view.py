"""What is looked at, as a link writes it: the score, the keep rule, and the place in the ranking."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from data_pruning.arguments import check_choice, check_integer, check_string
from data_pruning.rule_names import keep_rule

if TYPE_CHECKING:
    from figures.explorer.images.collection import Collection

__all__ = ["AXES", "PAIRS", "SCALES", "SHOWN", "TABS", "Choice", "View", "typed_integer", "typed_number"]

TABS = ("scores", "gallery", "rule", "agreement", "duplicates")
SHOWN = ("all", "kept", "dropped")
PAIRS = ("all", "train-test", "train-train", "exact", "other-class")
AXES = ("rank", "score")
SCALES = ("linear", "log")
SEEDS = 2**32


@dataclass(frozen=True)
class Choice:
    """What decides which images are kept; equal choices are equal objects, which caches use.

    Attributes:
        score: name of the score.
        rule: keep rule as :func:`data_pruning.keep_rule` names it.
        f: fraction kept, in (0, 1].
        min_class_share: least share of its proportional part that a class keeps, in [0, 1].
        seed: for ties and random choices, in [0, 2**32).
        among: whether duplicates are dropped first.

    Raises:
        TypeError, ValueError: a value that is none of these; the message names it.
    """

    score: str = ""
    rule: str = "hard"
    f: float = 0.5
    min_class_share: float = 1.0
    seed: int = 0
    among: bool = False

    def __post_init__(self) -> None:
        check_string("score", self.score)
        check_string("rule", self.rule)
        if not 0 < self.f <= 1:
            raise ValueError(f"fraction, the part kept, must lie in (0, 1], got {self.f:g}")
        if not 0 <= self.min_class_share <= 1:
            raise ValueError(f"least share of a class must lie in [0, 1], got {self.min_class_share:g}")
        check_integer("seed", self.seed, 0, SEEDS - 1)
        keep_rule(self.rule, self.f)


@dataclass(frozen=True)
class View:
    """All that the page shows, but for the files.

    Attributes:
        choice: which images are kept.
        tab: one of ``TABS``.
        scale: of the numbers in the histogram, one of ``SCALES``.
        label: class that is shown alone; None shows all.
        shown: one of ``SHOWN``.
        rank: rank of the first image of the gallery among all training images, 1 is the hardest.
        other: score that the first one is compared with; empty is the next one.
        axes: one of ``AXES``.
        pairs: one of ``PAIRS``.
        pair: number of the first pair shown, 1 is the most similar.
        image: training image that is looked at closely; None is none.

    Raises:
        TypeError, ValueError: a value that is none of these; the message names it.
    """

    choice: Choice = dataclasses.field(default_factory=Choice)
    tab: str = "scores"
    scale: str = "linear"
    label: int | None = None
    shown: str = "all"
    rank: int = 1
    other: str = ""
    axes: str = "rank"
    pairs: str = "all"
    pair: int = 1
    image: int | None = None

    def __post_init__(self) -> None:
        check_choice("tab", self.tab, TABS)
        check_choice("scale", self.scale, SCALES)
        check_choice("shown", self.shown, SHOWN)
        check_choice("axes", self.axes, AXES)
        check_choice("pairs", self.pairs, PAIRS)
        check_integer("rank", self.rank, 1)
        check_integer("pair", self.pair, 1)

    def check(self, collection: Collection) -> None:
        """Make sure that the collection has what is looked at.

        Raises:
            ValueError: it has no such score, class or image, or no list of duplicates.
        """
        for name in filter(None, (self.choice.score, self.other)):
            collection.score(name)
        if self.label is not None:
            check_integer("class", self.label, 0, collection.dataset.num_classes - 1)
        check_integer("rank", self.rank, 1, collection.num_images)
        if self.image is not None:
            check_integer("image", self.image, 0, collection.num_images - 1)
        if self.choice.among and collection.candidates is None:
            raise ValueError("among must be 0 where no folder of duplicates with kept.txt was given, got 1")

    def to_query(self) -> dict[str, str]:
        """What a link writes; what is as by default is left out."""
        usual = _flat(View())
        return {
            name: value if isinstance(value, str) else repr(int(value) if isinstance(value, bool) else value)
            for name, value in _flat(self).items()
            if value != usual[name]
        }

    @classmethod
    def from_query(cls, query: Mapping[str, str], collection: Collection) -> tuple[View, list[str]]:
        """The view of a link, and a sentence for each value that is none, in whose place is the usual one.

        Args:
            query: texts by name.
            collection: what is looked at.
        """
        view, complaints = first_view(collection), []
        for name in sorted(query, key=lambda name: name == "rule"):  # whether a rule is one depends on the fraction
            try:
                tried = _with(view, name, query[name])
                tried.check(collection)
            except (TypeError, ValueError) as error:
                complaints.append(str(error))
            else:
                view = tried
        return view, complaints


def first_view(collection: Collection) -> View:
    """What is shown first."""
    score = next(iter(collection.scores), "")
    return View(Choice(score), tab="scores" if score else "duplicates")


def typed_number(name: str, text: Any) -> float:
    """A number that somebody typed.

    Raises:
        ValueError: it is none.
    """
    try:
        value = float(str(text).strip())
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a number, got {str(text)!r}")
    return value


def typed_integer(name: str, text: Any) -> int:
    """An integer that somebody typed; 1,000 is one too.

    Raises:
        ValueError: it is none.
    """
    plain = str(text).strip().replace(",", "").replace(" ", "")
    if not (plain.removeprefix("-").isascii() and plain.removeprefix("-").isdecimal()) or len(plain) > 15:
        raise ValueError(f"{name} must be an integer, got {str(text)!r}")
    return int(plain)


def _flat(view: View) -> dict[str, Any]:
    """Fields by the names that links have for them."""
    fields = {f.name: getattr(view, f.name) for f in dataclasses.fields(view) if f.name not in ("choice", "label")}
    return {"class": view.label, **dataclasses.asdict(view.choice), **fields}


def _with(view: View, name: str, text: str) -> View:
    """The view with one value as a link writes it.

    Raises:
        ValueError: there is no such value.
    """
    names = _flat(view)
    if name not in names:
        raise ValueError(f"a link to this page has {', '.join(names)}, got {name!r}")
    value: Any = text
    if name in ("f", "min_class_share"):
        value = typed_number(name, text)
    elif name == "among":
        check_choice("among", text, ("0", "1"))
        value = text == "1"
    elif name in ("class", "seed", "rank", "pair", "image"):
        value = typed_integer(name, text)
    if name == "class":
        return replace(view, label=value)
    if name in {f.name for f in dataclasses.fields(Choice)}:
        return replace(view, choice=replace(view.choice, **{name: value}))
    return replace(view, **{name: value})
