"""The command that shows what is in a file of weights, and writes them for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from data_pruning.command_line import table
from data_pruning.records.writable import check_file
from real_data.commands.options import cli

if TYPE_CHECKING:
    from real_data.weights import NamedWeights

__all__ = ["weights"]

MOST_ROWS = 20


@cli.command
def weights(
    file: tyro.conf.Positional[Path],
    network: int = 0,
    names: Literal["some", "all"] = "some",
    to: Path | None = None,
    naming: Literal["own", "torchvision", "timm", "vit-authors"] = "own",
    pixels: Literal["as-read", "imagenet", "half"] = "as-read",
) -> None:
    """Show what is in a file of weights: network, pixels, names and shapes; with --to, write them for others.

    Reads our weights.npz and folders of trainings, .npz and .safetensors of named arrays, files of PyTorch (.pth, .pt,
    .bin) without running anything that is in them, and the .npz files of the authors of the vision transformer.

    Args:
        file: the file, or the folder of a training.
        network: which of its networks, from 0 on.
        names: all names and shapes, or some.
        to: new file to write, .safetensors or .npz.
        naming: whose names it gets.
        pixels: how it says that pixels are standardised: as the file that was read; by mean 0.485, 0.456, 0.406 and
            standard deviation 0.229, 0.224, 0.225 (imagenet); or by 0.5 and 0.5 (half).
    """
    from real_data.weights import read, write
    from real_data.weights.listing import listed
    from real_data.weights.pixels import chosen
    from real_data.weights.start import differences_to_network
    from real_data.weights.tensor_file import FORMATS

    if to is not None:
        check_file("--to", to)
        if to.suffix not in FORMATS:
            raise ValueError(f"--to must end in {' or '.join(FORMATS)}, got {to}")
        if to.exists():
            raise ValueError(f"--to must be a new file, but there is a {to}")
    elif pixels != "as-read" or naming != "own":
        option = f"--pixels {pixels}" if pixels != "as-read" else f"--naming {naming}"
        raise ValueError(f"--naming and --pixels are for the file that --to names, got {option} without --to")
    found = read(file, network=network)
    if pixels != "as-read":
        found = replace(found, standardization=chosen(pixels, found))
    notes = list(found.notes)
    wrong = differences_to_network(found)
    if wrong:
        notes.append(f"not all that this network has, or more: {listed(wrong)}")
    if to is not None:
        if wrong:
            raise ValueError(f"--to needs a file of a whole network, {file} is none: {listed(wrong)}")
        notes += write(to, found, naming=naming)
    for line in _about(found):
        print(line)
    rows = [(name, " x ".join(map(str, array.shape)), str(array.size)) for name, array in found.arrays.items()]
    shown = rows if names == "all" else rows[:MOST_ROWS]
    print(table(("name", "shape", "numbers"), shown))
    if len(rows) > len(shown):
        print(f"and {len(rows) - len(shown)} more, with --names all")
    for note in notes:
        print(f"note: {note}")
    if to is not None:
        print(f"saved in {to}, naming {naming}")


def _about(found: NamedWeights) -> list[str]:
    """What network it is, in lines."""
    from real_data.weights import network_kind
    from real_data.weights.pixels import customary, in_words

    network = "a network that is not known" if found.model is None else network_kind.in_words(found.model)
    of = "" if found.num_networks == 1 else f" {found.network} of {found.num_networks}"
    lines = [f"network{of}: {network}; {found.num_weights} weights in {len(found.arrays)} tensors"]
    images = (
        "of a size that the file does not say" if found.image_shape is None else "x".join(map(str, found.image_shape))
    )
    classes = "none, there is no head" if found.num_classes is None else str(found.num_classes)
    lines.append(f"naming: {found.naming}; images: {images}; classes: {classes}")
    usual = customary(found.customary_pixels, 3)
    if found.standardization is not None:
        lines.append(f"pixels: {in_words(found.standardization)}")
    else:
        usually = "" if usual is None else f"; customary for such weights: {in_words(usual)}"
        lines.append(f"pixels: the file does not say{usually}")
    return lines
