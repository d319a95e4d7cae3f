"""Options that several commands share, declared once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass, replace
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import tyro

from data_pruning.command_line import CommandLine
from real_data.models.config import ModelConfig
from real_data.recipes import Recipe, default_recipe, recipe_named
from real_data.training.config import TrainingConfig

__all__ = [
    "Fraction",
    "ImageFileOptions",
    "ImageFiles",
    "ImageOptions",
    "Images",
    "ModelOptions",
    "TrainingOptions",
    "any_given",
    "cli",
    "overrides",
    "resolved",
    "say_recipe",
    "shell_options",
]

cli = CommandLine(
    "python -m real_data",
    "Data pruning on real images: score, prune, train, test, and advice from it.",
    sizes="--image-size, batch sizes or the number of networks",
)

Config = TypeVar("Config")
MOST_SHOWN = 1000  # characters of a note on the images; the whole is saved with the results


@dataclass(frozen=True)
class ImageFiles:
    """The images.

    Attributes:
        dataset: digits, fashion-mnist, cifar10, cifar100, svhn, svhn-extra, imagenet, or folder: images of your own in
            one sub-folder per class, or in such folders below train and test (or val, valid, validation).
        path: file or folder of the data set; the default looks in the usual places.
        image_size: width and height that images of imagenet and folder are brought to: for a folder the short side is
            brought to it and the centre cut out, so that images of this size stay as they are; None is 224, or their
            own.
        test_folder: name of the folder with the test images, where there are several beside train.
        skip_undecodable: leave out image files that cannot be decoded; they are listed, and saved with the results.
    """

    dataset: str = "digits"
    path: str | None = None
    image_size: int | None = None
    test_folder: str | None = None
    skip_undecodable: bool = False

    def load(self) -> Any:
        """The data set; what is worth knowing about its files is printed."""
        from real_data.datasets import load

        data = load(self.dataset, self.path, **self.reading)
        for note in data.notes:
            print(note if len(note) <= MOST_SHOWN else f"{note[:MOST_SHOWN]} ...", file=sys.stderr)
        return data

    @property
    def reading(self) -> dict[str, Any]:
        """Which images of the data set are taken, and how."""
        return {
            "image_size": self.image_size,
            "test_folder": self.test_folder,
            "skip_undecodable": self.skip_undecodable,
        }

    def arguments(self) -> dict[str, Any]:
        """As the fields of :class:`real_data.Experiment` and :class:`real_data.TrainingRun`."""
        return {"dataset": self.dataset, "path": self.path, **self.reading}


@dataclass(frozen=True)
class Images(ImageFiles):
    """The images, and the settings that suit them.

    Attributes:
        recipe: settings of network and training by name, see the command recipes; options given beside it override it.
            The default is the data set's own, and photographs for a folder.
    """

    recipe: str | None = None

    @property
    def chosen_recipe(self) -> Recipe:
        """The recipe named, or that of the data set."""
        return default_recipe(self.dataset) if self.recipe is None else recipe_named(self.recipe)


Fraction = Annotated[float, tyro.conf.arg(aliases=("--f",))]
ImageFileOptions = Annotated[ImageFiles, tyro.conf.arg(name="")]
ImageOptions = Annotated[Images, tyro.conf.arg(name="")]


def _may_be_none(kind: Any) -> bool:
    return type(None) in get_args(kind)


def overrides(config: type, whose: str = "recipe") -> Any:
    """A class with the fields of a settings class, each None where the value of the recipe (or other) is meant.

    Where the settings themselves may be None, that is written ``none``.
    """
    types = get_type_hints(config)
    table = []
    for each in fields(config):
        kind: Any = types[each.name]
        if _may_be_none(kind):
            kind = kind | Literal["none"]
        table.append((each.name, kind | None, field(default=None)))
    text = f"{(config.__doc__ or '').partition('.')[0]}; None is as the {whose} says."
    attributes = (config.__doc__ or "").partition("Attributes:")[2]
    return make_dataclass(
        f"{config.__name__}Options",
        table,
        frozen=True,
        namespace={"__doc__": f"{text}\n\n    Attributes:{attributes}", "__module__": __name__},
    )


ModelOptions = overrides(ModelConfig)
TrainingOptions = overrides(TrainingConfig)


def any_given(*options: Any) -> bool:
    """Whether any of these options takes the place of a setting of the recipe."""
    return any(getattr(one, f.name) is not None for one in options for f in fields(one))


def resolved(of_recipe: Config, options: Any) -> Config:
    """Settings of a recipe with those that were given in their place."""
    given = {f.name: getattr(options, f.name) for f in fields(options) if getattr(options, f.name) is not None}
    types = get_type_hints(type(of_recipe))
    given = {name: None if value == "none" and _may_be_none(types[name]) else value for name, value in given.items()}
    for one, other in (("num_steps", "num_epochs"), ("num_epochs", "num_steps")):
        if given.get(one) is not None and other not in given:
            given[other] = None  # a number of epochs takes the place of a number of steps, and the other way round
    return replace(of_recipe, **given)  # type: ignore[type-var]


def say_recipe(images: Images, settings: Mapping[str, Any]) -> None:
    """Say on stderr which recipe is used, and what rate and length of training that means here."""
    parts = [f"recipe {images.chosen_recipe.name}: {settings['model'].kind}"]
    if settings["model"].solved_for:
        parts.append("the last layer solved for: settings of gradient descent take no part")
        settings = {}
    for name, training in settings.items():
        if isinstance(training, TrainingConfig):
            length = f"{training.num_steps} steps" if training.num_steps else f"{training.num_epochs} epochs"
            parts.append(f"{name} {length} of {training.batch_size} images at learning rate {training.learning_rate:g}")
    print(", ".join(parts), file=sys.stderr)


def shell_options(prefix: str, settings: Any, default: Any) -> list[str]:
    """The options that bring the settings of ``default`` to ``settings``, for a line that can be pasted."""
    words = []
    for f in fields(settings):
        value = getattr(settings, f.name)
        if value == getattr(default, f.name) or (value is None and f.name in ("num_steps", "num_epochs")):
            continue
        values = ["none"] if value is None else map(str, value) if isinstance(value, tuple) else [str(value)]
        words += [f"--{prefix}.{f.name.replace('_', '-')}", *values]
    return words
