"""Families of scores: what must be trained or computed to have them."""

from __future__ import annotations

__all__ = ["DEFAULT_NETWORKS", "FAMILIES", "METRICS", "OF_WHOLE_POOL", "family_of"]

FAMILIES: dict[str, tuple[str, ...]] = {
    "logits": ("el2n", "margin", "confidence"),
    "gradient": ("grand",),
    "features": ("prototypes", "moderate"),
    "course": ("forgetting", "aum", "dyn-unc", "tdds", "dual"),
    "subsets": (
        "memorization",
        "influence-max",
        "influence-sum",
        "ddd",
        "entropy",
        "mutual-information",
        "variation-ratio",
        "consistency",
        "el2n-held-out",
        "margin-held-out",
    ),
    "embeddings": ("ssl-prototypes",),
    "random": ("random",),
}
"""Metrics by family: those of networks trained on the whole pool, of which ``logits``, ``gradient`` or ``features`` are
asked for when they are trained, or the ``course`` of their training is; those of networks that are each trained on a
random share of it (``subsets``); those of ``embeddings`` that somebody has; and ``random``."""

METRICS = tuple(metric for family in FAMILIES.values() for metric in family)
"""Scores of difficulty; see :mod:`real_data.scores`."""

OF_WHOLE_POOL = ("logits", "gradient", "features", "course")
"""Families of networks that are trained on the whole pool; they share the networks."""

DEFAULT_NETWORKS = {"subsets": 100}
"""Networks of a score where none are given, by family; all other families have 10."""


def family_of(metric: str) -> str:
    """The family of a metric.

    Raises:
        ValueError: there is no such metric.
    """
    for family, metrics in FAMILIES.items():
        if metric in metrics:
            return family
    raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
