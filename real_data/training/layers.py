"""The layers of a network, from its input to its head, by the names of its weights.

====================  =========================================================================================
mlp                   ``layers/0``, ``layers/1``, ...; the last of them is the head
cnn                   ``convolutions/0`` to ``2``, ``hidden``, ``head``
ResNet                ``stem``, ``blocks/0``, ``blocks/1``, ..., ``head``
vision transformer    ``embedding``, ``blocks/0``, ``blocks/1``, ... (``norm`` with the last of them), ``head``
====================  =========================================================================================

With a layer decay d the learning rate of a layer is multiplied by d to the power of the number of steps from the head
to it: 1 for the head, d for the last block, d^2 for the block before.  So the general features of the first layers,
which pretraining has found, change least (Clark et al. 2020, ELECTRA; Bao et al. 2022, BEiT; He et al. 2022, MAE, where
the last normalisation has the rate of the head instead).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import jax
import numpy as np

__all__ = ["by_name", "head_among", "head_of", "merged", "parted", "rate_factors", "steps_from_head", "with_values"]

_ORDER = ("embedding", "stem", "convolutions", "layers", "blocks", "hidden", "head")
_NUMBERED = ("convolutions", "layers", "blocks")
_WITH_BLOCKS = "norm"  # layer normalisation after the last block


def by_name(kind: str, tree: Any) -> dict[str, Any]:
    """The arrays of a tree by their names as in ``weights.npz``, ``KIND/place/in/the/tree``."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {f"{kind}/{jax.tree_util.keystr(place, simple=True, separator='/')}": leaf for place, leaf in leaves}


def with_values(kind: str, tree: Any, values: Mapping[str, Any]) -> Any:
    """A tree with some of its arrays exchanged, by their names."""
    leaves = [values.get(name, leaf) for name, leaf in by_name(kind, tree).items()]
    return jax.tree.unflatten(jax.tree.structure(tree), leaves)


def steps_from_head(names: Collection[str]) -> dict[str, int]:
    """How many steps there are from the head to the layer of each weight: 0 for the head itself.

    Args:
        names: of all weights, ``params/...``.

    Raises:
        ValueError: the network is none of those above; the message says which names are not known.
    """
    unknown = sorted({_part(name) for name in names} - {*_ORDER, _WITH_BLOCKS})
    if unknown:
        raise ValueError(
            f"layer_decay is for networks with layers of known order, made of {', '.join(_ORDER)}: this one has "
            f"{', '.join(unknown)}"
        )
    places = {name: _place(name) for name in names}
    last_block = max((place for place in places.values() if place[0] == _ORDER.index("blocks")), default=(0, 0))
    places |= {name: last_block for name in names if _part(name) == _WITH_BLOCKS}
    layers = sorted(set(places.values()))
    return {name: len(layers) - 1 - layers.index(place) for name, place in places.items()}


def head_of(names: Collection[str]) -> tuple[str, ...]:
    """Names of the weights of the head, the last layer.

    Raises:
        ValueError: the network has no part of this name, and is no MLP.
    """
    found = head_among(names)
    if not found:
        raise ValueError(
            f"layers = head needs a network with a part named head, this one has "
            f"{', '.join(sorted({_part(name) for name in names}))}"
        )
    return found


def head_among(names: Collection[str]) -> tuple[str, ...]:
    """Those of some names, of weights and of statistics, that are of a head; none where there is no head."""
    params = [name for name in names if name.startswith("params/")]
    head = tuple(name for name in params if _part(name) in ("head", "readout"))
    if head or {_part(name) for name in params} != {"layers"}:
        return head
    numbers = {name: name.split("/")[2] for name in params if name.count("/") > 1}
    last = max((int(number) for number in numbers.values() if number.isdigit()), default=None)
    return tuple(name for name, number in numbers.items() if number == str(last))


def rate_factors(params: Any, layer_decay: float) -> Any:
    """Factor on the learning rate of each weight, a tree as ``params`` of float32 numbers; None where all are 1."""
    if layer_decay == 1:
        return None
    steps = steps_from_head(by_name("params", params))
    factors = [np.float32(layer_decay ** steps[name]) for name in by_name("params", params)]
    return jax.tree.unflatten(jax.tree.structure(params), factors)


def parted(params: Mapping[Any, Any], chosen: Collection[str], place: str = "params") -> tuple[Any, Any]:
    """A tree of weights as two: those whose names are among ``chosen``, and the others."""
    inside: dict[Any, Any] = {}
    outside: dict[Any, Any] = {}
    for key, value in params.items():
        name = f"{place}/{key}"
        if isinstance(value, Mapping):
            parts = parted(value, chosen, name)
        else:
            parts = (value, None) if name in chosen else (None, value)
        for part, into in zip(parts, (inside, outside), strict=True):
            if part is not None and not (isinstance(part, Mapping) and not part):
                into[key] = part
    return inside, outside


def merged(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    """The tree of two parts that :func:`parted` made; a weight that both have is that of the second."""
    both = {**one, **other}
    for key in one.keys() & other.keys():
        if isinstance(one[key], Mapping):
            both[key] = merged(one[key], other[key])
    return both


def _part(name: str) -> str:
    """The part of the network that a weight belongs to."""
    return name.split("/")[1]


def _place(name: str) -> tuple[int, int]:
    part, *rest = name.split("/")[1:]
    number = int(rest[0]) if part in _NUMBERED else 0
    return (_ORDER.index(part) if part in _ORDER else 0), number
