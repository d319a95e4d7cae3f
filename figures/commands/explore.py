"""The command that opens the explorer."""

from __future__ import annotations

from pathlib import Path

from figures.commands.command_line import cli
from real_data.commands.options import ImageFileOptions, ImageFiles

__all__ = ["explore"]


@cli.command
def explore(
    scores: tuple[Path, ...] = (),
    duplicates: Path | None = None,
    images: ImageFileOptions = ImageFiles(),  # noqa: B008  (frozen)
    port: int = 0,
    browser: bool = True,
) -> None:
    """Open the explorer in the browser: the theory with sliders, and real images by their scores.

    It is served on this machine only, until Ctrl-C.

    Args:
        scores: score files of ``python -m real_data score``, for the page of real data.
        duplicates: folder of ``python -m real_data duplicates``, for the same page.
        images: the images that were scored.
        port: where the explorer listens; 0 is a free port.
        browser: open it in the browser too; --no-browser prints the address alone.
    """
    from figures.explorer import images_page, theory_page
    from figures.explorer.images.collection import CollectionOptions, load_collection
    from figures.explorer.server import check_port, serve

    check_port(port)  # before files are read
    collection = load_collection(CollectionOptions(scores, images, duplicates))
    serve([theory_page.page(), images_page.page(collection)], port=port, browser=browser)
