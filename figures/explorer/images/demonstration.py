"""scikit-learn's digits, scored and searched for duplicates in the background: something to look at within seconds."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures.explorer.images.collection import Collection, CollectionOptions

__all__ = ["COMMANDS", "DEMONSTRATION", "Demonstration", "Progress"]

METRICS = ("el2n", "aum", "prototypes")
NUM_NETWORKS = 4
NUM_FLAGGED = 20  # test images
FOLDER, DUPLICATES = Path("results/scores"), Path("results/duplicates")
COMMANDS = (
    f"python -m real_data score --metrics {' '.join(METRICS)} --num-networks {NUM_NETWORKS} --out {FOLDER}",
    f"python -m real_data duplicates --flag {NUM_FLAGGED} --out {DUPLICATES}",
)
"""The commands that write the files of the demonstration."""


@dataclass(frozen=True)
class Progress:
    """How far it is.

    Attributes:
        done: parts that are done.
        total: parts there are.
        message: what is being done, or why it cannot be.
        running: whether it goes on.
        collection: what came out; None before that.
    """

    done: int
    total: int
    message: str
    running: bool = False
    collection: Collection | None = None


class Demonstration:
    """Computes once, in the background, and keeps what came out in memory; all tabs share it, nothing of it changes."""

    total = len(METRICS) + 2

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress = Progress(0, self.total, "")

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._progress

    def start(self) -> None:
        """Begin, unless it runs or is done."""
        with self._lock:
            if self._progress.running or self._progress.collection is not None:
                return
            self._progress = Progress(0, self.total, "reading the images", running=True)
        threading.Thread(target=self._work, name="demonstration", daemon=True).start()

    def _work(self) -> None:
        try:
            collection = self._computed()
        except Exception as error:  # whatever it is, the page says it
            self._progress = Progress(self._progress.done, self.total, f"{type(error).__name__}: {error}")
        else:
            self._progress = Progress(self.total, self.total, "done", collection=collection)

    def _computed(self) -> Collection:
        import numpy as np

        from real_data import DuplicateConfig, ScoreConfig, find_duplicates, load, score
        from real_data.recipes import default_recipe

        data, recipe = load("digits"), default_recipe("digits")
        found: dict[str, Any] = {}
        for done, metric in enumerate(METRICS, 1):
            message = f"training {NUM_NETWORKS} networks and scoring the images by {metric}"
            self._progress = Progress(done, self.total, message, running=True)
            config = ScoreConfig(metric, num_networks=NUM_NETWORKS, training=recipe.scoring)  # type: ignore[arg-type]
            found[metric] = score(data, config, model=recipe.model)
        self._progress = Progress(self.total - 1, self.total, "comparing all pairs of images", running=True)
        duplicates = find_duplicates(data, DuplicateConfig(flag=NUM_FLAGGED))
        files = tuple(FOLDER / f"digits-{metric}.nc" for metric in METRICS)
        options = CollectionOptions(files, duplicates=DUPLICATES)
        return Collection(options, data, found, duplicates, np.flatnonzero(duplicates.kept), prepared=COMMANDS)


DEMONSTRATION = Demonstration()
"""That of this process."""
