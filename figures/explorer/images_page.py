"""The page of real data: scores of a data set, its images by rank, what a keep rule keeps, and duplicates."""

from __future__ import annotations

from typing import Any

__all__ = ["COLLECTION", "layout", "register"]

COLLECTION = "EXPLORER_COLLECTION"
"""Where ``app.server.config`` holds the :class:`figures.explorer.images.collection.Collection`, or None."""


def layout() -> Any:
    """The page, which fills itself from the link."""
    from dash import html

    return html.Div(id="images-page")


def register(app: Any) -> None:
    """Add what the page does to the application."""
