"""Methods of an experiment by name: keep rules, and baselines that choose anew while they train."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data_pruning import KeepRule
from data_pruning.keep_rules import nearest_whole
from data_pruning.rule_names import RULE_NAMES, keep_rule
from real_data.selection.pruning import select
from real_data.training.examples import Examples

__all__ = [
    "BY_ERROR",
    "METHOD_NAMES",
    "check_method",
    "chosen_examples",
    "looks_at_recalls",
    "looks_at_scores",
    "may_differ_from_all",
]

DYNAMIC = ("rs2", "infobatch")
SKIPPED = 0.5  # share of the learned examples that InfoBatch skips: its authors' default
BY_ERROR = "+by-error"  # at the end of a rule's name: classes that are often misjudged keep a larger share
METHOD_NAMES = f"{RULE_NAMES}; RULE{BY_ERROR}; or rs2 (random examples anew every epoch) or infobatch"


def check_method(name: str, f: float) -> KeepRule | None:
    """The keep rule of a name at the fraction f; None for a baseline that chooses while it trains.

    Raises:
        ValueError: there is no such method, or f is out of range.
    """
    return None if name in DYNAMIC else keep_rule(name.removesuffix(BY_ERROR), f)


def looks_at_scores(name: str) -> bool:
    """Whether a method, or ``all``, depends on scores."""
    return name.removesuffix(BY_ERROR) not in ("all", "random", *DYNAMIC)


def looks_at_recalls(name: str) -> bool:
    """Whether a method depends on how well each class is recognised."""
    return name.endswith(BY_ERROR)


def may_differ_from_all(name: str) -> bool:
    """Whether a method can differ from training on all examples where the fraction kept is 1."""
    return name == "infobatch" or name.startswith("policy")


def chosen_examples(
    name: str,
    f: float,
    scores: NDArray[np.float64] | None,
    labels: np.ndarray,
    *,
    min_class_share: float = 1.0,
    class_recalls: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> Examples:
    """What a network is trained on by a method.

    Args:
        name: a keep rule (:func:`data_pruning.keep_rule`); ``all``; ``rs2``, a random fraction f of all examples drawn
            anew for every epoch (Okanovic et al. 2024); or ``infobatch``, which takes all examples, and from the second
            epoch on skips half of those whose loss is below the mean, with as many steps as the others take for the
            fraction f (Qin et al. 2024).  A keep rule with +by-error divides the examples kept between the classes by
            their errors; random+by-error is DRoP (Vysogorets et al. 2025).
        f: fraction kept.
        scores: higher = harder, shape (num_examples,); None for methods that do not look at them.
        labels: classes, shape (num_examples,).
        min_class_share: as for :func:`real_data.prune`; not used by rules with +by-error.
        class_recalls: as for :func:`real_data.prune`; needed by rules with +by-error, not used by others.
        seed: as for :func:`real_data.prune`.

    Raises:
        ValueError: as :func:`real_data.prune`; no recalls where they are needed.
    """
    everything = np.arange(labels.size)
    if name == "all":
        return Examples(everything)
    rule = check_method(name, f)
    if rule is None:
        number = nearest_whole(f, labels.size)
        if number == 0:
            raise ValueError(f"{name} at f = {f:g} takes none of {labels.size} examples: keep a larger fraction")
        return Examples(everything, per_epoch=number, skip_learned=SKIPPED if name == "infobatch" else None)
    values = np.zeros(labels.size) if scores is None else scores
    if not looks_at_recalls(name):
        chosen = select(values, rule, labels, min_class_share=min_class_share, seed=seed)
    elif class_recalls is None:
        raise ValueError(f"{name} needs class_recalls, how well each class is recognised")
    else:
        chosen = select(values, rule, labels, class_recalls=class_recalls, seed=seed)
    return Examples(chosen.indices, None if chosen.weights is None else chosen.weights.astype(np.float32))
