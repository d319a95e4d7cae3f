"""The forms by name: ``form_named``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from scaling_laws.forms import joint, magnitude_pruning, one_scale
from scaling_laws.forms.form import Form
from scaling_laws.forms.magnitude_pruning import PRUNING_SCALES

__all__ = ["JOINT", "ONE_SCALE", "form_named"]

ONE_SCALE: dict[str, Callable[[str], Form]] = {
    "power": one_scale.power,
    "power+constant": one_scale.power_constant,
    "exponential": one_scale.exponential,
    "m3": one_scale.m3,
    "envelope": one_scale.envelope,
    "m4": one_scale.m4,
    "broken": one_scale.broken,
}
"""Laws in one scale, in the order of their numbers of parameters."""

JOINT: dict[str, Callable[..., Form]] = {
    "kaplan": joint.kaplan,
    "additive": joint.additive,
    "p-norm": joint.p_norm,
    "kaplan+constant": joint.kaplan_constant,
    "envelope": joint.envelope,
    "p-norm+constant": joint.p_norm_constant,
}
"""Laws in the number of examples and one or more scales of the model, in the order of their numbers of parameters."""


def form_named(name: str, scales: Sequence[str]) -> Form:
    """The form of a name for scales; equal arguments give the same object, so that JAX compiles once.

    Args:
        name: one of ``ONE_SCALE`` for one scale, of ``JOINT`` for several, or magnitude-pruning.
        scales: names of the scales; the number of examples first.  Those of magnitude-pruning are density,
            unpruned_error, depth and width.

    Raises:
        ValueError: there is no such form for so many scales, or the scales of magnitude-pruning are others.
    """
    return _form_named(name, tuple(scales))


@cache
def _form_named(name: str, scales: tuple[str, ...]) -> Form:
    if name == "magnitude-pruning":
        if scales != PRUNING_SCALES:
            raise ValueError(f"the scales of magnitude-pruning must be {', '.join(PRUNING_SCALES)}, got {scales}")
        return magnitude_pruning.magnitude_pruning()
    known = ONE_SCALE if len(scales) == 1 else JOINT
    if name not in known or not scales:
        raise ValueError(
            f"form must be one of {', '.join(known)} for the scales {', '.join(scales)}, or magnitude-pruning for "
            f"{', '.join(PRUNING_SCALES)}; got {name!r}"
        )
    form = known[name](*scales)
    if len(set(form.names)) < len(form.names) or len(set(scales)) < len(scales):
        raise ValueError(f"scales must have different names, other than data, got {', '.join(scales)}")
    return form
