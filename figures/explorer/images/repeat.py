"""The command line and the Python that repeat what the page shows, to be pasted."""

from __future__ import annotations

import shlex

from figures.explorer.images.collection import Collection, CollectionOptions
from figures.explorer.images.view import Choice
from real_data.commands.options import ImageFiles

__all__ = ["command_line", "image_options", "python_code"]


def image_options(images: ImageFiles) -> list[str]:
    """The options that name the images, where they are not those by default."""
    words = [] if images.dataset == "digits" else ["--dataset", images.dataset]
    if images.path is not None:
        words += ["--path", str(images.path)]
    if images.image_size is not None:
        words += ["--image-size", str(images.image_size)]
    if images.test_folder is not None:
        words += ["--test-folder", images.test_folder]
    return [*words, *(["--skip-undecodable"] if images.skip_undecodable else [])]


def command_line(collection: Collection, choice: Choice, out: str = "kept.txt") -> str:
    """The command that writes the list of the images kept.

    Args:
        collection: what is looked at.
        choice: what is kept.
        out: the file it writes.
    """
    options = collection.options
    words = ["python", "-m", "real_data", "prune", str(collection.file_of(choice.score)), "--rule", choice.rule]
    words += ["--fraction", repr(choice.f), *image_options(options.images)]
    words += ["--min-class-share", repr(choice.min_class_share), "--seed", str(choice.seed)]
    if choice.among:
        words += ["--among", str(_among(options))]
    return "\n".join([*collection.prepared, shlex.join([*words, "--out", out])])


def python_code(collection: Collection, choice: Choice, out: str = "kept.txt") -> str:
    """Python that writes the same list.

    Args:
        collection: what is looked at.
        choice: what is kept.
        out: the file it writes.
    """
    options, images = collection.options, collection.options.images
    arguments = [repr(images.dataset), *([] if images.path is None else [repr(str(images.path))])]
    arguments += [f"{name}={value!r}" for name, value in images.reading.items() if value not in (None, False)]
    among = ["from real_data.selection.kept_list import read_kept, write_kept"]
    others = f"min_class_share={choice.min_class_share!r}, "
    if choice.among:
        others += f"among=read_kept({str(_among(options))!r}, data).indices, "
    else:
        among = ["from real_data.selection.kept_list import write_kept"]
    lines = [
        *(f"# first: {line}" for line in collection.prepared),
        "from pathlib import Path",
        "",
        "from data_pruning import keep_rule",
        "from real_data import Examples, Scores, load, select",
        *among,
        "",
        f"data = load({', '.join(arguments)})",
        f"scores = Scores.load({str(collection.file_of(choice.score))!r}, data)",
        f"rule = keep_rule({choice.rule!r}, {choice.f!r})",
        "chosen = select(",
        f"    scores.values, rule, data.train_labels, {others}seed={choice.seed}",
        ")",
        'weights = None if chosen.weights is None else chosen.weights.astype("float32")',
        f"write_kept(Path({out!r}), Examples(chosen.indices, weights))",
        f'print(len(chosen.indices), "of", scores.values.size, "images kept; their positions in", {out!r})',
    ]
    return "\n".join(lines) + "\n"


def _among(options: CollectionOptions) -> object:
    assert options.duplicates is not None
    return options.duplicates / "kept.txt"
