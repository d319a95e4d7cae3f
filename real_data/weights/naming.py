"""Whose names the tensors of a file have: the tables in ``names/``, expanded for a network."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from real_data.weights.axes import RULES

__all__ = ["NAMINGS", "Entry", "Family", "entries", "family_of", "markers", "naming_of", "scales", "table_of"]

Family = Literal["resnet", "transformer"]
NAMINGS = ("torchvision", "timm", "vit-authors")
"""Whose names there are tables of, in the order in which they are looked for."""
_MARKS = {"resnet": "params/stem/convolution/kernel", "transformer": "params/embedding/patches/kernel"}


@dataclass(frozen=True)
class Entry:
    """One tensor here and what it is called there.

    Attributes:
        own: name here.
        names: names there, several where it is made of several; one such tuple for each way of naming them, that which
            is written first.
        rule: how the axes lie there, one of :data:`real_data.weights.axes.RULES`.
    """

    own: str
    names: tuple[tuple[str, ...], ...]
    rule: str


@cache
def table_of(naming: str, family: Family) -> Mapping[str, Any]:
    """Table of names of a kind of network; empty where those of this naming are none of it."""
    table: dict[str, Any] = tomllib.loads((files(__package__) / "names" / f"{naming}.toml").read_text()).get(family, {})
    return table_of(table["same_as"], family) if "same_as" in table else table


def naming_of(names: Collection[str]) -> str | None:
    """Whose names these are; None where no table fits."""
    return next((naming for naming in NAMINGS if any(marker in names for marker in markers(naming))), None)


def markers(naming: str) -> tuple[str, ...]:
    """Names, one for each kind of network, by which names of this naming are known."""
    tables = (table_of(naming, family) for family in _families())
    return tuple(table["marker"] for table in tables if table)


def family_of(names: Collection[str], naming: str = "own") -> Family | None:
    """Kind of network that tensors of these names belong to; None where it has no table."""
    for family in _families():
        if (_MARKS[family] if naming == "own" else table_of(naming, family).get("marker")) in names:
            return family
    return None


def entries(naming: str, family: Family, names: Collection[str], *, own: bool = False) -> list[Entry]:
    """All tensors that such a network may have; none where there are no such networks in this naming.

    Args:
        naming: one of :data:`NAMINGS`.
        family: kind of network.
        names: names in the file, from which the number of blocks and of their layers is told.
        own: these are our names, not those of ``naming``.
    """
    table = table_of(naming, family)
    if not table:
        return []
    places = list(_residual_places(table, names, own) if family == "resnet" else _blocks(table, names, own))
    found: dict[str, Entry] = {}
    for rule, pairs in table.items():
        if rule in RULES:
            for ours, theirs in pairs.items():
                every = (theirs,) if isinstance(theirs, str) else tuple(theirs)
                for place in places:
                    ways = tuple(tuple(way.format(**place, part=part) for part in RULES[rule].parts) for way in every)
                    found.setdefault(ours.format(**place), Entry(ours.format(**place), ways, rule))
    return list(found.values())


def scales(naming: str, family: Family, names: Collection[str]) -> dict[str, str]:
    """Scales of layers that are multiplied into them: our name of the layer, and theirs of the scales."""
    table = table_of(naming, family)
    pairs = table.get("folded", {})
    found = {
        ours.format(**place): theirs.format(**place)
        for place in (_blocks(table, names, False) if pairs else ())
        for ours, theirs in pairs.items()
    }
    return {ours: theirs for ours, theirs in found.items() if theirs in names}


def _families() -> tuple[Family, Family]:
    return "resnet", "transformer"


def _blocks(table: Mapping[str, Any], names: Collection[str], own: bool) -> Iterator[dict[str, int]]:
    """Numbers of the blocks of a transformer."""
    prefix = "params/blocks/{block}/" if own else table["block"]
    block = 0
    while block == 0 or any(name.startswith(prefix.format(block=block)) for name in names):
        yield {"block": block}
        block += 1


def _residual_places(table: Mapping[str, Any], names: Collection[str], own: bool) -> Iterator[dict[str, int]]:
    """Numbers of the blocks and layers of a residual network."""
    third = "params/blocks/0/layers/2/convolution/kernel" if own else "layer1.0.conv3.weight"
    kind = table["kinds"]["resnet50" if third in names else "resnet18"]
    block = 0
    for stage, count in enumerate(kind["stages"], 1):
        for number in range(count):
            for layer in range(kind["layers"]):
                yield {"block": block, "stage": stage, "number": number, "layer": layer, "place": layer + 1}
            block += 1
